"""A member leaves three real nodes' federation: what was its own and others', and who hears of it."""

import asyncio
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from tests.acts import approve, declare, holds, in_force, publish
from tests.federation import WORDS, Node, federation
from tests.test_erasing import stands

THEIRS = sorted(sha256(b"theirs" + bytes([i % 256, i // 256])).digest() for i in range(3000))
OURS = sorted(sha256(b"ours" + bytes([i])).digest() for i in range(200))
TITLE = "no other text has these words"
NO_MATCH = 1


@pytest.fixture(name="three")
def _three(tmp_path: Path) -> Iterator[Sequence[Node]]:
    with federation(tmp_path / "nodes", 3) as nodes:
        for node in nodes:
            asyncio.run(approve(node, *(other for other in nodes if other is not node)))
        asyncio.run(in_force(*nodes))
        yield nodes


@pytest.fixture(name="words")
def _words(tmp_path: Path) -> Path:
    path = tmp_path / "words"
    path.write_text(f"{WORDS}\n")
    path.chmod(0o600)
    return path


async def test_a_member_that_leaves_takes_back_its_own_keeps_nothing_of_others_and_is_missed_nowhere(
    three: Sequence[Node], words: Path
) -> None:
    """It dies right after the root's word is in force, and goes on where it was; one peer hears of it from it alone."""
    stays, away, leaver = three
    await publish(stays, "theirs", THEIRS)
    await declare(stays, TITLE)
    await publish(leaver, "ours", OURS)
    await declare(leaver, "of the one that leaves")
    for node in three:
        await holds(node, THEIRS)
        await holds(node, OURS)
    away.stop()
    assert stands(leaver.config.data_folder, THEIRS[1500])

    asked = leaver.cli("leave", "--withdraw", "--dry-run").stdout
    assert "2 objects of ours are withdrawn first" in asked
    assert "WITHOUT US: quorums.revoke needs 3 of authority or europol" in asked
    assert asked.endswith("Nothing was changed.\n")
    unconfirmed = leaver.cli("leave", "--withdraw", check=False)
    assert "There is no terminal to confirm on that Europol leaves" in unconfirmed.stderr

    with leaver.command("leave", "--withdraw", "--yes", "--passphrase-file", str(words)) as leaving:
        leaver.wait_for("left the federation")
        leaver.kill()
        leaving.output.end()
    leaver.start()
    leaver.until(lambda peers: any(one["connected"] for one in peers), "peer", "list")
    done = leaver.cli("leave", "--withdraw", "--yes", "--passphrase-file", words).stdout
    assert "Peers that know it: Ministry A." in done
    assert "Ministry B: not connected" in done
    assert "What others entrusted: erased." in done

    stays.until(lambda status: status["crises"] == 1, "status")
    assert stays.cli("lookup", OURS[7].hex(), check=False).returncode == NO_MATCH
    (gone,) = (one for one in stays.json("member") if one["name"] == "Europol")
    assert (gone["state"], bool(gone["left_ms"])) == ("left", True)
    (peer,) = (one for one in stays.json("peer", "list") if one["name"] == "Europol")
    assert peer["state"] == "left"
    assert stays.json("status")["peers_approved"] == 1

    stays.stop()
    away.start()
    away.until(lambda members: any(one["state"] == "left" for one in members), "member")
    assert "Peers that know it: Ministry B." in leaver.cli("leave").stdout

    leaver.kill()
    data = leaver.config.data_folder
    assert not any(stands(data, one) for one in (*THEIRS[::100], TITLE.encode()))
    leaver.start()
    assert "left on" in leaver.cli("status").stdout
    assert "this member left the federation" in leaver.cli("doctor", check=False).stdout
    refused = leaver.cli("list", "publish", "again", "--value", OURS[0].hex(), "--tlp", "green", check=False)
    assert refused.returncode
