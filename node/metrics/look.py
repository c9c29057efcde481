"""One look at the running node."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from node.exchange.signing import State
from node.feed import keys
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.rpc.approval import Approval
from node.rpc.meter import LookUps, Meter
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.reading import Reading
from node.runtime.sweeping import Sweeping
from node.runtime.writer import Writer
from node.store import figures
from node.store import peers as stored
from node.store.figures import Figures

COMPARE_EVERY_S = 5.0  # peers are not asked more often whether they are in step, however often somebody looks
AUTHORS_MAX, OTHERS = 32, "others"  # a label for each: whoever collects the figures keeps them all
MEMBER_CHARACTERS = 5  # of the fingerprint: two members may have one name


@dataclass(frozen=True, slots=True)
class Peer:
    """One approved peer. ``backlog``: frames and bytes by stream."""

    name: str
    member: str
    connected: bool
    in_step: bool
    lag: int
    clock_ahead_s: float
    backlog: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the running node."""

    program: str
    now_s: float
    certificate_ends_s: float
    peers: Sequence[Peer]
    queue_length: int
    calls: dict[tuple[str, str], int]
    look_ups: LookUps
    faults: dict[str, int]
    ignored: dict[str, int]  # by the beginning of the author's fingerprint
    demoted: dict[str, int]
    needed_sync: int
    signing: State
    figures: Figures
    swept_s: float
    erased: dict[str, int]  # by reason


def by_author(counts: Mapping[MemberId, int]) -> dict[str, int]:
    """The first authors that there was something to count of, each by itself, and all others together."""
    found: Counter[str] = Counter()
    for number, (member_id, count) in enumerate(list(counts.items())):
        found[keys.fingerprint(member_id)[:MEMBER_CHARACTERS] if number < AUTHORS_MAX else OTHERS] += count
    return dict(found)


class Looking:
    """Looks when it is told to. Owned by the event loop."""

    def __init__(
        self,
        peering: Peering,
        approval: Approval,
        writer: Writer,
        reading: Reading,
        sweeping: Sweeping,
        clock: Clock,
        program: str,
        certificate_ends: Callable[[], datetime],
    ) -> None:
        self.meter = Meter(clock.monotonic_s)
        self._peering, self._approval = peering, approval
        self._writer, self._reading, self._clock = writer, reading, clock
        self._sweeping = sweeping
        self._program, self._certificate_ends = program, certificate_ends
        self._compared_at = float("-inf")

    async def look(self) -> Look:
        """Ask peers and stores, then take it all down in one go."""
        now = self._clock.monotonic_s()
        if now >= self._compared_at + COMPARE_EVERY_S:
            self._compared_at = now
            await self._peering.compare()
        now_ms = self._clock.now_ms()
        found = await self._reading.run(lambda stores: figures.read(stores, now_ms))
        return Look(
            program=self._program,
            now_s=now_ms / 1000,
            certificate_ends_s=self._certificate_ends().timestamp(),
            peers=self._peers(),
            queue_length=self._writer.queue_length,
            calls=dict(self.meter.calls),
            look_ups=self.meter.look_ups.copy(),
            faults=dict(self._peering.convicting.faults.by_rule),
            ignored=by_author(self._writer.budgets.ignored),
            demoted=by_author(self._writer.budgets.demoted),
            needed_sync=self._peering.needed_sync,
            signing=self._writer.signing.state,
            figures=found,
            swept_s=self._sweeping.swept_ms / 1000,
            erased=dict(self._sweeping.erased),
        )

    def _peers(self) -> list[Peer]:
        connected, in_step = frozenset(self._peering.connected), frozenset(self._peering.in_step)
        approved = [one.member_id for one in self._approval.every() if one.state == stored.APPROVED]
        return [
            Peer(
                name=self._writer.trust.name_of(member_id),
                member=keys.fingerprint(member_id)[:MEMBER_CHARACTERS],
                connected=member_id in connected,
                in_step=member_id in in_step,
                lag=self._peering.behind(member_id),
                clock_ahead_s=self._peering.heard[member_id].clock_ahead_ms / 1000 if member_id in connected else 0,
                backlog={stream.value: self._peering.backlog(member_id, stream) for stream in Stream},
            )
            for member_id in approved
        ]
