"""Which crisis is meant, and one of them in a line."""

from typing import TYPE_CHECKING

import click

from node.cli import calling, marks, printing
from node.cli.calling import Place
from node.content import personal
from node.crisis.states import OVER, State
from node.crisis.words import EXERCISE, IMMINENT, NOT_VERIFIED
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

DRILL_COLOUR = "cyan"
TITLE_CHARACTERS_MAX = 80
NAMES_MAX = 3
EVERYONE = "all members"

_WHY = frozenset(("proposed", "rejected"))  # states that do not explain themselves
_COLOURS = {"active": "red", "alert": "yellow", "proposed": "yellow", "de-escalating": "yellow"}

argument = click.argument("reference", metavar="CRISIS")


def named(place: Place, reference: str) -> "tools_pb2.CrisisView":
    """The one that is meant, with what was said of it; ours before those of others.

    Raises Refused for several that share an id, which anyone may take.
    """
    if not reference.strip():
        raise click.UsageError("Which crisis? `tocsin crisis list` names them.")

    from node.content import names

    async def look(node: "Client") -> "tools_pb2.CrisisView":
        found = await node.crises(reference, exercises=True)
        own = [one for one in found if one.member_id == place.member_id]
        if len(found) > 1 and not own:
            whose = [names.owned(one.member_name, one.member_id, one.reference) for one in found]
            raise Refused(
                f"{reference!r} is what {len(found)} members call a crisis of theirs: {', '.join(sorted(whose)[:8])}",
                next_step="Say whose, as it stands there.",
                field="crisis",
            )
        return (own or found)[0]

    return calling.ask(place, look)


def line(found: "tools_pb2.CrisisView") -> str:
    """A crisis in one line."""
    until, verb = end(found), "" if found.state in OVER else ", ends"
    return f"{found.reference}  {title(found)}  {state(found)}{f'{verb} {until}' if until else ''}"


def alert(place: Place, reference: str, *, exercise: bool) -> "tools_pb2.CrisisView":
    """The alert that becomes a declaration, or with ``exercise`` a drill; raises Refused for what becomes none."""
    found = named(place, reference)
    if not found.alert:
        raise Refused(
            f"{found.reference} is no alert",
            next_step=f"`tocsin crisis update {found.reference} --edit` says it anew; without an alert, declare.",
        )
    if exercise and not found.exercise:
        raise Refused(
            f"{found.reference} is no exercise, and a drill begins with nothing real",
            next_step="Leave out --exercise; or begin a drill with `tocsin crisis alert --exercise`.",
        )
    return found


def end(found: "tools_pb2.CrisisView") -> str:
    """When it ended or will; nothing of what was refused: its end is another time than that of the refusal."""
    return "" if found.state == State.REJECTED else printing.moment(found.ends_ms)


def title(found: "tools_pb2.CrisisView") -> str:
    """What others say may name a machine that is somebody's, or pass for another; programs get it as it is."""
    from node.content import names

    marks = f"{EXERCISE + ' ' if found.exercise else ''}{IMMINENT + ' ' if found.pointers else ''}"
    said = names.unmistakable(personal.mask(found.crisis.title))
    return printing.shortened(f"{marks}{said}", TITLE_CHARACTERS_MAX + len(marks))


def places(found: "tools_pb2.CrisisView") -> str:
    """Where it is, by codes and by name."""
    from node.content import names

    event = found.crisis.event
    return ", ".join(map(names.unmistakable, filter(None, [*event.places, event.place_name])))


def state(found: "tools_pb2.CrisisView") -> str:
    """Why it stands as it does only where that is not plain; and what stands against it."""
    why = f": {printing.plain(found.reason)}" if found.state in _WHY and found.reason else ""
    contested = ", contested" if found.contested else ""
    return f"{found.state}{contested}{why}{f', {NOT_VERIFIED}' if found.unverified else ''}{disputed(found)}"


def disputed(found: "tools_pb2.CrisisView") -> str:
    """By whom, behind what else is said."""
    names = [printing.plain(one.member_name) for one in found.disputes]
    if len(names) > NAMES_MAX:
        names[NAMES_MAX:] = [f"{len(names) - NAMES_MAX} more"]
    return f", disputed by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" if names else ""


def whom(found: "tools_pb2.CrisisView") -> str:
    """Who reads it, and all that is said of it."""
    return f"{printing.plain(found.audience)} alone" if found.audience else EVERYONE


def marking(found: "tools_pb2.CrisisView") -> str:
    """Its mark, and for whom it is."""
    return f"{marks.words(found.handling)}, to {whom(found)}"


def unusual(found: "tools_pb2.CrisisView") -> str:
    """The same in few words behind what else is said, where it is not TLP:GREEN and nothing else, for all members."""
    said = marks.words(found.handling, of_all=bool(found.audience))
    return "".join(f", {one}" for one in (said, "for some" if found.audience else "") if one)


def colour(found: "tools_pb2.CrisisView") -> str:
    """Of its state on a terminal; a drill is never red."""
    return DRILL_COLOUR if found.exercise else _COLOURS.get(found.state, "")


def show(found: "tools_pb2.CrisisView") -> None:
    """Its line, in its colour."""
    click.echo(click.style(line(found), fg=colour(found) or None))
