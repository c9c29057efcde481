"""Erasing: what is over or was taken back leaves every file, and does not come back from anywhere."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node.content import hashes, items
from node.exchange import consult, drafts, due, erase, project, records, restricting
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import BULK
from node.feed.keys import HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.policy import following
from node.policy.cooling import DAY_MS, HOUR_MS, PRESSING_PER_HOUR_MAX
from node.policy.following import Choice
from node.store import digests, index, ledger, payloads, stores
from node.store.erasures import Erasure, FileErasures, Reason
from node.store.payloads import State
from node.v1 import header_pb2, peer_pb2, record_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.exchange.test_standing import items_of, standing_values
from tests.simulator.disk import Crash, Disk, empty_disk
from tests.simulator.members import BASE_MS, Federation, federation
from tests.simulator.node import Node

pytestmark = pytest.mark.usefixtures("chance")
MISTAKE, AT_RISK = 1, 6
LATER_MS = BASE_MS + DAY_MS
DIGESTS = sorted(sha256(bytes([i])).digest() for i in range(40))
TEXTS = [f"https://example.org/{i}/a-rather-long-path" for i in range(10)]


def digests_draft(
    values: Sequence[bytes] = DIGESTS, replaces: Sequence[bytes] = (), urgency: int = BULK, *, exercise: bool = False
) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.ITEMS,
        object_id=b"l" * 16,
        replaces=replaces,
        exercise=exercise,
    )
    record.items.kind, record.items.digests = "sha256", b"".join(values)
    content = record.SerializeToString()
    return Draft(Kind.ITEMS, urgency, record=content, object_id=b"l" * 16, expires_ms=ENDS_MS, exercise=exercise)


def look(node: Exchange, now_ms: int) -> due.Due:
    while node.project():
        pass
    over = due.expired(node.stores, node.keep, now_ms, 1000)
    back = due.withdrawn(node.stores, consult.view(node.trust, node.follows, now_ms))
    return due.Due((*over.erasures, *back.erasures), min(over.next_ms, back.next_ms))


def sweep(node: Exchange, now_ms: int) -> tuple[Erasure, ...]:
    """Everything that is due, in the order of the sweeper, in one thread."""
    found = look(node, now_ms).erasures
    node.begin_erasing(found)
    erase.apply(node.stores, node.erasures, node.keep, node.reader, node.author.randomness)
    assert node.residue.compact()
    assert all(stores.compact(file) for file in (node.stores.digests, node.stores.index))
    return found


def holds(folder: Path, *wanted: bytes) -> bool:
    """Whether all of these stand in some file of the folder."""
    found = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    return all(any(one in data for data in found) for one in wanted)


def shows_none(folder: Path, *wanted: bytes) -> bool:
    return not any(holds(folder, one) for one in wanted)


def secrets_of(node: Exchange, hash_: HeaderHash) -> tuple[bytes, bytes]:
    """The key of a payload, and a piece of its ciphertext."""
    box = payloads.box(node.stores.keys, hash_)
    assert box is not None
    return box[1:], payloads.ciphertext(node.stores.ledger, hash_)[40:104]


def test_what_has_expired_leaves_every_file(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    letters = said(author, digests_draft())
    take(node, letters)
    hash_ = hash_of(node, letters[0])
    assert standing_values(node)
    secrets = secrets_of(node, hash_)
    assert holds(tmp_path / "node", *DIGESTS, *secrets)
    assert sweep(node, ENDS_MS - 1) == ()
    assert [one.reason for one in sweep(node, ENDS_MS)] == [Reason.EXPIRY]
    assert shows_none(tmp_path / "node", *DIGESTS, *secrets)
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED
    assert ledger.entry(node.stores.ledger, hash_) is not None, "its header stays"
    assert sweep(node, ENDS_MS) == (), "nothing is erased twice"


def test_of_a_record_only_what_was_taken_back_leaves_and_all_else_goes_on(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    (letter,) = said(author, digests_draft())
    hash_ = hash_of(node, letter)
    take(node, [letter, *said(author, drafts.withdrawal(hash_, 0b1001, MISTAKE))])
    left = {int.from_bytes(one) for i, one in enumerate(DIGESTS) if i not in (0, 3)}
    assert standing_values(node) == left
    secrets = secrets_of(node, hash_)
    assert holds(tmp_path / "node", DIGESTS[0], DIGESTS[3], *secrets)
    (made,) = sweep(node, LATER_MS)
    assert (made.entry, made.positions) == (hash_, b"\x09")
    assert shows_none(tmp_path / "node", DIGESTS[0], DIGESTS[3], *secrets)
    assert holds(tmp_path / "node", DIGESTS[1], DIGESTS[39])
    assert standing_values(node) == left
    row = ledger.entry(node.stores.ledger, hash_)
    assert row is not None
    opened = records.open_record(node.stores, row, node.trust, node.reader)
    assert opened is not None
    assert items.values(hashes.SHA256, opened.record.items)[:4] == [bytes(32), DIGESTS[1], DIGESTS[2], bytes(32)]
    node.rebuild()
    assert standing_values(node) == left
    assert sweep(node, LATER_MS) == ()


def test_a_remainder_is_served_to_nobody_and_a_smaller_one_takes_its_place(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    (letter,) = said(author, digests_draft())
    hash_ = hash_of(node, letter)
    want = peer_pb2.Want(entries=[hash_])
    take(node, [letter])
    assert node.serve(author.reader.member_id, want, BASE_MS)[0][0].payload
    take(node, said(author, drafts.withdrawal(hash_, 0b1, MISTAKE)))
    sweep(node, LATER_MS)
    (served,) = node.serve(author.reader.member_id, want, LATER_MS)[0]
    assert not served.box
    assert not served.payload
    assert node.serve_chunk(hash_, 0, LATER_MS) == peer_pb2.Frame(absent=peer_pb2.Absent(entry=hash_))
    assert node.held([hash_]) == []
    before = payloads.box_hashes(node.stores.keys)
    take(node, said(author, drafts.withdrawal(hash_, 0b10, MISTAKE)))
    sweep(node, LATER_MS + DAY_MS)
    assert shows_none(tmp_path / "node", DIGESTS[0], DIGESTS[1])
    assert set(payloads.box_hashes(node.stores.keys)).isdisjoint(before), "the former remainder's key is gone as well"
    assert standing_values(node) == {int.from_bytes(one) for one in DIGESTS[2:]}


def test_texts_leave_as_digests_do(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=b"l" * 16)
    record.items.kind = "url"
    record.items.values.extend(sorted(TEXTS))
    draft = Draft(Kind.ITEMS, BULK, record=record.SerializeToString(), object_id=b"l" * 16, expires_ms=ENDS_MS)
    (letter,) = said(author, draft)
    take(node, [letter, *said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))])
    key = hashes.key(TEXTS[0])
    while node.project():
        pass
    assert holds(tmp_path / "node", key)
    sweep(node, LATER_MS)
    assert shows_none(tmp_path / "node", key, TEXTS[0].encode())
    assert holds(tmp_path / "node", hashes.key(TEXTS[1]))


def test_a_later_record_takes_the_place_of_a_remainder_which_goes_an_hour_after(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    (first,) = said(author, digests_draft())
    hash_ = hash_of(node, first)
    take(node, [first, *said(author, drafts.withdrawal(hash_, 0b1, MISTAKE))])
    sweep(node, LATER_MS)
    (second,) = said(author, digests_draft(DIGESTS[1:], [hash_]))
    node.admit(node.verify([second]), LATER_MS)
    assert sweep(node, LATER_MS + HOUR_MS - 1) == ()
    assert [one.entry for one in sweep(node, LATER_MS + HOUR_MS)] == [hash_]
    assert standing_values(node) == {int.from_bytes(one) for one in DIGESTS[1:]}
    assert payloads.box_hashes(node.stores.keys) == [hash_of(node, second)]


@pytest.mark.parametrize(("reason", "count", "after_ms"), [(MISTAKE, 30, HOUR_MS), (AT_RISK, 30, 0)])
def test_what_was_taken_back_cools_by_its_reason(
    node: Exchange, author: Exchange, reason: int, count: int, after_ms: int
) -> None:
    letters = said(author, items_of(range(5000, 9000)), items_of(range(count)))
    take(node, [*letters, *said(author, drafts.withdrawal(hash_of(node, letters[1]), 0, reason))])
    assert not [one for one in look(node, BASE_MS + after_ms - 1).erasures if after_ms]
    found = look(node, BASE_MS + after_ms)
    assert [(one.entry, one.positions) for one in found.erasures] == [(hash_of(node, letters[1]), b"")]


def test_what_came_while_the_clock_here_was_behind_cools_from_when_it_was_said(
    node: Exchange, author: Exchange
) -> None:
    """Also what was written anew: else a stolen key would destroy it as soon as the clock is set right."""
    now_ms = BASE_MS + 3 * HOUR_MS
    letters = said(author, items_of(range(5000, 9000)), items_of(range(5)), items_of(range(100, 110)))
    back, replaced = (hash_of(node, one) for one in letters[1:])
    taken = drafts.withdrawal(back, 0, MISTAKE), items_of(range(101, 110), [replaced])
    take(node, [*letters, *said(author, *taken, now_ms=now_ms)])
    assert look(node, now_ms).next_ms == ENDS_MS, "it waits for its date"
    node.mature(now_ms)
    assert look(node, now_ms + HOUR_MS - 1).erasures == ()
    assert {one.entry for one in look(node, now_ms + HOUR_MS).erasures} == {back, replaced}


def test_much_at_once_cools_for_a_day_however_it_is_cut(node: Exchange, author: Exchange) -> None:
    """A hundredth of what its member has is much, too; what presses goes at once, but only so much of it."""
    letters = said(author, *(items_of(range(start, start + 300)) for start in range(0, 1500, 300)))
    hashes_ = [hash_of(node, one) for one in letters]
    take(node, letters)
    take(node, said(author, *(drafts.withdrawal(hash_, 0, MISTAKE) for hash_ in hashes_[:4])))
    assert look(node, BASE_MS + DAY_MS - 1).erasures == ()
    assert look(node, BASE_MS + DAY_MS - 1).next_ms == BASE_MS + DAY_MS
    assert {one.entry for one in look(node, BASE_MS + DAY_MS).erasures} == set(hashes_[:4])


def test_a_hundred_an_hour_are_erased_at_once_and_the_others_cool(node: Exchange, author: Exchange) -> None:
    letters = said(author, items_of(range(300)), items_of(range(1000, 5000)))
    taken = [drafts.withdrawal(hash_of(node, letters[0]), 1 << i, AT_RISK) for i in range(PRESSING_PER_HOUR_MAX + 20)]
    take(node, letters)
    for i, one in enumerate(said(author, *taken)):
        node.admit(node.verify([one]), BASE_MS + i)
    (made,) = look(node, BASE_MS + HOUR_MS // 2).erasures
    assert int.from_bytes(made.positions, "little").bit_count() == PRESSING_PER_HOUR_MAX


@pytest.mark.parametrize("frame", [40, PRESSING_PER_HOUR_MAX + 20])
def test_what_was_erased_at_once_counts_among_the_hundred_of_its_hour(
    node: Exchange, author: Exchange, frame: int
) -> None:
    letters = said(author, *(digests_draft([bytes([i]) * 32]) for i in range(PRESSING_PER_HOUR_MAX + 20)))
    take(node, letters)
    taken = said(author, *(drafts.withdrawal(hash_of(node, one), 0, AT_RISK) for one in letters))
    erased = 0
    for start in range(0, len(taken), frame):
        node.admit(node.verify(taken[start : start + frame]), BASE_MS + start)
        erased += len(sweep(node, BASE_MS + start))
    assert erased == PRESSING_PER_HOUR_MAX
    assert len(sweep(node, BASE_MS + len(taken) + DAY_MS)) == 20


def test_a_stolen_key_that_takes_everything_back_is_stopped_within_the_time_and_nothing_is_lost(
    node: Exchange, author: Exchange
) -> None:
    (letter,) = said(author, items_of(range(100)))
    feed_id, hash_ = author.author.feed_id, hash_of(node, letter)
    take(node, [letter, *said(author, drafts.withdrawal(hash_, 0, MISTAKE))])
    assert standing_values(node) == set()
    row = ledger.entry(node.stores.ledger, hash_)
    assert row is not None
    bound = Bound(feed_id, row.seq, hash_)
    node.trust = replace(node.trust, marks=node.trust.marks.merge(Marks(ends=frozenset({bound}))))
    assert sweep(node, BASE_MS + 2 * DAY_MS) == ()
    assert standing_values(node) == set(range(100))


def test_what_is_contested_restricts_and_erases_nothing(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, items_of(range(100)))
    (taken,) = said(author, drafts.withdrawal(hash_of(node, letter), 0, MISTAKE))
    take(node, [letter, taken])
    head = ledger.head(node.stores.ledger, author.author.feed_id)
    assert head is not None
    node.trust = trusts.with_fork(node.trust, head.feed_id, head.seq, parts=True)
    assert sweep(node, BASE_MS + 2 * DAY_MS) == ()
    assert standing_values(node) == set()


def test_what_was_erased_does_not_come_back_from_a_peer(node: Exchange, author: Exchange) -> None:
    letters = said(author, items_of(range(10)), items_of(range(20, 30)))
    first, second = (hash_of(node, one) for one in letters)
    node.begin_erasing([Erasure(first, BASE_MS, Reason.REQUEST), Erasure(second, BASE_MS, Reason.REQUEST, b"\x01")])
    take(node, letters)
    assert payloads.state(node.stores.ledger, first) is State.ERASED
    assert payloads.state(node.stores.ledger, second) is State.REMAINDER
    assert standing_values(node) == set(range(21, 30))
    assert payloads.box(node.stores.keys, first) is None
    take(node, letters)
    assert standing_values(node) == set(range(21, 30))


def test_what_was_erased_is_not_even_wanted_where_its_header_comes_again(node: Exchange, author: Exchange) -> None:
    """As into an empty store beside the journal of the one that was lost."""
    (letter,) = said(author, items_of(range(10)))
    hash_ = hash_of(node, letter)
    node.begin_erasing([Erasure(hash_, BASE_MS, Reason.REQUEST)])
    take(node, [header_pb2.SignedEntry(header=letter.header, signature=letter.signature)])
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED
    assert node.boxless(BASE_MS) == []


def test_stores_out_of_an_old_copy_are_erased_again_by_the_journal(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    letters = said(author, digests_draft(), digests_draft(DIGESTS[:5]))
    first, second = (hash_of(node, one) for one in letters)
    take(node, letters)
    while node.project():
        pass
    node.stores.close()
    shutil.copytree(tmp_path / "node", tmp_path / "again")
    journal = FileErasures(tmp_path / "journal", world.charter.federation_id)
    journal.append([Erasure(first, BASE_MS, Reason.EXPIRY), Erasure(second, BASE_MS, Reason.REQUEST, b"\x02")])
    back = _reopened(tmp_path / "again", world, journal)
    assert standing_values(back) == {int.from_bytes(DIGESTS[i]) for i in (0, 2, 3, 4)}
    assert payloads.state(back.stores.ledger, first) is State.ERASED
    back.stores.close()
    journal.close()


def _reopened(folder: Path, world: Federation, journal: FileErasures) -> Exchange:
    made = exchange_in(folder, world, world.members[0])
    again = Exchange(made.stores, trusts.begin(world.charter), made.author, journal)
    again.start(BASE_MS)
    return again


def on_a_disk_that_dies(letters: Sequence[header_pb2.SignedEntry]) -> tuple[Node, Disk]:
    world = federation(25)
    disk = empty_disk()
    disk.load(world.image)
    ledger.write_meta(disk.ledger, "store_id", bytes(16))
    disk.ledger.commit()
    node = Node(1, world.members[0], world, disk)
    node.start(0.0, prepared=False)
    take(node.exchange, letters)
    while node.exchange.project():
        pass
    return node, disk


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("commits", range(9))
def test_a_crash_at_any_commit_leaves_what_the_next_start_goes_through_with(
    author: Exchange, commits: int, kept: bool
) -> None:
    """The whole of one record and a part of another, on a disk that dies at one commit."""
    letters = said(author, items_of(range(10)), items_of(range(20, 30)))
    first, second = (hash_of(author, one) for one in letters)
    node, disk = on_a_disk_that_dies(letters)
    found = [Erasure(first, BASE_MS, Reason.EXPIRY), Erasure(second, BASE_MS, Reason.REQUEST, b"\x01")]
    disk.power.commits_left, disk.power.kept = commits, kept
    try:
        node.exchange.begin_erasing(found)
        exchange = node.exchange
        erase.apply(disk, node.erasures, exchange.keep, exchange.reader, exchange.author.randomness)
    except Crash:
        pass
    disk.rollback()
    disk.power.commits_left = -1
    node.start(0.0, prepared=False)
    begun = bool(node.erasures.rows)
    assert begun == (commits > 0 or kept)
    assert standing_values(node.exchange) == (set(range(21, 30)) if begun else {*range(10), *range(20, 30)})
    assert len(payloads.box_hashes(disk.keys)) == len(set(payloads.box_hashes(disk.keys)))
    if begun:
        assert payloads.box(disk.keys, first) is None
        assert payloads.box(disk.keys, second) is None
        assert payloads.state(disk.ledger, second) is State.REMAINDER


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("commits", range(4))
def test_parts_of_several_records_go_together_and_a_crash_at_any_commit_leaves_the_rest_of_each_readable(
    author: Exchange, commits: int, kept: bool
) -> None:
    letters = said(author, items_of(range(10)), items_of(range(20, 30)), items_of(range(40, 50)))
    hashes_ = [hash_of(author, one) for one in letters]
    node, disk = on_a_disk_that_dies(letters)
    found = [Erasure(hash_, BASE_MS, Reason.WITHDRAWAL, b"\x03") for hash_ in hashes_]
    node.exchange.begin_erasing(found)
    disk.power.commits_left, disk.power.kept = commits, kept
    try:
        node.exchange.finish_erasing(found)
        assert commits == 3, "three commits, however many records"
    except Crash:
        pass
    disk.rollback()
    disk.power.commits_left = -1
    node.start(0.0, prepared=False)
    assert standing_values(node.exchange) == {*range(2, 10), *range(22, 30), *range(42, 50)}
    assert all(payloads.box(disk.keys, hash_) is None for hash_ in hashes_)
    assert all(payloads.state(disk.ledger, hash_) is State.REMAINDER for hash_ in hashes_)


def test_a_list_that_is_let_go_and_followed_again_comes_without_what_was_erased(
    node: Exchange, author: Exchange
) -> None:
    letters = said(author, items_of(range(10)))
    (hash_,) = (hash_of(node, one) for one in letters)
    take(node, [*letters, *said(author, drafts.withdrawal(hash_, 0b1, MISTAKE))])
    sweep(node, LATER_MS)
    about = author.reader.member_id, ObjectId(b"l" * 16)
    node.choose(*about, Choice(following.State.DROPPED), LATER_MS)
    erase.leave_index(node.stores, hash_, node.keep, node.reader)
    node.let_go([hash_], LATER_MS)
    assert standing_values(node) == set()
    node.choose(*about, Choice(following.State.FOLLOWED), LATER_MS)
    assert node.boxless(LATER_MS) == [hash_]
    take(node, letters)
    assert payloads.state(node.stores.ledger, hash_) is State.REMAINDER
    assert standing_values(node) == set(range(1, 10))


def test_a_start_keeps_the_key_of_a_remainder(node: Exchange, author: Exchange) -> None:
    """The start removes boxes that nothing names: a remainder's lies under a name that no header has."""
    (letter,) = said(author, items_of(range(10)))
    take(node, [letter, *said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))])
    sweep(node, LATER_MS)
    node.start(LATER_MS)
    node.rebuild()
    assert standing_values(node) == set(range(1, 10))


def test_what_is_erased_does_not_stand_again_where_its_withdrawal_is_undone(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, items_of(range(10)))
    hash_ = hash_of(node, letter)
    take(node, [letter, *said(author, drafts.withdrawal(hash_, 0b1, MISTAKE))])
    sweep(node, LATER_MS)
    row, number = ledger.entry(node.stores.ledger, hash_), index.number(node.stores.index, hash_)
    assert row is not None
    assert number is not None
    bound = Bound(row.feed_id, row.seq, hash_)
    node.trust = replace(node.trust, marks=node.trust.marks.merge(Marks(ends=frozenset({bound}))))
    record = index.records(node.stores.index, [number])[number]
    assert [restricting.restriction(node.stores, record, node.trust).covers(i) for i in (0, 1)] == [True, False]
    assert restricting.restricted(node.stores, Kind.ITEMS, node.trust)[number].positions == 0b1


def test_what_is_erased_before_it_was_projected_never_comes_into_the_index(node: Exchange, author: Exchange) -> None:
    letters = said(author, digests_draft(), digests_draft(DIGESTS[:20]))
    whole, part = (hash_of(node, one) for one in letters)
    take(node, letters)
    found = [Erasure(whole, BASE_MS, Reason.HOLD), Erasure(part, BASE_MS, Reason.HOLD, b"\x03")]
    node.begin_erasing(found)
    assert project.hide(node.stores, whole) is None, "there is nothing yet that could leave"
    while node.project():
        pass
    node.finish_erasing(found)
    assert not index.is_shown(node.stores.index, whole)
    assert {one.value for one in digests.places(node.stores.digests)} == set(DIGESTS[2:20])


@pytest.mark.parametrize("exercise", [False, True])
def test_what_cannot_be_opened_any_more_leaves_the_index_by_its_number(
    node: Exchange, author: Exchange, exercise: bool
) -> None:
    (letter, other) = said(author, digests_draft(exercise=exercise), digests_draft(DIGESTS[:5], exercise=exercise))
    take(node, [letter, other])
    while node.project():
        pass
    hash_ = hash_of(node, letter)
    payloads.drop_boxes(node.stores.keys, [hash_])
    erase.leave_index(node.stores, hash_, node.keep, node.reader)
    assert [one.value for one in digests.places(node.stores.digests, exercise=exercise)] == DIGESTS[:5]
