"""The own clock, doubted where it jumps: then nothing is signed and nothing erased until an administrator says so.

A clock that says 2036 would date entries so that nobody ever takes them in, and would empty the store.
"""

from dataclasses import dataclass, replace

from node.store import ledger
from node.store.stores import Stores

JUMP_MS_MAX = 3_600_000  # of the dates against the timers, while the node runs
BEFORE_MS_MAX = 86_400_000  # the clock may be set back so far between two starts
AFTER_MS_MAX = 86_400_000  # a node that stood still for longer hears its peers before it believes its own clock
PEERS_MS_MAX = 300_000  # so far from the peers, by the median, no clock is that is set by a network
NOTED_EVERY_MS = 60_000

_NOTED, _SUSPICION = "clock_noted", "clock_suspicion"  # in the ledger's table meta


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of the own clock. ``suspicion`` is in words; empty: there is none."""

    suspicion: str = ""
    is_unheard: bool = False  # the node stood still for long, and no peer has told its time since
    noted_ms: int = 0
    begun_s: float | None = None
    last_s: float = 0.0
    last_ms: int = 0

    @property
    def may_erase(self) -> bool:
        """Whether what is due by this clock may go; what has gone does not come back."""
        return not self.suspicion and not self.is_unheard

    def ran_s(self) -> float:
        """How long it has been watched."""
        return 0.0 if self.begun_s is None else self.last_s - self.begun_s


def start(stores: Stores, now_ms: int, *, has_peers: bool) -> Watch:
    """At the start: compared with when this node ran last."""
    noted = int.from_bytes(ledger.read_meta(stores.ledger, _NOTED) or b"")
    said = (ledger.read_meta(stores.ledger, _SUSPICION) or b"").decode()
    if not said and now_ms < noted - BEFORE_MS_MAX:
        said = f"it is {_span(noted - now_ms)} behind when this node ran last"
    after_long = bool(noted) and now_ms > noted + AFTER_MS_MAX
    return Watch(said, is_unheard=has_peers and after_long, noted_ms=noted)


def look(watch: Watch, now_s: float, now_ms: int, ahead_ms: int | None) -> Watch:
    """Once more at both clocks. ``ahead_ms``: of the peers' clocks against this one, by the median, if any is known."""
    seen = replace(watch, begun_s=now_s if watch.begun_s is None else watch.begun_s, last_s=now_s, last_ms=now_ms)
    if watch.suspicion:
        return seen
    jumped_ms = 0 if watch.begun_s is None else now_ms - watch.last_ms - round((now_s - watch.last_s) * 1000)
    if abs(jumped_ms) > JUMP_MS_MAX:
        where = "forward" if jumped_ms > 0 else "back"
        return replace(seen, suspicion=f"it jumped {where} by {_span(abs(jumped_ms))} while this node ran")
    if not watch.is_unheard or ahead_ms is None:
        return seen
    if abs(ahead_ms) > PEERS_MS_MAX:
        where = "behind" if ahead_ms > 0 else "ahead of"
        after = f"it is {_span(now_ms - watch.noted_ms)} after this node ran last"
        return replace(seen, suspicion=f"{after}, and {_span(abs(ahead_ms))} {where} its peers', by the median")
    return replace(seen, is_unheard=False)


def note(stores: Stores, before: Watch, watch: Watch) -> Watch:
    """Keep what a start has to know, at most once a minute. While the clock is in doubt its time is not."""
    if watch.suspicion:
        if watch.suspicion != before.suspicion:
            ledger.write_meta(stores.ledger, _SUSPICION, watch.suspicion.encode())
            stores.commit("ledger")
        return watch
    if watch.is_unheard or abs(watch.last_ms - watch.noted_ms) < NOTED_EVERY_MS:
        return watch
    return _keep(stores, watch)


def confirm(stores: Stores, watch: Watch, now_s: float, now_ms: int) -> Watch:
    """The administrator says that the clock is right: from now on all is measured against this."""
    ledger.write_meta(stores.ledger, _SUSPICION, b"")
    begun_s = now_s if watch.begun_s is None else watch.begun_s
    return _keep(stores, Watch(begun_s=begun_s, last_s=now_s, last_ms=now_ms))


def _keep(stores: Stores, watch: Watch) -> Watch:
    ledger.write_meta(stores.ledger, _NOTED, watch.last_ms.to_bytes(8))
    stores.commit("ledger")
    return replace(watch, noted_ms=watch.last_ms)


def _span(time_ms: int) -> str:
    hours = round(time_ms / 3_600_000)
    if hours < 1:
        return f"{round(time_ms / 60_000)} min"
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} d"
