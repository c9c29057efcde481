"""A drill, as its members' people type it: what can happen to trust happens, and nobody stands in the middle of it.

A member joins, one changes all of its keys, one loses its disk, one is suspended and one removed. Before, between and
after, somebody declares, and all who are members hear it, and nobody else does.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from node.custody import folder
from node.feed.identity import Role
from node.store import journal
from node.v1 import admin_pb2, header_pb2
from tests import acts
from tests.federation import Node, federation, newcomer

DECLARE = ("crisis", "declare", "--framework", "eu-ocrf", "--place", "FR", "--for", "2h", "--yes")
LOGS_END = 32  # kinds below stand in identity logs
OPEN, ENDORSE = 32, 34
OF_EUROPOL, OF_BOLT, GONE, OF_B = (acts.DIGESTS[i : i + 10] for i in (0, 10, 20, 30))


@dataclass
class Drill:
    """Who takes part, what was declared so far, and how a root key is made to sign."""

    members: list[Node]
    typed: tuple[str | Path, ...]
    declared: list[str] = field(default_factory=list)

    async def declare(self, author: Node, title: str, *, away: Sequence[Node] = ()) -> None:
        """It comes to every member; who was away hears it later."""
        author.cli(*DECLARE, "--title", title)
        self.declared.append(title)
        for node in self.members:
            if node not in away:
                await acts.hears(node, title)

    async def agree(self) -> None:
        """All members hold the same entries, and see everyone where all others see them."""
        await acts.in_step(*self.members)
        first, *others = [await places(node) for node in self.members]
        assert all(other == first for other in others)


async def places(node: Node) -> list[tuple[Any, ...]]:
    """Everyone's name, role, state and until when, as one member sees it."""
    async with acts.client(node) as opened:
        found = await opened.admin.ListMembers(admin_pb2.ListMembersRequest())
    return [(one.member_id, one.name, one.role, one.state, one.until_ms) for one in found.members]


def kinds(node: Node) -> list[int]:
    """Of all entries in a node's store."""
    engine = sa.create_engine(f"sqlite:///file:{node.config.data_folder / 'ledger.db'}?mode=ro&uri=true")
    with engine.connect() as ledger:
        found = [row[0] for row in ledger.execute(sa.text("SELECT kind FROM entry"))]
    engine.dispose()
    return found


def feeds(node: Node) -> list[str]:
    """In which state each of the member's feeds is, as this folder knows them."""
    return [key["state"] for key in node.json("key", "show")["keys"] if key["use"] == "feed"]


def restart(node: Node, *typed: str | Path) -> str:
    """Stop it, type this, and start it again; what was said."""
    assert node.stop() == 0
    said = node.cli(*typed).stdout
    node.start()
    return said


async def test_trust_without_a_centre(tmp_path: Path, words: Path) -> None:
    casa = newcomer(tmp_path / "casa", "Casa Clips", Role.PLATFORM, "PT")
    with federation(tmp_path, 5) as five:
        a, b, europol, _, bolt = five
        drill = Drill(list(five), ("--passphrase-file", words, "--yes"))
        try:
            await meet(drill, tmp_path)
            await join(drill, a, casa, tmp_path / "casa-clips.invite")
            await rotate_all_keys(drill, a, tmp_path)
            await lose_the_disk(drill, b, tmp_path)
            await suspend(drill, europol, by=(a, b))
            await remove(drill, bolt, by=(a, b, europol))
            await end(drill, bolt)
        finally:
            if casa.runs:
                assert casa.stop() == 0


async def meet(drill: Drill, files: Path) -> None:
    a, _, europol, _, bolt = drill.members
    for node in drill.members:
        node.cli("peer", "add", "--founders", "--yes", "--no-wait")
    await acts.in_force(*drill.members)
    await acts.introduced(*drill.members)
    for node, values in ((europol, OF_EUROPOL), (bolt, OF_BOLT)):
        publish(node, "seen", values, files)
    await drill.declare(a, "before")
    await drill.agree()


def publish(node: Node, name: str, values: Sequence[bytes], files: Path) -> None:
    path = files / f"{node.folder.name}-{name}"
    path.write_text("".join(f"{value.hex()}\n" for value in values))
    node.cli("list", "publish", path, "--name", name, "--label", "drill", "--yes")


async def join(drill: Drill, sponsor: Node, casa: Node, invite: Path) -> None:
    """With the third endorsement it hears everything; before, identity logs and nothing else."""
    _, b, europol, *_ = drill.members
    said = sponsor.cli("member", "endorse", casa.made.card_path, "--peer", "--invite", invite, "--yes").stdout
    assert f"Casa Clips: 1 of 3 endorsements, from 1 of 2 states. Wrote {invite}: send it back." in said
    assert "Ministry A is its first peer" in casa.cli("join", invite, *drill.typed).stdout
    casa.start()
    acts.is_in_step(casa)
    assert "candidate: 1 of 3 endorsements" in casa.cli("status").stdout
    (pending, *_) = b.until(lambda members: members[0]["accepted"], "member")
    assert (pending["name"], pending["state"], pending["endorsements"]) == ("Casa Clips", "candidate", 1)
    assert "1 of 3 endorsements, from 1 of 2 states" in b.cli("member").stdout
    assert "2 of 3" in b.cli("member", "endorse", "casa-clips", "--yes").stdout
    await drill.declare(europol, "beside a candidate")
    await drill.agree()
    assert all(kind < LOGS_END or kind in (OPEN, ENDORSE) for kind in kinds(casa))
    assert kinds(casa).count(OPEN) == 1  # its own, and what its invite had
    assert "It is platform until" in europol.cli("member", "endorse", "casa-clips", "--yes").stdout
    drill.members.append(casa)
    await acts.hears(casa, *drill.declared)
    await acts.holds(casa, OF_EUROPOL)
    shown = casa.json("member", "show", "casa-clips")
    assert shown["member"]["state"] == "member"
    assert [one["obstacle"] for one in shown["endorsements"]] == ["", "", ""]
    await drill.agree()
    await drill.declare(sponsor, "after the joining")


async def rotate_all_keys(drill: Drill, node: Node, files: Path) -> None:
    """Root, node and TLS issuer, with declarations between; peers that dial and that are dialled find it again."""
    root = ("--next-root-key", node.folder / "next-root.key", "--to", files / "next-root-2.key")
    restart(node, "key", "rotate", "root", *root, *drill.typed)
    await drill.declare(node, "under a new root")
    node.stop()
    dry = node.cli("key", "rotate", "node", "--dry-run").stdout
    assert "Nothing was changed." in dry
    assert "At the peers:" in dry
    assert len(feeds(node)) == 1
    typed = ("--root-key", node.folder / "next-root.key", *drill.typed)
    node.cli("key", "rotate", "node", *typed)
    node.start()
    await drill.declare(node, "by a new feed")
    restart(node, "key", "rotate", "tls", *typed)
    await drill.agree()
    node.stop()
    node.start()  # who knows of the next issuer still lets the present one in
    await drill.declare(node, "between two issuers")
    await drill.agree()
    restart(node, "key", "rotate", "tls", "--finish", "--yes")
    await drill.declare(drill.members[1], "to the new issuer")
    await drill.agree()


async def lose_the_disk(drill: Drill, node: Node, files: Path) -> None:
    """A spare, a backup and the erasure journal's copy bring it back; what it said after the backup stands."""
    others = [one for one in drill.members if one is not node]
    stick, copy, settings = files / "stick", files / "erasures", node.folder / "node.toml"
    stick.mkdir()
    settings.write_text(settings.read_text().replace('copy = ""', f'copy = "{copy}"'))
    restart(node, "key", "spare", "--count", "1", "--to", stick, *drill.typed)
    (spare,) = stick.iterdir()
    acts.is_in_step(node, peers=4)
    assert not node.json("backup", files / "backup.tar")["only_here"]
    publish(node, "gone", GONE, files)
    publish(node, "late", OF_B, files)
    node.cli("withdraw", "gone", "--reason", "court-order", "--yes")
    node.wait_for("erasure journal copied")
    await drill.declare(node, "after the backup")
    await drill.agree()
    last = seq_signed(node)
    node.kill()
    shutil.rmtree(node.folder)
    await drill.declare(others[0], "while a disk is lost", away=[node])
    restored = node.cli("restore", files / "backup.tar", "--spare", spare, *drill.typed)
    assert "fresh keys, a new feed" in restored.stdout
    assert " erasures since the backup" in node.cli("erase", "journal", copy).stdout
    node.start()
    await drill.declare(node, "by a spare")
    await acts.hears(node, *drill.declared)
    await acts.holds(node, OF_B)
    await drill.agree()
    assert node.cli("lookup", GONE[0].hex(), "--json", check=False).stdout == "[]\n"
    assert feeds(node)[0] == f"ended at {last}", "where peers had it, and not where the backup ended"
    assert feeds(node)[1].startswith("open")


def seq_signed(node: Node) -> int:
    """Of the last entry that this node signed."""
    signed, _ = journal.read(node.config.data_folder / folder.JOURNAL)
    return header_pb2.Header.FromString(signed[-1][0]).seq


async def suspend(drill: Drill, target: Node, *, by: Sequence[Node]) -> None:
    """It has no effect, and hears everything all the same: two members keep nobody from hearing a warning."""
    first, second = by
    said = first.cli("member", "suspend", target.name, "--for", "72h", "--yes").stdout
    assert "1 of 2 of authority or europol, from 2 countries said so" in said
    assert f"{target.name}: suspended until" in second.cli("member", "suspend", target.name, "--yes").stdout
    await drill.agree()
    (match,) = first.json("lookup", OF_EUROPOL[0].hex())
    assert (match["advice"], match["reason"]) == ("review", f"{target.name} is suspended")
    target.until(lambda status: status["membership"]["state"] == "suspended", "status")
    assert f" by {first.name}, {second.name}, the last on " in target.cli("status").stdout
    assert "this member is suspended until" in target.cli("doctor", check=False).stdout
    assert f"{target.name} is suspended" in target.cli(*DECLARE, "--title", "by no right", check=False).stderr
    await drill.declare(second, "beside a suspended member")
    await drill.agree()


async def remove(drill: Drill, target: Node, *, by: Sequence[Node]) -> None:
    """It hears nothing more over links that stand, and what it said before stands until it takes it back."""
    assert "may not suspend anybody" in target.cli("member", "suspend", by[0].name, "--yes", check=False).stderr
    for node in by:  # one of them is suspended: what it says of members counts as before
        node.cli("member", "revoke", target.name, "--yes")
    drill.members.remove(target)
    await drill.agree()
    (match,) = by[0].json("lookup", OF_BOLT[0].hex())
    assert match["reason"] == ""
    target.until(lambda status: status["membership"]["state"] == "revoked", "status")
    assert "REMOVED by Europol, Ministry A, Ministry B, the last on " in target.cli("status").stdout
    assert "this member was removed by Europol, Ministry A, Ministry B" in target.cli("doctor", check=False).stdout
    before = len(kinds(target))
    await drill.declare(by[0], "without the removed one")
    await drill.agree()
    target.cli("withdraw", "seen", "--reason", "outdated", "--yes")
    for node in drill.members:
        node.until(lambda found: bool(found["withdrawn"]), "list", "show", "bolt-social/seen")
    assert len(kinds(target)) == before + 1  # its own withdrawal


async def end(drill: Drill, removed: Node) -> None:
    """Every member has every declaration; who was removed has what there was until then, over links that stand."""
    await drill.agree()
    suspended = "beside a candidate"  # its author is, so it does not count meanwhile
    expected = {title: "proposed" if title == suspended else "active" for title in drill.declared}
    for node in drill.members:
        assert titles(node) == expected
    expected.pop("without the removed one")
    assert titles(removed) == expected
    assert removed.json("status")["peers_connected"] == 4
    states = {one["name"]: one["state"] for one in drill.members[0].json("member")}
    assert states == {
        "Ministry A": "member",
        "Ministry B": "member",
        "Europol": "suspended",
        "Acme Video": "member",
        "Bolt Social": "revoked",
        "Casa Clips": "member",
    }


def titles(node: Node) -> dict[str, str]:
    """In which state each declaration is."""
    return {one["crisis"]["title"]: one["state"] for one in node.json("crisis", "list")}
