"""Pre-authentication encoding: what every signature, hash and commitment is made over.

protos/README.md section 2.1. The purposes are a closed list, so no bytes made for one of them, or
for another federation, ever pass for another.
"""

from enum import StrEnum
from hashlib import sha256
from typing import NewType

FederationId = NewType("FederationId", bytes)

PREFIX = b"TOCSIN1"
NO_FEDERATION = FederationId(bytes(32))  # for what comes before the charter: inceptions and cards


class Purpose(StrEnum):
    """What the bytes are for."""

    INCEPTION = "inception"
    CARD = "card"
    NEXT_ROOT = "next-root"
    FEED = "feed"
    HEADER = "header"
    SPARE = "spare"
    BOX = "box"
    KEY = "key"
    PAYLOAD = "payload"
    REMAINDER = "remainder"
    VAULT = "vault"
    AMENDMENT = "amendment"
    HEADS = "heads"
    JOURNAL = "journal"
    AUDIT = "audit"
    CODE = "code"
    SUBJECT = "subject"


def encode(purpose: Purpose, federation_id: FederationId, data: bytes) -> bytes:
    """``TOCSIN1 || u8(len type) || type || federation id (32) || u32be(len data) || data``."""
    name = purpose.encode()
    return b"".join((PREFIX, bytes((len(name),)), name, federation_id, len(data).to_bytes(4), data))


def digest(purpose: Purpose, federation_id: FederationId, data: bytes) -> bytes:
    """SHA-256 of the encoding."""
    return sha256(encode(purpose, federation_id, data)).digest()
