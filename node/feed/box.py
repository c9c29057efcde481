"""Key boxes: how the key of a payload reaches its readers (protos/README.md section 6.3)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from node import limits
from node.errors import Malformed
from node.feed import pae, payload
from node.feed.pae import FederationId, Purpose

CLEAR, WRAPPED, EPOCH = 0, 1, 2
WRAP_BYTES = 80  # encapsulated key 32, key 32, tag 16

Randomness = Callable[[int], bytes]


class Wrapping(Protocol):
    """One key for one reader. HPKE in the node; the simulator brings a seeded stand-in."""

    def wrap(self, key: bytes, public_key: bytes, context: bytes) -> bytes:
        """WRAP_BYTES that only the holder of the private key can open."""
        ...

    def unwrap(self, wrapped: bytes, private_key: bytes, context: bytes) -> bytes | None:
        """The key, or None where it is for someone else."""
        ...

    def decoy(self, key: bytes, context: bytes) -> bytes:
        """A wrap that nobody can open and nobody can tell from a real one."""
        ...


class Hpke:
    """RFC 9180 base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""

    _suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

    def wrap(self, key: bytes, public_key: bytes, context: bytes) -> bytes:
        """Encrypt the key to one reader."""
        return self._suite.encrypt(key, X25519PublicKey.from_public_bytes(public_key), info=context)

    def unwrap(self, wrapped: bytes, private_key: bytes, context: bytes) -> bytes | None:
        """Open one wrap, or None."""
        try:
            return self._suite.decrypt(wrapped, X25519PrivateKey.from_private_bytes(private_key), info=context)
        except (InvalidTag, ValueError):
            return None

    def decoy(self, key: bytes, context: bytes) -> bytes:
        """Encrypt to a key that is thrown away: random bytes would not all be points."""
        return self._suite.encrypt(bytes(len(key)), X25519PrivateKey.generate().public_key(), info=context)


@dataclass(frozen=True, slots=True)
class Box:
    """A type and its bytes. Unknown types are kept unopened."""

    type: int
    data: bytes

    @property
    def encoded(self) -> bytes:
        """As it travels and is stored."""
        return bytes((self.type,)) + self.data


def decode(encoded: bytes) -> Box:
    """Read a box; raises Malformed where its length is not that of its type."""
    if not encoded:
        raise Malformed("box-empty", "a box has at least its type")
    box = Box(encoded[0], encoded[1:])
    if box.type == CLEAR and len(box.data) != payload.KEY_BYTES:
        raise Malformed("box-length", f"a key in clear has {len(box.data)} bytes")
    if box.type == WRAPPED:
        count, rest = divmod(len(box.data), WRAP_BYTES)
        if rest or not 0 < count <= limits.WRAPS_MAX or count & (count - 1):
            raise Malformed("box-length", f"{len(box.data)} bytes are no power of two of wraps")
    if len(encoded) > 1 + limits.WRAPS_MAX * WRAP_BYTES:
        raise Malformed("box-length", f"a box of {len(encoded)} bytes")
    return box


def box_hash(federation_id: FederationId, box: Box) -> bytes:
    """The original box, as the header names it."""
    return pae.digest(Purpose.BOX, federation_id, box.encoded)


def fits_carriage(box: Box, carriage: int) -> bool:
    """A key in clear is for carriage 0 and carriage 0 for it (section 6.4)."""
    return (box.type == CLEAR) == (carriage == 0)


def clear(key: bytes) -> Box:
    """For all members."""
    return Box(CLEAR, key)


def wrapped(key: bytes, readers: Iterable[bytes], context: bytes, wrapping: Wrapping, randomness: Randomness) -> Box:
    """For named readers, by their KEM keys: shuffled, unlabelled, filled up with decoys to a power of two."""
    wraps = [wrapping.wrap(key, reader, context) for reader in sorted(set(readers))]
    if not 0 < len(wraps) <= limits.WRAPS_MAX:
        raise ValueError(f"{len(wraps)} readers; a box is for 1 to {limits.WRAPS_MAX}")
    full = 1 << (len(wraps) - 1).bit_length()
    wraps += [wrapping.decoy(key, context) for _ in range(full - len(wraps))]
    shuffled = sorted(wraps, key=lambda _: randomness(16))
    return Box(WRAPPED, b"".join(shuffled))


def open_box(box: Box, private_keys: Iterable[bytes], context: bytes, wrapping: Wrapping) -> bytes | None:
    """The key, if the box is for one of these; the caller checks the header's commitment."""
    if box.type == CLEAR:
        return box.data
    if box.type != WRAPPED:
        return None
    parts = [box.data[i : i + WRAP_BYTES] for i in range(0, len(box.data), WRAP_BYTES)]
    for private_key in private_keys:
        for part in parts:
            key = wrapping.unwrap(part, private_key, context)
            if key is not None:
                return key
    return None
