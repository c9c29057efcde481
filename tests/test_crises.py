"""A whole crisis as its members' people type it: from a first alert to its close, and what each of them sees of it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from node.crisis import frameworks
from node.feed.kinds import Kind
from node.policy.parameters import TEMPLATE
from tests.federation import Node, federation

OCRF = next(one for one in frameworks.shipped() if one.framework.name == "eu-ocrf")
NAMED = f'version = "{OCRF.framework.version}"\nsha256 = "{OCRF.sha256.hex()}"\n'
TEXT = TEMPLATE.replace('version = "1"\n', NAMED)
ANSWERS = [f"--criterion={one.name}=yes" for one in OCRF.framework.criteria]
GRAVE = ("--harm", "high", "--virality", "high", "--kind", "shooting", "--lead", "Situation centre", *ANSWERS)
OF_A_CRISIS = (Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT)


def state(node: Node, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = node.json("crisis", "show", reference)
    return found


def sees(nodes: Sequence[Node], reference: str, **wanted: object) -> None:
    """Every one of them, as soon as it has heard."""
    for node in nodes:
        node.until(lambda found: all(found[key] == value for key, value in wanted.items()), "crisis", "show", reference)


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


def test_a_crisis_from_its_first_alert_to_its_close(tmp_path: Path) -> None:
    with federation(tmp_path, 5, text=TEXT) as five:
        a, b, europol, acme, bolt = five
        introduced(five)

        # From the first alert to a declaration in three commands; the framework asks for what is missing.
        warned = ("--title", "Reports of a shooting", "--place", "FR", "--for", "6h", "--yes", "--json")
        alert = acme_alert = _made(acme, "alert", *warned)["reference"]
        sees(five, alert, state="alert")
        lacking = a.cli("crisis", "promote", alert, "--framework", "eu-ocrf", "--for", "24h", "--yes", check=False)
        assert lacking.returncode == 1
        assert "criterion 6 (cross-border) is missing" in lacking.stderr
        promoted = ("--framework", "eu-ocrf", "--for", "24h", *GRAVE, "--yes", "--json")
        crisis = _made(a, "promote", alert, *promoted)["reference"]
        sees(five, crisis, state="proposed", reason="co-signatures: 0 of 1", linked=[acme_alert])

        # A co-signature needs the code that its owner says on the telephone.
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

        # Taking part is everyone's own word.
        acme.cli("crisis", "join", crisis, "--will", "review uploads")
        bolt.cli("crisis", "decline", crisis)
        for node in five:
            node.until(lambda found: sorted(one["stance"] for one in found["participation"]) == [0, 0, 0, 1, 3],
                       "crisis", "show", crisis)  # fmt: skip
        bolt.stop()

        # While one is away: a situation report, an extension that is co-signed anew, calming down, the end.
        b.cli("crisis", "report", crisis, "Fewer copies", "--count", "removed=120")
        ends_ms = state(a, crisis)["ends_ms"]
        a.cli("crisis", "extend", crisis, "--for", "48h", "--yes")
        sees((a, b, europol, acme), crisis, state="active", ends_ms=ends_ms, cosignatures_needed=1)
        europol.cli("crisis", "cosign", crisis, "--without-code", "--yes")
        for node in (a, b, europol, acme):
            node.until(lambda found: found["ends_ms"] > ends_ms, "crisis", "show", crisis)
        refused = b.cli("crisis", "end", crisis, "--yes", check=False)
        assert "led by Ministry A" in refused.stderr
        a.cli("crisis", "de-escalate", crisis, "--text", "Calmer", "--yes")
        a.cli("crisis", "hand-over", crisis, "Ministry B", "--yes")
        sees((b, europol, acme), crisis, state="de-escalating", lead_name="Ministry B")
        b.cli("crisis", "end", crisis, "--text", "Over", "--yes")
        bolt.start()
        sees(five, crisis, state="ended", lead_name="Ministry B")
        b.cli("crisis", "review", crisis, "--yes")
        b.cli("crisis", "close", crisis, "--text", "Report sent", "--yes")
        sees(five, crisis, state="closed", reason="")

        # All see the same, and the timeline has what the stores have.
        views = [state(node, crisis) for node in five]
        timelines = [[(one["entry"], one["obstacle"]) for one in view["acts"]] for view in views]
        assert all(timeline == timelines[0] for timeline in timelines)
        assert len(timelines[0]) == 11
        assert {entries(node) for node in five} == {len(timelines[0]) + 2}
        assert "co-signed, after a call" in a.cli("crisis", "show", crisis).stdout


def _made(node: Node, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.cli("crisis", *arguments).stdout)
    return found
