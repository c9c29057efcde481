"""The entry: a header and the signature beside it, kept and forwarded as received."""

from dataclasses import dataclass

from nacl.signing import SigningKey

from node.errors import Malformed
from node.feed import header, keys
from node.feed.header import Header
from node.feed.pae import FederationId, Purpose
from node.v1 import header_pb2


@dataclass(frozen=True, slots=True)
class Entry:
    """A header that was read and a signature that need not have been checked yet."""

    header: Header
    signature: bytes


def decode(body: bytes, signature: bytes, federation_id: FederationId) -> Entry:
    """Read an entry by the rules of section 3; the signature is checked by `is_signed_by`."""
    if len(signature) != keys.SIGNATURE_BYTES:
        raise Malformed("signature-size", f"{len(signature)} bytes, needs {keys.SIGNATURE_BYTES}")
    return Entry(header.decode(body, federation_id), signature)


def is_signed_by(entry: Entry, public_key: bytes, federation_id: FederationId) -> bool:
    """Whether this key signed this very body for this federation."""
    return keys.verify(public_key, entry.signature, Purpose.HEADER, federation_id, entry.header.body)


def create(fields: header_pb2.Header, key: SigningKey, federation_id: FederationId) -> Entry:
    """Sign a header of our own; it goes through `decode` like everyone's."""
    fields.version = 1
    body = fields.SerializeToString(deterministic=True)
    return decode(body, keys.sign(key, Purpose.HEADER, federation_id, body), federation_id)
