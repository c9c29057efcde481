"""A further member joins five founders, as its people type it; and members say of one another what they may."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from node import config
from node.feed.identity import Role
from tests.acts import DIGESTS, approve, declare, hears, holds, in_force, in_step, publish
from tests.federation import WORDS, Node, federation, newcomer

CHARTER_KINDS_MAX = 63  # statements; above are records


@pytest.fixture(name="five", scope="module")
def _five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    with federation(tmp_path_factory.mktemp("members"), 5) as nodes:
        yield nodes


@pytest.fixture(name="acme")
def _acme(tmp_path: Path) -> Iterator[Node]:
    node = newcomer(tmp_path / "acme", "Casa Clips", Role.PLATFORM, "PT")
    yield node
    if node.runs:
        node.stop()


async def acquainted(five: Sequence[Node]) -> None:
    """Whichever test comes first: in another process it may be the only one."""
    for node in five:
        await approve(node, *(other for other in five if other is not node))
    await in_force(*five)


def kinds(node: Node) -> list[int]:
    """The kinds of all entries in a node's store."""
    engine = sa.create_engine(f"sqlite:///file:{node.folder / 'data' / 'ledger.db'}?mode=ro&uri=true")
    with engine.connect() as ledger:
        found = [row[0] for row in ledger.execute(sa.text("SELECT kind FROM entry"))]
    engine.dispose()
    return found


async def test_a_candidate_gets_identity_logs_only_and_with_the_third_endorsement_everything(
    five: Sequence[Node], acme: Node, tmp_path: Path
) -> None:
    bka, fr, europol, *_ = five
    await acquainted(five)
    await declare(bka, "before acme")
    await publish(fr, "before", DIGESTS[:100])
    await in_step(*five)

    invite = tmp_path / "casa-clips.invite"
    said = bka.cli("member", "endorse", acme.made.card_path, "--peer", "--invite", invite, "--yes").stdout
    assert f"Casa Clips: 1 of 3 endorsements, from 1 of 2 states. Wrote {invite}: send it back." in said
    words = tmp_path / "words"
    words.write_text(WORDS)
    words.chmod(0o600)
    joined = acme.cli("join", invite, "--yes", "--passphrase-file", words).stdout
    assert "Ministry A is its first peer" in joined
    acme.start()
    acme.until(lambda status: status["peers_in_step"] == 1, "status")
    assert "candidate: 1 of 3 endorsements" in acme.cli("status").stdout

    (pending, *_) = fr.until(lambda members: members[0]["accepted"], "member")
    assert (pending["name"], pending["state"], pending["endorsements"]) == ("Casa Clips", "candidate", 1)
    assert "1 of 3 endorsements, from 1 of 2 states" in fr.cli("member").stdout
    assert "2 of 3" in fr.cli("member", "endorse", "casa-clips", "--yes").stdout
    await declare(bka, "while acme is a candidate")
    await in_step(*five)
    assert all(kind < 32 or kind in (32, 34) for kind in kinds(acme))  # its own opening, and what its invite had
    assert kinds(acme).count(32) == 1

    assert "It is platform until" in europol.cli("member", "endorse", "casa-clips", "--yes").stdout
    await hears(acme, "before acme", "while acme is a candidate")
    await holds(acme, DIGESTS[:100])
    await in_step(*five, acme)
    assert acme.json("status")["membership"]["state"] == "member"
    shown = acme.json("member", "show", "casa-clips")
    assert [one["obstacle"] for one in shown["endorsements"]] == ["", "", ""]

    # Nobody but its sponsor has its card. It had no address, so nobody knew one; now its profile names it.
    assert (
        "nobody has said where Casa Clips is dialled"
        in fr.cli("peer", "add", "casa-clips", "--yes", check=False).stderr
    )
    await approve(acme, fr)
    assert acme.stop() == 0
    file = acme.folder / config.FILE_NAME
    file.write_text(file.read_text().replace('address = ""', f'address = "{acme.config.peers_listen}"'))
    acme.start()
    fr.until(lambda found: bool(found["profiles"][0]["endpoints"]), "profile", "show", "casa-clips")
    assert "1 approved; 1 connected" in fr.cli("peer", "add", "casa-clips", "--yes").stdout
    assert fr.json("peer", "show", "casa-clips")["profile_addresses"] == [acme.config.peers_address]


async def test_a_removed_member_hears_nothing_more_over_the_links_that_stand_and_may_withdraw_its_own(
    five: Sequence[Node],
) -> None:
    first, second, europol, _, bolt = five
    await acquainted(five)
    await publish(bolt, "mine", DIGESTS[200:210])
    await holds(first, DIGESTS[200:210])
    await in_step(*five)

    said = first.cli("member", "suspend", "bolt-social", "--for", "72h", "--yes").stdout
    assert "1 of 2 of authority or europol, from 2 countries said so" in said
    assert "Bolt Social: suspended until" in second.cli("member", "suspend", "bolt-social", "--yes").stdout
    first.until(lambda found: found["member"]["state"] == "suspended", "member", "show", "bolt-social")
    (match,) = first.json("lookup", DIGESTS[200].hex())
    assert (match["advice"], match["reason"]) == ("review", "Bolt Social is suspended")
    bolt.until(lambda status: status["membership"]["state"] == "suspended", "status")
    assert " by Ministry A, Ministry B, the last on " in bolt.cli("status").stdout
    assert "this member is suspended until" in bolt.cli("doctor", check=False).stdout
    assert "may not suspend anybody" in bolt.cli("member", "suspend", "europol", "--yes", check=False).stderr

    for node in (first, second, europol):
        node.cli("member", "revoke", "bolt-social", "--yes")
    others = [node for node in five if node is not bolt]
    for node in others:
        node.until(lambda found: found["member"]["state"] == "revoked", "member", "show", "bolt-social")
    (match,) = first.json("lookup", DIGESTS[200].hex())  # what was held then stands
    assert match["reason"] == ""
    bolt.until(lambda status: status["membership"]["state"] == "revoked", "status")
    assert "REMOVED by Europol, Ministry A, Ministry B, the last on " in bolt.cli("status").stdout
    assert "this member was removed by Europol, Ministry A, Ministry B" in bolt.cli("doctor", check=False).stdout
    before = len(kinds(bolt))
    await declare(first, "without bolt")
    await in_step(*others)
    bolt.cli("withdraw", "mine", "--reason", "outdated", "--yes")
    for node in others:
        node.until(lambda found: bool(found["withdrawn"]), "list", "show", "bolt-social/mine")
    assert len(kinds(bolt)) == before + 1  # its own withdrawal
