"""Hash kinds: how a value is written, and the one form in which it is compared.

A value of fixed length is its bytes; one of varying length is its text. A kind that is not in the table
is carried, and matches nothing.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = bytes | str

KEY_BYTES = 32  # of a value of varying length, in the index
FILM_BYTES_MAX = 512 << 10  # a TMK file in base64 has 351 kB
URL_BYTES_MAX = 8192
QUALITY_MAX = 100
QUALITY_UNKNOWN = 255
QUALITY_FLOOR = 50  # of PDQ: what is below matches anything

_SSDEEP = re.compile(r"(0|[1-9][0-9]{0,9}):[A-Za-z0-9+/]{0,64}:[A-Za-z0-9+/]{0,64}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+.*")
_PICTURE = r"[0-9A-Fa-f]{64}"
_QUALITY, _SECONDS = r"(?:100|[0-9]{1,2})", r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_FRAME = re.compile(rf"[0-9]{{1,7}},{_QUALITY},{_PICTURE},{_SECONDS}")
_FEATURE = re.compile(rf'"{_PICTURE},{_QUALITY},{_SECONDS}"')
_TMK = b"TMK1"  # how a file of this kind begins


@dataclass(frozen=True, slots=True)
class HashKind:
    """One kind. ``number`` stands in the index and never changes."""

    name: str
    number: int
    digest_bytes: int = 0  # 0: of varying length
    of_file: bool = False  # hashlib makes it of a file's bytes, under this name
    has_quality: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether all its values have one length."""
        return self.digest_bytes > 0

    @property
    def key_bytes(self) -> int:
        """How long its values are in the index."""
        return self.digest_bytes or KEY_BYTES


MD5 = HashKind("md5", 1, 16, of_file=True)
SHA1 = HashKind("sha1", 2, 20, of_file=True)
SHA256 = HashKind("sha256", 3, 32, of_file=True)
SHA512 = HashKind("sha512", 4, 64, of_file=True)
PDQ = HashKind("pdq", 5, 32, has_quality=True)
TLSH = HashKind("tlsh", 6, 35)
SSDEEP = HashKind("ssdeep", 7)
VPDQ = HashKind("vpdq", 8)
TMK = HashKind("tmk", 9)
URL = HashKind("url", 10)

KINDS = {kind.name: kind for kind in (MD5, SHA1, SHA256, SHA512, PDQ, TLSH, SSDEEP, VPDQ, TMK, URL)}
BY_NUMBER = {kind.number: kind for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class Item:
    """One value, and how good the image was that it was made of, where that is known."""

    kind: HashKind
    value: Value
    quality: int | None = None


def parse(kind: HashKind, text: str) -> Value:
    """The value that is written; raises ValueError with what it needs."""
    written = text.strip()
    if kind is TLSH:
        written = _without_version(written)
    return _digest(kind, written) if kind.is_fixed else _FORMS[kind.name](written)


def is_right(kind: HashKind, text: str) -> bool:
    """Whether a text that somebody listed is a value of this kind, in its one form."""
    try:
        return parse(kind, text) == text
    except ValueError:
        return False


def write(kind: HashKind, value: Value) -> str:
    """A value as it is written, in the one way that `parse` gives back."""
    if isinstance(value, str):
        return value
    return f"T1{value.hex().upper()}" if kind is TLSH else value.hex()


def key(value: Value) -> bytes:
    """The value in the index: itself, or the SHA-256 of its text."""
    return value if isinstance(value, bytes) else hashlib.sha256(value.encode()).digest()


def _without_version(written: str) -> str:
    return written[2:] if written[:2].upper() == "T1" and len(written) == 2 + 2 * TLSH.digest_bytes else written


def _digest(kind: HashKind, written: str) -> bytes:
    """Hex in either case, or base64."""
    digits = 2 * kind.digest_bytes
    if len(written) == digits:
        try:
            return binascii.unhexlify(written)  # bytes.fromhex passes over blanks
        except ValueError:
            bad = next((c for c in written if c not in "0123456789abcdefABCDEF"), " ")
            raise ValueError(f"{kind.name} needs hex digits, got {bad!r}") from None
    if len(written) == -(-kind.digest_bytes // 3) * 4:
        try:
            digest = base64.b64decode(written, validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) == kind.digest_bytes:
            return digest
    raise ValueError(f"{kind.name} needs {digits} hex digits, got {len(written)}")


def _ssdeep(written: str) -> str:
    """Without the file name that ssdeep writes behind it."""
    value = written.partition(",")[0]
    if not _SSDEEP.fullmatch(value):
        raise ValueError("ssdeep needs blocksize:hash:hash")
    return value


def _url(written: str) -> str:
    """Exactly as it is: two ways to write one address are two items."""
    if len(written.encode()) > URL_BYTES_MAX:
        raise ValueError(f"url has at most {URL_BYTES_MAX} bytes, got {len(written.encode())}")
    if not _URL.fullmatch(written) or not written.isprintable() or " " in written:
        raise ValueError("url needs scheme://host and no blanks")
    return written


def _vpdq(written: str) -> str:
    """The lines of vpdq-hash-video, joined; or the JSON of its library for Python."""
    _require_film_fits(written)
    is_json = written.startswith("[") and written.endswith("]")
    frames = re.split(r"(?<=\"), ?", written[1:-1]) if is_json else written.split(";")
    if not all(map((_FEATURE if is_json else _FRAME).fullmatch, frames)):
        raise ValueError('vpdq needs frame,quality,hash,seconds and ";" between frames, or the JSON of its library')
    return written


def _tmk(written: str) -> str:
    """A file of tmk-hash-video, in base64."""
    _require_film_fits(written)
    try:
        begins = base64.b64decode(written, validate=True)[: len(_TMK)]
    except ValueError:
        begins = b""
    if begins != _TMK:
        raise ValueError("tmk needs the base64 of a .tmk file, without line breaks")
    return written


def _require_film_fits(written: str) -> None:
    if len(written.encode()) > FILM_BYTES_MAX:
        raise ValueError(f"a value has at most {FILM_BYTES_MAX} bytes, got {len(written.encode())}")


_FORMS: dict[str, Callable[[str], str]] = {"ssdeep": _ssdeep, "url": _url, "vpdq": _vpdq, "tmk": _tmk}
