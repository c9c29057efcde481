"""Which kind a value is, by how it is written or by what its kind is called."""

import re

from node.content import hashes
from node.content.hashes import HashKind

UNTOLD = "no kind of hash has "  # how a reason begins where none could be told
LOOKS_ALIKE = {hashes.SHA256: hashes.PDQ}  # what is guessed, and what it may be as well
SSDEEP_HEADER = "ssdeep,1."  # of what the tool writes

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FIXED = tuple(kind for kind in hashes.KINDS.values() if kind.is_fixed and kind is not hashes.PDQ)
_BY_LENGTH = (
    {2 * kind.digest_bytes: kind for kind in _FIXED}
    | {-(-kind.digest_bytes // 3) * 4: kind for kind in _FIXED}
    | {2 + 2 * hashes.TLSH.digest_bytes: hashes.TLSH}
)


def guess(text: str) -> HashKind:
    """The kind that is written like this; raises ValueError where none is."""
    found = hashes.URL if is_url(text) else _BY_LENGTH.get(len(text))
    if found is None and _is_ssdeep(text):
        found = hashes.SSDEEP
    if found:
        return found
    lengths = ", ".join(f"{2 * kind.digest_bytes} ({kind.name})" for kind in _FIXED)
    raise ValueError(f"{UNTOLD}{len(text)} characters; in hex they have {lengths}")


def is_url(text: str) -> bool:
    """Whether a line begins as a URL does, wherever that ends."""
    return _SCHEME.match(text) is not None


def _is_ssdeep(text: str) -> bool:
    try:
        hashes.parse(hashes.SSDEEP, text)
    except ValueError:
        return False
    return True


def named(written: str) -> HashKind:
    """The kind that is called this: sha256, SHA-256 or SHA_256; raises ValueError where none is."""
    found = hashes.KINDS.get(re.sub(r"[\s_-]", "", written).lower())
    if found is None:
        raise ValueError(f"there is no such kind, got {written[:20]!r}")
    return found
