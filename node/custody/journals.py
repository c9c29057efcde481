"""The erasure journal and its copy: after a restore the copy takes the journal's place, or there is none.

A backup has the journal as it was. What was erased since stands in the copy alone.
"""

from pathlib import Path

from node.config import Config
from node.custody import files, joining, renewal
from node.errors import ConfigError, Refused
from node.exchange import restored
from node.exchange.restored import Journal, Restored
from node.feed.pae import FederationId
from node.store import erasures, stores
from node.store.erasures import FILE
from node.store.stores import Stores


def adopt(config: Config, copy: Path) -> int:
    """Let the copy take the journal's place, while the node is stopped; how many lines it has more.

    Raises Refused for a copy that ends before the journal, or does not go on where it ends.
    """
    with renewal.held(config.data_folder):
        federation_id = joining.read_charter(config).federation_id
        more = replace(config.data_folder, copy, federation_id)
        _answer(config, Journal.FOUND)
    return more


def declare_lost(config: Config) -> None:
    """Nobody has the copy: what is older than the restore counts as erased, for good."""
    with renewal.held(config.data_folder):
        _answer(config, Journal.LOST)


def replace(data_folder: Path, copy: Path, federation_id: FederationId) -> int:
    """The copy in the journal's place, whole or not at all; how many lines it has more. Raises Refused."""
    path = data_folder / FILE
    held = erasures.read(path, federation_id)[0] if path.exists() else []
    try:
        found, end, _ = erasures.read(copy, federation_id)
        data = copy.read_bytes()[:end]
    except OSError as error:
        raise ConfigError(f"{copy} cannot be read: {error.strerror}", next_step="Check the path.") from error
    if found[: len(held)] != held:
        ends_before = found == held[: len(found)]
        raise Refused(
            f"{copy} {f'ends {len(held) - len(found):,} lines before' if ends_before else 'does not go on from'} the"
            " journal that is here",
            next_step="It is older, or of another node. Find the copy that this node wrote last.",
            field="copy",
        )
    files.replace_secret(path, data)
    return len(found) - len(held)


def mark(opened: Stores, journal: Journal, at_ms: int) -> None:
    """What a restored ledger says of its journal from the beginning."""
    restored.note(opened, Restored(journal, at_ms))
    opened.commit("ledger")


def _answer(config: Config, journal: Journal) -> None:
    opened = stores.open_folder(config.data_folder)
    try:
        before = restored.load(opened)
        if before.journal is not Journal.PENDING:
            raise Refused(
                "nothing waits for the erasure journal here",
                next_step="It does only in a node that was restored; `tocsin doctor` says how the journal is.",
            )
        mark(opened, journal, before.at_ms)
    finally:
        opened.close()
