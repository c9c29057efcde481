"""What was measured, beside what it is measured against, as a table for people or as JSON."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from node.cli import printing

Loads: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]  # of the machine, before and after

HEADINGS = ("measured", "value", "reference of this run", "ratio", "aim")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a number is measured against: in the same run, in the same unit."""

    value: float
    name: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One number."""

    name: str
    value: float
    unit: str
    aim: str = ""
    reference: Reference | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the reference."""
        return self.value / self.reference.value if self.reference else None


@dataclass(slots=True)
class Stopwatch:
    """How long something took, once it is over."""

    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self.started


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank: a value that occurred."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]


def print_table(measures: Sequence[Measure], elapsed_s: float, loads: Loads) -> None:
    """All of it on one screen."""
    printing.print_table(HEADINGS, [_row(one) for one in measures], numbers=("value", "ratio"))
    before, after = (" ".join(f"{value:.1f}" for value in load) for load in loads)
    print(f"took {elapsed_s:.0f} s; load average before it {before}, after it {after}")


def print_json(measures: Sequence[Measure], elapsed_s: float, loads: Loads) -> None:
    """All of it for programs."""
    found = [
        {
            "name": one.name,
            "value": one.value,
            "unit": one.unit,
            "reference": one.reference.value if one.reference else None,
            "reference_name": one.reference.name if one.reference else None,
            "ratio": one.ratio,
            "aim": one.aim,
        }
        for one in measures
    ]
    printing.print_json({"measures": found, "took_s": elapsed_s, "load_before": loads[0], "load_after": loads[1]})


def _row(one: Measure) -> Sequence[str]:
    reference = f"{_number(one.reference.value, one.unit)}, {one.reference.name}" if one.reference else "-"
    ratio = "-" if one.ratio is None else f"{one.ratio:.2f}"
    return one.name, _number(one.value, one.unit), reference, ratio, one.aim or "-"


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.{1 if value >= 10 else 2}f}"
    return f"{text} {unit}".rstrip()
