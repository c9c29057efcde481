"""Restoring: a new folder out of a backup, with fresh keys, and its feed opened anew at once.

No key is in a backup and none is needed: a spare lets the new keys in, and carries the TLS issuer that
the peers know. With the root key instead there is a new issuer, which the peers have to be told of.
"""

import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from nacl.signing import SigningKey

from node import config as configs
from node.config import FILE_NAME, Config
from node.custody import (
    auditing,
    backups,
    cards,
    ceremonies,
    files,
    folder,
    identities,
    issuer,
    joining,
    journals,
    member,
    renewal,
    reopening,
)
from node.custody.backups import Manifest
from node.custody.ceremonies import Unlock
from node.custody.folder import NodeKeys
from node.custody.issuer import Issuer
from node.custody.spares import Spare
from node.errors import ConfigError, Refused
from node.exchange import restored as exchange_restored
from node.exchange.restored import Journal
from node.feed.keys import MemberId
from node.store import erasures, migrations, schema, segments, stores

_DATA_FOLDER = re.compile(r"(?m)^data_folder\s*=.*$")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was made."""

    manifest: Manifest
    card: Path | None  # a new one, where the peers do not know the node's issuer


def restore(
    path: Path,
    place: Path,
    now: datetime,
    *,
    spare: Spare | None = None,
    unlock: Unlock | None = None,
    journal: Path | None = None,
    journal_lost: bool = False,
) -> Restored:
    """Make a node's folder out of a backup, whole or not at all. One of the two authorities is needed.

    ``journal``: the copy of the erasure journal; without it what is older is held back until it is found or declared
    lost.

    Raises ConfigError for a folder in use, Refused for a backup or an authority that does not fit.
    """
    member.require_new(place)
    with member.drafted(place) as draft:
        data = draft / member.DATA
        manifest = backups.read(path, draft)
        node = _keys(manifest, spare.issuer if spare else None, now)
        folder.create_folder(data, node)
        for name in backups.IN_DATA:
            if (draft / name).exists():
                (draft / name).rename(data / name)
        _place_audit(draft, data)
        config = _configuration(draft, place)
        _check(config, manifest)
        if manifest.schema_version < schema.VERSION:
            migrations.migrate(data / backups.LEDGER, "ledger")
        _mind_journal(config, now, journal, lost=journal_lost)
        with renewal.held(data):
            card = _open(config, node, now, spare, unlock)
            words = f"restored from a backup of {clock(manifest.made_ms)}"
            federation_id, now_ms = joining.read_charter(config).federation_id, int(now.timestamp() * 1000)
            auditing.resume(data, federation_id, now_ms, words)
            by = f"spare:{spare.public.hex()}" if spare else "root"
            auditing.note_keys(config, federation_id, now_ms, "restore", by)
    return Restored(manifest, place / card.name if card else None)


def _place_audit(draft: Path, data: Path) -> None:
    (data / segments.FOLDER).mkdir(mode=0o700)
    for path in sorted(draft.glob(f"{backups.AUDIT_PREFIX}*")):
        path.rename(data / segments.FOLDER / path.name.removeprefix(backups.AUDIT_PREFIX))


def clock(time_ms: int) -> str:
    """A time as lines of the audit log have it."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _keys(manifest: Manifest, pinned: Issuer | None, now: datetime) -> NodeKeys:
    return NodeKeys(
        member_id=MemberId(bytes.fromhex(manifest.member_id)),
        node_id=bytes.fromhex(manifest.node_id),
        feed_key=SigningKey.generate(),
        kem_key=secrets.token_bytes(folder.KEY_BYTES),  # noqa: TID251 - custody has real randomness
        issuer=pinned or issuer.create_issuer(now),
        tools=issuer.create_issuer(now),
    )


def _configuration(draft: Path, place: Path) -> Config:
    """As it will be in its place; the data lie beside it, wherever they lay before."""
    file = draft / FILE_NAME
    text = _DATA_FOLDER.sub(f'data_folder = "{member.DATA}"', file.read_text())
    files.replace_public(file, text.encode())
    found = configs.decode(text.encode(), place / FILE_NAME)
    return replace(found, folder=draft, data_folder=draft / member.DATA)


def _check(config: Config, manifest: Manifest) -> None:
    if joining.read_charter(config).federation_id.hex() != manifest.federation_id:
        raise Refused("this backup has the charter of another federation", next_step="Take another copy.", field="file")


def _mind_journal(config: Config, now: datetime, journal: Path | None, *, lost: bool) -> None:
    """What was erased since the backup was made must not come back from anybody."""
    federation_id = joining.read_charter(config).federation_id
    known = len(erasures.read(config.data_folder / erasures.FILE, federation_id)[0])
    if journal:
        journals.replace(config.data_folder, journal, federation_id, known)
        return
    opened = stores.open_folder(config.data_folder)
    try:
        answer = Journal.LOST if lost else Journal.PENDING
        journals.mark(opened, exchange_restored.Restored(answer, int(now.timestamp() * 1000), known))
    finally:
        opened.close()


def _open(config: Config, node: NodeKeys, now: datetime, spare: Spare | None, unlock: Unlock | None) -> Path | None:
    now_ms = int(now.timestamp() * 1000)
    if spare is not None:
        reopening.open_by_spare(config, node, spare, now_ms)
        return None
    if unlock is None:
        raise ConfigError("nothing lets the new keys in", next_step="Name a spare or the root key.")
    charter = joining.read_charter(config)
    with reopening.governed(config, charter) as (_, trust):
        log = identities.own(trust, node.member_id)
    root = unlock(log.identity)
    certified = ceremonies.sign(log, [identities.certify(node)], root, charter.federation_id, now_ms)
    reopening.open_by_root(config, node, certified, now_ms)
    card = config.folder / f"{member.slug(log.identity.inception.name, node)}{backups.CARD_SUFFIX}"
    with reopening.governed(config, charter) as (opened, trust):
        log = identities.own(trust, node.member_id)
        files.replace_public(card, cards.create(config, opened, log, node, root, charter.federation_id))
    return card
