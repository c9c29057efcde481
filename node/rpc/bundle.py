"""A tool's bundle: one PEM file with its key, its leaf, the root its node is known by, and whom to believe.

Two lines of text stand before the first block, where PEM has room for people's words and every other
reader passes them over: the id of the federation, and the node's address. Whoever could write them could
write the root and the key as well, so they need no trust of their own. Older bundles have neither.

Reading is here, away from the stores, because tools import it: they need neither SQL nor a folder.
"""

import os
import re
import stat
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from node.errors import ConfigError
from node.feed.keys import MemberId
from node.feed.pae import FederationId
from node.rpc import tls
from node.rpc.tls import Leaf

FEDERATION_ID_BYTES = 32
BUNDLE_BYTES_MAX = 16 << 10  # a key and two certificates of P-256 have 2 KiB

_FEDERATION, _NODE = "Federation", "Node"
_LINE = re.compile(rb"(Federation|Node): ([!-~]{1,255})\r?")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Bundle(NamedTuple):
    """What a tool shows, whom it trusts, and whose tool it is."""

    leaf: Leaf
    root_pem: bytes
    member_id: MemberId
    ends: datetime
    federation_id: FederationId | None = None
    address: str = ""


def encode(leaf: Leaf, root_pem: bytes, federation_id: FederationId | None = None, address: str = "") -> bytes:
    """In this order: the lines of text, private key, leaf, root of the node's issuer."""
    lines = [(_FEDERATION, federation_id.hex() if federation_id else ""), (_NODE, address)]
    text = "".join(f"{name}: {value}\n" for name, value in lines if value)
    return text.encode() + leaf.key_pem + leaf.certificate_pem + root_pem


def read_bundle(path: Path) -> Bundle:
    """A bundle's file; raises ConfigError if others could read it or it is something else."""
    try:
        # Not blocking: a pipe in the place of the file must not stop us.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", next_step="Check the path; `tocsin tool issue` makes one."
        ) from error
    if mode & _OTHERS:
        raise ConfigError(
            f"{path} holds a key and has mode {stat.S_IMODE(mode):04o}, so others may have read it",
            next_step=f"Run `chmod 600 {path}`, and issue a new one if anyone else uses this machine.",
        )
    try:
        return decode(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.reason}", next_step=error.next_step) from error


def decode(data: bytes) -> Bundle:
    """A bundle's content; raises ConfigError for what `encode` never wrote."""
    try:
        key = serialization.load_pem_private_key(data, password=None)
        leaf, root = x509.load_pem_x509_certificates(data)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        federation_id, address = _said(data)
    except tls.UNREADABLE as error:
        raise _no_bundle(f"it cannot be read: {error}") from error
    claim = tls.read_uri(uri)
    if claim is None or claim.use == "node":
        raise _no_bundle("its certificate is not a tool's")
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Bundle(
        leaf=Leaf(key_pem, leaf.public_bytes(serialization.Encoding.PEM)),
        root_pem=root.public_bytes(serialization.Encoding.PEM),
        member_id=claim.member_id,
        ends=leaf.not_valid_after_utc,
        federation_id=federation_id,
        address=address,
    )


def _said(data: bytes) -> tuple[FederationId | None, str]:
    """The lines of text; raises ValueError where one is there twice or says nothing that can be."""
    found: dict[str, str] = {}
    for line in data.partition(b"-----BEGIN")[0].split(b"\n"):
        if match := _LINE.fullmatch(line):
            name = match[1].decode()
            if name in found:
                raise ValueError(f"it says {name} twice")
            found[name] = match[2].decode()
    federation = bytes.fromhex(found[_FEDERATION]) if _FEDERATION in found else None
    if federation is not None and len(federation) != FEDERATION_ID_BYTES:
        raise ValueError(f"a federation id has {FEDERATION_ID_BYTES} bytes, not {len(federation)}")
    return (FederationId(federation) if federation else None), found.get(_NODE, "")


def _no_bundle(fault: str) -> ConfigError:
    return ConfigError(f"this is no tool's bundle: {fault}", next_step="Have `tocsin tool issue` make a new one.")
