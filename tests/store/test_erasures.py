"""The erasure journal: what it says after a stop, and what a changed one is called."""

from functools import partial
from pathlib import Path

import pytest

from node.errors import ConfigError
from node.feed.keys import HeaderHash
from node.feed.pae import FederationId
from node.store import erasures
from node.store.erasures import Erasure, FileErasures, Reason, RolledBack
from tests.store import disks

FEDERATION = FederationId(bytes(range(32)))
ROWS = [
    Erasure(HeaderHash(b"a" * 32), 1_800_000_000_000, Reason.EXPIRY),
    Erasure(HeaderHash(b"b" * 32), 1_800_000_000_001, Reason.WITHDRAWAL, b"\x05"),
    Erasure(HeaderHash(b"b" * 32), 1_800_000_000_002, Reason.REQUEST, b"\x00\x01"),
    Erasure(HeaderHash(b"c" * 32), 1_800_000_000_003, Reason.PURGE, b"\x01"),
    Erasure(HeaderHash(b"c" * 32), 1_800_000_000_004, Reason.PURGE),
]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    made = FileErasures(tmp_path / "erasures", FEDERATION)
    for one in ROWS:
        made.append([one])
    made.close()
    return tmp_path / "erasures"


def test_what_was_appended_is_there_again_with_parts_joined(path: Path) -> None:
    found = FileErasures(path, FEDERATION)
    assert (found.size, len(found.head)) == (5, 32)
    assert found.whole == {ROWS[0].entry: Reason.EXPIRY, ROWS[4].entry: Reason.PURGE}
    assert found.parts == {ROWS[1].entry: 0b1_0000_0101}
    assert erasures.read(path, FEDERATION)[0] == ROWS
    found.close()


def test_an_erasure_by_policy_says_by_which_one_and_a_line_without_that_is_none(path: Path) -> None:
    found = FileErasures(path, FEDERATION)
    said = Erasure(HeaderHash(b"d" * 32), 1_800_000_000_005, Reason.POLICY, cause=b"policyid\0\4\3")
    found.append([said])
    assert found.whole[said.entry] is Reason.POLICY
    assert erasures.read(path, FEDERATION)[0][-1] == said
    assert erasures.covers(said, said.entry, 7)
    assert not erasures.covers(said, HeaderHash(b"e" * 32), None)
    found.append([Erasure(said.entry, said.erased_ms, Reason.POLICY)])
    found.append([said])
    found.close()
    with pytest.raises(ConfigError, match="line 7 does not follow"):
        erasures.read(path, FEDERATION)


@pytest.mark.parametrize("cut", range(1, 77))
def test_a_torn_last_line_is_cut_off_and_the_next_follows(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    again = FileErasures(path, FEDERATION)
    assert again.size == 4
    again.append([ROWS[4]])
    again.close()
    assert erasures.read(path, FEDERATION)[0] == ROWS


def test_what_the_disk_did_not_keep_is_not_erased_and_the_next_line_follows_the_one_before(path: Path) -> None:
    held = FileErasures(path, FEDERATION)
    other = Erasure(HeaderHash(b"d" * 32), 1_800_000_000_005, Reason.EXPIRY)
    with disks.failing("fsync"), pytest.raises(OSError, match="Input/output"):
        held.append([other])
    assert other.entry not in held.whole
    held.append(ROWS[:1])
    held.close()
    assert erasures.read(path, FEDERATION)[0] == [*ROWS, ROWS[0]]


def lines(path: Path) -> list[bytes]:
    data, found = path.read_bytes(), []
    while data:
        size = 4 + int.from_bytes(data[:4]) + 32
        found.append(data[:size])
        data = data[size:]
    return found


@pytest.mark.parametrize("change", ["changed", "removed", "moved"])
def test_a_line_that_is_changed_removed_or_moved_is_named(path: Path, change: str) -> None:
    first, second, third, *rest = lines(path)
    made = {
        "changed": [first, second[:-33] + bytes([second[-33] ^ 1]) + second[-32:], third, *rest],
        "removed": [first, third, *rest],
        "moved": [first, third, second, *rest],
    }[change]
    path.write_bytes(b"".join(made))
    with pytest.raises(ConfigError, match="line 2 does not follow from the one before"):
        FileErasures(path, FEDERATION)


def test_a_journal_of_another_federation_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1 does not follow"):
        FileErasures(path, FederationId(bytes(32)))


def test_the_copy_has_what_the_journal_has_and_goes_on_where_it_ended(path: Path, tmp_path: Path) -> None:
    whole, copy = path.read_bytes(), tmp_path / "copy"
    end = len(b"".join(lines(path)[:2]))
    assert erasures.mirror(path, copy, end, FEDERATION) == end
    copy.write_bytes(whole[: end - 5])  # torn where the other machine stopped
    assert erasures.mirror(path, copy, len(whole), FEDERATION) == len(whole) - end + 5
    assert erasures.mirror(path, copy, len(whole), FEDERATION) == 0
    assert copy.read_bytes() == whole
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_copy_of_another_journal_or_a_newer_one_is_not_written_over(path: Path, tmp_path: Path) -> None:
    whole, copy = path.read_bytes(), tmp_path / "copy"
    for other in (b"another node's " * 9, whole + whole):
        copy.write_bytes(other)
        with pytest.raises(ConfigError, match="no beginning of this node's erasure journal"):
            erasures.mirror(path, copy, len(whole), FEDERATION)
        assert copy.read_bytes() == other


@pytest.mark.parametrize("left", range(5))
def test_a_copy_that_goes_on_where_the_journal_ends_shows_that_it_is_an_older_one(
    path: Path, tmp_path: Path, left: int
) -> None:
    whole, copy = path.read_bytes(), tmp_path / "copy"
    copy.write_bytes(whole)
    path.write_bytes(b"".join(lines(path)[:left]))
    held = FileErasures(path, FEDERATION)
    assert held.size == left, "it opens: by itself it is whole"
    for compare in (partial(erasures.mirror, end=held.end), erasures.require_whole):
        with pytest.raises(RolledBack, match=f"lacks {5 - left} lines that its copy .* has"):
            compare(path, copy, federation_id=FEDERATION)
    held.close()
    assert copy.read_bytes() == whole


def test_a_last_line_that_was_altered_to_be_taken_for_torn_shows_by_the_copy(path: Path, tmp_path: Path) -> None:
    whole, copy = path.read_bytes(), tmp_path / "copy"
    copy.write_bytes(whole)
    path.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    held = FileErasures(path, FEDERATION)
    assert held.size == 4
    with pytest.raises(RolledBack, match="lacks 1 lines"):
        erasures.mirror(path, copy, held.end, FEDERATION)
    held.close()


def test_a_copy_that_was_written_on_by_hand_takes_back_nothing_of_the_journal(path: Path, tmp_path: Path) -> None:
    whole, copy = path.read_bytes(), tmp_path / "copy"
    copy.write_bytes(whole + b"\0\0\0\x29" + bytes(73))
    with pytest.raises(ConfigError, match="no beginning") as found:
        erasures.require_whole(path, copy, FEDERATION)
    assert not isinstance(found.value, RolledBack)
    copy.write_bytes(whole[:-9])
    assert erasures.require_whole(path, copy, FEDERATION) == 9
