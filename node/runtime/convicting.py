"""Convicting: hang up on a peer that alone could have known, unless so many seem at fault that it must be this node."""

from collections.abc import Callable, Collection

import structlog

from node.feed.keys import MemberId
from node.protocol.faults import SHARE_MAX, Faults
from node.runtime.link import Clock

_log = structlog.get_logger()


class Convicting:
    """What all peers did wrong. Owned by the event loop."""

    def __init__(self, clock: Clock, connected: Callable[[], Collection[MemberId]]) -> None:
        self.faults = Faults()
        self._clock, self._connected = clock, connected
        self._was_ours = False

    @property
    def is_ours(self) -> bool:
        """Whether nobody is hung up on now, because it is rather this node that is wrong."""
        return self.faults.are_ours(self._clock.monotonic_s(), self._connected())

    def convicts(self, peer: MemberId, reason: str, rule: str) -> bool:
        """Count it, and say whether to hang up."""
        self.faults.note(self._clock.monotonic_s(), self._clock.now_ms(), peer, rule)
        was_ours, self._was_ours = self._was_ours, self.is_ours
        if self._was_ours and not was_ours:
            _log.error(
                "peers not hung up on",
                reason=f"more than {SHARE_MAX:.0%} of them seem to be at fault, so this node may be: {reason}",
                next_step="Run `tocsin doctor --deep`.",
            )
        return not self._was_ours
