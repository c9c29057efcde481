"""What members say of themselves, on real daemons: a node that moves is found by its peers, and no hand helps."""

from pathlib import Path

from node import config
from tests.acts import approve, in_force
from tests.federation import federation, free_ports


async def test_a_node_that_moves_is_dialled_where_its_profile_says_and_no_administrator_helps(tmp_path: Path) -> None:
    """Europol's node has no address: the one that moves cannot call it, and it hears of the move from a third."""
    with federation(tmp_path, 3, hidden=1) as nodes:
        moving, _, europol = nodes
        for node in nodes:
            await approve(node, *(other for other in nodes if other is not node))
        await in_force(*nodes)
        before, after = moving.config.peers_address, f"127.0.0.1:{free_ports(1)[0]}"

        def says(address: str, found: list[dict[str, object]]) -> bool:
            return any(address in str(one["endpoints"]) for one in found)

        for node in nodes:  # each says by itself where it is
            node.until(lambda found: says(before, found["profiles"]), "profile", "show")
        assert europol.json("peer", "show", moving.name)["profile_addresses"] == []

        assert moving.stop() == 0
        file = moving.folder / config.FILE_NAME
        file.write_text(file.read_text().replace(before, after))
        moving.start()
        europol.until(lambda found: found["profile_addresses"] == [after], "peer", "show", moving.name)
        found = europol.until(lambda found: found["connected"], "peer", "show", moving.name)
        assert (found["address"], found["dialled"]) == (before, True)
        assert f"{before}, then {after} (by its profile)" in europol.cli("peer", "show", moving.name).stdout
        checked = {one["found"] for one in europol.json("peer", "check", moving.name)["findings"]}
        assert f"{after}, by its profile" in checked
        assert any(words.startswith(f"not at {before}: ") for words in checked)
        assert any(words.startswith("connected, ") for words in checked), checked
