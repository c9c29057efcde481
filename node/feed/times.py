"""Times that the text of a record names: what no header could have is none of them."""

from node import limits


def read(said_ms: int) -> int:
    """A time as somebody said it; 0, as if nothing was said, for one that no header could have."""
    return said_ms if 0 <= said_ms <= limits.TIME_MS_MAX else 0
