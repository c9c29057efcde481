"""Who is known, where what decides it stands on branches of forks: alike on all nodes, once all is told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from node.exchange import governing, signing
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.protocol.effects import PUSHED
from node.store import ledger
from node.store.ledger import Row
from node.store.stores import Stores
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import amendment_of, by_root, declaration, proof_between, restarted, settle
from tests.exchange.test_log_order import digest
from tests.exchange.test_odd_order import hash_of, said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, Member, federation, member, own_letters

Letter = header_pb2.SignedEntry
ROLE = 4


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(autouse=True)
def _thief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)


def endorse(one: Member, role: int = ROLE) -> Draft:
    return Draft(Kind.ENDORSE, statement=header_pb2.Endorse(member_id=one.member_id, role=role).SerializeToString())


def tell(teller: Exchange, node: Exchange) -> None:
    """What it is told with a link, and each minute."""
    forks = sorted(teller.trust.marks.forked())
    for frame in teller.tell_forks(node.reader.member_id, forks, BASE_MS, voices=True):
        if frame.HasField("fork"):
            node.take_fork(frame.fork, BASE_MS)
        else:
            checked, over = node.rule(node.verify(node.unseen(list(frame.entries.entries))), PUSHED, BASE_MS)
            assert not over
            node.admit(checked, BASE_MS)


def tell_all(nodes: Sequence[Exchange]) -> None:
    for teller in nodes:
        for node in nodes:
            if node is not teller:
                tell(teller, node)


def agree(nodes: Sequence[Exchange]) -> None:
    for _ in range(2):
        for node in nodes[1:]:
            assert node.trust.known == replace(nodes[0].trust.known, candidates=node.trust.known.candidates)
            assert node.trust.candidates == nodes[0].trust.candidates
            assert node.trust.rules == nodes[0].trust.rules
            assert node.trust.marks == nodes[0].trust.marks
            assert digest(node) == digest(nodes[0])
        for node in nodes:
            restarted(node)


@pytest.fixture(name="two")
def _two(tmp_path: Path, world: Federation) -> tuple[Exchange, Exchange]:
    """Two copies of one authority's node."""
    return node_in(tmp_path / "copy 1", world, 1), node_in(tmp_path / "copy 2", world, 1)


@pytest.fixture(name="nodes")
def _nodes(tmp_path: Path, world: Federation) -> tuple[Exchange, Exchange, Exchange]:
    return node_in(tmp_path / "a", world, 0), node_in(tmp_path / "b", world, 2), node_in(tmp_path / "c", world, 3)


def others(tmp_path: Path, world: Federation, draft: Draft) -> list[Letter]:
    """Two authorities of two other countries say it; with the one that forked they are three."""
    return [said(node_in(tmp_path / f"other {number}", world, number), draft)[0] for number in (4, 7)]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("below", [0, 3])
def test_a_member_by_an_endorsement_on_one_branch_is_known_on_all(
    tmp_path: Path,
    world: Federation,
    two: tuple[Exchange, Exchange],
    nodes: tuple[Exchange, Exchange, Exchange],
    is_first: bool,
    below: int,
) -> None:
    """Whether the proof or the endorsement was first, and however far above the fork it stands."""
    new = member(26)
    mine = said(two[0], *(Draft(Kind.ANCHOR, statement=b"\x08\x01") for _ in range(below)), endorse(new))
    theirs = said(two[1], declaration(3))
    a, b, c = nodes
    voices = others(tmp_path, world, endorse(new))
    for node, branch in ((a, mine), (b, theirs), (c, [])):
        take(node, [*voices, *branch] if is_first else [*branch, *voices])
    assert [new.member_id in node.trust.known.members for node in nodes] == [True, False, False]
    proof = proof_between(a, theirs)
    for node in nodes:
        node.take_fork(proof, BASE_MS)
    take(a, own_letters(world.charter, new))
    tell_all(nodes)
    for node in nodes:
        take(node, own_letters(world.charter, new))
    assert all(new.member_id in node.trust.known.members for node in nodes)
    assert all(new.member_id not in node.trust.roster(BASE_MS).seats for node in nodes), "it has no effect"
    agree(nodes)


def test_also_where_its_root_named_the_other_branch_before_all_had_heard(
    tmp_path: Path, world: Federation, two: tuple[Exchange, Exchange], nodes: tuple[Exchange, Exchange, Exchange]
) -> None:
    new = member(26)
    mine, theirs = said(two[0], declaration(1), endorse(new)), said(two[1], declaration(3), declaration(4))
    voices = others(tmp_path, world, endorse(new))
    for node, branch in zip(nodes, (mine, theirs, []), strict=True):
        take(node, [*voices, *branch])
    settled = by_root(world, world.members[1], settle(two[0].author.feed_id, 2, hash_of(nodes[0], theirs[0])))
    for node in nodes:
        take(node, settled)
        take(node, theirs)
    tell_all(nodes)
    assert all(new.member_id in node.trust.known.members for node in nodes)
    agree(nodes)


def test_two_signatures_on_branches_of_two_feeds_complete_an_amendment_for_all(
    tmp_path: Path, world: Federation, two: tuple[Exchange, Exchange], nodes: tuple[Exchange, Exchange, Exchange]
) -> None:
    """Each is held by another node; only together they are enough, and no node that has one alone lets it go."""
    third, fourth = node_in(tmp_path / "copy 3", world, 4), node_in(tmp_path / "copy 4", world, 4)
    branches = [said(two[0], amendment_of(7)), said(third, amendment_of(7))]
    rivals = [said(two[1], declaration(3)), said(fourth, declaration(4))]
    (plain,) = said(node_in(tmp_path / "other", world, 7), amendment_of(7))
    for node, parts in zip(nodes, ((branches[0], rivals[1]), (rivals[0], branches[1]), rivals), strict=True):
        take(node, [plain, *(one for part in parts for one in part)])
    proofs = [proof_between(nodes[0], rivals[0]), proof_between(nodes[1], rivals[1])]
    for node in nodes:
        for proof in proofs:
            node.take_fork(proof, BASE_MS)
    tell_all(nodes)
    tell_all(nodes)
    for node in nodes:
        assert sum(len(node.trust.known.signers.of(one.hash)) for one in list(node.trust.facts.amendments)[:1]) == 3
        assert node.trust.rules.number == 0, "contested signatures put nothing in force"
    agree(nodes)


def test_a_stranger_whom_only_a_contested_endorsement_names_is_no_candidate(
    world: Federation, two: tuple[Exchange, Exchange], nodes: tuple[Exchange, Exchange, Exchange]
) -> None:
    """Its log, where it came before the proof, is shown to nobody; and is again, once that branch is named."""
    new, (a, b, _) = member(26), nodes
    mine, theirs = said(two[0], endorse(new)), said(two[1], declaration(3))
    for node, branch in ((a, mine), (b, theirs)):
        take(node, branch)
    log = own_letters(world.charter, new)[:1]
    take(a, log)
    assert a.trust.admits_log(new.member_id)
    proof = proof_between(a, theirs)
    for node in nodes:
        node.take_fork(proof, BASE_MS)
    tell_all(nodes)
    agree(nodes)
    assert not any(node.trust.admits_log(new.member_id) for node in nodes)
    settled = by_root(world, world.members[1], settle(two[0].author.feed_id, 2, hash_of(a, mine[0])))
    for node in nodes:
        admitted = node.admit(node.verify(settled), BASE_MS)
        if node is a:
            assert MemberId(bytes(new.member_id)) in {MemberId(bytes(head.feed_id)) for head in admitted.heads}
        take(node, mine)
        take(node, log)
    assert all(node.trust.admits_log(new.member_id) for node in nodes)
    agree(nodes)


def test_of_what_nobody_else_says_so_much_is_kept_and_what_others_say_too_has_room(
    tmp_path: Path, world: Federation, two: tuple[Exchange, Exchange], nodes: tuple[Exchange, Exchange, Exchange]
) -> None:
    new, count = member(26), governing.ALONE_PER_FEED_MAX + 9
    junk = [replace(new, inception=replace(new.inception, member_id=MemberId(bytes([n]) * 32))) for n in range(count)]
    mine, theirs = said(two[0], *map(endorse, junk), endorse(new)), said(two[1], declaration(3))
    b = nodes[1]
    take(b, theirs)
    b.rule(b.verify([]), PUSHED, BASE_MS)
    take(b, mine[:-1])
    feed_id = two[0].author.feed_id
    assert ledger.beside_count(b.stores.ledger, feed_id, governing=True) == governing.ALONE_PER_FEED_MAX
    take(b, mine[-1:])
    assert new.member_id not in {one.member_id for one in b.trust.facts.endorsements}
    take(b, others(tmp_path, world, endorse(new)))
    take(b, mine[-1:])
    assert new.member_id in b.trust.known.members


def test_what_an_author_says_uncontested_as_well_is_told_nobody_again(
    tmp_path: Path, world: Federation, two: tuple[Exchange, Exchange], nodes: tuple[Exchange, Exchange, Exchange]
) -> None:
    new, a = member(26), nodes[0]
    below = said(two[0], endorse(new))
    take(two[1], below)
    take(a, [*below, *said(two[0], endorse(new), endorse(new))])
    take(a, said(two[1], declaration(3)))
    assert governing.voices(a.stores, a.trust, 0) == []


def test_of_what_a_thief_says_without_an_end_a_part_is_looked_at_each_minute_and_in_time_all(
    world: Federation,
    two: tuple[Exchange, Exchange],
    nodes: tuple[Exchange, Exchange, Exchange],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also once its root has named the other branch, and all of it is beside the chain."""
    monkeypatch.setattr(governing, "LOOKED_AT_MAX", 4)
    new, a = member(26), nodes[0]
    junk = [replace(new, inception=replace(new.inception, member_id=MemberId(bytes([n]) * 32))) for n in range(10)]
    mine, theirs = said(two[0], *map(endorse, junk)), said(two[1], declaration(3))
    take(a, [*mine, *theirs])
    settled = by_root(world, world.members[1], settle(two[0].author.feed_id, 2, hash_of(a, theirs[0])))
    for later in ([], [*settled, *theirs]):
        take(a, later)
        turns = [[row.hash for row in governing.voices(a.stores, a.trust, turn)] for turn in range(4)]
        assert [len(turn) for turn in turns] == [4, 4, 2, 4]
        assert {hash_ for turn in turns for hash_ in turn} == {hash_of(a, letter) for letter in mine}


def test_what_governs_on_branches_is_looked_for_once_for_all_that_ask_until_more_is_known(
    two: tuple[Exchange, Exchange], nodes: tuple[Exchange, Exchange, Exchange], monkeypatch: pytest.MonkeyPatch
) -> None:
    (a, b, _), looked, voices = nodes, list[int](), governing.voices
    take(a, [*said(two[0], endorse(member(26))), *said(two[1], declaration(3))])

    def counted(stores: Stores, trust: Trust, turn: int) -> Sequence[Row]:
        looked.append(turn)
        return voices(stores, trust, turn)

    monkeypatch.setattr(governing, "voices", counted)
    peer = b.reader.member_id
    told = [a.tell_forks(peer, (), BASE_MS + second, voices=True) for second in range(5)]
    assert all(told)
    assert len(looked) == 1
    assert a.tell_forks(peer, (), BASE_MS) == [], "who did not ask for them is told none"
    take(a, said(two[0], endorse(member(27))))
    (frame,) = a.tell_forks(peer, (), BASE_MS, voices=True)
    assert len(frame.entries.entries) == 2
