"""What a flood of governance costs: how often who is known, who has effect and what is in force are worked out anew."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from node.exchange import amendments, consult, membership
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed import amendment, entry, known, roster
from node.feed.amendment import Proposal
from node.feed.facts import Said
from node.feed.kinds import Kind
from node.protocol.effects import Asked
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import said, take
from tests.simulator.members import BASE_MS, Federation, federation

FLOOD = 600
FRAME = 50
Letter = header_pb2.SignedEntry


@pytest.fixture(name="counted")
def _counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()
    for module, name in ((known, "known"), (roster, "roster"), (amendment, "rules_in_force"), (known, "inceptions_of")):
        monkeypatch.setattr(module, name, _counting(counts, name, getattr(module, name)))
    return counts


def _counting(counts: Counter[str], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: object) -> object:
        counts[name] += 1
        return real(*arguments)

    return call


def flood(world: Federation, statements: Sequence[tuple[Kind, bytes]]) -> list[Letter]:
    """What one authority says, from the opening of its feed on."""
    federation_id, member = world.charter.federation_id, world.members[1]
    feed_id = member.feed_id(federation_id)
    headers = [entry.decode(one.header, one.signature, federation_id).header for one in world.letters]
    last = max((one for one in headers if one.feed_id == feed_id), key=lambda one: one.seq)
    seq, previous, letters = last.seq, last.hash, []
    for kind, statement in statements:
        seq += 1
        fields = header_pb2.Header(
            feed_id=feed_id, seq=seq, previous=previous, created_ms=BASE_MS, urgency=1, kind=kind, statement=statement
        )
        made = entry.create(fields, member.feed_key, federation_id)
        previous = made.header.hash
        letters.append(Letter(header=made.header.body, signature=made.signature))
    return letters


def endorse(member_id: bytes) -> tuple[Kind, bytes]:
    return Kind.ENDORSE, header_pb2.Endorse(member_id=member_id, role=4).SerializeToString()


def name(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


def floods(world: Federation) -> dict[str, list[tuple[Kind, bytes]]]:
    numbers = range(FLOOD)
    return {
        "a member, again and again": [endorse(world.members[12].member_id) for _ in numbers],
        "one stranger, again and again": [endorse(name(0)) for _ in numbers],
        "a stranger after the other": [endorse(name(number)) for number in numbers],
        "an amendment after the other": [
            (Kind.AMEND, header_pb2.Amend(number=1, document=name(number)).SerializeToString()) for number in numbers
        ],
    }


@pytest.mark.parametrize("what", sorted(floods(federation(25))))
def test_a_flood_of_governance_is_weighed_anew_only_where_something_may_have_changed(
    world: Federation, node: Exchange, counted: Counter[str], what: str
) -> None:
    """Frame by frame, with all that is looked at between them; and when it is read again at a start."""
    letters = flood(world, floods(world)[what])
    asked = Asked({world.members[1].feed_id(world.charter.federation_id): 2 * FLOOD})
    node.trust.roster(BASE_MS)
    counted.clear()
    for start in range(0, FLOOD, FRAME):
        checked, _ = node.rule(node.verify(letters[start : start + FRAME]), asked, BASE_MS)
        node.admit(checked, BASE_MS)
        node.circle(BASE_MS)
        assert node.trust.roster(BASE_MS).in_force
    facts = node.trust.facts
    assert len(facts.endorsements) + len(facts.amendments) == FLOOD
    assert counted["known"] == 0
    assert counted["roster"] + counted["rules_in_force"] <= 2
    assert counted["inceptions_of"] <= 4
    counted.clear()
    node.start(BASE_MS)
    assert counted["known"] <= 1, "what the charter alone says"
    assert counted["roster"] <= 4


def test_the_flood_hides_nobody_who_is_let_in(tmp_path: Path, world: Federation, node: Exchange) -> None:
    """Among a hundred strangers one is endorsed by as many as it takes."""
    take(node, flood(world, [endorse(name(number)) for number in range(100)]))
    kind, statement = endorse(name(7))
    for number in (2, 3):
        assert name(7) in node.trust.known.candidates
        take(node, said(node_in(tmp_path / f"n{number}", world, number), Draft(kind, statement=statement)))
    assert name(7) in node.trust.known.members
    assert len(node.trust.known.candidates) == 99
    assert node.trust.known == known.known(world.charter, node.trust.facts)


# ---- What people look at


class Statements(frozenset[Said]):
    """How often somebody goes through all of them."""

    times = 0

    def __iter__(self) -> Iterator[Said]:
        self.times += 1
        return super().__iter__()


class Proposals(list[Proposal]):
    """The same."""

    times = 0

    def __iter__(self) -> Iterator[Proposal]:
        self.times += 1
        return super().__iter__()


def test_where_everybody_stands_is_found_by_going_through_what_was_said_once(world: Federation, node: Exchange) -> None:
    take(node, flood(world, [endorse(name(number)) for number in range(100)]))
    endorsements = Statements(node.trust.facts.endorsements)
    trust = replace(node.trust, facts=replace(node.trust.facts, endorsements=endorsements))
    trust.roster(BASE_MS)
    endorsements.times = 0
    places = membership.every(trust, BASE_MS)
    assert len(places) == 125
    for one in places:
        assert membership.place(trust, one.member_id, BASE_MS) == one
    assert endorsements.times == 1


def test_which_suspensions_of_an_author_count_is_found_once_for_all_of_them(
    world: Federation, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, counts = world.members[12].member_id, Counter[str]()
    letters = [header_pb2.Suspend(member_id=target, until_ms=BASE_MS + 1 + number) for number in range(100)]
    take(node, flood(world, [(Kind.SUSPEND, letter.SerializeToString()) for letter in letters]))
    few = _counting(counts, "few", roster.few_at_a_time)
    monkeypatch.setattr(membership, "few_at_a_time", few)
    said = membership.about(node.trust.facts.by_member.suspensions, target)
    assert membership.obstacles(node.trust, said, BASE_MS) == [""] * 100
    assert counts["few"] == 1


def test_how_amendments_stand_is_found_by_going_through_them_a_few_times_and_not_for_each(
    world: Federation, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(node, flood(world, floods(world)["an amendment after the other"][:100]))
    proposals = Proposals(node.trust.amendments())
    monkeypatch.setattr(Trust, "amendments", lambda _: proposals)
    seen = consult.view(node.trust, node.follows, BASE_MS)
    assert len(amendments.views(seen, {}, {})) == 100
    assert amendments.named(seen, proposals[7].rules.hash.hex()) == proposals[7]
    assert proposals.times <= 8
