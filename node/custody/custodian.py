"""The custodian of what is under legal hold: its key, offline; and what it reads with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from node.config import Config
from node.custody import files, looking, passphrase
from node.custody.passphrase import MODERATE, Cost
from node.errors import ConfigError, Refused
from node.exchange import hold
from node.exchange.hold import Held
from node.feed.box import Hpke
from node.policy.retention import Policy
from node.store import ledger, vault
from node.store.vault import Hold

PUBLIC = "custodian.pub"
PUBLIC_BYTES_MAX = 4096

_TEXT = """\
# Whatever is put under legal hold on this node is sealed to this key. The key that opens it is with the custodian.
custodian = "{public}"
"""


class _Public(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    custodian: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Opened:
    """One record out of the vault, with the name of its author."""

    held: Held
    member_name: str


def create(config: Config, path: Path, words: str, cost: Cost = MODERATE) -> bytes:
    """Make a custodian's key into a new file, and what is sealed to it beside node.toml; its public half.

    Raises ConfigError where the node has a custodian: what it holds is sealed to that one.
    """
    require_none(config)
    public = config.folder / PUBLIC
    key = X25519PrivateKey.generate()
    passphrase.seal_file(path, "custodian", key.private_bytes_raw(), words, cost)
    made = key.public_key().public_bytes_raw()
    files.create_public(public, _TEXT.format(public=made.hex()).encode())
    return made


def require_none(config: Config) -> None:
    """Raise ConfigError where the node has a custodian."""
    public = config.folder / PUBLIC
    if public.exists():
        raise ConfigError(
            f"{public} is there already: this node has a custodian",
            next_step="Move it away to have another one from now on; what is held stays sealed to the one before.",
        )


def read_public(config: Config) -> bytes:
    """Whom to seal to; raises Refused where there is no custodian, ConfigError for what is no such file."""
    path = config.folder / PUBLIC
    if not path.exists():
        raise Refused(
            "this node has no custodian, so nothing can be held",
            next_step="Have the custodian make a key: `tocsin hold custodian custodian.key`.",
        )
    try:
        found = msgspec.toml.decode(files.read_public(path, PUBLIC_BYTES_MAX), type=_Public)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} names no custodian: {error}", next_step="Put its copy back.") from error
    return bytes.fromhex(found.custodian)


def require_for(folder: Path, policy: Policy) -> None:
    """Raise ConfigError where the law has something kept by this policy, and nobody could be sealed to."""
    rule = next((one for one in policy.rules if one.minimum), None)
    if rule is not None and not (folder / PUBLIC).exists():
        raise ConfigError(
            f"rule {rule.number} of {policy.name} has a legal minimum, and {folder / PUBLIC} is not there: "
            "what the law has kept could not be held",
            next_step="Have the custodian make a key: `tocsin hold custodian custodian.key`.",
        )


def open_hold(config: Config, one: Hold, private_key: bytes) -> Iterator[Opened]:
    """What is held, record by record; raises ConfigError for another's key, Refused for a hold that is over."""
    if one.is_over:
        raise Refused("the hold is over: nothing is held under it any more", next_step="See `tocsin hold list --all`.")
    with looking.into(config) as (opened, trust):
        for covered in one.covers:
            row = ledger.entry(opened.ledger, covered.entry)
            if row is None:
                raise ConfigError(
                    f"the header of {covered.entry.hex()[:16]} is not here",
                    next_step="Restore the node's ledger first: a header says who signed for what is held.",
                )
            sealed = vault.sealed(config.data_folder, one, covered.entry)
            held = hold.open_sealed(sealed, one, covered, row, trust, private_key, Hpke())
            yield Opened(held, trust.name_of(held.member_id))
