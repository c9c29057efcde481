"""Amendments in a world: some complete, some not, two of one number; in the end all nodes go by the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from node.errors import Refused
from node.exchange import documents, standing
from node.exchange.publish import Draft
from node.exchange.signing import State
from node.feed import amendment, quorum
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.feed.quorum import Act, Quorum
from node.policy import effect
from node.store import driver, ledger
from node.v1 import header_pb2
from tests.rules import PLAIN
from tests.simulator import crises
from tests.simulator.node import Node

if TYPE_CHECKING:
    from tests.simulator.world import World

AUTHORITIES = 10  # the first members: three of them, from two countries, amend
ENOUGH = 3
ADMIT_PLATFORMS = {(int(Act.ADMIT), 4): Quorum(2, 1, frozenset({1, 2}))}


@dataclass
class Amendment:
    """What some members sign, and who."""

    number: int
    previous: bytes
    text: bytes
    hash: bytes
    statement: bytes
    signed: int = 0
    signers: set[MemberId] = field(default_factory=set)

    def drafts(self, now_ms: int, *, first: bool) -> list[Draft]:
        signature = Draft(Kind.AMEND, statement=self.statement)
        text = [documents.draft(self.text, "simulated", str(self.number), now_ms)] if first else []
        return [*text, signature]


def plan(world: "World", until: float) -> list[Amendment]:
    """Have authorities sign, each at a time of its own; what any of them signs."""
    chance = Random(f"{world.seed} amendments")
    if chance.random() < 0.3:
        return []
    first = [_made(world, 1, b"", chance.randint(50, 300)) for _ in range(chance.randint(1, 3))]
    complete = [one for one in first if _sign(world, chance, one, chance.choice((2, 3, 3, 4)), (0.1, until))]
    if not complete:
        return first
    winner = min(complete, key=lambda one: one.hash)
    second = _made(world, 2, winner.hash, chance.randint(301, 400))
    # Its signatures may come before those of the one that it follows.
    _sign(world, chance, second, chance.choice((2, 3)), (0.1, until))
    return [*first, second]


def _made(world: "World", number: int, previous: bytes, hours: int) -> Amendment:
    text = crises.amended(PLAIN.replace("longest_hours = 336", f"longest_hours = {hours}"), hours).encode()
    rows = quorum.encode(ADMIT_PLATFORMS) if hours % 2 else b""
    letter = header_pb2.Amend(number=number, previous=previous, document=sha256(text).digest(), quorums=rows)
    statement = letter.SerializeToString(deterministic=True)
    hash_ = amendment.amendment_hash(world.federation.charter.federation_id, statement)
    return Amendment(number, previous, text, hash_, statement)


def _sign(world: "World", chance: Random, one: Amendment, count: int, between: tuple[float, float]) -> bool:
    """Whether so many are enough; any three authorities next to each other are of three countries."""
    start = chance.randrange(AUTHORITIES)
    for i in range(count):
        node = world.nodes[world.federation.members[(start + i) % AUTHORITIES].member_id]
        one.signers.add(node.id)
        # Two bring the text: what one says of which the feed forks may be lost.
        world.at(chance.uniform(*between), partial(_say, world, node, one, first=i < 2))
    return count >= ENOUGH


def _say(world: "World", node: Node, one: Amendment, *, first: bool) -> None:
    try:
        lived = node.is_up and world.do(
            node, lambda: node.publish(world.now, one.drafts(node.ms(world.now), first=first))
        )
    except Refused:
        lived = False
        if node.exchange.signing.state is State.STALE:
            return  # this one signs nothing any more
    if lived:
        world.entries += 1 + first
        one.signed += not (world.thief and world.thief.victim is node)
    else:
        world.at(world.now + 2.0, partial(_say, world, node, one, first=first))


def agreed(world: "World", planned: list[Amendment], nodes: Sequence[Node]) -> None:
    """I19: all go by the same rules, those that the signatures amount to."""
    # A machine that died in it may have signed, and its start taken that in.
    signers = {one.hash: _signers(nodes[0], one) for one in planned}
    assert all(len(signers[one.hash]) >= one.signed for one in planned), "a signature was lost"
    if any(
        len(_signers(node, one, standing_only=False)) >= ENOUGH > len(signers[one.hash])
        for node in nodes
        for one in planned
    ):
        world.counts["a signature above a fork was one too few"] += 1
    present, planned = b"", [one for one in planned if len(signers[one.hash]) >= ENOUGH]
    while following := [one for one in planned if one.previous == present]:
        present = min(one.hash for one in following)
    text = next((one.text for one in planned if one.hash == present), world.federation.charter.document)
    for node in nodes:
        trust = node.exchange.trust
        assert trust.rules.hash == present, "another amendment is in force than was signed"
        waits = driver.scalar(node.disk.ledger, "SELECT count(*) FROM deferred")  # its own clock is far behind
        assert waits or documents.rules_in_force(trust) == effect.read(text), "the text in force is not at hand"
    if present:
        world.counts["an amendment took effect"] += 1
    if sum(one.number == 1 for one in planned) > 1:
        world.counts["two amendments of one number were complete"] += 1


def _signers(node: Node, one: Amendment, *, standing_only: bool = True) -> set[MemberId]:
    """Who signed it, by entries that stand."""
    trust = node.exchange.trust
    signed = [said for said in trust.facts.amendments if said.hash == one.hash]
    rows = [(said.author, ledger.entry(node.disk.ledger, said.entry)) for said in signed]
    return {
        author
        for author, row in rows
        if row and (not standing_only or standing.standing_of(node.disk, row, trust) is Standing.STANDS)
    }
