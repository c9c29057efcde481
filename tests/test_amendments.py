"""The charter amended on running nodes: two sign, all go by it, nobody restarts."""

import asyncio
from pathlib import Path

import grpc.aio
import pytest

from node.v1 import charter_pb2
from tests.acts import client
from tests.federation import Node, federation
from tests.rules import PLAIN

TEXT = PLAIN.replace("amend = { count = 3", "amend = { count = 2").replace(
    'declare = ["authority", "europol"]', 'declare = ["authority"]'
)
DECLARE = ("crisis", "declare", "--framework", "eu-ocrf", "--place", "FR", "--for", "2h", "--yes")


def declared(node: Node, title: str, *, check: bool = True) -> str:
    done = node.cli(*DECLARE, "--title", title, check=check)
    return done.stdout if check else done.stderr


def states(node: Node) -> dict[str, str]:
    return {one["crisis"]["title"]: one["state"] for one in node.json("crisis", "list")}


async def signed_unseen(node: Node, text: bytes) -> str:
    """Why what was shown, when it was something else, is not signed."""
    request = charter_pb2.AmendRequest(text=text, expected_hash=bytes(31) + b"x")
    async with client(node) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await opened.charters.Amend(request)
    return refused.value.details() or ""


def test_two_members_amend_the_charter_and_all_running_nodes_go_by_it(tmp_path: Path) -> None:
    with federation(tmp_path, 3, text=TEXT) as nodes:
        first, second, third = nodes
        for node in nodes:
            node.cli("peer", "add", "--founders", "--yes")
        for node in nodes:
            node.until(lambda found: found["charter_in_force"] and found["peers_connected"] == 2, "status")
        declared(first, "Under the charter")
        assert "an europol may not declare" in declared(third, "Too early", check=False)

        text = first.cli("charter", "show", "--text").stdout
        assert text.replace("accept = { count = 3", "accept = { count = 4") == TEXT
        file = tmp_path / "parameters.toml"
        file.write_text(text.replace('declare = ["authority"]', 'declare = ["europol"]'))
        asked = first.cli("charter", "amend", file, check=False)
        assert asked.returncode == 2, "nothing is signed without a yes"
        assert "- May declare a crisis: authority." in asked.stdout
        assert "+ May declare a crisis: europol." in asked.stdout
        assert '+declare = ["europol"]' in asked.stdout
        assert first.json("charter", "history") == []

        assert "something else is in force" in asyncio.run(signed_unseen(first, file.read_bytes()))

        said = first.cli("charter", "amend", file, "--yes").stdout
        assert "Signed by Ministry A. Missing: 1 more, from 1 further country. Who may: Europol, Ministry B." in said
        assert "Signed already. Signed by Ministry A." in first.cli("charter", "amend", file, "--yes").stdout
        (proposed,) = second.until(lambda found: found and found[0]["text_here"], "charter", "history")
        assert (proposed["state"], proposed["missing"]) == ("proposed", 1)
        assert third.json("charter", "show")["state"] == "charter"
        agreed = second.cli("charter", "amend", "--agree", "1", "--yes").stdout
        assert "is in force" in agreed.splitlines()[-1]
        for node in nodes:
            found = node.until(lambda found: found["state"] == "amended", "charter", "show")
            assert found["rights"]["declare"] == ["europol"]
            assert {one["name"] for one in found["amendment"]["signatures"]} == {"Ministry A", "Ministry B"}
            assert node.json("status")["amendment"] == 1
        declared(third, "By the amendment")
        assert "an authority may not declare" in declared(first, "Too late", check=False)
        for node in nodes:
            node.until(lambda found: len(found) == 2, "crisis", "list")
            assert states(node) == {"Under the charter": "proposed", "By the amendment": "active"}

        third.stop()
        third.start()
        assert third.json("charter", "show")["state"] == "amended"
        assert states(third) == states(first)
