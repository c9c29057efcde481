"""The audit log of real nodes: what is noted, who may read it, and what peers prove about it."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from node.client import Client
from node.custody import auditing, joining
from node.exchange import audit, extracts
from node.store import segments
from tests.acts import publish
from tests.federation import GUARD_S, WORDS, Node, environment, federation, program

DIGESTS = [i.to_bytes(32) for i in range(1, 200)]
MISSING = b"\xee" * 32
URLS = ("https://a.example/x", "https://b.example/y")


@pytest.fixture(scope="module", name="two")
def _two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    with federation(tmp_path_factory.mktemp("audited"), 2) as nodes:
        nodes[0].cli("peer", "add", "--founders", "--yes", "--no-wait")
        nodes[1].cli("peer", "add", "--founders", "--yes")
        nodes[0].until(lambda status: status["peers_in_step"] == 1, "status")
        yield nodes


def acts(node: Node, *wanted: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.json("audit", "search", *wanted)
    return found


def log_of(node: Node) -> bytes:
    folder = node.config.data_folder / "audit"
    return b"".join(segments.path_of(folder, first).read_bytes() for first in segments.names(folder))


async def test_what_is_done_is_noted_with_who_and_without_any_value(two: Sequence[Node], tmp_path: Path) -> None:
    node, peer = two
    await publish(node, "noted", DIGESTS)
    peer.until(lambda status: status["items"] == len(DIGESTS), "status")
    bundle = tmp_path / "anna.pem"
    peer.cli("tool", "issue", "anna", "--person", "--scope", "read", "--scope", "match", "--output", bundle)
    async with Client.as_tool(bundle, why="art-14 threat to life") as anna:
        exported = [record async for record in anna.export_list("ministry-a/noted")]
        found = await anna.look_up("sha256", [*DIGESTS[:3], MISSING])
        assert not await anna.look_up("url", URLS)

        async def batches() -> Any:
            yield DIGESTS[3:5]

        streamed = [one async for matches in anna.look_up_stream("sha256", batches()) for one in matches]
    noted = acts(peer, "--who", "anna")
    of = {act: [one for one in noted if one["act"] == act] for act in ("list export", "look-up", "entry")}
    assert all(one["who"] == "person/anna" for one in noted)
    assert [one["counts"] for one in of["list export"]] == [{}, {"items": len(DIGESTS), "records": len(exported)}]
    assert of["list export"][0]["what"] == ["list:ministry-a/noted"]
    assert {tuple(one["why"]) for one in noted} == {("art-14", "threat to life")}
    by_itself, together = of["look-up"]  # URLs at once, and hashes with all of their minute
    assert by_itself["counts"] == {"asked": 2}
    assert together["counts"] == {"asked": 6, "matches": 5}
    positions = sorted(match.position for match in (*found, *streamed))
    assert together["what"] == [f"{found[0].entry.hex()}:{','.join(map(str, positions))}"]
    (declared,) = [one for one in acts(node, "--operation", "disclosure") if one["act"] == "list publish"]
    assert declared["counts"]["added"] == len(DIGESTS)
    received = [one for one in acts(peer, "--operation", "collection") if one["from"].startswith(node.name)]
    assert sum(one["counts"]["records"] for one in received) >= 2, "the list, and a record of it"
    sent = acts(node, "--operation", "disclosure", "--what", peer.name.lower())
    assert sum(one["counts"]["payloads"] for one in sent) >= 2
    for each in two:
        text = log_of(each)
        assert not [url for url in URLS if url.encode() in text]
        assert not [one for one in (*DIGESTS, MISSING) if one in text or f'"{one.hex()}'.encode() in text]


def test_an_auditor_reads_the_log_and_nothing_else_and_that_is_noted_too(two: Sequence[Node], tmp_path: Path) -> None:
    node = two[0]
    node.cli("tool", "issue", "iris", "--person", "--scope", "audit", "--output", tmp_path / "iris.pem")
    node.cli("audit", "witness")
    as_iris = ("--as", tmp_path / "iris.pem", "--node", node.config.tools_listen)
    found = run(*("audit", "verify", "--json"), *as_iris)
    assert (found["fault"], found["matching"]) == ("", found["witnesses"])
    assert found["matching"] >= 1
    assert any(one["act"] == "start" for one in run("audit", "show", "--json", *as_iris))
    (read, *_) = [one for one in acts(node, "--who", "iris") if one["what"] == ["use:verify"]]
    assert (read["operation"], read["act"]) == ("consultation", "audit read")
    for refused in (("list",), ("crisis", "list"), ("status",), ("audit", "witness")):
        assert "person iris may not call" in tried(*refused, *as_iris).stderr, refused


def test_where_only_people_declare_neither_a_tool_nor_the_socket_does_and_the_log_has_who_did(
    two: Sequence[Node], tmp_path: Path
) -> None:
    node, settings = two[0], two[0].folder / "node.toml"
    before = settings.read_text()
    node.stop()
    settings.write_text(before.replace('declare = "all"', 'declare = "persons"'))
    node.start()
    for name, *kind in (("robot",), ("olga", "--person")):
        scopes = ("--scope", "read", "--scope", "declare")
        node.cli("tool", "issue", name, *kind, *scopes, "--output", tmp_path / f"{name}.pem")
    declare = (
        "crisis",
        "declare",
        "--framework",
        "eu-ocrf",
        "--title",
        "By whom",
        "--place",
        "FR",
        "--for",
        "1h",
        "--yes",
    )
    refused = {
        "the administrator": node.cli(*declare, check=False),
        "tool robot": tried(*declare, "--as", tmp_path / "robot.pem", "--node", node.config.tools_listen),
    }
    for who, done in refused.items():
        assert f"{who} may not call" in done.stderr
        assert "Only people may here: `tocsin tool issue NAME --person --scope declare`" in done.stderr
        assert done.returncode != 0
    as_olga = ("--as", tmp_path / "olga.pem", "--node", node.config.tools_listen)
    declared = run(*declare, "--json", *as_olga)
    run("crisis", "end", declared["reference"], "--yes", "--json", *as_olga)
    said = {(one["who"], one["act"]) for one in acts(node, "--what", f"crisis:{declared['object_id']}")}
    assert ("person/olga", "crisis declare") in said
    assert {who for who, _ in said if who != "node"} == {"person/olga"}
    node.stop()
    settings.write_text(before)
    node.start()


def run(*arguments: str | Path) -> Any:
    done = tried(*arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tried(*arguments: str | Path) -> Any:
    command = program(*map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, timeout=GUARD_S, check=False, env=environment())


def forge(node: Node) -> None:
    """Write the whole log anew, every hash right, with another name in one line."""
    config = node.config
    federation_id, folder = joining.read_charter(config).federation_id, config.data_folder / "audit"
    files = {first: segments.path_of(folder, first) for first in segments.names(folder)}
    kept = [[one.act for one in extracts.lines([path.read_bytes()], federation_id)] for path in files.values()]
    shutil.rmtree(folder)
    log = auditing.open_log(config.data_folder, federation_id)
    changed = False
    for part in kept:
        for act in part:
            is_it = act.who == audit.ADMINISTRATOR and not changed
            changed = changed or is_it
            forged = audit.Act(act.at_ms, act.operation, act.act, "tool/nobody") if is_it else act
            log.append([forged], act.at_ms)
    assert changed
    log.close()


def test_after_a_crash_the_next_start_says_that_something_may_be_missing(two: Sequence[Node]) -> None:
    node = two[0]
    node.kill()
    folder = node.config.data_folder / "audit"
    with segments.path_of(folder, segments.names(folder)[-1]).open("ab") as file:
        file.write(b'00ff {"n":')  # as far as it got
    assert json.loads(node.cli("audit", "verify", "--json", check=False).stdout)["fault"] in ("", "CUT")
    node.start()
    starts = [one["why"][0] for one in acts(node, "--operation", "administration") if one["act"] == audit.STARTED]
    assert starts[-1] == "crash"
    assert node.json("audit", "verify")["fault"] == ""


def test_a_log_written_anew_as_a_whole_is_proven_by_what_a_peer_kept(two: Sequence[Node], tmp_path: Path) -> None:
    node, peer = two
    node.cli("audit", "witness")
    held = node.json("status")["heads_digest"]
    peer.until(lambda status: status["heads_digest"] == held, "status")
    peer.cli("audit", "anchors", node.name, "--to", tmp_path / "kept")
    assert node.json("audit", "verify", "--anchors", tmp_path / "kept")["fault"] == ""
    node.stop()
    kept = shutil.copytree(node.config.data_folder / "audit", tmp_path / "before")
    assert node.cli("audit", "verify").stdout.startswith("The log is as it was written")
    forge(node)
    found = node.cli("audit", "verify", "--anchors", tmp_path / "kept", check=False)
    assert found.returncode == 1
    assert found.stdout.startswith("CHANGED: lines 1 to ")
    assert node.cli("audit", "verify", check=False).returncode == 1, "by its own ledger too, as long as that stands"
    shutil.rmtree(node.config.data_folder / "audit")
    shutil.copytree(kept, node.config.data_folder / "audit")
    node.start()
    assert node.json("audit", "verify", "--anchors", tmp_path / "kept")["fault"] == ""


def test_an_auditor_on_another_machine_sees_what_was_erased_early_and_anchors_that_prove_nothing(
    two: Sequence[Node], tmp_path: Path
) -> None:
    node, peer = two
    node.cli("tool", "issue", "erik", "--person", "--scope", "audit", "--output", tmp_path / "erik.pem")
    node.cli("audit", "witness")
    held = node.json("status")["heads_digest"]
    peer.until(lambda status: status["heads_digest"] == held, "status")
    for name in (node.name, peer.name):
        peer.cli("audit", "witness")
        peer.cli("audit", "anchors", name, "--to", tmp_path / name)
    verify = ("audit", "verify", "--as", tmp_path / "erik.pem", "--node", node.config.tools_listen, "--anchors")
    whole = tried(*verify, tmp_path / node.name)
    assert whole.returncode == 0
    assert "1,098 days must be there: the node says so itself" in whole.stdout
    other = tried(*verify, tmp_path / peer.name)
    assert other.returncode == 1
    assert "no anchor" in other.stderr
    node.stop()
    folder = node.config.data_folder / "audit"
    kept = shutil.copytree(folder, tmp_path / "before")
    first, later_ms = segments.names(folder)[0], 2 * 10**12
    log = auditing.open_log(node.config.data_folder, joining.read_charter(node.config).federation_id)
    log.append([audit.Act(later_ms, audit.Operation.ADMINISTRATION, "peer add")], later_ms)
    log.close()
    segments.path_of(folder, first).unlink()
    node.start()
    for options in ((), ("--keep-days", "30")):
        found = tried(*verify, tmp_path / node.name, *options)
        assert found.returncode == 1
        assert found.stdout.startswith("REMOVED: lines ")
    node.stop()
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    node.start()


def test_after_a_restore_what_was_written_since_the_backup_is_lost_and_nothing_changed(
    two: Sequence[Node], tmp_path: Path
) -> None:
    node, peer = two
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\n")
    words.chmod(0o600)
    node.cli("backup", tmp_path / "node.tar")
    node.cli("audit", "show")  # which is noted
    node.cli("audit", "witness")
    held = node.json("status")["heads_digest"]
    peer.until(lambda status: status["heads_digest"] == held, "status")
    peer.cli("audit", "anchors", node.name, "--to", tmp_path / "kept")
    node.stop()
    root_key = shutil.copy(node.folder / "root.key", tmp_path)
    node.folder = tmp_path / "restored"
    node.cli("restore", tmp_path / "node.tar", "--root-key", root_key, "--passphrase-file", words, "--yes")
    found = json.loads(node.cli("audit", "verify", "--anchors", tmp_path / "kept", "--json", check=False).stdout)
    (resumed,) = [one["n"] for one in node.json("audit", "show") if one["act"] == audit.RESUMED]
    assert (found["fault"], found["from"]) == ("LOST", resumed)
    assert found["matching"] == found["witnesses"] - 1, "those before the backup saw this very log"
