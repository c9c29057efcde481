"""A whole crisis as its members' people type it: from a first alert to its close, and what each of them sees of it."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from node.client import Client
from node.crisis import frameworks
from node.errors import Refused
from node.feed.identity import Role
from node.feed.kinds import Kind
from node.policy.parameters import TEMPLATE
from node.v1 import tools_pb2
from tests import acts
from tests.federation import GUARD_S, Node, federation, newcomer

OCRF = next(one for one in frameworks.shipped() if one.framework.name == "eu-ocrf")
ANSWERS = [f"--criterion={one.name}=yes" for one in OCRF.framework.criteria]
GRAVE = ("--harm", "high", "--virality", "high", "--kind", "shooting", "--lead", "Situation centre", *ANSWERS)
OF_A_CRISIS = (Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT)


def state(node: Node, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = node.json("crisis", "show", reference)
    return found


def sees(nodes: Sequence[Node], reference: str, **wanted: object) -> None:
    """Every one of them, as soon as it has heard."""

    def is_so(view: tools_pb2.CrisisView) -> bool:
        found = {name: getattr(view, name) for name in wanted}
        return all((list(found[name]) if isinstance(value, list) else found[name]) == value
                   for name, value in wanted.items())  # fmt: skip

    hears(nodes, reference, is_so)


def hears(nodes: Sequence[Node], reference: str, is_so: Callable[[tools_pb2.CrisisView], bool]) -> None:
    """Ask each again until this is true of what it shows."""

    async def ask() -> None:
        async with asyncio.timeout(GUARD_S):
            for node in nodes:
                async with acts.client(node) as opened:
                    while not await _is_so(opened):
                        pass

    async def _is_so(opened: Client) -> bool:
        with suppress(Refused):  # it is not there yet
            return is_so((await opened.crises(reference, exercises=True))[0])
        return False

    asyncio.run(ask())


def entries(node: Node) -> int:
    """How many entries about crises its store holds, counted without the program."""
    engine = sa.create_engine(f"sqlite:///file:{node.config.data_folder / 'ledger.db'}?mode=ro&uri=true")
    with engine.connect() as ledger:
        kinds = [row[0] for row in ledger.execute(sa.text("SELECT kind FROM entry"))]
    engine.dispose()
    return sum(kind in OF_A_CRISIS for kind in kinds)


def introduced(nodes: Sequence[Node]) -> None:
    for node in nodes:
        node.cli("peer", "add", "--founders", "--yes")
    for node in nodes:
        node.until(lambda found: found["charter_in_force"] and found["peers_connected"] == len(nodes) - 1, "status")


def join_late(node: Node, members: Sequence[Node], invite: Path, words: Path) -> None:
    """One that is let in while the crisis goes on, by three members."""
    sponsor, *others = members
    sponsor.cli("member", "endorse", node.made.card_path, "--peer", "--invite", invite, "--yes")
    node.cli("join", invite, "--passphrase-file", words, "--yes")
    node.start()
    for other in others:
        other.until(lambda found: any(one["name"] == "Casa Clips" and one["accepted"] for one in found), "member")
        other.cli("member", "endorse", "casa-clips", "--yes")


def test_a_crisis_from_its_first_alert_to_its_close(
    tmp_path: Path, words: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    casa = newcomer(tmp_path / "casa", "Casa Clips", Role.PLATFORM, "PT")
    with ExitStack() as left, federation(tmp_path, 5, text=TEMPLATE) as five:
        left.callback(lambda: casa.runs and casa.kill())
        a, b, europol, _, bolt = five
        introduced(five)
        crisis = declared(five)
        within_ms = cosigned(five, crisis)
        with capsys.disabled():
            print(f"\nthe quorum is visible on all five nodes after {within_ms} ms", end=", ")
        taken_part_in(five, crisis)

        # While one is away: a report, an extension that is co-signed anew, calming down, another lead, one that joins.
        bolt.stop()
        extended((a, b, europol), five[:4], crisis)
        a.cli("crisis", "de-escalate", crisis, "--text", "Calmer", "--yes")
        a.cli("crisis", "hand-over", crisis, "Ministry B", "--yes")
        sees(five[1:4], crisis, state="de-escalating", lead_name="Ministry B")
        join_late(casa, (a, b, europol), tmp_path / "casa.invite", words)
        sees((casa,), crisis, state="de-escalating", lead_name="Ministry B")
        b.cli("crisis", "end", crisis, "--text", "Over", "--yes")
        bolt.start()
        sees(five, crisis, state="ended", lead_name="Ministry B")
        b.cli("crisis", "review", crisis, "--yes")
        b.cli("crisis", "close", crisis, "--text", "Report sent", "--yes")
        agree((*five, casa), crisis)
        assert casa.stop() == 0


def declared(five: Sequence[Node]) -> str:
    """From the first alert to a declaration in three commands; the framework asks for what is missing."""
    a, acme = five[0], five[3]
    warned = ("--title", "Reports of a shooting", "--place", "FR", "--for", "6h", "--yes", "--json")
    alert = _made(acme, "alert", *warned)["reference"]
    sees(five, alert, state="alert")
    lacking = a.cli("crisis", "promote", alert, "--framework", "eu-ocrf", "--for", "24h", "--yes", check=False)
    assert lacking.returncode == 1
    assert "criterion 6 (cross-border) is missing" in lacking.stderr
    promoted = ("--framework", "eu-ocrf", "--for", "24h", *GRAVE, "--yes", "--json")
    crisis: str = _made(a, "promote", alert, *promoted)["reference"]
    sees(five, crisis, state="proposed", reason="co-signatures: 0 of 1", linked=[alert])
    return crisis


def cosigned(five: Sequence[Node], crisis: str) -> int:
    """By the code that its owner says on the telephone; how long until all saw the quorum, in ms."""
    a, b, europol, acme, _ = five
    assert "Give --code" in europol.cli("crisis", "cosign", crisis, "--yes", check=False).stderr
    wrong = europol.cli("crisis", "cosign", crisis, "--code", "000 000", "--yes", check=False)
    assert "not the code" in wrong.stderr
    assert "may not cosign" in acme.cli("crisis", "cosign", crisis, "--without-code", "--yes", check=False).stderr
    code = re.search(r"\d{3} \d{3}", a.cli("crisis", "verify", crisis).stdout)
    assert code
    europol.cli("crisis", "cosign", crisis, "--code", code[0], "--yes")
    sees(five, crisis, state="active", cosigned_by=["Europol"])
    assert state(europol, crisis)["verified_ms"] > 0
    assert state(b, crisis)["verified_ms"] == 0
    (signed_ms,) = {one["created_ms"] for one in state(a, crisis)["acts"]}
    return max(int(state(node, crisis)["acts"][0]["received_ms"]) - int(signed_ms) for node in five)


def taken_part_in(five: Sequence[Node], crisis: str) -> None:
    """It is everyone's own word, and who says nothing has said nothing."""
    five[3].cli("crisis", "join", crisis, "--will", "review uploads")
    five[4].cli("crisis", "decline", crisis)
    hears(five, crisis, lambda view: sorted(one.stance for one in view.participation) == [0, 0, 0, 1, 3])


def extended(authorities: Sequence[Node], present: Sequence[Node], crisis: str) -> None:
    """It lasts as long as before until the new end is co-signed; nobody but its lead ends it."""
    a, b, europol = authorities
    b.cli("crisis", "report", crisis, "Fewer copies", "--count", "removed=120")
    ends_ms = state(a, crisis)["ends_ms"]
    a.cli("crisis", "extend", crisis, "--for", "48h", "--yes")
    sees(present, crisis, state="active", ends_ms=ends_ms, cosignatures_needed=1)
    europol.cli("crisis", "cosign", crisis, "--without-code", "--yes")
    hears(present, crisis, lambda view: view.ends_ms > ends_ms)
    assert "led by Ministry A" in b.cli("crisis", "end", crisis, "--yes", check=False).stderr


def agree(six: Sequence[Node], crisis: str) -> None:
    """All see the same, and the timeline has what the stores have."""
    sees(six, crisis, state="closed", reason="")
    views = [state(node, crisis) for node in six]
    timelines = [[(one["entry"], one["obstacle"]) for one in view["acts"]] for view in views]
    assert all(timeline == timelines[0] for timeline in timelines)
    assert len(timelines[0]) == 11
    assert {entries(node) for node in six} == {len(timelines[0]) + 2}
    assert "co-signed, after a call" in six[0].cli("crisis", "show", crisis).stdout


def _made(node: Node, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.cli("crisis", *arguments).stdout)
    return found
