"""Opening the four files: one connection each for whoever writes."""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from node.errors import Unavailable
from node.store import driver, migrations, schema

NAMES = migrations.NAMES
PROJECTED = migrations.PROJECTED
_METADATA = {name: getattr(schema, name) for name in NAMES}

MAPPED_BYTES_MAX = 2 << 30  # of the digests, read in place: ten million SHA-256 have half of it
_CACHE_KIB = {"ledger": 16384, "keys": 4096, "index": 8192, "digests": 65536}


@dataclass(frozen=True)
class Stores:
    """Four connections of one thread, none shared."""

    ledger: sa.Connection
    keys: sa.Connection
    index: sa.Connection
    digests: sa.Connection

    @property
    def connections(self) -> tuple[sa.Connection, ...]:
        """In commit order."""
        return (self.keys, self.ledger, self.digests, self.index)

    def commit(self, name: str) -> None:
        """Make one file's changes durable; the order of the files is the caller's."""
        getattr(self, name).commit()

    def rollback(self) -> None:
        """Forget what is not committed, everywhere."""
        for connection in self.connections:
            connection.rollback()

    def close(self) -> None:
        """Close all four files."""
        for connection in self.connections:
            connection.close()
            connection.engine.dispose()


def explain(error: BaseException) -> None:
    """Raise Unavailable where an operation failed because of the disk."""
    cause = error.orig if isinstance(error, sa.exc.OperationalError) else error
    if isinstance(cause, sqlite3.OperationalError | OSError):
        raise Unavailable(
            f"the store cannot be written: {cause}",
            next_step="Check that the disk has room and is writable; nothing that was told is lost.",
        ) from error


def compact(connection: sa.Connection, *, whole: bool = True) -> bool:
    """Write a file anew, or only fold in its log, and empty the log; whether no reader stood in the way.

    SQLite overwrites what it deletes, but a page that was divided keeps bytes between its cells.
    """
    connection.commit()
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - what `connect` opened
    if whole:
        raw.execute("VACUUM")
    is_busy: int = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not is_busy


def size_bytes(connection: sa.Connection) -> int:
    """How large a file is, without its log."""
    pages: int = driver.scalar(connection, "PRAGMA page_count")
    bytes_: int = driver.scalar(connection, "PRAGMA page_size")
    return pages * bytes_


def open_folder(folder: Path) -> Stores:
    """Open the files in a data folder, making what is not there; raises ConfigError for another version's."""
    migrations.check(folder)
    return Stores(**{name: _open_file(migrations.path_of(folder, name), name) for name in NAMES})


def open_to_write(folder: Path, own: str) -> Stores:
    """One file to write, for the thread that does, and the others to read beside their writers.

    Each thread has connections of its own: on one that two use, what a thread sees is as old as what the other began
    to read before, so that it misses what it was told of.
    """
    paths = {name: migrations.path_of(folder, name) for name in NAMES}
    return Stores(
        **{name: _open_file(path, name) if name == own else connect(_reader(path)) for name, path in paths.items()}
    )


def only_read(held: Stores, names: Iterable[str], *, others_write: bool = True) -> None:
    """Leave some files to those who write them now, or take them back."""
    for name in names:
        connection: sa.Connection = getattr(held, name)
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if others_write else 'OFF'}")
        connection.exec_driver_sql("PRAGMA shrink_memory")
        connection.commit()


def open_to_read(folder: Path, *, alone: bool = False) -> Stores:
    """One read-only connection with all four files attached; each statement sees what is committed then.

    ``alone``: nobody writes meanwhile, so nothing has to be left beside the files.
    """
    first, *others = NAMES

    def create() -> sqlite3.Connection:
        opened = sqlite3.connect(read_only(folder / f"{first}.db", alone=alone), uri=True, check_same_thread=False)
        opened.isolation_level = None
        for name in others:
            opened.execute(f"ATTACH DATABASE ? AS {name}_file", (read_only(folder / f"{name}.db", alone=alone),))
        # A connection's own cache is empty again after every commit of the writer; the kernel's is not.
        opened.execute(f"PRAGMA digests_file.mmap_size = {MAPPED_BYTES_MAX}")
        return opened

    return Stores(**dict.fromkeys(NAMES, connect(create)))


def _reader(path: Path) -> Callable[[], sqlite3.Connection]:
    return lambda: sqlite3.connect(read_only(path), uri=True, check_same_thread=False)


def read_only(path: Path, *, alone: bool = False) -> str:
    """The name under which a file is opened beside its writer, or where there is none."""
    whole = alone and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if whole else ''}"


def connect(creator: Callable[[], sqlite3.Connection]) -> sa.Connection:
    """A SQLAlchemy connection over exactly one SQLite connection."""
    return sa.create_engine("sqlite://", creator=creator, poolclass=StaticPool).connect()


def create(connection: sa.Connection, name: str) -> None:
    """Make the tables of one file."""
    _METADATA[name].create_all(connection)
    if name == "ledger":
        driver.execute(connection, migrations.PUT_PROGRAM, (migrations.PROGRAM, migrations.program().encode()))
    connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")
    connection.commit()


def _open_file(path: Path, name: str) -> sa.Connection:
    connection = connect(lambda: sqlite3.connect(path, check_same_thread=False))
    path.chmod(0o600)
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    # FULL where others were told what this file holds, so that a loss would be silent. The projection
    # tells of itself how far it is; what it loses in a power cut is made again at the next start.
    connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if name in PROJECTED else 'FULL'}")
    connection.exec_driver_sql("PRAGMA secure_delete = ON")
    connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB[name]}")
    connection.exec_driver_sql("PRAGMA busy_timeout = 10000")
    if version == 0:  # new, or never finished being made
        create(connection, name)
    connection.commit()
    return connection
