"""Faults as they strike real nodes, and what the others do meanwhile."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.bench.results import percentile
from tests.chaos import world as worlds
from tests.chaos.cables import Cable as Wire
from tests.chaos.disk import FullDisk
from tests.chaos.plan import DECLARERS, Break, Cable, Disk, Fault, Frozen, Kill, Moment, Plan, Slow
from tests.chaos.saying import Declared, Said
from tests.chaos.world import World

PROBES = 5  # declarations between those that no fault touches, while it lasts
LATEST_S = 10.0  # after the list was published: a share that is never reached is not waited for longer
NOTICED_GUARD_S = 120.0  # three times what a keep-alive takes


@dataclass
class Faults:
    """All faults of a round, and what was seen of them."""

    world: World
    said: Said
    tell: Callable[[str], None]
    published: asyncio.Event = field(default_factory=asyncio.Event)
    meanwhile: list[Declared] = field(default_factory=list)  # declared by the calm while a fault lasted
    over_s: float = 0.0  # when the last one was over
    _locks: dict[int, asyncio.Lock] = field(default_factory=dict)
    _probed: int = 0

    @property
    def calm(self) -> Sequence[int]:
        """Nodes that no fault touches; in a mesh they are connected with each other."""
        return [i for i in range(self.world.plan.nodes) if i not in self.world.plan.victims]

    async def strike(self, fault: Fault) -> None:
        """Wait for its moment, let it last, and end it."""
        match fault:
            case Slow():
                return  # from the beginning to the end
            case Cable():
                await self._moment(fault.victim, fault.moment)
                await self._cut(fault)
            case Kill() | Disk() | Frozen():
                await self._moment(fault.victim, fault.moment)
                async with self._locks.setdefault(fault.victim, asyncio.Lock()):  # what is frozen is not killed
                    await self._harm(fault)
        self.over_s = asyncio.get_running_loop().time()

    async def _harm(self, fault: Kill | Disk | Frozen) -> None:
        node = self.world.nodes[fault.victim]
        match fault:
            case Kill():
                started_s = await self.world.restart(fault.victim)
                self.tell(f"n{fault.victim + 1} was killed, and ready again {started_s:.1f} s after its start")
            case Disk():
                full = FullDisk(node)
                full.fill(fault.room_bytes)
                await self._last(fault.lasts_s)
                full.make_room()
                self.tell(f"n{fault.victim + 1}'s disk was full and has room again; {self._calm_delays()}")
            case Frozen():
                node.signal(signal.SIGSTOP)
                await self._last(fault.lasts_s)
                node.signal(signal.SIGCONT)
                self.tell(f"n{fault.victim + 1} was frozen for {fault.lasts_s:.1f} s; {self._calm_delays()}")

    # ---- Moments

    async def _moment(self, victim: int, moment: Moment) -> None:
        """Until the victim has its share of the list, and a little later."""

        async def has_it() -> bool:
            return await self._share(victim) >= moment.share

        waiting = asyncio.create_task(worlds.until(has_it, f"{moment.share:.0%} of the list on n{victim + 1}"))
        latest = asyncio.create_task(self._latest())
        try:
            await asyncio.wait({waiting, latest}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            latest.cancel()
        await asyncio.sleep(moment.later_s)

    async def _latest(self) -> None:
        await self.published.wait()
        await asyncio.sleep(LATEST_S)

    async def _share(self, victim: int) -> float:
        if victim == self.world.plan.publisher:
            return self.said.sent / len(self.said.digests)
        held = sum(one.items for one in await self.world.clients[victim].lists())
        return max(held - self.said.referred, 0) / len(self.said.digests)

    # ---- What the others do

    async def _last(self, seconds: float) -> None:
        """The fault lasts so long, and until the calm have heard from each other."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(seconds))
            tasks.create_task(self.probe())

    async def probe(self) -> Sequence[Declared]:
        """The calm declare, and see it; each declaration waits for the one before."""
        calm = self.calm
        able = [i for i in calm if i < DECLARERS]
        if len(calm) < 2 or not able:
            return []
        found = []
        for _ in range(PROBES):
            self._probed += 1
            by = able[self._probed % len(able)]
            chance = self.world.plan.random(f"probe {self._probed}")
            one = await self.said.declare(by, f"probe {self._probed}", chance.randbytes(16))
            await self._seen_by(calm, one)
            found.append(one)
        self.meanwhile += found
        return found

    async def _seen_by(self, nodes: Sequence[int], one: Declared) -> None:
        async def is_seen() -> bool:
            return all((node, one.object_id) in self.said.seen_s for node in nodes)

        await worlds.until(is_seen, f"{one.title} of n{one.by + 1} seen by all that no fault touches", 60)

    def _calm_delays(self) -> str:
        delays = list(self.said.delays_s(self.meanwhile, self.calm))
        if not delays:
            return "nobody else to ask"
        return f"between the others {len(delays)} sightings meanwhile, p50 {percentile(delays, 50) * 1000:.0f} ms"

    # ---- Cables

    async def _cut(self, fault: Cable) -> None:
        ends = self.world.neighbours(fault.victim)[: None if fault.all else 1]
        wires = [self.world.cables.between(fault.victim, other) for other in ends]
        since = asyncio.get_running_loop().time()
        for wire in wires:
            _break(wire, fault)
        try:
            noticed = asyncio.create_task(self._noticed(fault.victim, ends))
            await self._last(0 if fault.until_noticed else fault.lasts_s)
            if fault.until_noticed:
                await noticed
            noticed.cancel()
        finally:
            for wire in wires:
                _mend(wire)
        lasted_s = asyncio.get_running_loop().time() - since
        how = (
            f"noticed by both ends after {noticed.result():.1f} s" if not noticed.cancelled() and noticed.done() else ""
        )
        self.tell(
            f"n{fault.victim + 1}'s cables were cut ({fault.how}) for {lasted_s:.1f} s"
            f"{', ' + how if how else ''}; {self._calm_delays()}"
        )

    async def _noticed(self, victim: int, others: Sequence[int]) -> float:
        since = asyncio.get_running_loop().time()

        def unconnected(one: int, other: int) -> Callable[[], Awaitable[bool]]:
            async def is_so() -> bool:
                return self.world.member_id(other) not in await self.world.connected(one)

            return is_so

        for other in others:
            for one, far in ((victim, other), (other, victim)):
                await worlds.until(
                    unconnected(one, far), f"n{one + 1} notices that n{far + 1} is away", NOTICED_GUARD_S
                )
        return asyncio.get_running_loop().time() - since


def slow_down(world: World, plan: Plan) -> None:
    """Where the plan says so, and from now on."""
    for fault in plan.faults:
        if isinstance(fault, Slow):
            for other in world.neighbours(fault.victim):
                for way in world.cables.between(fault.victim, other).ways.values():
                    way.bytes_per_s, way.delay_s = fault.bytes_per_s, fault.delay_s


def _break(wire: Wire, fault: Cable) -> None:
    match fault.how:
        case Break.SILENT:
            for way in wire.ways.values():
                way.hold()
        case Break.ONE_WAY:
            wire.ways[fault.victim].hold()
        case Break.RESET:
            wire.is_cut = True
            wire.reset()


def _mend(wire: Wire) -> None:
    wire.is_cut = False
    for way in wire.ways.values():
        way.let_go()
