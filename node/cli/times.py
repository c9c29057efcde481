"""Ends as they are typed: for so long, or until then."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from node.cli import clock

Command = TypeVar("Command", bound=Callable[..., Any])

_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def ends(command: Command) -> Command:
    """The options --for and --until, as ``life_ms`` and ``until_ms``: ``int | None``."""
    command = click.option(
        "--until",
        "until_ms",
        callback=_moment,
        metavar="TIME",
        help="When it ends, as 2026-11-25T03:10 (local time) or 2026-11-25T02:10Z.",
    )(command)
    return click.option(
        "--for", "life_ms", callback=_duration, metavar="TIME", help="How long it lasts, as 30m, 48h or 180d."
    )(command)


def within(option: str, name: str, help_: str) -> Callable[[Command], Command]:
    """An option for how soon, as ``name: int | None`` in milliseconds."""
    return click.option(option, name, callback=_duration, metavar="TIME", help=help_)


def moment(option: str, name: str, help_: str) -> Callable[[Command], Command]:
    """An option for a time, as ``name: int | None``."""
    return click.option(option, name, callback=_moment, metavar="TIME", help=help_)


def zoned(option: str, name: str, help_: str) -> Callable[[Command], Command]:
    """The same with its zone, as ``name: datetime | None``: where it was is said with it."""
    return click.option(option, name, callback=_zoned, metavar="TIME", help=help_)


def since(command: Command) -> Command:
    """The option --since, as ``since_ms: int | None``: a time, or so long ago."""
    return click.option(
        "--since",
        "since_ms",
        callback=_moment_or_ago,
        metavar="TIME",
        help="From then on, as 2026-11-25T03:10 (local time), or from so long ago on, as 48h or 30d.",
    )(command)


def end_ms(life_ms: int | None, until_ms: int | None, now_ms: int) -> int | None:
    """The end that was typed, in one way or the other; None if in neither."""
    if life_ms is not None and until_ms is not None:
        raise click.UsageError("Give --for or --until, not both.")
    return until_ms if life_ms is None else now_ms + life_ms


def _duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Milliseconds; anything but a number and a unit is refused, never guessed."""
    if value is None:
        return None
    found = _DURATION.fullmatch(value)
    if found is None:
        raise click.BadParameter(
            f"{value!r} is not a number of minutes, hours or days, as 30m, 48h or 180d", ctx, parameter
        )
    return int(found[1]) * _UNIT_MS[found[2]]


def _moment_or_ago(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    ago_ms = _duration(ctx, parameter, value) if value and _DURATION.fullmatch(value) else None
    return _moment(ctx, parameter, value) if ago_ms is None else clock.now_ms() - ago_ms


def _moment(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Milliseconds since 1970; local time unless the text names its zone."""
    found = _zoned(ctx, parameter, value)
    return None if found is None else int(found.timestamp() * 1000)


def _zoned(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{value!r} is not a time, as 2026-11-25T03:10", ctx, parameter) from None
