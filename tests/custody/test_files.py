"""Files that hold keys: modes, wholeness, and one process at a time."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from node.custody import files
from node.errors import ConfigError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refuse_links(draft: Path, path: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=[0o000, 0o077, 0o027], ids=["umask 000", "umask 077", "umask 027"])
def _any_umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_any_umask")
def test_a_secret_is_the_owners_alone_and_a_public_file_everyones(tmp_path: Path) -> None:
    files.create_secret(tmp_path / "new", b"1")
    files.replace_secret(tmp_path / "key", b"1")
    files.replace_public(tmp_path / "certificate", b"1")
    assert mode(tmp_path / "new") == mode(tmp_path / "key") == 0o600
    files.create_public(tmp_path / "charter", b"1")
    assert mode(tmp_path / "certificate") == mode(tmp_path / "charter") == 0o644


def test_replacing_narrows_the_mode_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o666)
    files.replace_secret(path, b"new")
    assert (files.read_secret(path), mode(path)) == (b"new", 0o600)


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_a_key_that_is_there_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    path = tmp_path / "root.key"
    files.create_secret(path, b"the first")
    with pytest.raises(ConfigError, match="not overwritten"):
        files.create_secret(path, b"the second")
    assert path.read_bytes() == b"the first"
    assert [each.name for each in tmp_path.iterdir()] == ["root.key"], "no draft is left"


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    files.replace_secret(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left") as caught:
        files.replace_secret(path, b"new")
    assert str(tmp_path) in caught.value.next_step
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_a_draft_left_by_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    draft = tmp_path / f".key.{os.getpid()}.new"
    target = tmp_path / "elsewhere"
    draft.symlink_to(target)
    files.replace_secret(tmp_path / "key", b"new")
    assert not target.exists(), "nothing is written through a link"
    assert (tmp_path / "key").read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        files.create_secret(tmp_path / "absent" / "key", b"1")
    assert str(tmp_path / "absent") in str(caught.value)


@pytest.mark.parametrize("others", [0o640, 0o604, 0o620, 0o602, 0o660, 0o644])
def test_a_secret_that_others_may_touch_is_refused_with_the_command_to_run(tmp_path: Path, others: int) -> None:
    path = tmp_path / "key"
    files.create_secret(path, b"1")
    path.chmod(others)
    with pytest.raises(ConfigError, match=f"{others:04o}") as caught:
        files.read_secret(path)
    assert f"chmod 600 {path}" in caught.value.next_step
    assert files.read_sealed(path) == b"1", "what its own encryption protects may have any mode"


@pytest.mark.parametrize("owners", [0o600, 0o400])
def test_a_secret_of_the_owner_alone_is_read(tmp_path: Path, owners: int) -> None:
    path = tmp_path / "key"
    files.create_secret(path, b"1")
    path.chmod(owners)
    assert files.read_secret(path) == b"1"


def test_a_public_file_is_not_written_over_and_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "charter"
    files.create_public(path, b"first")
    with pytest.raises(ConfigError, match="not overwritten"):
        files.create_public(path, b"second")
    assert files.read_public(path, 5) == b"first"
    with pytest.raises(ConfigError, match="too large"):
        files.read_public(path, 4)


def test_what_is_no_key_file_is_said_to_be_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    files.create_secret(tmp_path / "large", bytes(files.SECRET_BYTES_MAX + 1))
    for name, reason in (("pipe", "not a file"), ("large", "too large"), ("absent", "No such file")):
        with pytest.raises(ConfigError, match=reason):
            files.read_secret(tmp_path / name)
    with pytest.raises(ConfigError, match=r"not a file|Is a directory"):
        files.read_secret(tmp_path)


def test_a_data_folder_is_held_by_one_and_the_other_is_told_by_whom(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from node.custody import files\n"
        "with files.locked(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holding = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    with holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=rf"in use by process {holding.pid}\n") as caught, files.locked(tmp_path):
            pytest.fail("two hold one folder")
        assert str(tmp_path) in caught.value.reason
        holding.kill()
    with files.locked(tmp_path):
        assert (tmp_path / files.LOCK_NAME).read_text() == f"{os.getpid()}\n", "a crash leaves no lock behind"


def test_a_lock_is_let_go_of_and_taken_again_in_one_process(tmp_path: Path) -> None:
    for _ in range(2):
        with files.locked(tmp_path), pytest.raises(ConfigError, match=str(os.getpid())), files.locked(tmp_path):
            pytest.fail("two hold one folder")
    assert mode(tmp_path / files.LOCK_NAME) == 0o600


def test_a_folder_that_was_never_made_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"), files.locked(tmp_path / "absent"):
        pytest.fail("nothing to hold")
