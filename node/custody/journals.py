"""The erasure journal and its copy: after a restore the copy takes the journal's place, or there is none.

A backup has the journal as it was. What was erased since stands in the copy alone.
"""

import dataclasses
from pathlib import Path

from node.config import Config
from node.custody import auditing, files, joining, renewal
from node.errors import ConfigError, Refused
from node.exchange import restored
from node.exchange.restored import Journal, Restored
from node.feed.pae import FederationId
from node.store import erasures, stores
from node.store.erasures import FILE
from node.store.stores import Stores


def adopt(config: Config, copy: Path, now_ms: int) -> int:
    """Let the copy take the journal's place, while the node is stopped; how many lines it has more.

    What the node erased since it was restored is behind it. Raises Refused for a copy that is older than the
    backup, or of another node.
    """
    with renewal.held(config.data_folder):
        known = _pending(config).journal_size
        federation_id = joining.read_charter(config).federation_id
        more = replace(config.data_folder, copy, federation_id, known)
        _answer(config, Journal.FOUND)
        auditing.note_keys(config, federation_id, now_ms, "erase journal --from")
    return more


def declare_lost(config: Config, now_ms: int) -> None:
    """Nobody has the copy: what is older than the restore counts as erased, for good."""
    with renewal.held(config.data_folder):
        _answer(config, Journal.LOST)
        auditing.note_keys(config, joining.read_charter(config).federation_id, now_ms, "erase journal --lost")


def replace(data_folder: Path, copy: Path, federation_id: FederationId, known: int) -> int:
    """The copy in the journal's place, whole or not at all; how many lines it has behind the ``known`` first ones.

    What the journal has behind these is kept too. Raises Refused for a copy that does not begin with them.
    """
    path = data_folder / FILE
    held = erasures.read(path, federation_id)[0] if path.exists() else []
    try:
        found, end, head = erasures.read(copy, federation_id)
        data = copy.read_bytes()[:end]
    except OSError as error:
        raise ConfigError(f"{copy} cannot be read: {error.strerror}", next_step="Check the path.") from error
    if found[:known] != held[:known]:
        fault = "ends before the backup" if found == held[: len(found)] else "does not go on from the journal here"
        raise Refused(
            f"{copy} {fault}",
            next_step="It is older, or of another node. Find the copy that this node wrote last.",
            field="copy",
        )
    missing = [one for one in held[known:] if one not in found]
    files.replace_secret(path, data + erasures.encode(missing, head, federation_id))
    return len(found) - known


def mark(opened: Stores, made: Restored) -> None:
    """What a restored ledger says of its journal from the beginning."""
    restored.note(opened, made)
    opened.commit("ledger")


def _answer(config: Config, journal: Journal) -> None:
    before = _pending(config)
    opened = stores.open_folder(config.data_folder)
    try:
        mark(opened, dataclasses.replace(before, journal=journal))
    finally:
        opened.close()


def _pending(config: Config) -> Restored:
    opened = stores.open_folder(config.data_folder)
    try:
        found = restored.load(opened)
    finally:
        opened.close()
    if found.journal is not Journal.PENDING:
        raise Refused(
            "nothing waits for the erasure journal here",
            next_step="It does only in a node that was restored; `tocsin doctor` says how the journal is.",
        )
    return found
