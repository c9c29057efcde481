"""Bytes as section 1 to 6 of protos/README.md say, right and wrong; imports nothing of ``node``."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.signing import SigningKey

NO_FEDERATION = bytes(32)
CHUNK_BYTES = 65536
PLAIN_CHUNK_BYTES = CHUNK_BYTES - 16

Fields = Mapping[int, int | bytes]


def seed(label: str) -> bytes:
    """32 bytes that look random and are the same each time."""
    return sha256(b"tocsin vector: " + label.encode()).digest()


def signing_key(label: str) -> SigningKey:
    """An Ed25519 key."""
    return SigningKey(seed("ed25519 " + label))


def exchange_key(label: str) -> X25519PrivateKey:
    """An X25519 key."""
    return X25519PrivateKey.from_private_bytes(seed("x25519 " + label))


# ---- Protobuf, by hand


def varint(value: int, zeros: int = 0) -> bytes:
    """A base-128 number, with as many needless zero groups as asked for."""
    groups = []
    while True:
        groups.append(value & 0x7F)
        value >>= 7
        if not value:
            break
    groups += [0] * zeros
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def tag(number: int, wire: int) -> bytes:
    """The number and wire type before a value."""
    return varint(number << 3 | wire)


def field(number: int, value: int | bytes) -> bytes:
    """One field, written even where it is zero or empty."""
    if isinstance(value, int):
        return tag(number, 0) + varint(value)
    return tag(number, 2) + varint(len(value)) + value


def message(fields: Fields) -> bytes:
    """Fields rising; zero and empty ones left out."""
    return b"".join(field(number, value) for number, value in sorted(fields.items()) if value)


# ---- Section 2


def pae(purpose: str, federation_id: bytes, data: bytes) -> bytes:
    """Section 2.1."""
    name = purpose.encode()
    size = len(data).to_bytes(4, "big")
    return b"TOCSIN1" + bytes([len(name)]) + name + federation_id + size + data


def digest(purpose: str, federation_id: bytes, data: bytes) -> bytes:
    """SHA-256 of the encoding."""
    return sha256(pae(purpose, federation_id, data)).digest()


def sign(key: SigningKey, purpose: str, federation_id: bytes, data: bytes) -> bytes:
    """64 bytes of Ed25519."""
    return key.sign(pae(purpose, federation_id, data)).signature


# ---- Section 6


def bucket(size: int) -> int:
    """The smallest bucket that holds the size: 256, or eight to fifteen times a power of two."""
    candidates = (eighths << shift for shift in range(5, 22) for eighths in range(8, 16))
    return next(candidate for candidate in candidates if candidate >= size)


def pad(plaintext: bytes) -> bytes:
    """Length, content, zeros."""
    framed = len(plaintext).to_bytes(4, "big") + plaintext
    return framed + bytes(bucket(len(framed)) - len(framed))


def stream(key: bytes, associated: bytes, padded: bytes) -> bytes:
    """Chunk by chunk: counter and last-mark in the nonce."""
    parts = [padded[at : at + PLAIN_CHUNK_BYTES] for at in range(0, len(padded), PLAIN_CHUNK_BYTES)]
    return b"".join(
        AESGCM(key).encrypt(
            bytes(7) + number.to_bytes(4, "big") + (b"\x01" if number + 1 == len(parts) else b"\x00"),
            part,
            associated,
        )
        for number, part in enumerate(parts)
    )


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962 root over the data of the leaves, level by level."""
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[0::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return level[0] if level else sha256(b"").digest()


def payload_root(ciphertext: bytes) -> bytes:
    """The root over the ciphertext's chunks."""
    return tree([ciphertext[at : at + CHUNK_BYTES] for at in range(0, len(ciphertext), CHUNK_BYTES)])


def payload_context(federation_id: bytes, member_id: bytes, carriage: int, exercise: int, payload_id: bytes) -> bytes:
    """What ciphertext and wraps are bound to."""
    return pae("payload", federation_id, member_id + bytes([carriage, exercise]) + payload_id)


# ---- HPKE, RFC 9180 base mode, with the ephemeral key as an argument

_KEM_SUITE = b"KEM" + b"\x00\x20"
_HPKE_SUITE = b"HPKE" + b"\x00\x20" + b"\x00\x01" + b"\x00\x02"


def _extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labelled + b"\x01", "sha256")[:size]


def hpke_wrap(key: bytes, reader: X25519PublicKey, info: bytes, ephemeral: X25519PrivateKey) -> bytes:
    """Encapsulated key, then the sealed key."""
    encapsulated = ephemeral.public_key().public_bytes_raw()
    prk = _extract(_KEM_SUITE, b"", b"eae_prk", ephemeral.exchange(reader))
    kem_context = encapsulated + reader.public_bytes_raw()
    shared = _expand(_KEM_SUITE, prk, b"shared_secret", kem_context, 32)
    schedule = b"\x00" + _extract(_HPKE_SUITE, b"", b"psk_id_hash", b"")
    schedule += _extract(_HPKE_SUITE, b"", b"info_hash", info)
    secret = _extract(_HPKE_SUITE, shared, b"secret", b"")
    nonce = _expand(_HPKE_SUITE, secret, b"base_nonce", schedule, 12)
    return encapsulated + AESGCM(_expand(_HPKE_SUITE, secret, b"key", schedule, 32)).encrypt(nonce, key, b"")
