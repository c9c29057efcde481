"""Migrations: a store of an older version becomes one of this version whole, or stays as it was.

A short list and no alembic. Alembic keeps its version in a table of its own, beside the
PRAGMA user_version that an older program must be able to read before it knows any table; four files
would be four environments of it; and it would be imported by every start to find that there is
nothing to do. Ledger and keys are migrated, each in one transaction with its new version. Index and
digests hold nothing that these two do not say: they are made anew where their tables changed.

A new version: change ``schema`` and its VERSION, add a Migration to the list for what is new in ledger
or keys, set PROJECTED_IN where a table of index or digests, or what is projected, changed, and where
a kind was added: entries of it that are here already were passed over, and are read then.
tests/store/test_migrations.py compares what comes out with a new store.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from node.errors import ConfigError, Unavailable
from node.store import schema, version_2, version_3, version_4, version_5, version_6, version_7, version_8

NAMES = ("ledger", "keys", "index", "digests")
PROJECTED = ("index", "digests")
PROJECTED_IN = 7  # the version in which a table of index or digests, or what goes into one, last changed
PROGRAM = "program"  # the name in the ledger's table meta: which program gave the stores their version
PUT_PROGRAM = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Migration:
    """What makes one file one version newer."""

    store: str
    version: int  # of the store when it is through
    statements: tuple[str, ...]
    fill: Callable[[sqlite3.Connection], None] | None = None  # what no statement can say
    rewrites: bool = False  # copies what the file holds: takes time, and room as large as the file


MIGRATIONS: tuple[Migration, ...] = (
    Migration("ledger", 2, version_2.TABLES, version_2.fill),
    Migration("ledger", 3, version_3.TABLES),
    Migration("ledger", 4, version_4.TABLES, version_4.fill),
    Migration("ledger", 5, version_5.TABLES),
    Migration("ledger", 6, version_6.TABLES),
    Migration("ledger", 7, version_7.TABLES),
    Migration("ledger", 8, version_8.TABLES, version_8.fill),
)


@cache
def program() -> str:
    """This program, as stores remember it."""
    return f"tocsin {metadata.version('tocsin')}"


def path_of(folder: Path, name: str) -> Path:
    """One of the four files."""
    return folder / f"{name}.db"


def version_of(path: Path) -> int:
    """The version of a file; 0 where it is not there, or was never finished being made."""
    if not path.exists():
        return 0
    try:
        with closing(_read_only(path)) as connection:
            found: int = connection.execute("PRAGMA user_version").fetchone()[0]
            return found
    except sqlite3.DatabaseError as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", next_step="Check that it is the right file, and that this user owns it."
        ) from error


def check(folder: Path) -> None:
    """Raise ConfigError for a file of another version than this program's, by its name and version."""
    check_readable(folder)
    for name in NAMES:
        version = version_of(path_of(folder, name))
        if 0 < version < schema.VERSION:
            raise ConfigError(
                f"{path_of(folder, name)} is of version {version};"
                f" this is {program()}, which needs version {schema.VERSION}",
                next_step="Run `tocsin upgrade` while the node is stopped;"
                " `tocsin upgrade --check` says before what that will do.",
            )


def check_readable(folder: Path) -> None:
    """Raise ConfigError for a file that a newer program made."""
    for name in NAMES:
        version = version_of(path_of(folder, name))
        if version > schema.VERSION:
            raise ConfigError(
                f"{path_of(folder, name)} is of version {version}{_made_by(folder)};"
                f" this is {program()}, which reads up to {schema.VERSION}",
                next_step="Install the newer one; a store never goes back.",
            )


def pending(name: str, version: int) -> list[Migration]:
    """What a ledger or keys of this version still need, in order."""
    found = [one for one in MIGRATIONS if one.store == name and version < one.version <= schema.VERSION]
    return sorted(found, key=lambda one: one.version)


def is_outdated(name: str, version: int) -> bool:
    """Whether an index or digests of this version must be made anew."""
    return name in PROJECTED and 0 < version < PROJECTED_IN


def migrate(path: Path, name: str) -> None:
    """Bring one file to this version in one transaction; raises Unavailable, all as before, where that fails."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            _migrate(connection, name)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unavailable(
            f"{path} cannot be migrated: {error}; it is as it was",
            next_step="Check that the disk has room and is writable, then run `tocsin upgrade` again.",
        ) from error


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for migration in pending(name, version):
            for statement in migration.statements:
                connection.execute(statement)
            if migration.fill:
                migration.fill(connection)
        if name == "ledger":
            connection.execute(PUT_PROGRAM, (PROGRAM, program().encode()))
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


def _made_by(folder: Path) -> str:
    """Which program made the stores, if the ledger says so."""
    try:
        with closing(_read_only(path_of(folder, "ledger"))) as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = ?", (PROGRAM,)).fetchone()
    except sqlite3.Error:
        return ""  # a ledger that this program cannot read at all
    return f", made by {row[0].decode(errors='replace')}" if row else ""


def _read_only(path: Path) -> sqlite3.Connection:
    # Without its log beside it a file is whole, and said to be so SQLite leaves nothing beside it either.
    alone = not path.with_name(f"{path.name}-wal").exists()
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}", uri=True)
