"""A crisis as it is drawn on a terminal: as much of it as has room, what decides first and what is newest always."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.cli import acknowledging, clock, crises, printing, situation
from node.crisis.states import OVER

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from node.v1 import tools_pb2

NEWEST = 8  # acts that are shown
NEWEST_MIN = 3  # of these, before anything but the state has room
MEMBERS_MIN = 4
THREATS_MIN = 4
ALL = 1 << 16
NAME_CELLS_MAX = 30
NO_ANSWER = "  The node does not answer; waiting until it does."

Line = tuple[str, str]  # what stands in it, and its style


@dataclass
class Part:
    """Lines that belong together, and how many of them have room. ``what``: what those that have none are called."""

    lines: list[Line]
    what: str = ""
    is_newest_last: bool = False  # then what is older goes, and nothing is said of it
    room: int = 0

    def fitted(self, reference: str) -> list[Line]:
        """As many as have room; the last says how many have none."""
        if self.room >= len(self.lines):
            return self.lines
        if self.is_newest_last:
            return self.lines[-self.room :] if self.room else []
        kept = self.lines[: max(self.room - 1, 0)]
        which = f"{len(self.lines) - len(kept)} {'more ' if kept else ''}{self.what}"
        left_out = f"  {which}: `tocsin crisis show {reference}`"
        return [*kept, (left_out, "dim")] if self.room else []


def lines(
    view: "tools_pb2.CrisisView",
    reached: "tools_pb2.ListAcknowledgementsResponse | None",
    console: "Console",
    *,
    is_answered: bool,
) -> list[Line]:
    """One for each line of the terminal. Its last stays free, so that nothing scrolls."""
    beyond = [] if is_answered else [(NO_ANSWER, "yellow")]
    above = _standing(view, reached, console)
    newest = Part([_said(one, view) for one in list(view.acts)[-NEWEST:]], is_newest_last=True)
    apart = [("", "")] if newest.lines else []
    _share(console.height - 1 - len(apart) - len(beyond), above, newest)
    shown = [line for part in above.values() for line in part.fitted(view.reference)]
    return [*shown, *apart, *newest.fitted(view.reference), *beyond]


def _standing(
    view: "tools_pb2.CrisisView", reached: "tools_pb2.ListAcknowledgementsResponse | None", console: "Console"
) -> dict[str, Part]:
    """What stands above what was said, in the order in which it is read."""
    bold = f"bold {crises.colour(view)}".strip()
    state = [(printing.plain(crises.line(view)), bold), *_facts(_clocks(view))]
    facts = _facts([("mark", crises.marking(view)), *situation.facts(view), ("linked", ", ".join(view.linked))])
    return {
        "threats": Part(_folded([(one, bold) for one in situation.first(view)], console), "lines"),
        "state": Part(_folded(state, console), "lines"),
        "facts": Part(_folded(facts, console), "lines"),
        "reach": Part(_folded(_facts(_reach(view, reached)), console), "lines"),
        "members": Part(_members(view, reached), "members"),
        "orders": Part(_facts([("order", situation.order(one)) for one in view.orders]), "orders"),
        "lists": Part(_facts([("list", situation.list_(one)) for one in view.lists]), "lists"),
    }


def _share(room: int, above: Mapping[str, Part], newest: Part) -> None:
    """Give each part its room: what decides first, and of each other one at least that there is more of it."""
    wishes = [(newest, 1), (above["state"], ALL), (above["reach"], ALL), (above["threats"], THREATS_MIN)]
    wishes += [(above["orders"], 1), (above["lists"], 1), (newest, NEWEST_MIN), (above["members"], MEMBERS_MIN)]
    wishes += [(above[name], ALL) for name in ("facts", "threats", "members")]
    wishes += [(newest, ALL), (above["orders"], ALL), (above["lists"], ALL)]
    for part, wanted in wishes:
        more = min(max(min(wanted, len(part.lines)) - part.room, 0), max(room, 0))
        part.room += more
        room -= more


def drawn(shown: Sequence[Line]) -> "RenderableType":
    """What does not fit into its line is cut: each has one."""
    from rich.console import Group
    from rich.text import Text

    return Group(*(Text(text, style=style, overflow="ellipsis", no_wrap=True) for text, style in shown))


def _folded(shown: Sequence[Line], console: "Console") -> list[Line]:
    """What is longer than a line goes on in the next."""
    from rich.text import Text

    return [
        (row.plain, style) for text, style in shown for row in Text(text).wrap(console, console.width, overflow="fold")
    ]


def _facts(facts: Sequence[tuple[str, str]]) -> list[Line]:
    return [(f"  {name:<14}{printing.plain(value)}", "") for name, value in facts if value]


def _clocks(view: "tools_pb2.CrisisView") -> list[tuple[str, str]]:
    left_ms = view.ends_ms - clock.now_ms()
    is_over = left_ms <= 0 or view.state in OVER
    return [("left", "" if is_over else situation.duration(left_ms))]


def _reach(
    view: "tools_pb2.CrisisView", reached: "tools_pb2.ListAcknowledgementsResponse | None"
) -> list[tuple[str, str]]:
    return [
        ("reached", acknowledging.summary(reached) if reached else ""),
        ("takes part", situation.taking_part(view)),
    ]


def _members(view: "tools_pb2.CrisisView", reached: "tools_pb2.ListAcknowledgementsResponse | None") -> list[Line]:
    """A line for each; whom to call first: who has said least."""
    from rich.cells import cell_len, set_cell_size

    if reached is None:
        return []
    rows = [(name, stance, delivered, seen) for name, stance, _, delivered, seen, _ in situation.members(view, reached)]
    rows = sorted(rows, key=lambda row: (row[2] == situation.ITS_OWN, row[2] != "-", row[3] != "-", row[0]))
    cells = [tuple(map(printing.plain, row)) for row in rows]
    widths = [min(max(map(cell_len, column)), NAME_CELLS_MAX) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        name, stance, delivered, seen = (set_cell_size(*one) for one in zip(row, widths, strict=True))
        reach = "" if view.audience else f"  delivered {delivered}  seen {seen}"
        return f"  {name}  {stance}{reach}".rstrip()

    return [(line(row), "") for row in cells]


def _said(one: "tools_pb2.CrisisActView", view: "tools_pb2.CrisisView") -> Line:
    return f"  - {printing.moment(one.created_ms)}  {situation.said(one, view)}", ""
