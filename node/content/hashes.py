"""Hash kinds: how a value is written, and the one form in which it is compared."""

import base64
import binascii
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HashKind:
    """An exact kind of fixed length. ``number`` stands in the index and never changes."""

    name: str
    number: int
    digest_bytes: int


MD5 = HashKind("md5", 1, 16)
SHA1 = HashKind("sha1", 2, 20)
SHA256 = HashKind("sha256", 3, 32)
SHA512 = HashKind("sha512", 4, 64)

KINDS = {kind.name: kind for kind in (MD5, SHA1, SHA256, SHA512)}


def parse(kind: HashKind, text: str) -> bytes:
    """The digest that is written, in hex or base64; raises ValueError with what it needs."""
    written = text.strip()
    digits = 2 * kind.digest_bytes
    if len(written) == digits:
        try:
            return bytes.fromhex(written)
        except ValueError:
            bad = next(c for c in written if c not in "0123456789abcdefABCDEF")
            raise ValueError(f"{kind.name} needs hex digits, got {bad!r}") from None
    if len(written) == -(-kind.digest_bytes // 3) * 4:
        try:
            digest = base64.b64decode(written, validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) == kind.digest_bytes:
            return digest
    raise ValueError(f"{kind.name} needs {digits} hex digits, got {len(written)}")
