"""Sealing: a record becomes ciphertext that the header binds and that can be erased (section 6).

AES-256-GCM in STREAM framing: a counter and a last-mark in each nonce, so chunks can be neither
moved nor cut off. The key is fresh for every payload, which is why the nonce needs no random part.
"""

from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node import limits
from node.errors import Malformed
from node.feed import merkle, pae
from node.feed.keys import HeaderHash, MemberId
from node.feed.pae import FederationId, Purpose

KEY_BYTES = 32
TAG_BYTES = 16
PLAIN_CHUNK_BYTES = limits.CHUNK_BYTES - TAG_BYTES
BUCKET_BYTES_MIN = 256
_LENGTH_BYTES = 4


def bucket_bytes(size: int) -> int:
    """The padded size: steps of an eighth of an octave, so at most 12.5 % more (section 6.1)."""
    if size <= BUCKET_BYTES_MIN:
        return BUCKET_BYTES_MIN
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


def is_bucket(ciphertext_bytes: int) -> bool:
    """Whether a ciphertext of this size comes from a padded plaintext."""
    plain = ciphertext_bytes - TAG_BYTES * chunk_count(ciphertext_bytes)
    return plain >= BUCKET_BYTES_MIN and bucket_bytes(plain) == plain


def chunk_count(ciphertext_bytes: int) -> int:
    """How many chunks of 64 KiB it takes."""
    return -(-ciphertext_bytes // limits.CHUNK_BYTES)


def context(
    federation_id: FederationId, member_id: MemberId, carriage: int, exercise: bool, payload_id: bytes
) -> bytes:
    """What the ciphertext and the wraps are bound to: nobody can sign another's payload as his own."""
    data = member_id + bytes((carriage, exercise)) + payload_id
    return pae.encode(Purpose.PAYLOAD, federation_id, data)


def remainder_context(federation_id: FederationId, entry: HeaderHash) -> bytes:
    """What is left of a record after a part was erased; local, never served."""
    return pae.encode(Purpose.REMAINDER, federation_id, entry)


def vault_context(federation_id: FederationId, hold_id: bytes, entry: HeaderHash) -> bytes:
    """What is under legal hold, sealed to a custodian; local, never served."""
    return pae.encode(Purpose.VAULT, federation_id, hold_id + entry)


def commit(federation_id: FederationId, key: bytes) -> bytes:
    """Proves a key from wherever it came. GCM alone does not: two keys can open one ciphertext."""
    return pae.digest(Purpose.KEY, federation_id, key)


def seal(key: bytes, associated: bytes, plaintext: bytes) -> bytes:
    """Pad to a bucket and encrypt; raises ValueError above PAYLOAD_BYTES_MAX."""
    size = bucket_bytes(_LENGTH_BYTES + len(plaintext))
    padded = (len(plaintext).to_bytes(_LENGTH_BYTES) + plaintext).ljust(size, b"\x00")
    if size + TAG_BYTES * -(-size // PLAIN_CHUNK_BYTES) > limits.PAYLOAD_BYTES_MAX:
        raise ValueError(f"a record of {len(plaintext)} bytes is too large to seal")
    cipher = AESGCM(key)
    starts = range(0, size, PLAIN_CHUNK_BYTES)
    return b"".join(
        cipher.encrypt(
            _nonce(number, last=number == len(starts) - 1),
            padded[start : start + PLAIN_CHUNK_BYTES],
            associated,
        )
        for number, start in enumerate(starts)
    )


def unseal(key: bytes, associated: bytes, ciphertext: bytes) -> bytes:
    """The record's bytes; raises Malformed where the author sealed it wrongly."""
    if len(key) != KEY_BYTES:
        raise Malformed("payload-key", f"a key of {len(key)} bytes, needs {KEY_BYTES}")
    cipher = AESGCM(key)
    parts = chunks(ciphertext)
    try:
        padded = b"".join(
            cipher.decrypt(_nonce(number, last=number == len(parts) - 1), part, associated)
            for number, part in enumerate(parts)
        )
    except InvalidTag as error:
        raise Malformed("payload-tag", "the payload does not open with its key") from error
    size = int.from_bytes(padded[:_LENGTH_BYTES])
    plaintext, padding = padded[_LENGTH_BYTES : _LENGTH_BYTES + size], padded[_LENGTH_BYTES + size :]
    if len(plaintext) != size or padding.strip(b"\x00") or bucket_bytes(_LENGTH_BYTES + size) != len(padded):
        raise Malformed("payload-padding", "the padding is not that of its length")
    return plaintext


def chunks(ciphertext: bytes) -> list[bytes]:
    """The units of transfer and of the tree."""
    return [ciphertext[i : i + limits.CHUNK_BYTES] for i in range(0, len(ciphertext), limits.CHUNK_BYTES)]


def root(ciphertext: bytes) -> bytes:
    """The RFC 6962 root that the header names."""
    return merkle.root([merkle.leaf(chunk) for chunk in chunks(ciphertext)])


def fits(size: int, payload_root: bytes, ciphertext: bytes) -> bool:
    """Whether this is the payload a header names."""
    return len(ciphertext) == size and root(ciphertext) == payload_root


def document_hash(content: bytes) -> bytes:
    """Documents are named by their plain SHA-256, as any tool prints it."""
    return sha256(content).digest()


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4) + bytes((last,))
