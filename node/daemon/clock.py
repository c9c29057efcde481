"""This machine's clocks. Nothing below the daemon reads one: times are arguments there."""

import time
from datetime import UTC, datetime


class RealClock:
    """This machine's clocks."""

    def monotonic_s(self) -> float:
        """For timers."""
        return time.monotonic()  # noqa: TID251 - the daemon's own

    def now_ms(self) -> int:
        """For dates."""
        return time.time_ns() // 1_000_000  # noqa: TID251 - the daemon's own

    def now(self) -> datetime:
        """For certificates."""
        return datetime.now(UTC)  # noqa: TID251 - the daemon's own
