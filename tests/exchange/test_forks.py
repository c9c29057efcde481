"""A feed that forked: what is shown of it, on whichever branch a node is, before and after its root named one."""

from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.errors import Refused
from node.exchange import consult, crises, disclose, drafts, signing, standing
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import entry, identity, keys
from node.feed.header import URGENT
from node.feed.keys import FeedId, HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.protocol.effects import PUSHED
from node.store import index, ledger
from node.v1 import header_pb2, peer_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take, without
from tests.exchange.test_standing import items_of, standing_values
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, FRAMEWORK, Federation, Member, federation, seed

Letter = header_pb2.SignedEntry


@dataclass
class Forked:
    """One member's feed, signed on by two copies of its node: a place of its own for each branch."""

    member: Member
    one: Exchange
    other: Exchange

    @property
    def feed_id(self) -> FeedId:
        return self.one.author.feed_id

    def say(self, *drafts_: Draft) -> None:
        """The same on both, before they part."""
        take(self.other, said(self.one, *drafts_))


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(name="forked")
def _forked(tmp_path: Path, world: Federation) -> Forked:
    return Forked(world.members[1], node_in(tmp_path / "one", world, 1), node_in(tmp_path / "other", world, 1))


@pytest.fixture(autouse=True)
def _thief(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Both copies sign: who has a stolen key asks nobody whether it may."""
    if "signs_no_more" not in request.node.name:
        monkeypatch.setattr(signing, "require", lambda *_, **__: None)


def declaration(number: int) -> Draft:
    object_id = number.to_bytes(16)
    crisis = record_pb2.Crisis(framework=FRAMEWORK, title=f"crisis {number}", ends_ms=ENDS_MS)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.DECLARATION, object_id=object_id, crisis=crisis
    )
    return Draft(
        Kind.DECLARATION, URGENT, record=record.SerializeToString(), object_id=object_id, expires_ms=ENDS_MS + 1
    )


def drill(number: int) -> Draft:
    one = declaration(number)
    record = record_pb2.Record.FromString(one.record)
    record.exercise = True
    return replace(one, exercise=True, record=record.SerializeToString())


def end_of(number: int) -> Draft:
    act = record_pb2.CrisisAct(end=record_pb2.Note())
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.CRISIS_ACT, object_id=number.to_bytes(16), crisis_act=act
    )
    object_id = number.to_bytes(16)
    return Draft(
        Kind.CRISIS_ACT, URGENT, record=record.SerializeToString(), object_id=object_id, expires_ms=ENDS_MS + 1
    )


def shown(node: Exchange) -> dict[str, tuple[str, str]]:
    """Every crisis by title: its state, and the reason."""
    while node.project():
        pass
    seen = consult.view(node.trust, node.follows, BASE_MS + 1)
    found = crises.every(node.stores, seen, "", exercises=True)
    return {one.crisis.title: (one.state, one.reason) for one in found}


def standings(node: Exchange) -> dict[str, Standing]:
    while node.project():
        pass
    return {
        record_pb2.Record.FromString(one.content).crisis.title: standing.standing_of(node.stores, one, node.trust)
        for one in index.of_kinds(node.stores.index, [Kind.DECLARATION])
    }


def by_root(world: Federation, member: Member, *acts: tuple[Kind, bytes], seq: int = 3) -> list[Letter]:
    """What the member's root says at the end of its log."""
    federation_id = world.charter.federation_id
    log_id = identity.log_id(member.member_id)
    before = [entry.decode(one.header, one.signature, federation_id).header for one in world.letters]
    previous = [one.hash for one in before if one.feed_id == log_id][seq - 2]
    letters = []
    for number, (kind, statement) in enumerate(acts, seq):
        fields = header_pb2.Header(
            feed_id=log_id, seq=number, previous=previous, created_ms=BASE_MS, urgency=1, kind=kind, statement=statement
        )
        made = entry.create(fields, member.root, federation_id)
        previous = made.header.hash
        letters.append(Letter(header=made.header.body, signature=made.signature))
    return letters


def settle(feed_id: FeedId, seq: int, hash_: HeaderHash) -> tuple[Kind, bytes]:
    return Kind.SETTLE, header_pb2.Settle(feed_id=feed_id, seq=seq, header_hash=hash_).SerializeToString()


def retire(feed_id: FeedId, seq: int, hash_: HeaderHash) -> tuple[Kind, bytes]:
    return Kind.RETIRE, header_pb2.Retire(feed_id=feed_id, seq=seq, header_hash=hash_).SerializeToString()


def proof_of(node: Exchange, feed_id: FeedId) -> header_pb2.ForkProof:
    row = ledger.fork(node.stores.ledger, feed_id)
    assert row is not None
    return disclose.fork(row)


def chain_of(node: Exchange, feed_id: FeedId) -> list[HeaderHash]:
    return [row.hash for row in ledger.span(node.stores.ledger, feed_id, 1, 999, 999)]


def restarted(node: Exchange) -> None:
    node.trust = trusts.begin(node.trust.charter)
    node.start(BASE_MS)


def push(node: Exchange, letters: list[Letter]) -> None:
    """As a peer says it, without having been asked: by its author's quota."""
    checked, over = node.rule(node.verify(node.unseen(letters)), PUSHED, BASE_MS)
    assert not over
    node.admit(checked, BASE_MS)


# ---- Before it is settled


def test_declarations_of_both_branches_are_active_and_contested_whichever_came_first(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    forked.say(declaration(1))
    one, other = said(forked.one, declaration(2)), said(forked.other, declaration(3))
    views = []
    for name, order in (("a", (one, other)), ("b", (other, one))):
        node = node_in(tmp_path / name, world, 0)
        take(node, [row for row in served(forked.one, forked.feed_id) if row.header != one[0].header])
        for letters in order:
            take(node, letters)
        views.append(standings(node))
        restarted(node)
        views.append(standings(node))
    contested = Standing.CONTESTED
    assert views[0] == {"crisis 1": Standing.STANDS, "crisis 2": contested, "crisis 3": contested}
    assert views.count(views[0]) == 4


def served(node: Exchange, feed_id: FeedId) -> list[Letter]:
    return disclose.span(node.stores, feed_id, 2, 999, node.trust, BASE_MS)


def test_what_is_contested_is_said_and_an_end_that_is_contested_ends_nothing(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    forked.say(declaration(1))
    one, other = said(forked.one, end_of(1), declaration(2)), said(forked.other, declaration(3))
    node = node_in(tmp_path / "n", world, 0)
    take(node, [*served(forked.one, forked.feed_id), *other])
    assert [row.seq for row in ledger.forks(node.stores.ledger)] == [3]
    assert len(one) == 2
    views = shown(node)
    (end,) = index.of_kinds(node.stores.index, [Kind.CRISIS_ACT])
    assert standing.standing_of(node.stores, end, node.trust) is Standing.CONTESTED
    assert views == {
        "crisis 1": ("active", ""),
        "crisis 2": ("active", standing.CONTESTED),
        "crisis 3": ("active", standing.CONTESTED),
    }


def test_a_withdrawal_that_is_contested_restricts(forked: Forked, tmp_path: Path, world: Federation) -> None:
    (first,) = said(forked.one, items_of(range(10)))
    take(forked.other, [first])
    taken = said(forked.one, drafts.withdrawal(hash_of(forked.one, first), 0b1, 4))
    node = node_in(tmp_path / "n", world, 0)
    take(node, [first, *taken, *said(forked.other, declaration(3))])
    assert node.trust.marks.forked_at(forked.feed_id) == 3
    assert standing_values(node) == set(range(1, 10))


def test_statements_above_a_fork_do_not_count(forked: Forked, tmp_path: Path, world: Federation) -> None:
    endorse = header_pb2.Endorse(member_id=b"x" * 32, role=4).SerializeToString()
    (before,) = said(forked.one, Draft(Kind.ENDORSE, statement=endorse))
    take(forked.other, [before])
    (above,) = said(forked.one, Draft(Kind.ENDORSE, statement=endorse))
    node = node_in(tmp_path / "n", world, 0)
    take(node, [before, above])
    hashes = [hash_of(node, one) for one in (before, above)]
    assert [hash_ not in node.trust.fallen for hash_ in hashes] == [True, True]
    take(node, said(forked.other, declaration(3)))
    assert [hash_ not in node.trust.fallen for hash_ in hashes] == [True, False]


def amendment_of(number: int) -> Draft:
    """A signature under an amendment, which three complete."""
    letter = header_pb2.Amend(number=1, document=number.to_bytes(32))
    return Draft(Kind.AMEND, statement=letter.SerializeToString(deterministic=True))


def test_a_signature_above_a_fork_amends_nothing_until_the_root_names_its_branch(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    """Alike on nodes that hold the one branch, the other or none; and what was in force falls out of it."""
    others = [said(node_in(tmp_path / f"signer {n}", world, n), amendment_of(7))[0] for n in (2, 3)]
    one, other = said(forked.one, amendment_of(7)), said(forked.other, declaration(3))
    nodes = [node_in(tmp_path / name, world, 0) for name in "abc"]
    for node, branch in zip(nodes, (one, other, []), strict=True):
        take(node, [*others, *branch])
    in_force = nodes[0].trust.rules.hash
    assert [node.trust.rules.number for node in nodes] == [1, 0, 0]
    proof = proof_between(nodes[0], other)
    for node in nodes:
        node.take_fork(proof, BASE_MS)
    assert [node.trust.rules.number for node in nodes] == [0, 0, 0]
    for node in nodes:
        restarted(node)
    assert [node.trust.rules.number for node in nodes] == [0, 0, 0]
    for node in nodes:
        take(node, by_root(world, forked.member, settle(forked.feed_id, 2, hash_of(node, one[0]))))
        take(node, one)
    assert [node.trust.rules.hash for node in nodes] == [in_force] * 3
    for node in nodes:
        restarted(node)
    assert [node.trust.rules.hash for node in nodes] == [in_force] * 3


def test_a_signature_on_the_branch_that_was_not_named_amends_nothing(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    others = [said(node_in(tmp_path / f"signer {n}", world, n), amendment_of(7))[0] for n in (2, 3)]
    one, other = said(forked.one, amendment_of(7)), said(forked.other, declaration(3))
    node = node_in(tmp_path / "n", world, 0)
    take(node, [*others, *one, *other])
    take(node, by_root(world, forked.member, settle(forked.feed_id, 2, hash_of(node, other[0]))))
    assert node.trust.rules.number == 0
    (again,) = said(forked.other, amendment_of(7))
    take(node, [again])
    assert node.trust.rules.number == 1, "its member signs again on the branch that stands"


def test_what_waited_for_its_branch_counts_when_that_comes_though_nothing_else_is_said(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    """Above a gap, and settled: of which branch it is shows with an entry that says nothing of members."""
    endorse = header_pb2.Endorse(member_id=b"x" * 32, role=4).SerializeToString()
    one = said(forked.one, declaration(2), declaration(3), Draft(Kind.ENDORSE, URGENT, statement=endorse))
    node = node_in(tmp_path / "n", world, 0)
    take(node, one[2:])
    take(node, by_root(world, forked.member, settle(forked.feed_id, 2, hash_of(node, one[0]))))
    assert not node.trust.counts(hash_of(node, one[2])), "its branch is not known here"
    take(node, one[:2])
    assert node.trust.counts(hash_of(node, one[2]))


def proof_between(node: Exchange, other: list[Letter]) -> header_pb2.ForkProof:
    """What proves that the chain of a node and these part."""
    header = entry.decode(other[0].header, other[0].signature, node.trust.federation_id).header
    hash_ = ledger.hash_at(node.stores.ledger, header.feed_id, header.seq)
    row = ledger.entry(node.stores.ledger, hash_) if hash_ else None
    assert row is not None
    letters = [Letter(header=row.body, signature=row.signature), without(other[0], "box", "payload")]
    first, second = sorted(letters, key=lambda one: hash_of(node, one))
    return header_pb2.ForkProof(first=first, second=second)


def test_the_lowest_proof_remains_in_whatever_order_they_come(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    """Three branches: two part at 5, the third has parted at 3 before."""
    third = node_in(tmp_path / "third", world, 1)
    (second,) = said(forked.one, declaration(1))
    take(forked.other, [second])
    take(third, [second])
    forked.say(declaration(2), declaration(3))
    said(forked.one, declaration(4))
    high = node_in(tmp_path / "high", world, 2)
    take(high, [*served(forked.one, forked.feed_id), *said(forked.other, declaration(5))])
    low = node_in(tmp_path / "low", world, 3)
    take(low, [*served(forked.one, forked.feed_id), *said(third, declaration(6))])
    proofs = [proof_of(node, forked.feed_id) for node in (high, low)]
    for number, order in enumerate(permutations(proofs)):
        node = node_in(tmp_path / f"n{number}", world, 0)
        told = [bool(node.take_fork(proof, BASE_MS).forks) for proof in order]
        assert told == [True, order[0] == proofs[0]]
        assert node.trust.marks.forked() == {forked.feed_id: 3}
        restarted(node)
        assert node.trust.marks.forked() == {forked.feed_id: 3}
    settled = by_root(world, forked.member, settle(forked.feed_id, 3, hash_of(high, proofs[1].first)))
    for name, before, after in (("before", proofs, []), ("after", proofs[1:], proofs[:1])):
        last = node_in(tmp_path / name, world, 0)
        for proof in before:
            last.take_fork(proof, BASE_MS)
        take(last, settled)
        for proof in after:
            last.take_fork(proof, BASE_MS)
        assert last.trust.marks.forked() == {forked.feed_id: 5}, "the higher one, which nobody settled, is open"
        restarted(last)
        assert last.trust.marks.forked() == {forked.feed_id: 5}


def test_a_proof_brings_the_entries_that_make_it(forked: Forked, tmp_path: Path, world: Federation) -> None:
    """A node that was away learns of both, though it holds neither branch."""
    one, other = said(forked.one, declaration(2)), said(forked.other, declaration(3))
    finder, node = node_in(tmp_path / "finder", world, 2), node_in(tmp_path / "n", world, 0)
    take(finder, [*one, *other])
    for frame in finder.tell_forks(node.reader.member_id, [forked.feed_id], BASE_MS):
        if frame.HasField("fork"):
            assert node.take_fork(frame.fork, BASE_MS).forks
        else:
            take(node, list(frame.entries.entries))
    assert standings(node) == standings(finder) == {f"crisis {i}": Standing.CONTESTED for i in (2, 3)}
    assert chain_of(node, forked.feed_id) == chain_of(finder, forked.feed_id)[:1]


def test_a_proof_of_a_feed_that_is_not_known_yet_is_nobodys_fault_and_counts_later(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    finder = node_in(tmp_path / "finder", world, 2)
    take(finder, [*said(forked.one, declaration(2)), *said(forked.other, declaration(3))])
    proof = proof_of(finder, forked.feed_id)
    node = node_in(tmp_path / "n", world, 0)
    known = node.trust
    node.trust = trusts.begin(world.charter)
    assert not node.take_fork(proof, BASE_MS).forks
    node.trust = known
    assert node.take_fork(proof, BASE_MS).forks


def test_both_branches_in_one_frame_make_the_proof(forked: Forked, tmp_path: Path, world: Federation) -> None:
    node = node_in(tmp_path / "n", world, 0)
    letters = [*said(forked.one, items_of(range(3))), *said(forked.other, items_of(range(4)))]
    checked = node.verify(letters)
    assert [row.seq for row in node.admit(checked, BASE_MS).forks] == [2]


def test_of_another_branch_no_more_than_sixteen_urgent_entries_are_kept(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "n", world, 0)
    take(node, said(forked.one, declaration(2)))
    take(node, said(forked.other, *(declaration(number) for number in range(3, 40))))
    assert ledger.beside_count(node.stores.ledger, forked.feed_id) == 16


def test_what_is_urgent_beyond_its_authors_quota_is_contested_everywhere_all_the_same(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    """Which of them went in lane 0 depends on what a node heard first."""
    one = said(forked.one, *(declaration(number) for number in range(2, 6)))
    other = said(forked.other, *(declaration(number) for number in range(6, 10)))
    a, b = node_in(tmp_path / "a", world, 0), node_in(tmp_path / "b", world, 2)
    push(a, [*one, *other])
    push(b, [*other, *one])
    assert sum(a.budgets.demoted.values()) == sum(b.budgets.demoted.values()) == 3
    assert standings(a) == standings(b) == {f"crisis {number}": Standing.CONTESTED for number in range(2, 10)}
    for name, teller in (("by a", a), ("by b", b)):
        node = node_in(tmp_path / name, world, 3)
        told = teller.tell_forks(node.reader.member_id, [forked.feed_id], BASE_MS)
        for frame in told:
            if frame.HasField("fork"):
                node.take_fork(frame.fork, BASE_MS)
            else:
                push(node, list(frame.entries.entries))
        assert standings(node) == standings(a), name


def test_what_came_without_its_box_on_a_branch_beside_is_read_when_that_comes(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    """In places that the chain has, too."""
    node = node_in(tmp_path / "n", world, 0)
    take(node, said(forked.one, declaration(2), declaration(3), declaration(4)))
    other = said(forked.other, declaration(5), declaration(6), declaration(7))
    take(node, [other[0], *(without(one, "box", "payload") for one in other[1:])])
    assert {f"crisis {number}" for number in (6, 7)}.isdisjoint(standings(node))
    take(node, other)
    assert set(standings(node)) == {f"crisis {number}" for number in range(2, 8)}


def test_where_branches_part_is_looked_for_below(forked: Forked, tmp_path: Path, world: Federation) -> None:
    anchor = Draft(Kind.ANCHOR, statement=header_pb2.Anchor(journal_size=1).SerializeToString())
    node = node_in(tmp_path / "n", world, 0)
    take(node, said(forked.one, anchor, anchor, anchor))
    beside = said(forked.other, declaration(1), declaration(2), anchor)
    admitted = node.admit(node.verify(beside[2:]), BASE_MS)
    assert [row.seq for row in admitted.forks] == [4]
    assert admitted.parted == ((forked.feed_id, 4),)
    admitted = node.admit(node.verify(beside[:2]), BASE_MS)
    assert [row.seq for row in admitted.forks] == [2]
    assert admitted.parted == ()


def test_a_node_whose_own_feed_forked_signs_no_more_and_reads_on(forked: Forked, world: Federation) -> None:
    said(forked.one, declaration(2))
    signed = forked.one.author.journal.lines()
    take(forked.one, said(forked.other, declaration(3)))
    with pytest.raises(Refused, match="was signed elsewhere"):
        forked.one.publish([declaration(4)], BASE_MS)
    assert forked.one.author.journal.lines() == signed
    assert set(standings(forked.one)) == {"crisis 2", "crisis 3"}
    restarted(forked.one)
    with pytest.raises(Refused, match="was signed elsewhere"):
        forked.one.publish([declaration(4)], BASE_MS)


# ---- Settled


@dataclass
class Parted:
    """A fork at 3 with two entries on each branch, and a node on each."""

    forked: Forked
    nodes: tuple[Exchange, Exchange]
    branches: tuple[list[Letter], list[Letter]]
    hashes: tuple[list[HeaderHash], list[HeaderHash]]


@pytest.fixture(name="parted")
def _parted(forked: Forked, tmp_path: Path, world: Federation) -> Parted:
    forked.say(declaration(1))
    branches = said(forked.one, declaration(2), declaration(3)), said(forked.other, declaration(4), declaration(5))
    nodes = node_in(tmp_path / "a", world, 0), node_in(tmp_path / "b", world, 2)
    (first, *_) = served(forked.one, forked.feed_id)
    for node, mine, theirs in zip(nodes, branches, reversed(branches), strict=True):
        take(node, [first, *mine, *theirs])
    hashes = tuple([hash_of(nodes[0], one) for one in branch] for branch in branches)
    return Parted(forked, nodes, branches, (hashes[0], hashes[1]))


def test_the_branch_that_its_root_named_is_the_chain_and_the_other_is_kept_beside(
    parted: Parted, world: Federation
) -> None:
    feed_id, hashes = parted.forked.feed_id, parted.hashes
    letters = by_root(world, parted.forked.member, settle(feed_id, 3, hashes[1][0]))
    views, chains = [], []
    for node in parted.nodes:
        admitted = node.admit(node.verify(letters), BASE_MS)
        assert admitted.settled == ((feed_id, 0),)
        for again in (False, True):
            if again:
                restarted(node)
                node.rebuild()
            views.append(standings(node))
            chains.append(chain_of(node, feed_id))
            assert node.trust.marks.forked() == {}
    stands, superseded = Standing.STANDS, Standing.SUPERSEDED
    wanted = {
        "crisis 1": stands,
        "crisis 2": superseded,
        "crisis 3": superseded,
        "crisis 4": stands,
        "crisis 5": stands,
    }
    assert views == [wanted] * 4
    assert [chain[2:] for chain in chains] == [hashes[1]] * 4
    (kept,) = parted.nodes[0].serve(parted.nodes[1].reader.member_id, peer_pb2.Want(entries=[hashes[0][0]]), BASE_MS)
    assert kept[0].header == parted.branches[0][0].header


def test_a_settlement_above_where_branches_part_leaves_that_place_to_be_settled(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    mine, theirs = said(forked.one, declaration(2), declaration(3)), said(forked.other, declaration(4), declaration(5))
    node = node_in(tmp_path / "n", world, 0)
    take(node, [*mine, *theirs])
    high, low = (settle(forked.feed_id, seq, hash_of(node, theirs[seq - 2])) for seq in (3, 2))
    letters = by_root(world, forked.member, high, low)
    take(node, letters[:1])
    assert node.trust.marks.forked() == {forked.feed_id: 2}
    assert chain_of(node, forked.feed_id)[1:] == [hash_of(node, mine[0])]
    take(node, letters[1:])
    assert node.trust.marks.forked() == {}
    assert chain_of(node, forked.feed_id)[1:] == [hash_of(node, one) for one in theirs]


def test_the_named_branch_is_taken_in_where_only_the_other_is_held(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    mine, theirs = said(forked.one, items_of(range(3))), said(forked.other, items_of(range(4)), declaration(5))
    node = node_in(tmp_path / "n", world, 0)
    take(node, mine)
    named = hash_of(node, theirs[0])
    admitted = node.admit(node.verify(by_root(world, forked.member, settle(forked.feed_id, 2, named))), BASE_MS)
    assert [(head.feed_id, head.seq) for head in admitted.heads if head.feed_id == forked.feed_id] == [
        (forked.feed_id, 1)
    ]
    take(node, mine)
    assert len(chain_of(node, forked.feed_id)) == 1
    take(node, theirs)
    assert chain_of(node, forked.feed_id)[1:] == [hash_of(node, one) for one in theirs]
    assert standing_values(node) == set(range(4))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_settlements_the_smaller_hash_wins_and_the_chain_goes_back_to_it(
    parted: Parted, world: Federation, order: tuple[int, int]
) -> None:
    feed_id, hashes = parted.forked.feed_id, parted.hashes
    smaller = min(range(2), key=lambda branch: hashes[branch][0])
    acts = [settle(feed_id, 3, hashes[branch][0]) for branch in order]
    for node in parted.nodes:
        for letter in by_root(world, parted.forked.member, *acts):
            take(node, [letter])
        assert chain_of(node, feed_id)[2:] == hashes[smaller]
        restarted(node)
        assert chain_of(node, feed_id)[2:] == hashes[smaller]
        stands = [title for title, one in standings(node).items() if one is Standing.STANDS]
        assert len(stands) == 3


def test_a_crash_before_the_commit_leaves_the_other_branch_whole(parted: Parted, world: Federation) -> None:
    node, feed_id = parted.nodes[0], parted.forked.feed_id
    letters = by_root(world, parted.forked.member, settle(feed_id, 3, parted.hashes[1][0]))
    before = chain_of(node, feed_id)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(type(node.stores), "commit", _fail)
        with pytest.raises(OSError, match="full"):
            node.admit(node.verify(letters), BASE_MS)
    node.stores.rollback()
    restarted(node)
    assert chain_of(node, feed_id) == before
    take(node, letters)
    assert chain_of(node, feed_id)[2:] == parted.hashes[1]


def _fail(_: object, name: str) -> None:
    if name == "ledger":
        raise OSError("full")


def test_another_members_root_settles_and_ends_nothing(parted: Parted, world: Federation) -> None:
    feed_id, hashes = parted.forked.feed_id, parted.hashes
    acts = [settle(feed_id, 3, hashes[1][0]), retire(feed_id, 1, hashes[1][0])]
    node = parted.nodes[0]
    before = standings(node)
    take(node, by_root(world, world.members[2], *acts))
    assert node.trust.marks.forked() == {feed_id: 3}
    assert standings(node) == before


def test_a_thief_who_goes_on_with_the_branch_that_was_not_named_forks_nothing_anew(
    parted: Parted, world: Federation
) -> None:
    feed_id = parted.forked.feed_id
    letters = by_root(world, parted.forked.member, settle(feed_id, 3, parted.hashes[1][0]))
    more = said(parted.forked.one, declaration(8), declaration(9))
    for node in parted.nodes:
        take(node, letters)
        admitted = node.admit(node.verify(more), BASE_MS)
        assert not admitted.forks
        assert not admitted.gaps
        assert node.trust.marks.forked() == {}
        assert {standings(node)[f"crisis {number}"] for number in (8, 9)} == {Standing.SUPERSEDED}
        assert chain_of(node, feed_id)[2:] == parted.hashes[1]


# ---- Ended


def test_what_appears_above_the_end_of_a_stolen_feed_is_superseded_whatever_its_date(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "n", world, 0)
    (first,) = said(forked.one, declaration(1))
    take(node, [first])
    take(node, by_root(world, forked.member, retire(forked.feed_id, 2, hash_of(node, first))))
    backdated = said(forked.one, declaration(2), items_of(range(5)), now_ms=BASE_MS - 86_400_000)
    take(node, backdated)
    assert standings(node) == {"crisis 1": Standing.STANDS, "crisis 2": Standing.SUPERSEDED}
    assert shown(node)["crisis 2"] == ("proposed", standing.SUPERSEDED)
    assert standing_values(node) == set()
    assert not list(consult.values(node.stores, node.trust))


# ---- Identity logs


def test_nothing_of_a_member_whose_identity_log_forked_counts_in_full_and_nothing_settles_it(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "n", world, 0)
    take(node, said(forked.one, declaration(1)))
    heir = header_pb2.Successor(member_id=world.members[2].member_id).SerializeToString()
    (one, after) = by_root(world, forked.member, (Kind.SUCCESSOR, heir), (Kind.SUCCESSOR, heir))
    log_id = identity.log_id(forked.member.member_id)
    (other,) = by_root(world, forked.member, settle(log_id, 3, hash_of(node, one)))
    take(node, [one, other])
    assert standings(node) == {"crisis 1": Standing.CONTESTED}
    for again in (False, True):
        if again:
            restarted(node)
        take(node, [after])
        assert node.trust.marks.forked() == {log_id: 3}
        assert node.trust.logs[forked.member.member_id].head.seq == 3
        assert len(chain_of(node, log_id)) == 3
        assert standings(node) == {"crisis 1": Standing.CONTESTED}


def test_what_is_on_a_branch_that_is_not_held_is_superseded_once_its_place_is_taken(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "n", world, 0)
    *first, lost = said(forked.one, items_of(range(3)), items_of(range(4)), declaration(2))
    (named,) = said(forked.other, declaration(3))
    take(node, [named, lost])
    take(node, by_root(world, forked.member, settle(forked.feed_id, 2, hash_of(node, named))))
    assert standings(node) == {"crisis 2": Standing.CONTESTED, "crisis 3": Standing.STANDS}
    take(node, said(forked.other, items_of(range(5)), declaration(4)))
    wanted = {"crisis 2": Standing.SUPERSEDED, "crisis 3": Standing.STANDS, "crisis 4": Standing.STANDS}
    assert standings(node) == wanted
    take(node, first)
    assert standings(node) == wanted
    assert node.trust.marks.forked() == {}


def test_a_proof_above_what_was_read_of_an_identity_log_is_nobodys_fault(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    """The root key was rotated meanwhile: who must have signed there is not known here."""
    member, next_root = forked.member, SigningKey(seed("next 1"))
    rotate = header_pb2.Rotate(
        root_key=bytes(next_root.verify_key), next_root=identity.next_root_commitment(bytes(member.root.verify_key))
    )
    rotated = replace(member, root=next_root)
    heirs = [header_pb2.Successor(member_id=world.members[i].member_id).SerializeToString() for i in (2, 3)]
    one, other = (
        by_root(world, rotated, (Kind.ROTATE, rotate.SerializeToString()), (Kind.SUCCESSOR, heir)) for heir in heirs
    )
    proof = header_pb2.ForkProof(first=one[1], second=other[1])
    node = node_in(tmp_path / "n", world, 0)
    assert not node.take_fork(proof, BASE_MS).forks
    take(node, one[:1])
    assert node.take_fork(proof, BASE_MS).forks
    elsewhere = node_in(tmp_path / "elsewhere", world, 2)
    take(elsewhere, by_root(world, member, (Kind.SUCCESSOR, heirs[0])))
    assert elsewhere.verify(one[1:]).fault is None


def test_who_signs_the_settled_place_again_and_again_fills_no_store(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "n", world, 0)
    mine, theirs = said(forked.one, declaration(2)), said(forked.other, declaration(3))
    take(node, mine)
    named = hash_of(node, theirs[0])
    take(node, by_root(world, forked.member, settle(forked.feed_id, 2, named)))
    (opening,) = chain_of(node, forked.feed_id)
    before = ledger.entry_count(node.stores.ledger)
    for number in range(40):
        anchor = header_pb2.Anchor(journal_size=number + 1).SerializeToString()
        fields = header_pb2.Header(
            feed_id=forked.feed_id,
            seq=2,
            previous=opening,
            created_ms=BASE_MS,
            urgency=1,
            kind=Kind.ANCHOR,
            statement=anchor,
        )
        made = entry.create(fields, forked.member.feed_key, world.charter.federation_id)
        take(node, [Letter(header=made.header.body, signature=made.signature)])
    assert ledger.entry_count(node.stores.ledger) == before
    take(node, theirs)
    assert chain_of(node, forked.feed_id) == [opening, named]


def test_above_an_open_fork_nothing_is_asked_for_and_what_is_urgent_is_shown(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "n", world, 0)
    mine, theirs = said(forked.one, declaration(2), items_of(range(3))), said(forked.other, declaration(3))
    take(node, [*mine, *theirs])
    later = said(forked.one, items_of(range(4)), declaration(4))
    admitted = node.admit(node.verify(later[1:]), BASE_MS)
    assert admitted.gaps == ()
    assert standings(node)["crisis 4"] is Standing.CONTESTED


def test_what_stands_above_the_fork_of_an_identity_log_lets_nobody_in_and_a_restart_reads_the_same_branch(
    forked: Forked, tmp_path: Path, world: Federation
) -> None:
    member, federation_id = forked.member, world.charter.federation_id
    key = SigningKey(seed("thief"))
    certified = header_pb2.Node(
        node_id=b"n" * 16, feed_key=bytes(key.verify_key), kem_key=b"k" * 32, tls_issuer=b"issuer"
    ).SerializeToString()
    heirs = [header_pb2.Successor(member_id=world.members[i].member_id).SerializeToString() for i in (2, 3)]
    one, above = by_root(world, member, (Kind.SUCCESSOR, heirs[0]), (Kind.NODE, certified))
    (other,) = by_root(world, member, (Kind.SUCCESSOR, heirs[1]))
    feed_id = keys.feed_id(federation_id, member.member_id, bytes(key.verify_key))
    opened = header_pb2.Open(member_id=member.member_id, feed_key=bytes(key.verify_key)).SerializeToString()
    fields = header_pb2.Header(feed_id=feed_id, seq=1, created_ms=BASE_MS, urgency=1, kind=Kind.OPEN, statement=opened)
    made = entry.create(fields, key, federation_id)
    log_id = identity.log_id(member.member_id)
    for name, order in (("a", (one, other)), ("b", (other, one))):
        node = node_in(tmp_path / name, world, 0)
        for letter in order:
            take(node, [letter])
        take(node, [above, Letter(header=made.header.body, signature=made.signature)])
        assert chain_of(node, feed_id) == []
        for _ in range(2):
            assert node.trust.logs[member.member_id].head.hash == chain_of(node, log_id)[-1] == hash_of(node, order[0])
            restarted(node)
