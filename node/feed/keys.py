"""Ids, Ed25519, and how people read a key. Verification is libsodium's alone (section 2.2)."""

from typing import NewType

import nacl.bindings
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey

from node.feed import pae
from node.feed.pae import FederationId, Purpose

MemberId = NewType("MemberId", bytes)
FeedId = NewType("FeedId", bytes)
HeaderHash = NewType("HeaderHash", bytes)
ObjectId = NewType("ObjectId", bytes)

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter looks like a digit
KEY_BYTES = 32
SIGNATURE_BYTES = 64
FINGERPRINT_CHARACTERS = 20  # 100 bits: as hard to collide with on purpose as anything else here

_PROBE_SCALAR = bytes(31) + b"\x40"  # any scalar does: only the order of the other point matters


def sign(key: SigningKey, purpose: Purpose, federation_id: FederationId, data: bytes) -> bytes:
    """64 bytes of Ed25519 over the encoding of the data."""
    return key.sign(pae.encode(purpose, federation_id, data)).signature


def verify(public_key: bytes, signature: bytes, purpose: Purpose, federation_id: FederationId, data: bytes) -> bool:
    """Whether libsodium accepts it; no other library may decide, they differ on odd points.

    The lengths are checked first: libsodium takes signature and message as one run of bytes, so a
    longer signature would lend its tail to the message.
    """
    if len(signature) != SIGNATURE_BYTES or len(public_key) != KEY_BYTES:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + pae.encode(purpose, federation_id, data), public_key)
    except (BadSignatureError, ValueError):
        return False
    return True


def is_signing_key(public_key: bytes) -> bool:
    """Whether it is a canonical point of the main subgroup; keys of small order sign for everyone."""
    return len(public_key) == KEY_BYTES and nacl.bindings.crypto_core_ed25519_is_valid_point(public_key)


def is_exchange_key(public_key: bytes) -> bool:
    """Whether an X25519 key agrees on anything but zero."""
    if len(public_key) != KEY_BYTES:
        return False
    try:
        nacl.bindings.crypto_scalarmult(_PROBE_SCALAR, public_key)
    except (CryptoError, RuntimeError, ValueError):
        return False
    return True


def feed_id(federation_id: FederationId, member_id: MemberId, feed_key: bytes) -> FeedId:
    """The id of a node's feed: its key and its member, so neither can be exchanged later."""
    return FeedId(pae.digest(Purpose.FEED, federation_id, member_id + feed_key))


HASH_BYTES = 32


def readable(data: bytes, characters: int) -> str:
    """The first bits of the data, five a character."""
    number = int.from_bytes(data)
    bits = len(data) * 8
    return "".join(ALPHABET[(number >> (bits - 5 * (i + 1))) & 31] for i in range(characters))


def fingerprint(member_id: MemberId) -> str:
    """Four groups of five characters, to be read over the telephone."""
    text = readable(member_id, FINGERPRINT_CHARACTERS)
    return " ".join(text[i : i + 5] for i in range(0, FINGERPRINT_CHARACTERS, 5))
