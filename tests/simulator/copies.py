"""Faults that bring an old state back: a disk from before, stores that were wiped, a clock that was set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.exchange import signing
from node.feed.keys import HeaderHash
from node.store import ledger, payloads
from node.store.journal import Signed
from node.store.payloads import State
from tests.simulator.node import Node

if TYPE_CHECKING:
    from tests.simulator.world import World

FAULTS = ("rollback", "wiped store", "clock step")
RARE = (
    "refused to sign: waiting",
    "refused to sign: stale",
    "refused to sign: clock",
    "an old disk came back with its journal",
    "an old disk came back beside the present journal",
    "a feed was over",
)
HOUR_MS = 3_600_000
STEPS_MS = (2 * HOUR_MS, 365 * 24 * HOUR_MS, -2 * HOUR_MS, -20 * HOUR_MS)
AGAIN_S = 1.0
TRIES = 30


@dataclass
class Old:
    """A node's disk as it was."""

    node: Node
    image: dict[str, bytes]
    signed: list[Signed]


def plan(world: "World", authors: Sequence[Node]) -> None:
    """Which of these faults strike whom, and when."""
    if "rollback" in world.faults:
        world.at(world.random.uniform(1, 8), lambda: _photograph(world, authors[0]))
    if "wiped store" in world.faults:
        world.at(world.random.uniform(4, 15), lambda: wipe(world, authors[1]))
    if "clock step" in world.faults:
        for author in authors[2:4]:
            step_ms = world.random.choice(STEPS_MS)
            world.at(world.random.uniform(2, 12), lambda author=author, step_ms=step_ms: _step(world, author, step_ms))  # type: ignore[misc]


def check_end(world: "World") -> None:
    """A node whose journal was set back has heard of it by now, and never signs by that feed again."""
    for node in world.over:
        assert node.exchange.signing.state is signing.State.STALE, "a node that lost what it signed would sign on"
        world.counts["a feed was over"] += 1


# ---- An old disk


def _photograph(world: "World", node: Node) -> None:
    if not node.is_up:
        world.at(world.now + AGAIN_S, lambda: _photograph(world, node))
        return
    old = Old(node, node.disk.image(), node.journal.lines())
    world.at(world.now + world.random.uniform(2, 8), lambda: _roll_back(world, old, TRIES))


def _roll_back(world: "World", old: Old, tries: int) -> None:
    """Once so many peers hold what was signed since that the echoes it waits for must name it."""
    node = old.node
    with_journal = world.random.random() < 0.5
    if not node.is_up or not _is_held(world, node) or (with_journal and not _is_known(world, node)):
        if tries:
            world.at(world.now + AGAIN_S, lambda: _roll_back(world, old, tries - 1))
        return
    world.counts["fault: rollback"] += 1
    world.turn_off(node)
    signed = node.journal.lines()
    node.disk.load(old.image)
    if with_journal:
        node.journal.signed = list(old.signed)
        world.counts["an old disk came back with its journal"] += 1
        if len(signed) > len(old.signed):
            world.over.append(node)
    else:
        world.counts["an old disk came back beside the present journal"] += 1
    _start(world, node)


_OWN = (State.MISSING, State.SEALED, State.PRESENT)  # what is erased, or taken back in part, others have no more


def _is_held(world: "World", node: Node) -> bool:
    """Whether others have all its payloads: what nobody else holds is lost with the disk."""
    feed_id = node.member.feed_id(node.exchange.trust.federation_id)
    others = [one for one in world.nodes.values() if one is not node]
    own = [row.hash for row in ledger.of_feed(node.disk.ledger, feed_id) if _state(node, row.hash) in _OWN]
    return all(any(_state(one, hash_) in (State.PRESENT, State.SEALED) for one in others) for hash_ in own)


def _state(node: Node, hash_: HeaderHash) -> State | None:
    return payloads.state(node.disk.ledger, hash_)


def _start(world: "World", node: Node) -> None:
    world.forget(node)
    world.counts["a start erased again what a disk brought back"] += world.erasing.brought_back(node)
    node.start(world.now, prepared=False)
    world.erasing.restarted(node)
    world.after(node)


def _is_known(world: "World", node: Node) -> bool:
    """Whether every choice of echoes that lets it sign has one that is as high as what it signed last."""
    feed_id = node.member.feed_id(node.exchange.trust.federation_id)
    own = ledger.head(node.disk.ledger, feed_id)
    peers = [world.nodes[peer] for pair in sorted(world.links) if node.id in pair for peer in pair if peer != node.id]
    heads = [ledger.head(one.disk.ledger, feed_id) for one in peers]
    without = sum(1 for head in heads if own is None or head is None or head.seq < own.seq)
    return without < (len(peers) + 1) // 2


# ---- Lost stores, and the clock


def wipe(world: "World", node: Node) -> None:
    """It loses its stores, once others have what it published, and joins again."""
    if not node.is_up or not _is_held(world, node):
        world.at(world.now + AGAIN_S, lambda: wipe(world, node))
        return
    world.counts["fault: wiped store"] += 1
    world.turn_off(node)
    node.disk.load(world.federation.empty)
    world.write_store_id(node.disk, node.member.number + 1000)
    world.forget(node)
    world.join(node)
    world.approve(node)  # by hand, when it runs


def _step(world: "World", node: Node, step_ms: int) -> None:
    world.counts["fault: clock step"] += 1
    node.clock_ahead_ms = step_ms
    world.at(world.now + world.random.uniform(2, 5), lambda: _set_right(world, node))


def _set_right(world: "World", node: Node) -> None:
    """The administrator sets the clock, and says that it is right now."""
    if not node.is_up:
        world.at(world.now + AGAIN_S, lambda: _set_right(world, node))
        return
    node.clock_ahead_ms = 0
    world.do(node, lambda: node.confirm_clock(world.now))
