"""The audit log: whatever is done to it shows, where it was done, and a copy of before is told from a forgery."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from node import limits
from node.errors import ConfigError
from node.exchange import audit
from node.exchange.audit import Act, Fault, Found, Operation, Why, Witness
from node.exchange.recording import AuditLog
from node.exchange.tallies import Key, Tallies
from node.feed import merkle
from node.feed.pae import FederationId
from node.store import segments
from node.store.segments import FileSegments
from tests.store import disks

FEDERATION = FederationId(bytes(31) + b"\1")
DAY_MS = limits.AUDIT_SEGMENT_MS_MAX
LINES = 12


def salt(size: int) -> bytes:
    return bytes(range(size))


def act(number: int, at_ms: int = 1000, what: str = "c-4k7q") -> Act:
    return Act(at_ms + number, Operation.CONSULTATION, "list export", "person/anna", (what,), {"items": number})


class Kept:
    """Segments in memory, as bytes."""

    def __init__(self) -> None:
        self.files: dict[int, bytearray] = {}
        self._at = 0

    def names(self) -> list[int]:
        return sorted(self.files)

    def read(self, first: int) -> bytes:
        return bytes(self.files[first])

    def go_on(self, first: int, size: int) -> None:
        self._at = first
        del self.files[first][size:]

    def begin(self, first: int, preface: bytes) -> None:
        self._at, self.files[first] = first, bytearray(preface)

    def append(self, data: bytes) -> None:
        self.files[self._at] += data

    def drop(self, first: int) -> None:
        del self.files[first]

    def close(self) -> None:
        self._at = 0

    def all(self) -> list[bytes]:
        return [self.read(first) for first in self.names()]


def written(count: int = LINES, per_day: int = 5, what: str = "c-4k7q") -> tuple[Kept, list[Witness]]:
    """A log over several days, and a witness of every line."""
    kept = Kept()
    log = AuditLog(kept, FEDERATION, salt)
    seen = []
    for number in range(1, count + 1):
        now_ms = (number - 1) // per_day * DAY_MS + number
        log.append([act(number, now_ms, what)], now_ms)
        seen.append(Witness(number, log.place.root, now_ms))
    return kept, seen


def rows(kept: Kept) -> list[tuple[int, bytes]]:
    """Each line with the segment it lies in."""
    return [(first, row) for first in kept.names() for row in kept.read(first).split(b"\n")[1:-1]]


def again(kept: Kept, lines: list[tuple[int, bytes]]) -> list[bytes]:
    """The segments with these lines in the place of theirs."""
    prefaces = {first: kept.read(first).partition(b"\n")[0] + b"\n" for first in kept.names()}
    return [
        b"".join((preface, *(row + b"\n" for at, row in lines if at == first))) for first, preface in prefaces.items()
    ]


def found(
    files: list[bytes], witnesses: list[Witness] | tuple[()] = (), kept_from_ms: int | None = None
) -> Found | None:
    return audit.verify(files, witnesses, FEDERATION, kept_from_ms).found


def test_a_log_is_whole_and_every_witness_saw_it() -> None:
    kept, seen = written()
    report = audit.verify(kept.all(), seen, FEDERATION)
    assert report.found is None
    assert (report.first, report.size, report.matching, report.root) == (1, LINES, LINES, seen[-1].root)
    assert len(kept.files) == 3


def test_the_root_is_the_rfc_6962_root_over_the_hashes_of_all_lines() -> None:
    kept, seen = written()
    lines = [audit.read_line(row, FEDERATION) for _, row in rows(kept)]
    assert merkle.root([merkle.leaf(one.hash) for one in lines if one]) == seen[-1].root


@given(number=some.integers(1, LINES), byte=some.integers(0), bit=some.integers(0, 7))
def test_any_bit_that_is_changed_is_found_in_its_line(number: int, byte: int, bit: int) -> None:
    kept, _ = written()
    lines = rows(kept)
    first, row = lines[number - 1]
    changed = bytearray(row)
    changed[byte % len(row)] ^= 1 << bit
    if b"\n" in changed:
        return  # it is two lines by then
    lines[number - 1] = first, bytes(changed)
    assert found(again(kept, lines)) == Found(Fault.CHANGED, number, number)


@given(first=some.integers(1, LINES - 1), count=some.integers(1, LINES))
def test_lines_that_are_removed_are_named(first: int, count: int) -> None:
    kept, _ = written()
    last = min(first + count - 1, LINES - 1)
    lines = [one for number, one in enumerate(rows(kept), 1) if not first <= number <= last]
    assert found(again(kept, lines)) == Found(Fault.REMOVED, first, last)


@given(one=some.integers(1, LINES), other=some.integers(1, LINES))
def test_lines_that_changed_places_are_found_at_the_first_of_them(one: int, other: int) -> None:
    if one == other:
        return
    kept, _ = written()
    lines = rows(kept)
    (at_one, row_one), (at_other, row_other) = lines[one - 1], lines[other - 1]
    lines[one - 1], lines[other - 1] = (at_one, row_other), (at_other, row_one)
    assert found(again(kept, lines)) == Found(Fault.REORDERED, min(one, other), min(one, other))


@given(cut=some.integers(1))
def test_a_line_without_an_end_is_found(cut: int) -> None:
    kept, _ = written()
    last = rows(kept)[-1][1]
    files = kept.all()
    files[-1] = files[-1][: -1 - cut % len(last)]
    assert found(files) == Found(Fault.CUT, LINES, LINES)


@given(number=some.integers(1, LINES))
def test_a_line_that_was_written_anew_with_its_hash_is_found_by_the_next_one(number: int) -> None:
    kept, seen = written()
    lines = rows(kept)
    first, row = lines[number - 1]
    line = audit.read_line(row, FEDERATION)
    assert line
    other = replace(line.act, who="person/nobody")
    lines[number - 1] = first, audit.line(other, number, line.previous, salt(16), FEDERATION).row[:-1]
    assert found(again(kept, lines)) == (Found(Fault.CHANGED, number, number) if number < LINES else None)
    assert found(again(kept, lines), seen) == Found(Fault.CHANGED, number, number)


def test_a_log_written_anew_as_a_whole_shows_only_beside_a_witness() -> None:
    _, seen = written()
    forged, _ = written(what="c-aaaa")
    assert found(forged.all()) is None
    assert found(forged.all(), [seen[6], seen[9]]) == Found(Fault.CHANGED, 1, 7)


def test_from_a_line_on_the_last_witness_before_it_still_matches() -> None:
    kept, seen = written()
    forged = Kept()
    log = AuditLog(forged, FEDERATION, salt)
    for number in range(1, LINES + 1):
        now_ms = (number - 1) // 5 * DAY_MS + number
        log.append([act(number, now_ms, "c-4k7q" if number < 9 else "c-aaaa")], now_ms)
    assert found(forged.all(), [seen[5], seen[7], seen[10]]) == Found(Fault.CHANGED, 9, 11)
    assert len(kept.files) == len(forged.files)


def test_a_log_that_ends_before_its_witness_is_lost_and_not_changed() -> None:
    kept, seen = written(7)
    _, more = written(11)
    assert more[:7] == seen
    assert found(kept.all(), more) == Found(Fault.LOST, 8, 11)


def test_a_log_that_goes_on_from_a_copy_has_lost_what_was_behind_it_and_nothing_else() -> None:
    kept, seen = written(7)
    _, more = written(11)
    log = AuditLog(kept, FEDERATION, salt)
    now_ms = 9 * DAY_MS
    log.append([Act(now_ms, Operation.ADMINISTRATION, audit.RESUMED)], now_ms)
    for number in range(9, 20):
        log.append([act(number, now_ms)], now_ms)
    later = Witness(log.place.size, log.place.root, now_ms + 1)
    assert found(kept.all(), [*more, later]) == Found(Fault.LOST, 8, 11)
    assert found(kept.all(), [*seen, later]) is None
    forged = replace(later, root=bytes(32))
    assert found(kept.all(), [*seen, forged]) == Found(Fault.CHANGED, 8, later.size)


@pytest.mark.parametrize("first", [1, 4])
def test_a_log_that_was_written_anew_is_changed_and_not_lost_whatever_it_says_of_a_copy(first: int) -> None:
    _, seen = written()
    forged, _ = written(what="c-aaaa")
    log = AuditLog(forged, FEDERATION, salt)
    log.append([audit.resumed(9 * DAY_MS, "restored", {audit.FROM: first})], 9 * DAY_MS)
    assert found(forged.all(), [seen[6], seen[9]]) == Found(Fault.CHANGED, 1, 7)


def test_a_log_that_calls_itself_a_copy_at_its_beginning_is_changed_by_the_first_line_of_before() -> None:
    _, seen = written()
    forged = Kept()
    log = AuditLog(forged, FEDERATION, salt)
    now_ms = 9 * DAY_MS
    log.append([audit.resumed(now_ms, "restored"), act(2, now_ms), act(3, now_ms)], now_ms)
    assert found(forged.all(), seen[:3]) == Found(Fault.LOST, 1, 3), "none says that it is of before"
    log.append([act(4, seen[3].made_ms - 4)], now_ms)
    assert found(forged.all(), seen[:4]) == Found(Fault.CHANGED, 1, 4)


def test_what_stands_before_lost_lines_and_nobody_witnessed_is_told_apart() -> None:
    kept, seen = written(7)
    _, more = written(11)
    log = AuditLog(kept, FEDERATION, salt)
    log.append([audit.resumed(9 * DAY_MS, "restored")], 9 * DAY_MS)
    later = Witness(log.place.size, log.place.root, 9 * DAY_MS + 1)
    reports = [audit.verify(kept.all(), [*some_of, later], FEDERATION) for some_of in (more, [seen[4], more[10]])]
    assert [one.found for one in reports] == [Found(Fault.LOST, 8, 11)] * 2
    assert [one.confirmed for one in reports] == [7, 5]
    assert audit.verify(written(7)[0].all(), seen[:5], FEDERATION).confirmed == 5


def test_what_went_by_its_own_time_is_not_lost_and_the_rest_is_still_witnessed() -> None:
    kept, seen = written()
    log = AuditLog(kept, FEDERATION, salt)
    assert log.erase(before_ms=DAY_MS - 1) is None, "the first segment ended a day later"
    assert log.erase(before_ms=DAY_MS + 6) == (1, 5)
    report = audit.verify(kept.all(), seen, FEDERATION, kept_from_ms=DAY_MS)
    assert report.found is None
    assert (report.first, report.size, report.erased, report.matching) == (6, LINES, 4, LINES - 4)
    forged, _ = written(what="c-aaaa")
    AuditLog(forged, FEDERATION, salt).erase(before_ms=DAY_MS + 6)
    assert found(forged.all(), seen) == Found(Fault.CHANGED, 1, 5)


def test_what_went_before_its_time_was_removed() -> None:
    kept, seen = written()
    AuditLog(kept, FEDERATION, salt).erase(before_ms=DAY_MS + 6)
    assert found(kept.all(), seen, kept_from_ms=3) == Found(Fault.REMOVED, 4, 5)


def test_the_present_segment_is_never_erased() -> None:
    kept, _ = written()
    AuditLog(kept, FEDERATION, salt).erase(before_ms=100 * DAY_MS)
    assert kept.names() == [11]


def test_segments_that_are_full_are_followed_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AUDIT_SEGMENT_LINES_MAX", 4)
    kept = Kept()
    log = AuditLog(kept, FEDERATION, salt)
    log.append([act(number) for number in range(10)], 0)
    assert kept.names() == [1, 5, 9]
    assert found(kept.all()) is None
    assert AuditLog(kept, FEDERATION, salt).place == log.place


def test_of_a_long_log_only_the_segments_that_are_asked_for_are_read() -> None:
    kept, _ = written()
    log = AuditLog(kept, FEDERATION, salt)
    assert [log.wanted(0, lines) for lines in (1, 2, 3, 7, 8)] == [[11], [11], [6, 11], [6, 11], [1, 6, 11]]
    assert [log.wanted(since, 0) for since in (1, DAY_MS, 2 * DAY_MS + 12)] == [[1, 6, 11], [1, 6, 11], [11]]
    assert log.wanted(0, 0) == [1, 6, 11]


def test_a_line_says_who_and_why_and_keeps_strange_words_on_one_row() -> None:
    strange = replace(act(1), why=Why("art-14", 'a "threat"\n to life\x1b'), to="Ministry A\n")
    line = audit.line(strange, 1, bytes(32), salt(16), FEDERATION)
    assert line.row.count(b"\n") == 1
    read = audit.read_line(line.row[:-1], FEDERATION)
    assert read
    assert read.act == strange


# ---- In files


def test_a_torn_end_is_taken_off_at_the_start_and_the_log_goes_on(tmp_path: Path) -> None:
    log = AuditLog(FileSegments(tmp_path / "audit"), FEDERATION, salt)
    log.append([act(1), act(2)], 0)
    log.close()
    path = segments.path_of(tmp_path / "audit", 1)
    whole = path.read_bytes()
    for size in range(len(whole) - 1, whole.index(b"\n") + 1, -7):
        path.write_bytes(whole[:size])
        again = AuditLog(FileSegments(tmp_path / "audit"), FEDERATION, salt)
        assert again.place.size == whole[:size].count(b"\n") - 1
        again.append([act(9)], 0)
        again.close()
        assert found([path.read_bytes()]) is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_segment_that_was_only_begun_is_begun_again(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log = AuditLog(FileSegments(folder), FEDERATION, salt)
    log.append([act(1)], 0)
    log.close()
    segments.path_of(folder, 2).write_bytes(b'{"first":2')
    again = AuditLog(FileSegments(folder), FEDERATION, salt)
    again.append([act(2)], 2 * DAY_MS)
    assert found([segments.path_of(folder, first).read_bytes() for first in segments.names(folder)]) is None
    assert segments.names(folder) == [1, 2]


@pytest.mark.parametrize("lines", [0, 1])
@pytest.mark.parametrize("room_bytes", [0, 20])
def test_a_segment_whose_beginning_a_full_disk_does_not_take_is_begun_once_there_is_room(
    tmp_path: Path, lines: int, room_bytes: int
) -> None:
    folder = tmp_path / "audit"
    log = AuditLog(FileSegments(folder), FEDERATION, salt)
    log.append([act(1)] * lines, 0)
    begun = segments.names(folder)
    with disks.full(room_bytes), pytest.raises(OSError, match=r"File too large|could be written"):
        log.append([act(2)], 2 * DAY_MS)
    assert segments.names(folder) == begun, "nothing is left of it"
    log.append([act(2)], 2 * DAY_MS)
    log.close()
    assert segments.names(folder) == [*begun, lines + 1]
    assert found([segments.path_of(folder, first).read_bytes() for first in segments.names(folder)]) is None
    assert AuditLog(FileSegments(folder), FEDERATION, salt).place.size == lines + 1


def test_a_segment_that_was_not_begun_and_not_taken_back_is_begun_again(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log = AuditLog(FileSegments(folder), FEDERATION, salt)
    with disks.failing("fsync", "ftruncate", "unlink"), pytest.raises(OSError, match="Input/output"):
        log.append([act(1)], 0)
    log.append([act(1)], 1)
    log.close()
    assert found([segments.path_of(folder, 1).read_bytes()]) is None


def test_a_line_that_the_disk_did_not_keep_is_not_in_the_log_and_another_has_its_number(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log = AuditLog(FileSegments(folder), FEDERATION, salt)
    log.append([act(1)], 0)
    with disks.failing("fsync"), pytest.raises(OSError, match="Input/output"):
        log.append([act(2)], 0)
    log.append([act(3)], 0)
    log.close()
    assert found([segments.path_of(folder, 1).read_bytes()]) is None
    assert AuditLog(FileSegments(folder), FEDERATION, salt).place == log.place


def test_nothing_is_written_behind_a_line_that_was_changed(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log = AuditLog(FileSegments(folder), FEDERATION, salt)
    log.append([act(1), act(2)], 0)
    log.close()
    path = segments.path_of(folder, 1)
    path.write_bytes(path.read_bytes().replace(b'"items":1', b'"items":7'))
    with pytest.raises(ConfigError, match="from line 1 on"):
        AuditLog(FileSegments(folder), FEDERATION, salt)


# ---- What is noted together


LOOK_UP = Key(Operation.CONSULTATION, "look-up", "tool/scanner")


def test_look_ups_of_a_minute_are_one_line_with_the_items_that_matched() -> None:
    tallies = Tallies()
    for number in range(5):
        assert not tallies.add(LOOK_UP, number, {"asked": 100}, [("ab", number % 3), ("cd", 7)])
    assert not tallies.take(limits.AUDIT_BATCH_MS - 1)
    (noted,) = tallies.take(limits.AUDIT_BATCH_MS)
    assert (noted.counts, noted.what) == ({"asked": 500}, ("ab:0,1,2", "cd:7"))
    assert not tallies.take(10**9)


def test_what_is_asked_in_one_minute_is_written_before_it_is_too_much() -> None:
    tallies = Tallies()
    assert tallies.add(LOOK_UP, 0, {"asked": limits.AUDIT_LOOK_UPS_MAX})
    assert len(tallies.take(0)) == 1
    assert tallies.add(LOOK_UP, 0, {"asked": 1}, [("ab", at) for at in range(limits.AUDIT_REFERENCES_MAX + 1)])
    first, rest = tallies.take(0, everything=True)
    assert first.what == ("ab:" + ",".join(map(str, range(limits.AUDIT_REFERENCES_MAX))),)
    assert rest.what == (f"ab:{limits.AUDIT_REFERENCES_MAX}",)


def test_callers_and_their_reasons_are_kept_apart() -> None:
    tallies = Tallies()
    for key in (LOOK_UP, replace(LOOK_UP, who="person/anna"), replace(LOOK_UP, why=Why("x", "y"))):
        tallies.add(key, 0, {"asked": 1})
    assert len(tallies.take(0, everything=True)) == 3
