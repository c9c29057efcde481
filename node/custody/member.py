"""A new member: root keys under a passphrase, a card, a configuration and one node's keys, in a new folder."""

import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nacl.signing import SigningKey

from node import config
from node.content import names
from node.custody import files, folder, issuer, passphrase, policies
from node.custody.folder import NODE_ID_BYTES, NodeKeys
from node.custody.passphrase import MODERATE, Cost
from node.errors import ConfigError, Malformed, Refused
from node.feed import identity, keys
from node.feed.identity import Card, Role
from node.store import appending
from node.v1 import header_pb2

ROOT_KEY = "root.key"
NEXT_ROOT_KEY = "next-root.key"
DATA = "data"
NONCE_BYTES = 16
DEFAULT_TOOLS_LISTEN = f"127.0.0.1:{config.TOOLS_PORT}"


@dataclass(frozen=True, slots=True)
class Made:
    """A member that was just made."""

    card: Card
    card_path: Path

    @property
    def fingerprint(self) -> str:
        """What its administrator reads out over the telephone."""
        return keys.fingerprint(self.card.inception.member_id)


def create(
    place: Path,
    *,
    name: str,
    role: Role,
    country: str,
    words: str,
    now: datetime,
    address: str = "",
    listen: str = "",
    tools_listen: str = DEFAULT_TOOLS_LISTEN,
    cost: Cost = MODERATE,
) -> Made:
    """Make a member in a folder, whole or not at all.

    Raises Refused for a name, country or passphrase that cannot be, ConfigError for a folder in use.
    """
    require_new(place)
    root, next_root = SigningKey.generate(), SigningKey.generate()
    nonce = secrets.token_bytes(NONCE_BYTES)  # noqa: TID251 - custody has real randomness
    try:
        inception = identity.create_inception(root, bytes(next_root.verify_key), nonce, name, role, country)
    except Malformed as error:
        raise Refused(
            f"this member cannot be: {error.reason}",
            next_step="The name has 1 to 96 bytes of plain text; the country two capital letters, as DE, or EU.",
            field=error.rule,
        ) from error
    node = _node_keys(keys.MemberId(inception.member_id), now)
    card = identity.create_card(inception, node.issuer.der, address, root)
    letter = header_pb2.SignedCard.FromString(card)
    listen = listen or default_listen(address)
    with drafted(place) as draft:
        passphrase.seal_file(draft / ROOT_KEY, "root", bytes(root), words, cost)
        passphrase.seal_file(draft / NEXT_ROOT_KEY, "root", bytes(next_root), words, cost)
        folder.create_folder(draft / DATA, node)
        policies.write(draft / DATA, policies.shipped(role))
        years = (Role.AUTHORITY, Role.EUROPOL)
        text = config.render(
            name,
            listen=listen,
            address=address,
            tools_listen=tools_listen,
            audit_keep_days=3 * 366 if role in years else 366,
        )
        config.decode(text.encode(), place / config.FILE_NAME)  # what was asked for must also be read
        files.replace_public(draft / config.FILE_NAME, text.encode())
        files.replace_public(draft / f"{slug(name, node)}.card", card)
    return Made(identity.read_card(letter), place / f"{slug(name, node)}.card")


def require_new(place: Path) -> None:
    """Raise ConfigError where a member lives already: its keys cannot be made again."""
    _require_free(place, (DATA, ROOT_KEY, NEXT_ROOT_KEY, config.FILE_NAME))


def _require_free(place: Path, names: Iterable[str]) -> None:
    for name in names:
        if (place / name).exists():
            raise ConfigError(
                f"{place / name} is there already and is not overwritten",
                next_step="Use another --folder, or move this one away if its member is really no longer needed.",
            )


def default_listen(address: str) -> str:
    """Everywhere, at the port that others dial; only on this machine where nobody dials us."""
    return f"[::]:{address.rpartition(':')[2]}" if address else f"127.0.0.1:{config.PEERS_PORT}"


def slug(name: str, node: NodeKeys) -> str:
    """A file name made of the member's; of its fingerprint where the name has no letters for one."""
    return names.slug(name)[:40] or keys.readable(node.member_id, 5).lower()


def _node_keys(member_id: keys.MemberId, now: datetime) -> NodeKeys:
    return NodeKeys(
        member_id=member_id,
        node_id=secrets.token_bytes(NODE_ID_BYTES),  # noqa: TID251 - custody has real randomness
        feed_key=SigningKey.generate(),
        kem_key=secrets.token_bytes(folder.KEY_BYTES),  # noqa: TID251 - custody has real randomness
        issuer=issuer.create_issuer(now),
        tools=issuer.create_issuer(now),
    )


@contextmanager
def drafted(place: Path) -> Iterator[Path]:
    """A folder inside the place whose content is moved there at the end, or goes with whatever went wrong."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=place, prefix=".init-"))
    except OSError as error:
        raise ConfigError(
            f"{place} cannot be written to: {error.strerror}",
            next_step="Use a --folder that belongs to this user.",
        ) from error
    try:
        yield draft
        _require_free(place, sorted(path.name for path in draft.iterdir()))
        # The data folder last: as long as it is not there, no command takes this for a member.
        for path in sorted(draft.iterdir(), key=lambda path: path.name == DATA):
            path.rename(place / path.name)
        appending.sync_folder(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
