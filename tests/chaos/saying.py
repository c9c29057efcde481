"""What is said during a round, by whom it was seen and when; all of it has to be everywhere at the end."""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from node.client import Received
from node.content.hashes import SHA256
from node.errors import Unavailable
from node.exchange.drafts import HOUR_MS
from node.feed.kinds import Kind
from node.policy.border import GREEN
from node.v1 import record_pb2, tools_pb2
from tests.chaos.plan import Plan
from tests.chaos.world import LOOK_AGAIN_S, Lost, World

HANDLING = record_pb2.Handling(tlp=GREEN)
OUTDATED = 4  # of the withdrawal reasons
LIST, REFERENCE = "travelling", "reference"


@dataclass(frozen=True, slots=True)
class Declared:
    """One crisis, and from when on it could be seen."""

    title: str
    by: int
    object_id: bytes
    entry: bytes
    began_s: float


@dataclass
class Said:
    """Everything that nodes confirmed; on one event loop."""

    world: World
    declared: list[Declared] = field(default_factory=list)
    seen_s: dict[tuple[int, bytes], float] = field(default_factory=dict)  # by node and object: the first time
    sent: int = 0  # digests that the publisher's node was sent
    published: int = 0  # of the first so many it was confirmed that they stand in the list
    removed: int = 0  # of the first so many it was confirmed that they do not
    referred: int = 0  # digests of the list that was published before, for reference

    def __post_init__(self) -> None:
        self.digests = digests(self.world.plan, "list")

    @property
    def standing(self) -> list[bytes]:
        """Digests that have to be found everywhere."""
        before = digests(self.world.plan, REFERENCE) if self.referred else []
        return before + self.digests[self.removed : self.published]

    # ---- Declarations

    async def declare_all(self) -> None:
        """One after the other, with a pause; each until its node confirms it, by the same object id."""
        chance = self.world.plan.random("declarations")
        for number, by in enumerate(self.world.plan.declarers):
            await self.declare(by, f"crisis {number}", chance.randbytes(16))
            await asyncio.sleep(self.world.plan.pause_s)

    async def declare(self, by: int, title: str, object_id: bytes) -> Declared:
        began_s = asyncio.get_running_loop().time()
        ends_ms = time.time_ns() // 1_000_000 + 6 * HOUR_MS  # noqa: TID251 - daemons have the real clock
        crisis = record_pb2.Crisis(framework=record_pb2.Reference(name="eu-ocrf"), title=title, ends_ms=ends_ms)
        while True:
            try:
                view = await self.world.clients[by].declare(crisis, HANDLING, object_id=object_id)
                break
            except Unavailable:  # killed, or its disk is full: whether it was said, the next call finds out
                await asyncio.sleep(LOOK_AGAIN_S)
        self.declared.append(Declared(title, by, object_id, view.entry, began_s))
        return self.declared[-1]

    async def follow(self, node: int) -> None:
        """Note what a subscriber of this node is given, over its restarts."""
        now = asyncio.get_running_loop().time
        async for event in self.world.clients[node].subscribe("chaos", kinds_wanted=[Kind.DECLARATION]):
            if isinstance(event, Received):
                self.seen_s.setdefault((node, event.object_id), now())

    def delays_s(self, crises: Sequence[Declared], nodes: Sequence[int]) -> Iterator[float]:
        """Of each crisis that was declared on one of the nodes: until each other one of them saw it."""
        for one in crises:
            for node in nodes:
                if one.by in nodes and node != one.by and (node, one.object_id) in self.seen_s:
                    yield self.seen_s[node, one.object_id] - one.began_s

    # ---- The list

    async def publish_all(self) -> None:
        """The list, in parts; what a fault ended is called for again, or not, as the plan says."""
        plan, total = self.world.plan, len(self.digests)
        for part in range(plan.parts):
            first, last = total * part // plan.parts, total * (part + 1) // plan.parts
            if await self._publish(first, last):
                self.published = last
            else:
                return  # what came of it is for the nodes to agree on
        await self._remove(int(total * plan.removed))

    async def _remove(self, count: int) -> None:
        """The first so many no longer stand; called for until it is confirmed."""
        removal = tools_pb2.Removal(list=LIST, reason=OUTDATED, kind=SHA256.name)
        while self.removed < count:
            try:
                await self.world.clients[self.world.plan.publisher].remove_items(removal, self.digests[:count])
                self.removed = count
            except Unavailable:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _publish(self, first: int, last: int) -> bool:
        client = self.world.clients[self.world.plan.publisher]

        def progress(count: int) -> None:
            self.sent = max(self.sent, first + count)

        while True:
            try:
                answer = await client.publish_list(draft(LIST), self.digests[first:last], progress)
            except Unavailable:
                if not self.world.plan.publishes_again:
                    return False
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            self.sent = max(self.sent, last)
            if answer.added + answer.unchanged != last - first:
                raise Lost(
                    f"{last - first:,} digests published: {answer.added:,} added, {answer.unchanged:,} unchanged"
                )
            return True

    async def publish_reference(self) -> None:
        """As long a list, before anything is broken."""
        values = digests(self.world.plan, REFERENCE)
        await self.world.clients[self.world.plan.publisher].publish_list(draft(REFERENCE), values)
        self.referred = len(values)


def draft(name: str) -> tools_pb2.ListDraft:
    return tools_pb2.ListDraft(name=name, kind=SHA256.name, labels=["attack-footage"], handling=HANDLING)


def digests(plan: Plan, purpose: str) -> list[bytes]:
    """In no order, of this round alone."""
    salt = f"{plan.seed} {plan.number} {purpose} ".encode()
    return [hashlib.sha256(salt + str(i).encode()).digest() for i in range(plan.digest_count)]
