"""Pure functions whose answers are remembered: twenty-five nodes check the same bytes.

A signature check by (key, signature, purpose, federation, bytes), and the reading of a header by
its bytes. Neither reads anything else, so remembering changes no behaviour, only the time it takes.
"""

from functools import lru_cache

from node.feed import header, keys

_verify, _decode = keys.verify, header.decode


def remember() -> None:
    """From now on."""
    keys.verify = lru_cache(maxsize=65536)(_verify)
    header.decode = lru_cache(maxsize=65536)(_decode)
