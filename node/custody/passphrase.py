"""Keys under a passphrase: a text file that an offline root or spare key is kept in.

The key of the box is Argon2id of the passphrase; its cost stands in the file, so a later default
opens what an earlier one sealed. What the file holds is said inside the box as well as outside, so
that a spare's file cannot be renamed into a root's.
"""

import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import nacl.exceptions
import nacl.pwhash.argon2id
from nacl.secret import SecretBox

from node.custody import files
from node.errors import ConfigError, Refused, Unavailable

VERSION = 1
PASSPHRASE_CHARACTERS_MIN = 12  # four words of a word list have more
MEMORY_BYTES_MAX = 1 << 30  # libsodium's "sensitive"; a file must not choose how much we allocate
OPERATIONS_MAX = 16  # a minute at that much memory

Holds = Literal["root", "spare", "custodian"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at a passphrase costs, ours as well as a thief's."""

    operations: int
    memory_bytes: int


MODERATE = Cost(nacl.pwhash.argon2id.OPSLIMIT_MODERATE, nacl.pwhash.argon2id.MEMLIMIT_MODERATE)
MINIMAL = Cost(nacl.pwhash.argon2id.OPSLIMIT_MIN, nacl.pwhash.argon2id.MEMLIMIT_MIN)  # protects nothing


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, field by field."""

    version: int
    holds: Holds
    operations: int
    memory_bytes: int
    salt: str
    box: str


_CAN = {"root": "is the member", "spare": "is the member", "custodian": "reads what is under legal hold"}
_TEXT = """\
# The {holds} key of a member, under its passphrase. Keep it off the network, twice, in two places.
# Whoever has this file and the passphrase {can}. Nobody can open it without the passphrase.
version = {version}
holds = "{holds}"
operations = {operations}
memory_bytes = {memory_bytes}
salt = "{salt}"
box = "{box}"
"""


def seal_file(path: Path, holds: Holds, secret: bytes, passphrase: str, cost: Cost = MODERATE) -> None:
    """Seal a key into a new file; raises Refused for a short passphrase, ConfigError if the file is there."""
    require_strong(passphrase)
    salt = secrets.token_bytes(nacl.pwhash.argon2id.SALTBYTES)  # noqa: TID251 - custody has real randomness
    box = SecretBox(_derive(passphrase, salt, cost)).encrypt(_label(holds) + secret)
    text = _TEXT.format(
        holds=holds,
        can=_CAN[holds],
        version=VERSION,
        operations=cost.operations,
        memory_bytes=cost.memory_bytes,
        salt=salt.hex(),
        box=box.hex(),
    )
    files.create_secret(path, text.encode())


def require_strong(passphrase: str) -> None:
    """Raise Refused for a passphrase that can be guessed by its length."""
    if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
        raise Refused(
            f"a passphrase of {len(passphrase)} characters can be guessed",
            next_step=f"Use at least {PASSPHRASE_CHARACTERS_MIN}: four or more words that a die has chosen.",
            field="passphrase",
        )


def open_file(path: Path, holds: Holds, passphrase: str) -> bytes:
    """The key in a file; raises Refused for a wrong passphrase, ConfigError for what is no such file."""
    sealed = _read(path)
    if sealed.holds != holds:
        raise _other_key(path, sealed.holds, holds)
    try:
        salt, box = bytes.fromhex(sealed.salt), bytes.fromhex(sealed.box)
        key = _derive(passphrase, salt, Cost(sealed.operations, sealed.memory_bytes))
        labelled = SecretBox(key).decrypt(box)
    except ValueError as error:  # libsodium's of a wrong length is one, and a CryptoError too
        raise _damaged(path, str(error)) from error
    except nacl.exceptions.CryptoError as error:
        raise Refused(
            f"the passphrase does not open {path}, or the file was changed",
            next_step="Try again, minding the keyboard's language; if it fails still, try the other copy.",
            field="passphrase",
        ) from error
    if not labelled.startswith(_label(holds)):
        raise _other_key(path, "other", holds)
    return labelled.removeprefix(_label(holds))


def _read(path: Path) -> _Sealed:
    try:
        sealed = msgspec.toml.decode(files.read_sealed(path), type=_Sealed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    if sealed.version != VERSION:
        raise ConfigError(
            f"{path} has version {sealed.version}; this program reads version {VERSION}",
            next_step="Open it with the program that made it, or a newer one.",
        )
    if not (0 < sealed.operations <= OPERATIONS_MAX and 0 < sealed.memory_bytes <= MEMORY_BYTES_MAX):
        raise ConfigError(
            f"{path} asks for {sealed.memory_bytes >> 20} MiB of memory and {sealed.operations} passes; "
            f"at most {MEMORY_BYTES_MAX >> 20} MiB and {OPERATIONS_MAX} are allowed",
            next_step="This program never writes such a file: take the other copy and ask who changed this one.",
        )
    return sealed


def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    # One form for what looks the same: keyboards and systems write accented letters in two ways.
    typed = unicodedata.normalize("NFKC", passphrase).encode()
    try:
        return nacl.pwhash.argon2id.kdf(SecretBox.KEY_SIZE, typed, salt, cost.operations, cost.memory_bytes)
    except (nacl.exceptions.RuntimeError, MemoryError) as error:
        raise Unavailable(
            f"a passphrase takes {cost.memory_bytes >> 20} MiB of memory, which this machine does not have free",
            next_step="Close other programs, or use a larger machine.",
        ) from error


def _label(holds: Holds) -> bytes:
    return f"tocsin {holds} key\0".encode()


def _other_key(path: Path, found: str, wanted: Holds) -> ConfigError:
    return ConfigError(
        f"{path} holds a key of another use ({found}), not a {wanted} key",
        next_step=f"Name the file of the {wanted} key.",
    )


def _damaged(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{path} is no passphrase file or is damaged: {reason}",
        next_step="Check the path; if it is right, take the other copy.",
    )
