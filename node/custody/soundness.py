"""The stores and the sign journal, looked at from outside: whole, of a version that is known, and in agreement."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from node.config import Config
from node.custody import charters, folder, journals
from node.errors import ConfigError, NodeError
from node.exchange import ingest
from node.exchange import trust as trusts
from node.exchange.restored import Journal
from node.feed import entry, keys
from node.feed.charter import Charter
from node.rpc import finding
from node.store import erasures, journal, migrations, schema, stores
from node.store.stores import NAMES, PROJECTED
from node.v1.admin_pb2 import Finding

CHECK_S = 3.0  # a file that takes longer is checked whole only when asked for
STEPS = 20_000  # of SQLite's machine between two looks at the clock: about a millisecond


def examine(config: Config, *, deep: bool) -> Iterator[Finding]:
    """The charter, the four files, and what this node signed."""
    path = config.data_folder / folder.CHARTER
    if not path.exists():
        yield finding.warning("charter", "this folder has not joined a federation", "Run `tocsin join CHARTER`.")
        return
    try:
        charter = charters.read(path)[1]
    except NodeError as error:
        yield finding.fault("charter", error.reason, error.next_step)
        return
    yield finding.ok("charter", f"{charter.name}, {charters.readable_id(charter)}")
    found = list(_files(config, deep=deep))
    yield from found
    yield from _journal(config, charter)
    yield _erasures(config, charter)
    if all(one.verdict == finding.OK for one in found):
        yield from _witnessed(config, charter)


def _files(config: Config, *, deep: bool) -> Iterator[Finding]:
    sound = []
    for name in NAMES:
        path = config.data_folder / f"{name}.db"
        if not path.exists():
            yield _missing(path, name)
            continue
        try:
            with closing(_opened(path)) as connection:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                faults = [] if version > schema.VERSION else _check(connection, deep=deep)
        except sqlite3.Error as error:
            yield finding.fault("stores", f"{path} cannot be read: {error}", _remedy(name))
            continue
        if version > schema.VERSION:
            words = f"{path} is of a newer Tocsin: version {version}, this one knows {schema.VERSION}"
            yield finding.fault("stores", words, "Install the newer version; a store never goes back.")
        elif faults is None:
            step = "`tocsin doctor --deep` takes the time it needs."
            yield finding.unknown("stores", f"{path} was not checked whole within {CHECK_S:.0f} s", step)
        elif faults:
            yield finding.fault("stores", f"{path} is damaged: {'; '.join(faults)}", _remedy(name))
        else:
            sound.append(name)
    if sound:
        how = "checked whole" if deep else "checked quickly"
        yield finding.ok("stores", f"{', '.join(sound)}: version {schema.VERSION}, {how}")


def _opened(path: Path) -> sqlite3.Connection:
    """For reading, and so that nothing is left lying beside a file that nobody has open."""
    in_use = path.with_name(f"{path.name}-wal").exists()
    return sqlite3.connect(f"{path.absolute().as_uri()}?{'mode=ro' if in_use else 'immutable=1'}", uri=True)


def _check(connection: sqlite3.Connection, *, deep: bool) -> list[str] | None:
    """What SQLite finds wrong; None where it took too long."""
    if not deep:
        ends = time.monotonic() + CHECK_S  # noqa: TID251 - custody has the real clock
        connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS)  # noqa: TID251 - the same
    try:
        found = connection.execute(f"PRAGMA {'integrity_check' if deep else 'quick_check'}(3)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return [] if found == [("ok",)] else [str(row[0]) for row in found]


def _missing(path: Path, name: str) -> Finding:
    if name in PROJECTED:
        return finding.warning("stores", f"{path} is not there", _remedy(name))
    return finding.fault("stores", f"{path} is not there", _remedy(name))


def _remedy(name: str) -> str:
    if name in PROJECTED:
        return "Stop the node and run `tocsin index rebuild`: this file holds only what the others say."
    return (
        "Check the disk. What it held can be fetched from peers by a node that is set up anew; see configs/README.md."
    )


# ---- What was signed


def _journal(config: Config, charter: Charter) -> Iterator[Finding]:
    try:
        feed_id = _own_feed(config, charter)
        stored = _stored_seq(config, feed_id)  # first, for a node that runs writes the journal first
        lines, _ = journal.read(config.data_folder / folder.JOURNAL)
    except (ConfigError, OSError, sqlite3.Error) as error:
        step = error.next_step if isinstance(error, ConfigError) else "Do not start the node before this is mended."
        yield finding.fault("journal", f"the sign journal cannot be compared: {error}".partition("\n")[0], step)
        return
    signed = _signed_seq(lines, feed_id, charter)
    if stored > signed:
        yield finding.fault(
            "journal",
            f"the ledger has entry {stored} of this node's feed and the sign journal ends at {signed}: it is an older "
            "copy, and the node would sign places twice",
            "Do not start the node. Restore the journal, or set up a new node: its feed begins anew.",
        )
    else:
        yield finding.ok("journal", f"{len(lines):,} signatures, the last of this feed is entry {signed:,}")


def _own_feed(config: Config, charter: Charter) -> bytes:
    node = folder.read_keys(config.data_folder)
    return keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key))


def _stored_seq(config: Config, feed_id: bytes) -> int:
    path = config.data_folder / "ledger.db"
    if not path.exists():
        return 0
    with closing(_opened(path)) as connection:
        found = connection.execute("SELECT seq FROM head WHERE feed_id = ?", (feed_id,)).fetchone()
    return int(found[0]) if found else 0


def _signed_seq(lines: list[journal.Signed], feed_id: bytes, charter: Charter) -> int:
    for body, signature in reversed(lines):
        header = entry.decode(body, signature, charter.federation_id).header
        if header.feed_id == feed_id:
            return header.seq
    return 0


def _erasures(config: Config, charter: Charter) -> Finding:
    """Whether a restore would know what was erased; after one, whether this node does."""
    if _is_pending(config.data_folder / "ledger.db"):
        words = "this node was restored, and its erasure journal may lack what was erased since the backup"
        step = "`tocsin erase journal FILE` with its copy, or `--lost`; until then nothing older is taken in."
        return finding.fault("erasures", words, step)
    copy, journal_file = config.erasures_copy, config.data_folder / erasures.FILE
    if copy is None:
        words = "the erasure journal is here only: set erasures.copy in node.toml to a file on another disk, or after a"
        return finding.ok("erasures", f"{words} restore nobody knows what must not come back")
    try:
        missing = erasures.require_whole(journal_file, copy, charter.federation_id)
    except ConfigError as error:
        return finding.fault("erasures", error.reason, error.next_step)
    except OSError as error:
        step = "Is its disk mounted, and may the node's user write there?"
        return finding.fault("erasures", f"{error.filename} cannot be read: {error.strerror}", step)
    if missing:
        words = f"{copy} lacks {missing:,} bytes of the erasure journal"
        return finding.warning("erasures", words, "The running node adds them within half a minute; its log says more.")
    return finding.ok("erasures", f"{copy} has the whole erasure journal")


def _witnessed(config: Config, charter: Charter) -> Iterator[Finding]:
    """Whether the erasure journal is what this node's own anchors saw; they may have come back from its peers."""
    with suppress(NodeError, OSError):  # what is wrong with what it needs is said of that
        migrations.check(config.data_folder)
        with closing(stores.open_to_read(config.data_folder, alone=True)) as opened:
            found = journals.compare_in(config, opened, ingest.load(opened, trusts.begin(charter))).found
        if found is not None:
            words = f"the erasure journal is not what was witnessed of it: lines {found.first:,} to {found.last:,}"
            yield finding.fault("erasures", f"{words} are {found.fault}", journals.MEND)


def _is_pending(ledger: Path) -> bool:
    if not ledger.exists():
        return False
    with suppress(sqlite3.Error), closing(_opened(ledger)) as connection:
        row = connection.execute("SELECT value FROM meta WHERE name = 'restored'").fetchone()
        return bool(row) and row[0][:1] == bytes((Journal.PENDING,))
    return False
