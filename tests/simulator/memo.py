"""Pure functions whose answers are remembered: twenty-five nodes check the same bytes.

A signature check by (key, signature, purpose, federation, bytes), the reading of a header by its
bytes, and whether bytes are a key. None of them reads anything else, so remembering changes no
behaviour, only the time it takes.
"""

from functools import lru_cache

from node.feed import header, keys

_verify, _decode = keys.verify, header.decode
_is_signing_key, _is_exchange_key = keys.is_signing_key, keys.is_exchange_key


def remember() -> None:
    """From now on."""
    keys.verify = lru_cache(maxsize=65536)(_verify)
    header.decode = lru_cache(maxsize=65536)(_decode)
    keys.is_signing_key = lru_cache(maxsize=65536)(_is_signing_key)
    keys.is_exchange_key = lru_cache(maxsize=65536)(_is_exchange_key)
