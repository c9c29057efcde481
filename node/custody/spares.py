"""Spares: one-use keys that the root certified, each under its passphrase, to be kept offline.

A spare also carries the TLS issuer that peers pin, so that a node on a new disk is let in by them.
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from node.custody import issuer, passphrase
from node.custody.issuer import Issuer
from node.custody.passphrase import MODERATE, Cost
from node.errors import ConfigError
from node.feed.keys import MemberId


@dataclass(frozen=True, slots=True)
class Spare:
    """What one file holds."""

    member_id: MemberId
    key: SigningKey = field(repr=False)
    issuer: Issuer

    @property
    def public(self) -> bytes:
        """As it stands in the member's log."""
        return bytes(self.key.verify_key)


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed, field by field."""

    member: bytes
    key: bytes
    certificate: bytes
    certificate_key: bytes


def seal(path: Path, spare: Spare, words: str, cost: Cost = MODERATE) -> None:
    """Seal a spare into a new file; raises Refused for a short passphrase, ConfigError if the file is there."""
    made = spare.issuer
    content = _Content(spare.member_id, bytes(spare.key), made.pem, issuer.key_pem(made.key))
    passphrase.seal_file(path, "spare", msgspec.json.encode(content), words, cost)


def read(path: Path, words: str) -> Spare:
    """The spare in a file; raises Refused for a wrong passphrase, ConfigError for what is no spare."""
    try:
        content = msgspec.json.decode(passphrase.open_file(path, "spare", words), type=_Content)
        key = SigningKey(content.key)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no spare", next_step="Take the other copy.") from error
    return Spare(MemberId(content.member), key, issuer.read_issuer(content.certificate, content.certificate_key))
