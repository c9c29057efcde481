"""An upgrade: said before, then done, whole or not at all."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from node import config
from node.config import Config
from node.custody import files, host, upgrading
from node.errors import ConfigError, Unavailable
from node.store import migrations, schema, stores
from node.store.migrations import Migration
from tests.store import version_1

NEXT = schema.VERSION + 1


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    (tmp_path / "data").mkdir()
    (tmp_path / "node.toml").write_text("")
    stores.open_folder(tmp_path / "data").close()
    return config.load(tmp_path / "node.toml")


def later(monkeypatch: pytest.MonkeyPatch, *steps: Migration, projected: bool = False) -> None:
    """Make this the program of the next version."""
    monkeypatch.setattr(schema, "VERSION", NEXT)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, *steps))
    if projected:
        monkeypatch.setattr(migrations, "PROJECTED_IN", NEXT)


def column(*, rewrites: bool = False) -> Migration:
    statement = "ALTER TABLE peer ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'"
    return Migration("ledger", NEXT, (statement,), rewrites=rewrites)


def actions(found: upgrading.Plan) -> dict[str, str]:
    return {step.path.stem: step.action for step in found.steps}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != files.LOCK_NAME}


def test_with_nothing_to_do_nothing_is_done(settings: Config) -> None:
    before = content(settings.data_folder)
    found = upgrading.plan(settings)
    assert not found.is_needed
    assert found.seconds == found.room_bytes == 0
    assert upgrading.upgrade(settings).steps == found.steps
    assert content(settings.data_folder) == before


def test_what_is_said_is_what_is_done_and_saying_it_changes_nothing(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(settings.data_folder)
    later(monkeypatch, column())
    said = upgrading.plan(settings)
    assert said.is_needed
    assert actions(said) == {"ledger": "migrated", "keys": "noted", "index": "noted", "digests": "noted"}
    assert content(settings.data_folder) == before
    done = upgrading.upgrade(settings)
    assert actions(done) == actions(said)
    assert not upgrading.plan(settings).is_needed
    stores.open_folder(settings.data_folder).close()


def test_index_and_digests_are_made_anew_where_either_changed(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, projected=True)
    migrations.migrate(settings.data_folder / "index.db", "index")  # as an interruption may leave it
    assert actions(upgrading.plan(settings)) == {
        "ledger": "noted",
        "keys": "noted",
        "index": "rebuilt",
        "digests": "rebuilt",
    }
    upgrading.upgrade(settings)
    assert not (settings.data_folder / "index.db").exists(), "this folder never joined: there is nothing to project"
    assert not upgrading.plan(settings).is_needed


def test_an_upgrade_goes_on_where_one_was_interrupted(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, column(), Migration("keys", NEXT, ("DELETE FROM no_such_table",)))
    with pytest.raises(Unavailable, match=r"keys\.db cannot be migrated"):
        upgrading.upgrade(settings)
    assert actions(upgrading.plan(settings))["ledger"] == "none"
    monkeypatch.setattr(migrations, "MIGRATIONS", (column(), Migration("keys", NEXT, ("SELECT 1",))))
    upgrading.upgrade(settings)
    stores.open_folder(settings.data_folder).close()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_without_room_nothing_is_begun(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, column(rewrites=True))
    before = content(settings.data_folder)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(ConfigError, match=r"needs 16 MiB of room, and its disk has 5 MiB"):
        upgrading.upgrade(settings)
    assert content(settings.data_folder) == before


def test_a_folder_in_use_is_not_upgraded(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, column())
    with files.locked(settings.data_folder):
        assert upgrading.plan(settings).is_needed, "--check may run beside the node"
        with pytest.raises(ConfigError, match="is in use by process"):
            upgrading.upgrade(settings)


def test_a_newer_store_is_refused_by_check_too(settings: Config) -> None:
    with closing(sqlite3.connect(settings.data_folder / "index.db")) as connection:
        connection.execute(f"PRAGMA user_version = {NEXT}")
    with pytest.raises(ConfigError, match=rf"index.db is of version {NEXT}, made by tocsin"):
        upgrading.plan(settings)


def test_the_stores_of_the_first_version_become_this_ones(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "node.toml").write_text("")
    version_1.make(tmp_path / "data")
    upgrading.upgrade(config.load(tmp_path / "node.toml"))
    stores.open_folder(tmp_path / "data").close()


def with_signing_folder(place: Path, version: int) -> None:
    """As a program of that version left it, without a marker."""
    (place / "sign").mkdir()
    (place / host.FEED_KEY).write_text("key")
    for name in migrations.NAMES:
        with closing(sqlite3.connect(place / f"{name}.db")) as connection:
            connection.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize(("version", "marked"), [(1, True), (2, True), (3, False)])
def test_a_signing_folder_from_before_markers_is_marked_and_one_that_lost_its_marker_is_not(
    settings: Config, version: int, marked: bool
) -> None:
    with_signing_folder(settings.data_folder, version)
    assert actions(upgrading.plan(settings)).get("host") == ("marked" if marked else None)


def test_the_marker_is_written_before_any_store_is_of_the_new_version(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_signing_folder(settings.data_folder, 2)

    def die(*_: object) -> None:
        raise Unavailable("the power went")

    monkeypatch.setattr(migrations, "migrate", die)
    with pytest.raises(Unavailable):
        upgrading.upgrade(settings)
    assert host.is_unchanged(settings.data_folder)
    assert "host" not in actions(upgrading.plan(settings)), "it is not written again"
