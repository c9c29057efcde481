"""RFC 6962 trees: over the chunks of a payload and over the header hashes of a feed."""

from collections.abc import Sequence
from hashlib import sha256


def leaf(data: bytes) -> bytes:
    """RFC 6962 section 2.1: a leaf can never pass for an inner node."""
    hashed = sha256(b"\x00")
    hashed.update(data)  # not joined before: chunks are large
    return hashed.digest()


def _inner(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two below the count."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return _inner(root(leaves[:split]), root(leaves[split:]))


def grow(subtrees: Sequence[bytes], size: int, leaf_hash: bytes) -> tuple[bytes, ...]:
    """The complete subtrees of a tree of this size once it has one leaf more, largest first."""
    kept, here = list(subtrees), leaf_hash
    while size & 1:
        here = _inner(kept.pop(), here)
        size >>= 1
    return (*kept, here)


def root_of_subtrees(subtrees: Sequence[bytes]) -> bytes:
    """The root over all leaves, of which only the complete subtrees are left, largest first."""
    if not subtrees:
        return root(())
    *others, here = subtrees
    for one in reversed(others):
        here = _inner(one, here)
    return here


def path(leaves: Sequence[bytes], number: int) -> list[bytes]:
    """The audit path of one leaf, lowest first."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if number < split:
        return [*path(leaves[:split], number), root(leaves[split:])]
    return [*path(leaves[split:], number - split), root(leaves[:split])]


def root_of_path(leaf_hash: bytes, number: int, count: int, steps: Sequence[bytes]) -> bytes | None:
    """The root that the path leads to, or None where it has the wrong length (RFC 9162 section 2.1.3.2)."""
    if number >= count:
        return None
    here, last, result = number, count - 1, leaf_hash
    for step in steps:
        if last == 0:
            return None
        if here & 1 or here == last:
            result = _inner(step, result)
            while not here & 1 and here:
                here >>= 1
                last >>= 1
        else:
            result = _inner(result, step)
        here >>= 1
        last >>= 1
    return result if last == 0 else None
