"""Keys under a passphrase."""

import re
from pathlib import Path

import nacl.exceptions
import nacl.pwhash.argon2id
import pytest

from node.custody import passphrase
from node.custody.passphrase import MINIMAL, MODERATE, Cost, Holds
from node.errors import ConfigError, Refused, Unavailable

SECRET = bytes(range(32))
WORDS = "correct horse battery staple"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "root.key"
    passphrase.seal_file(file, "root", SECRET, WORDS, MINIMAL)
    return file


def change(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


def test_a_key_comes_back_with_its_passphrase(path: Path) -> None:
    assert passphrase.open_file(path, "root", WORDS) == SECRET
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_does_not_show_the_key_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert SECRET.hex() not in text
    assert text.startswith("# The root key of a member")
    assert "version = 1" in text


def test_a_wrong_passphrase_is_refused_with_the_next_step(path: Path) -> None:
    with pytest.raises(Refused, match="does not open") as caught:
        passphrase.open_file(path, "root", WORDS + "s")
    assert caught.value.next_step
    assert caught.value.field == "passphrase"
    assert str(path) in caught.value.reason


def test_an_accent_typed_in_two_ways_is_one_passphrase(tmp_path: Path) -> None:
    composed, in_two = "un \u00e9t\u00e9 de passe", "un e\u0301te\u0301 de passe"
    passphrase.seal_file(tmp_path / "key", "spare", SECRET, composed, MINIMAL)
    assert passphrase.open_file(tmp_path / "key", "spare", in_two) == SECRET


@pytest.mark.parametrize("short", ["", "eleven char"])
def test_a_passphrase_that_can_be_guessed_seals_nothing(tmp_path: Path, short: str) -> None:
    with pytest.raises(Refused, match="can be guessed"):
        passphrase.seal_file(tmp_path / "key", "root", SECRET, short, MINIMAL)
    assert not (tmp_path / "key").exists()


def test_a_key_file_that_is_there_is_not_sealed_over(path: Path) -> None:
    with pytest.raises(ConfigError, match="not overwritten"):
        passphrase.seal_file(path, "root", bytes(32), WORDS, MINIMAL)
    assert passphrase.open_file(path, "root", WORDS) == SECRET


@pytest.mark.parametrize("relabel", [False, True], ids=["as it is", "with its label changed"])
def test_a_root_key_does_not_open_as_a_spare(path: Path, *, relabel: bool) -> None:
    if relabel:
        change(path, 'holds = "root"', 'holds = "spare"')
    with pytest.raises(ConfigError, match="not a spare key"):
        passphrase.open_file(path, "spare", WORDS)


@pytest.mark.parametrize("line", ["box", "salt"])
def test_a_changed_bit_is_refused(path: Path, line: str) -> None:
    found = re.search(rf'^{line} = "(.)', path.read_text(), flags=re.MULTILINE)
    assert found
    change(path, rf'^{line} = "(.)', f'{line} = "{int(found[1], 16) ^ 1:x}')
    with pytest.raises(Refused, match="or the file was changed"):
        passphrase.open_file(path, "root", WORDS)


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (r"^version = 1", "version = 2", "has version 2"),
        (r"^memory_bytes = \d+", "memory_bytes = 107374182400", "asks for 102400 MiB"),
        (r"^memory_bytes = \d+", "memory_bytes = -1", "at most 1024 MiB"),
        (r"^operations = \d+", "operations = 4000000000", "4000000000 passes"),
        (r"^operations = \d+", "operations = 0", "and 0 passes"),
        (r"^operations = \d+", 'operations = "1"', "Expected `int`"),
        (r"^memory_bytes = \d+", "memory_bytes = 1", "damaged"),
        (r'^salt = ".*"', 'salt = "00"', "damaged"),
        (r'^salt = ".*"', 'salt = "zz"', "damaged"),
        (r'^box = ".*"', 'box = "00"', "damaged"),
        (r'^holds = ".*"', 'holds = "feed"', "Invalid enum value"),
        (r"^version = 1", "version = 1\nextra = 1", "unknown field"),
        (r"^version = 1\n", "", "missing required field"),
        (r"^version = 1", "version =", "damaged"),
    ],
)
def test_a_file_that_this_program_did_not_write_is_named_and_not_obeyed(
    path: Path, pattern: str, replacement: str, reason: str
) -> None:
    change(path, pattern, replacement)
    with pytest.raises(ConfigError, match=reason) as caught:
        passphrase.open_file(path, "root", WORDS)
    assert str(path) in caught.value.reason
    assert caught.value.next_step


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", bytes(100)])
def test_what_is_no_text_is_no_passphrase_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged"):
        passphrase.open_file(path, "root", WORDS)


def test_a_machine_without_the_memory_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*arguments: object) -> bytes:
        raise nacl.exceptions.RuntimeError("Unexpected failure in key derivation")

    monkeypatch.setattr(nacl.pwhash.argon2id, "kdf", out_of_memory)
    with pytest.raises(Unavailable, match="which this machine does not have free"):
        passphrase.open_file(path, "root", WORDS)


def test_the_default_cost_is_moderate_and_within_what_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Cost] = []

    def derive(size: int, password: bytes, salt: bytes, operations: int, memory: int) -> bytes:
        asked.append(Cost(operations, memory))
        return bytes(size)

    monkeypatch.setattr(nacl.pwhash.argon2id, "kdf", derive)
    holds: Holds = "spare"
    passphrase.seal_file(tmp_path / "key", holds, SECRET, WORDS)
    assert passphrase.open_file(tmp_path / "key", holds, WORDS) == SECRET
    assert asked == [MODERATE, MODERATE]
    assert Cost(3, 256 << 20) == MODERATE
