"""Files that only grow: what a disk did not take whole is not there, and nothing follows it."""

from pathlib import Path

import pytest

from node.store.appending import Appending
from tests.store import disks


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "lines"


@pytest.fixture(name="file")
def _file(path: Path) -> Appending:
    made = Appending(path)
    made.append(b"one\n")
    return made


@pytest.mark.parametrize("room_bytes", [0, 6])
def test_of_what_a_full_disk_does_not_take_whole_nothing_is_there(file: Appending, path: Path, room_bytes: int) -> None:
    with disks.full(room_bytes), pytest.raises(OSError, match=r"File too large|only 2 of 4 bytes"):
        file.append(b"two\n")
    assert path.read_bytes() == b"one\n"


def test_what_was_written_and_may_not_be_durable_is_taken_back(file: Appending, path: Path) -> None:
    with disks.failing("fsync"), pytest.raises(OSError, match="Input/output"):
        file.append(b"two\n")
    assert path.read_bytes() == b"one\n"
    file.append(b"too\n")
    assert path.read_bytes() == b"one\ntoo\n"


def test_nothing_follows_what_could_not_be_taken_back(file: Appending, path: Path) -> None:
    with disks.failing("fsync", "ftruncate"):
        for _ in range(2):
            with pytest.raises(OSError, match="Input/output"):
                file.append(b"two\n")
        assert path.read_bytes() == b"one\ntwo\n"
    file.append(b"too\n")
    assert path.read_bytes() == b"one\ntoo\n"
