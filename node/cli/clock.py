"""Now, and times as people read them: local, with UTC beside."""

import time
from datetime import UTC, datetime

CALENDAR_MS = range(-62_000_000_000_000, 253_000_000_000_000)  # the years 5 to 9987: in any zone


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)  # noqa: TID251 - a command's own clock


def now_ms() -> int:
    """The time as entries have it."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - a command's own clock


def date(time_ms: int) -> datetime | None:
    """A time that others wrote; None where no calendar has it."""
    return datetime.fromtimestamp(time_ms / 1000, UTC) if time_ms in CALENDAR_MS else None


def readable(moment: datetime) -> str:
    """As in "2026-11-25 03:10 (02:10 UTC)", with UTC's own date where it is another day; once where they are one."""
    local, utc = moment.astimezone(), moment.astimezone(UTC)
    if not local.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    beside = f"{utc:%H:%M}" if utc.date() == local.date() else f"{utc:%Y-%m-%d %H:%M}"
    return f"{local:%Y-%m-%d %H:%M} ({beside} UTC)"
