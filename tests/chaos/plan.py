"""What happens in a round, drawn from its seed alone: the same seed and number is the same plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

NAMES = ("kill", "disk", "cable", "frozen", "slow")
PUBLISHERS_MAX = 3  # any of the first three may publish
DECLARERS = 3  # of tests.federation.MEMBERS the first three may declare


class Shape(StrEnum):
    """Who is connected with whom."""

    LINE = "line"  # what is between the ends must be relayed
    MESH = "mesh"


class Break(StrEnum):
    """How a cable is cut."""

    SILENT = "silent"  # nothing passes, nothing is closed
    ONE_WAY = "one-way"  # the same, only towards the victim
    RESET = "reset"  # connections are reset, and so is each new one


@dataclass(frozen=True, slots=True)
class Moment:
    """When a fault strikes: once the victim has this share of the list, and a little later."""

    share: float
    later_s: float

    def __str__(self) -> str:
        return f"{self.later_s * 1000:.0f} ms after {self.share:.0%} of the list were there"


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL, and a start at once."""

    victim: int
    moment: Moment
    name = "kill"

    def __str__(self) -> str:
        return f"n{self.victim + 1} is killed {self.moment}, and started at once"


@dataclass(frozen=True, slots=True)
class Disk:
    """The victim's disk is full but for some room, and then it is not."""

    victim: int
    moment: Moment
    room_bytes: int
    lasts_s: float
    name = "disk"

    def __str__(self) -> str:
        room = f"{self.room_bytes >> 10} KiB are free"
        return f"n{self.victim + 1}'s disk is full {self.moment} ({room}), for {self.lasts_s:.1f} s"


@dataclass(frozen=True, slots=True)
class Cable:
    """All cables of the victim, or only the one to its first neighbour, are cut and mended."""

    victim: int
    moment: Moment
    how: Break
    all: bool
    until_noticed: bool
    lasts_s: float
    name = "cable"

    def __str__(self) -> str:
        which = "all cables" if self.all else "a cable"
        until = "until both ends notice" if self.until_noticed else f"for {self.lasts_s:.1f} s"
        return f"{which} of n{self.victim + 1} are cut ({self.how}) {self.moment}, {until}"


@dataclass(frozen=True, slots=True)
class Frozen:
    """SIGSTOP, and SIGCONT after a while."""

    victim: int
    moment: Moment
    lasts_s: float
    name = "frozen"

    def __str__(self) -> str:
        return f"n{self.victim + 1} is frozen {self.moment}, for {self.lasts_s:.1f} s"


@dataclass(frozen=True, slots=True)
class Slow:
    """All cables of the victim are slow from before the list is published until the round's end."""

    victim: int
    bytes_per_s: int
    delay_s: float
    name = "slow"

    def __str__(self) -> str:
        rate, delay_ms = self.bytes_per_s >> 10, self.delay_s * 1000
        return f"n{self.victim + 1}'s cables pass {rate} KiB/s, {delay_ms:.0f} ms late, from the beginning"


Fault: TypeAlias = Kill | Disk | Cable | Frozen | Slow


@dataclass(frozen=True, slots=True)
class Plan:
    """One round."""

    seed: int
    number: int
    shape: Shape
    nodes: int
    publisher: int
    digest_count: int
    parts: int  # calls that the list is published by
    publishes_again: bool  # a call that a fault ended is made once more
    removed: float  # share of what was published that is taken out again, by one call
    declarers: Sequence[int]  # who declares, one after the other
    pause_s: float  # between two declarations
    faults: Sequence[Fault]

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(fault.victim for fault in self.faults)

    @property
    def neighbours(self) -> Sequence[tuple[int, int]]:
        """Pairs that are connected."""
        pairs = [(one, other) for one in range(self.nodes) for other in range(one + 1, self.nodes)]
        return [(one, other) for one, other in pairs if self.shape is Shape.MESH or other == one + 1]

    def random(self, purpose: str) -> Random:
        """Chance for what is not drawn here, as ids and values; of this round alone."""
        return Random(f"{self.seed} {self.number} {purpose}")

    def __str__(self) -> str:
        calls = f"{self.parts} call{'s' if self.parts > 1 else ''}"
        again = "" if self.publishes_again else " (not made again)"
        removes = f", removes {self.removed:.1%}" if self.removed else ""
        return (
            f"a {self.shape} of {self.nodes}; n{self.publisher + 1} publishes {self.digest_count:,} digests"
            f" by {calls}{again}{removes}; {len(self.declarers)} declarations"
        )


def draw(seed: int, number: int, only: Sequence[str] = (), digest_count: int = 100_000) -> Plan:
    """The round with this number: one fault of a kind that is wanted, or two, by chance."""
    random = Random(f"{seed} {number}")
    kinds = _kinds(random, only or NAMES)
    lone_kill = kinds == ["kill"]
    shape = random.choice(list(Shape)) if lone_kill else Shape.MESH
    nodes = random.choice((3, 4)) if lone_kill else 4  # of four, two at least are nobody's victim
    publisher = random.randrange(min(nodes, PUBLISHERS_MAX))
    return Plan(
        seed=seed,
        number=number,
        shape=shape,
        nodes=nodes,
        publisher=publisher,
        digest_count=digest_count,
        parts=random.choice((1, 1, 2, 3)),
        publishes_again=random.random() < 0.75,
        removed=random.choice((0.0, 0.0, 0.001, 0.2)),
        declarers=[random.randrange(DECLARERS) for _ in range(random.randint(6, 14))],
        pause_s=random.uniform(0.02, 0.4),
        faults=[fault for kind in kinds for fault in _faults(kind, random, nodes, publisher)],
    )


def _kinds(random: Random, wanted: Sequence[str]) -> list[str]:
    """One kind, or one time in three two different ones where two are wanted."""
    first = random.choice(sorted(wanted))
    others = sorted(set(wanted) - {first})
    return [first, random.choice(others)] if others and random.random() < 1 / 3 else [first]


def _faults(kind: str, random: Random, nodes: int, publisher: int) -> list[Fault]:
    victim = random.randrange(nodes)
    moment = _moment(random)
    match kind:
        case "kill":
            again = [Kill(random.randrange(nodes), _moment(random)) for _ in range(random.choice((0, 0, 0, 1, 2)))]
            return [Kill(victim, moment), *again]
        case "disk":
            room = int(random.choice((0, 64 << 10, 1 << 20)) * random.random())
            return [Disk(victim, moment, room, random.uniform(1, 12))]
        case "cable":
            how, all_, until_noticed = random.choice(list(Break)), random.random() < 0.6, random.random() < 0.5
            return [Cable(victim, moment, how, all_, until_noticed, random.uniform(0.5, 20))]
        case "frozen":
            lasts_s = random.uniform(45, 75) if random.random() < 0.3 else random.uniform(1, 20)
            return [Frozen(victim, moment, lasts_s)]
        case _:
            # Not the publisher: everyone waits for a slow one that alone has the list.
            victim = random.choice([one for one in range(nodes) if one != publisher])
            return [Slow(victim, random.choice((64, 128, 256)) << 10, random.uniform(0.02, 0.2))]


def _moment(random: Random) -> Moment:
    return Moment(random.choice((0.0, random.random(), random.random())), random.uniform(0, 0.4))
