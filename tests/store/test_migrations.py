"""Other versions' stores: refused by name and version, or made this one's whole."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from node.errors import ConfigError, Unavailable
from node.store import migrations, schema, stores
from node.store.migrations import Migration
from tests.store import version_1

NEXT = schema.VERSION + 1
COLUMN = Migration("ledger", NEXT, ("ALTER TABLE peer ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",))
TABLE = Migration("keys", NEXT, ("CREATE TABLE epoch (number INTEGER PRIMARY KEY)",))


def scalar(path: Path, statement: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchone()[0]


def set_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table and index with its columns, in the order in which they are named."""
    with closing(sqlite3.connect(path)) as connection:
        tables = sorted(row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        found = {name: sorted(connection.execute(f"PRAGMA table_xinfo({name})")) for name in tables}
        indexes = connection.execute(
            "SELECT name, partial FROM sqlite_master s, pragma_index_list(s.tbl_name) l"
            " USING (name) WHERE type = 'index' ORDER BY 1"
        ).fetchall()
        return found | {
            f"index {name}": [(partial, *connection.execute(f"PRAGMA index_xinfo({name})"))]
            for name, partial in indexes
        }


def later(monkeypatch: pytest.MonkeyPatch, *steps: Migration) -> None:
    """Make this the program of the next version."""
    monkeypatch.setattr(schema, "VERSION", NEXT)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, *steps))


def test_a_store_of_a_newer_program_is_refused_by_name_version_and_program(tmp_path: Path) -> None:
    stores.open_folder(tmp_path).close()
    set_version(tmp_path / "keys.db", NEXT)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'program'", (b"tocsin 9.4",))
    with pytest.raises(ConfigError) as caught:
        stores.open_folder(tmp_path)
    assert caught.value.reason == (
        f"{tmp_path}/keys.db is of version {NEXT}, made by tocsin 9.4;"
        f" this is {migrations.program()}, which reads up to {schema.VERSION}"
    )
    assert "Install the newer one" in caught.value.next_step


def test_a_newer_store_that_does_not_say_its_program_is_refused_all_the_same(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute("CREATE TABLE quite_another (x)")
    set_version(tmp_path / "ledger.db", NEXT)
    with pytest.raises(ConfigError, match=rf"ledger.db is of version {NEXT}; this is"):
        stores.open_folder(tmp_path)
    assert not (tmp_path / "keys.db").exists(), "nothing is made beside it"


def test_an_older_store_is_not_opened_but_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.open_folder(tmp_path).close()
    later(monkeypatch, COLUMN, TABLE)
    with pytest.raises(ConfigError, match=rf"ledger.db is of version {NEXT - 1}; this is .* version {NEXT}") as caught:
        stores.open_folder(tmp_path)
    assert "`tocsin upgrade`" in caught.value.next_step
    for name in migrations.NAMES:
        migrations.migrate(tmp_path / f"{name}.db", name)
    stores.open_folder(tmp_path).close()
    assert scalar(tmp_path / "ledger.db", "SELECT count(*) FROM pragma_table_info('peer') WHERE name = 'colour'") == 1
    assert scalar(tmp_path / "keys.db", "SELECT count(*) FROM epoch") == 0


def test_a_migration_that_fails_half_way_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version_1.make(tmp_path)
    before = shape(tmp_path / "ledger.db")
    later(monkeypatch, COLUMN, Migration("ledger", NEXT, ("DELETE FROM payload", "DELETE FROM no_such_table")))
    with pytest.raises(Unavailable, match="no_such_table; it is as it was"):
        migrations.migrate(tmp_path / "ledger.db", "ledger")
    assert shape(tmp_path / "ledger.db") == before
    assert scalar(tmp_path / "ledger.db", "SELECT count(*) FROM payload") == 1
    assert scalar(tmp_path / "ledger.db", "PRAGMA user_version") == 1


def test_a_migrated_store_is_as_a_new_one_and_keeps_what_it_held(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    version_1.make(old)
    stores.open_folder(new).close()
    for name in migrations.NAMES:
        if migrations.is_outdated(name, 1):
            (old / f"{name}.db").unlink()
        else:
            migrations.migrate(old / f"{name}.db", name)
    stores.open_folder(old).close()
    for name in migrations.NAMES:
        assert shape(old / f"{name}.db") == shape(new / f"{name}.db"), name
    assert scalar(old / "ledger.db", "SELECT state FROM payload") == 0
    assert scalar(old / "keys.db", "SELECT box FROM box") == b"box"
    assert scalar(old / "ledger.db", "SELECT value FROM meta WHERE name = 'program'") == migrations.program().encode()


def test_migrations_are_run_in_the_order_of_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "VERSION", 4)
    steps = tuple(Migration("ledger", version, (f"SELECT {version}",)) for version in (4, 2, 5, 3))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    assert [one.version for one in migrations.pending("ledger", 2)] == [3, 4]
    assert migrations.pending("ledger", 4) == migrations.pending("keys", 1) == []


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database, though long enough to be read as one" * 20)
    with pytest.raises(ConfigError, match=r"ledger\.db cannot be read: file is not a database"):
        stores.open_folder(tmp_path)


def test_a_store_that_was_not_closed_is_read_with_what_stands_beside_it(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    opened.ledger.exec_driver_sql("PRAGMA user_version = 77")
    opened.commit("ledger")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("ledger.db*"):
        shutil.copy(path, copy)
    opened.close()
    assert migrations.version_of(copy / "ledger.db") == 77
