from pathlib import Path

import pytest

from node.errors import ConfigError
from node.store.journal import FileJournal
from tests.store import disks

SIGNED = [(bytes([i]) * (100 + i), bytes([i]) * 64) for i in range(1, 6)]


def test_what_was_appended_is_there_after_opening_again(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.append(SIGNED[:2])
    journal.append(SIGNED[2:])
    journal.close()
    again = FileJournal(tmp_path / "journal")
    assert again.lines() == SIGNED
    again.close()
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_a_line_torn_at_any_byte_is_cut_off_and_the_next_one_reads(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(path)
    journal.append(SIGNED[:2])
    journal.close()
    whole = path.read_bytes()
    first = len(whole) - (4 + len(SIGNED[1][0]) + 64 + 8)
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        torn = FileJournal(path)
        assert torn.lines() == SIGNED[:1]
        torn.append(SIGNED[2:3])
        torn.close()
        after = FileJournal(path)
        assert after.lines() == [SIGNED[0], SIGNED[2]]
        after.close()


def test_a_changed_line_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(path)
    journal.append(SIGNED)
    journal.close()
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="byte 0 is not the beginning"):
        FileJournal(path)


def test_a_signature_that_the_disk_did_not_keep_stands_nowhere_and_another_takes_its_place(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.append(SIGNED[:1])
    with disks.failing("fsync"), pytest.raises(OSError, match="Input/output"):
        journal.append(SIGNED[1:2])
    journal.append(SIGNED[2:3])
    assert journal.lines() == [SIGNED[0], SIGNED[2]]
    journal.close()
    again = FileJournal(tmp_path / "journal")
    assert again.lines() == [SIGNED[0], SIGNED[2]]
    again.close()
