"""The charter: what all members start from (protos/README.md section 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from google.protobuf.message import DecodeError

from node import limits
from node.errors import Malformed
from node.feed import identity, quorum
from node.feed.identity import Card, Inception, Role
from node.feed.keys import MemberId
from node.feed.pae import FederationId
from node.feed.quorum import Act, Quorums
from node.v1 import header_pb2


@dataclass(frozen=True, slots=True)
class Charter:
    """The charter as read; the federation id is the SHA-256 of its bytes."""

    body: bytes
    federation_id: FederationId
    name: str
    founders: tuple[Inception, ...]
    quorums: Quorums
    document: bytes

    def founder(self, member_id: MemberId) -> Inception | None:
        """The founder's inception, if it is one."""
        return next((founder for founder in self.founders if founder.member_id == member_id), None)


def decode(body: bytes) -> Charter:
    """Read a charter; raises Malformed."""
    if len(body) > limits.CHARTER_BYTES_MAX:
        raise Malformed("charter-size", f"{len(body)} bytes, at most {limits.CHARTER_BYTES_MAX}")
    try:
        message = header_pb2.Charter.FromString(body)
    except DecodeError as error:
        raise Malformed("charter-encoding", "not a charter") from error
    if message.version != 1:
        raise Malformed("charter-version", f"version {message.version}; this program knows 1")
    founders = tuple(
        identity.decode_inception(founder.inception, founder.inception_signature) for founder in message.founders
    )
    if not 0 < len(founders) <= limits.FOUNDERS_MAX:
        raise Malformed("charter-founders", f"{len(founders)} founders, 1 to {limits.FOUNDERS_MAX}")
    if any(a.member_id >= b.member_id for a, b in pairwise(founders)):
        raise Malformed("charter-order", "the founders do not rise by member id")
    quorums = quorum.decode(message.quorums)
    _check_quorums(quorums)
    federation_id = FederationId(sha256(body).digest())
    return Charter(body, federation_id, message.name, founders, quorums, message.document)


def create(name: str, cards: Sequence[Card], quorums: Quorums, document: bytes) -> Charter:
    """A charter over these founders; raises Malformed."""
    founders = sorted((card.inception for card in cards), key=lambda inception: inception.member_id)
    message = header_pb2.Charter(
        version=1,
        name=name,
        founders=[
            header_pb2.Founder(inception=founder.body, inception_signature=founder.signature) for founder in founders
        ],
        quorums=quorum.encode(quorums),
        document=document,
    )
    return decode(message.SerializeToString(deterministic=True))


def _check_quorums(quorums: Quorums) -> None:
    needed = [(act, 0) for act in Act if act != Act.ADMIT]
    for act, role in [*needed, *((Act.ADMIT, role) for role in Role)]:
        if (act, role) not in quorums:
            raise Malformed("charter-quorums", f"no quorum for {act.name.lower()}, role {role}")
