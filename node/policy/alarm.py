"""Alarms: by which ways somebody here is woken when a crisis is in effect, and which of them is due when.

Ways, or routes, are tried in their order: each so long after the crisis came into effect, unless somebody has
acknowledged it by then; at once where all before it have failed. One that fails is tried again, ever more
slowly, a bounded number of times.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HOUR_MS = 3_600_000
TRIES_MAX = 6  # of one route, because of one crisis
BACK_OFF_MS = 10_000  # before the second try; twice as long before each further one: 5 minutes in all
ROUTES_MAX = 16
TIMEOUT_MS_MAX = 120_000
PER_HOUR_MAX = 1000
LIFE_MS = 90 * 24 * HOUR_MS  # how long it is remembered who was woken because of what

_DURATION = re.compile(r"(0|[1-9][0-9]{0,4})([smh])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": HOUR_MS}


@dataclass(frozen=True, slots=True)
class Route:
    """One way to wake somebody: a command with its arguments, or a webhook."""

    name: str
    command: tuple[str, ...] = ()
    webhook: str = ""
    secret: Path | None = None  # what a webhook's calls are signed with
    after_ms: int = 0
    timeout_ms: int = 30_000

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return "command" if self.command else "webhook"

    @property
    def target(self) -> str:
        """Where it leads, without arguments, paths and passwords: those may be secrets."""
        return self.command[0] if self.command else (urlsplit(self.webhook).hostname or "")


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom crises wake here. ``own``: also by our own; ``exercises``: also by drills."""

    routes: tuple[Route, ...] = ()
    own: bool = False
    exercises: bool = False
    per_hour: int = 12  # crises that begin to wake somebody, and as many drills; of one member's half as many


@dataclass(frozen=True, slots=True)
class Tried:
    """How far a route is with a crisis: tries so far, when the last began, and whether it came through."""

    tries: int
    tried_ms: int
    through: bool

    @property
    def has_failed(self) -> bool:
        """It is not tried any more."""
        return not self.through and self.tries >= TRIES_MAX


# ---- What is due


def due_ms(settings: Settings, began_ms: int, tried: Mapping[str, Tried]) -> list[tuple[int, int]]:
    """Which routes are still to be tried while nobody acknowledges it, by their place, and when each is due."""
    found, failed_ms = [], 0
    for place, route in enumerate(settings.routes):
        before = tried.get(route.name)
        if before is None:
            at_ms = began_ms + route.after_ms
            found.append((place, min(at_ms, failed_ms) if failed_ms else at_ms))
        elif not before.through and not before.has_failed:
            found.append((place, before.tried_ms + (BACK_OFF_MS << (before.tries - 1))))
        is_first = place == 0
        failed_ms = before.tried_ms if before and before.has_failed and (is_first or failed_ms) else 0
    return found


def may_begin(settings: Settings, author: bytes, begun: Sequence[tuple[bytes, int]], now_ms: int) -> bool:
    """Whether one more crisis of this author may wake somebody; ``begun``: authors and times of those before.

    An author has half of the hour at most: whoever declares much silences nobody else.
    """
    late = [by for by, at_ms in begun if is_of_this_hour(at_ms, now_ms)]
    return len(late) < settings.per_hour and late.count(author) < -(-settings.per_hour // 2)


def is_of_this_hour(at_ms: int, now_ms: int) -> bool:
    """Whether it counts for what may still begin."""
    return 0 <= now_ms - at_ms < HOUR_MS


# ---- What may be set


def duration_ms(text: str) -> int | None:
    """The time in "30s", "5m" or "1h"; None for what is none."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNIT_MS[found[2]] if found else None


def faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings: keys, and reasons."""
    routes = settings.routes
    if not 1 <= settings.per_hour <= PER_HOUR_MAX:
        yield "per_hour", f"{settings.per_hour} is not between 1 and {PER_HOUR_MAX:,}"
    if len(routes) > ROUTES_MAX:
        yield "routes", f"{len(routes)} are more than {ROUTES_MAX}"
    for place, route in enumerate(routes):
        key = f"routes[{place}]"
        if route.name in [one.name for one in routes[:place]]:
            yield f"{key}.name", f"there are two routes called {route.name!r}; give each a name"
        if place and route.after_ms < routes[place - 1].after_ms:
            yield f"{key}.after", "it comes before that of the route above it"
        if bool(route.command) == bool(route.webhook):
            yield key, "a route has a command or a webhook, and not both"
        if route.secret and not route.webhook:
            yield f"{key}.secret", "only a webhook's calls are signed"
        if not 0 < route.timeout_ms <= TIMEOUT_MS_MAX:
            yield f"{key}.timeout", f"it is not between 1s and {TIMEOUT_MS_MAX // 60_000}m"
        if route.webhook and (fault := _url_fault(route.webhook)):
            yield f"{key}.webhook", fault


def _url_fault(url: str) -> str:
    try:
        found = urlsplit(url)
        host, _ = found.hostname or "", found.port
    except ValueError:
        return "it is no URL"
    if found.scheme == "https" and host and not found.username:
        return ""
    if found.scheme == "http" and _is_loopback(host) and not found.username:
        return ""
    return "it is no https://HOST/ without a name and a password in it; http:// only on this machine, by its address"


def _is_loopback(host: str) -> bool:
    """Only what says so itself: a name is what a resolver makes of it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
