"""The data folder: which file holds what, the keys in it, and who may read them.

Nothing in a data folder is for others, so one rule covers every file and whatever is added later.
"""

import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import nacl.bindings
from nacl.signing import SigningKey

from node.custody import files, host, issuer
from node.custody.issuer import Issuer
from node.errors import ConfigError
from node.feed.keys import FeedId, MemberId

CHARTER = "charter.tocsin"
FEED_KEY = host.FEED_KEY
JOURNAL = "sign/journal"
NODE_ID = "node/id"
KEM_KEY = "node/kem.key"
ISSUER = ("node/issuer.pem", "node/issuer.key")
TOOLS = ("node/tools.pem", "node/tools.key")
MEMBER = "node/member"
NEXT_ISSUER = ("node/next-issuer.pem", "node/next-issuer.key")
FORMER_KEM_KEYS = "node/former-kem"  # a file for each, named after the public key
FORMER_JOURNALS = "sign/former"  # a file for each, named after its feed: evidence of what was signed
FORMER_FEEDS = "sign/former-feeds"  # the ids of the feeds that this one goes on from
FOLDERS = ("", "sign", "node", FORMER_KEM_KEYS)

NODE_ID_BYTES = 16
KEY_BYTES = 32

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """Everything that makes this node this node. Made here, and in no backup."""

    member_id: MemberId
    node_id: bytes
    feed_key: SigningKey = field(repr=False)
    kem_key: bytes = field(repr=False)  # X25519, private
    issuer: Issuer  # of this member's nodes: what other members pin
    tools: Issuer  # of this member's tools: what only its own nodes know
    next_issuer: Issuer | None = None  # certified, and not shown before the others can know it
    former_kem_keys: tuple[bytes, ...] = field(default=(), repr=False)  # what was sealed to them is still here
    former_feeds: tuple[FeedId, ...] = ()  # of this node, before its present one

    @property
    def kem_public(self) -> bytes:
        """What others seal to."""
        return exchange_public(self.kem_key)

    @property
    def certified_issuer(self) -> Issuer:
        """The one that stands in the log: the next, where there is one."""
        return self.next_issuer or self.issuer


def exchange_public(private: bytes) -> bytes:
    """The public half of an X25519 key."""
    return nacl.bindings.crypto_scalarmult_base(private)


def create_folder(folder: Path, keys: NodeKeys) -> None:
    """Write the keys into a data folder that is not there yet; raises ConfigError if it is."""
    try:
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made: {error.strerror}",
            next_step="Check that its parent exists and belongs to this user, and that nothing has this name.",
        ) from error
    for name, secret in (
        (MEMBER, keys.member_id),
        (NODE_ID, keys.node_id),
        (FEED_KEY, bytes(keys.feed_key)),
        (KEM_KEY, keys.kem_key),
        *((f"{FORMER_KEM_KEYS}/{exchange_public(key).hex()}", key) for key in keys.former_kem_keys),
    ):
        files.create_secret(folder / name, secret.hex().encode() + b"\n")
    files.create_secret(folder / FORMER_FEEDS, b"".join(feed.hex().encode() + b"\n" for feed in keys.former_feeds))
    host.write(folder)
    for (certificate, key), made in ((ISSUER, keys.issuer), (TOOLS, keys.tools), (NEXT_ISSUER, keys.next_issuer)):
        if made is not None:
            files.create_secret(folder / certificate, made.pem)
            files.create_secret(folder / key, issuer.key_pem(made.key))


def read_keys(folder: Path) -> NodeKeys:
    """The keys in a data folder; raises ConfigError for what is missing, damaged or open to others."""
    return replace(
        read_node_keys(folder, SigningKey(_read_hex(folder / FEED_KEY, KEY_BYTES))),
        former_feeds=_read_former_feeds(folder),
    )


def read_node_keys(folder: Path, feed_key: SigningKey) -> NodeKeys:
    """The same with this feed key, whatever became of what signed here."""
    is_changing = (folder / NEXT_ISSUER[0]).exists()
    return NodeKeys(
        member_id=read_member(folder),
        node_id=read_node_id(folder),
        feed_key=feed_key,
        kem_key=_read_hex(folder / KEM_KEY, KEY_BYTES),
        issuer=read_issuer(folder, ISSUER),
        tools=read_issuer(folder, TOOLS),
        next_issuer=read_issuer(folder, NEXT_ISSUER) if is_changing else None,
        former_kem_keys=tuple(_read_hex(path, KEY_BYTES) for path in sorted((folder / FORMER_KEM_KEYS).glob("*"))),
    )


def _read_former_feeds(folder: Path) -> tuple[FeedId, ...]:
    path = folder / FORMER_FEEDS
    if not path.exists():  # from before feeds could be opened anew
        return ()
    return tuple(FeedId(bytes.fromhex(line)) for line in files.read_secret(path).decode("ascii").split())


def read_member(folder: Path) -> MemberId:
    """Whose node this is."""
    return MemberId(_read_hex(folder / MEMBER, KEY_BYTES))


def read_node_id(folder: Path) -> bytes:
    """Which of its member's nodes this is; it stays the same when keys change."""
    return _read_hex(folder / NODE_ID, NODE_ID_BYTES)


def read_issuer(folder: Path, names: tuple[str, str]) -> Issuer:
    """One of the two issuers; raises ConfigError naming the folder they do not fit in."""
    certificate, key = (files.read_secret(folder / name) for name in names)
    try:
        return issuer.read_issuer(certificate, key)
    except ConfigError as error:
        raise ConfigError(f"{folder / names[0]}: {error.reason}", next_step=error.next_step) from error


def _read_hex(path: Path, size: int) -> bytes:
    text = files.read_secret(path).strip()
    try:
        data = bytes.fromhex(text.decode("ascii"))
    except ValueError:  # the reason would quote the secret
        data = b""
    if len(data) != size:
        raise ConfigError(
            f"{path} is damaged: it needs {2 * size} hex digits on one line",
            next_step="It cannot be made again. Without a whole copy this node has to be set up anew.",
        )
    return data


def check_modes(folder: Path) -> None:
    """Raise ConfigError, with the command to run, for anything in a data folder that others could touch."""
    for path in (folder, *sorted(folder.rglob("*"))):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            if path == folder:
                raise ConfigError(f"{folder} is not there", next_step="`tocsin init` makes it.") from None
            continue  # SQLite removes its own files when it closes
        if mode & _OTHERS and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            command = f"chmod {'700' if stat.S_ISDIR(mode) else '600'} {path}"
            raise ConfigError(
                f"{path} has mode {stat.S_IMODE(mode):04o}, so others on this machine may read or change it",
                next_step=f"Run `{command}`, and make new keys if anyone else uses this machine.",
            )
