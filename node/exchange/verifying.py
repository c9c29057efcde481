"""Verifying: call-back codes, and that somebody here heard one from a declaration's owner itself.

A code belongs to one entry. It is said over the telephone, to a number from the owner's contacts: whoever
declares in somebody else's name cannot be where that telephone rings. It is slow to compute, so that nobody
looks for another entry with the same code.
"""

import json
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from node.feed import pae
from node.feed.keys import HeaderHash
from node.feed.pae import FederationId, Purpose
from node.store import ledger
from node.store.stores import Stores

CODE_DIGITS = 6
COST = 1 << 15  # 32 MiB and a tenth of a second: a million entries would take a day
_KEY = "verified "  # in the ledger, with the entry's hash


@dataclass(frozen=True, slots=True)
class Verified:
    """Who heard the right code here, and when."""

    by: str
    at_ms: int


def code(federation_id: FederationId, entry: HeaderHash) -> str:
    """The digits that whoever calls back is told."""
    salt = pae.encode(Purpose.CODE, federation_id, entry)
    drawn = Scrypt(salt=salt, length=16, n=COST, r=8, p=1).derive(entry)
    return str(int.from_bytes(drawn) % 10**CODE_DIGITS).zfill(CODE_DIGITS)


def spoken(digits: str) -> str:
    """As it is read out: 518 204."""
    return f"{digits[:3]} {digits[3:]}"


def note(stores: Stores, entry: HeaderHash, verified: Verified) -> None:
    """Somebody heard it."""
    ledger.write_meta(stores.ledger, _KEY + entry.hex(), json.dumps(asdict(verified)).encode())
    stores.commit("ledger")


def find(stores: Stores, entry: HeaderHash) -> Verified | None:
    """Who heard it, if anybody did."""
    said = ledger.read_meta(stores.ledger, _KEY + entry.hex())
    return Verified(**json.loads(said)) if said else None
