"""A node of the first version becomes one of this, with everything that it held."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from node.custody import host
from node.store import migrations, schema
from tests.acts import publish
from tests.federation import Node, Result, federation
from tests.store import version_1

DIGESTS = [i.to_bytes(32) for i in range(1, 5000)]


def set_back(folder: Path) -> None:
    """Make the stores what the first version would have made of the same entries."""
    for name, tables in version_1.TABLES.items():
        path, old = folder / f"{name}.db", folder / f"{name}.old"
        with closing(sqlite3.connect(old)) as connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; {tables} PRAGMA user_version = 1;")
            connection.execute("ATTACH ? AS present", (str(path),))
            for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
                columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
                if table != "sqlite_sequence":
                    connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM present.{table}")  # noqa: S608
            connection.commit()
        old.replace(path)
        path.chmod(0o600)
    (folder / host.MARKER).unlink()


def upgrade(node: Node, *options: str) -> Result:
    return node.cli("upgrade", *options, check=False)


async def test_a_node_of_the_first_version_is_upgraded_and_matches_what_it_matched(tmp_path: Path) -> None:
    with federation(tmp_path, 2, choosing=1) as (publisher, node):
        publisher.cli("peer", "add", "--founders", "--yes", "--no-wait")
        node.cli("peer", "add", "--founders", "--yes")
        node.until(lambda status: status["peers_in_step"] == 1, "status")
        await publish(publisher, "halle", DIGESTS)
        (found,) = node.until(lambda lists: len(lists) == 1, "list")
        node.cli("list", "follow", found["reference"])
        node.until(lambda status: status["items"] == len(DIGESTS) and not status["payloads_wanted"], "status")
        node.stop()
        set_back(node.config.data_folder)

        refused = node.cli("run", check=False)
        assert refused.returncode == 3
        assert f"ledger.db is of version 1; this is {migrations.program()}" in refused.stderr
        assert "tocsin upgrade" in refused.stderr

        checked = upgrade(node, "--check", "--json")
        assert checked.returncode == 1, checked.stderr
        said = json.loads(checked.stdout)
        assert said["needed"]
        assert {Path(store["path"]).stem: store["action"] for store in said["stores"]} == {
            "host": "marked",
            "ledger": "migrated",
            "keys": "noted",
            "index": "rebuilt",
            "digests": "rebuilt",
        }
        done = upgrade(node)
        assert done.returncode == 0, done.stderr
        assert f"1 -> {schema.VERSION}" in done.stdout
        again = upgrade(node, "--check")
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "Nothing to do.")

        await asyncio.to_thread(publisher.stop)  # nothing may come from elsewhere
        node.start()
        status = node.json("status")
        assert status["items"] == len(DIGESTS)
        assert status["signing"]["state"] == "waiting", "it is no copy, and its peer is down"
        assert node.json("list")[0]["following"] == "followed"
        assert node.cli("lookup", DIGESTS[7].hex()).stdout.startswith("MATCH ")
