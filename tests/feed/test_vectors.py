"""Every file in tests/vectors says what our code says (protos/README.md section 10)."""

import ast
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from node.errors import Malformed
from node.feed import (
    amendment,
    box,
    chain,
    charter,
    entry,
    header,
    identity,
    keys,
    known,
    marks,
    merkle,
    pae,
    payload,
    quorum,
    roster,
)
from node.feed import statements as statement_rules
from node.feed.facts import Amended, Facts, Retracted, Said
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.pae import FederationId, Purpose
from node.feed.statements import Bound
from node.v1 import header_pb2
from tests.vectors import generate

FOLDER = Path(__file__).parent.parent / "vectors"
FEED = Path(header.__file__).parent
PATHS = sorted(FOLDER.glob("*/*.json"))


@dataclass(frozen=True)
class Given:
    """The inputs of one vector."""

    values: dict[str, Any]

    def octets(self, name: str) -> bytes:
        octets = bytes.fromhex(self.values[name])
        more = self.values.get("followed_by")
        return octets + bytes([more["byte"]]) * more["count"] if more else octets

    @property
    def federation_id(self) -> FederationId:
        return FederationId(self.octets("federation_id"))


def plain(value: Any) -> Any:
    """As in the files."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def on_pae(given: Given) -> dict[str, Any]:
    purpose, data = Purpose(given.values["purpose"]), given.octets("data")
    return {
        "encoded": pae.encode(purpose, given.federation_id, data),
        "sha256": pae.digest(purpose, given.federation_id, data),
    }


def on_header(given: Given) -> dict[str, Any]:
    read = header.decode(given.octets("header"), given.federation_id)
    fields = {name: value for name, value in asdict(read).items() if value and name not in {"body", "hash"}}
    fields = {name: int(value) if isinstance(value, bool) else value for name, value in fields.items()}
    fields.pop("understood", None)
    return {"header_hash": read.hash, "fields": {"version": 1, **fields}, "understood": read.understood}


def on_statement(given: Given) -> dict[str, Any]:
    read = statement_rules.read(header.decode(given.octets("header"), given.federation_id))
    if read is None:
        return {"fields": None}
    fields = {name: value for name, value in asdict(read.statement).items() if value}
    return {"fields": fields, "understood": read.understood}


def on_entry(given: Given) -> dict[str, Any]:
    entry.decode(given.octets("header"), given.octets("signature"), given.federation_id)
    return {}


def on_signature(given: Given) -> dict[str, Any]:
    public_key, signature = given.octets("public_key"), given.octets("signature")
    purpose = Purpose(given.values["purpose"])
    return {
        "verifies": keys.verify(public_key, signature, purpose, given.federation_id, given.octets("data")),
        "signing_key": keys.is_signing_key(public_key),
    }


def on_inception(given: Given) -> dict[str, Any]:
    return {"member_id": identity.decode_inception(given.octets("inception"), given.octets("signature")).member_id}


def on_card(given: Given) -> dict[str, Any]:
    card = identity.decode_card(given.octets("card"), given.octets("signature"))
    return {"member_id": card.inception.member_id, "address": card.address}


def on_charter(given: Given) -> dict[str, Any]:
    founders = bytes.fromhex(given.values.get("founder", "")) * given.values.get("founder_count", 0)
    read = charter.decode(given.octets("charter") + founders)
    return {
        "federation_id": read.federation_id,
        "founders": [founder.member_id for founder in read.founders],
        "quorums": quorum.encode(read.quorums),
    }


def on_identity(given: Given) -> dict[str, Any]:
    first, *rest = (
        entry.decode(bytes.fromhex(one["header"]), bytes.fromhex(one["signature"]), given.federation_id)
        for one in given.values["entries"]
    )
    member = identity.begin(first, given.federation_id)
    for one in rest:
        member = identity.follow(member, one, given.federation_id)
    output: dict[str, Any] = {
        "root_key": member.root_key,
        "nodes": [{"feed_id": node.feed_id, "feed_key": node.feed_key} for node in member.nodes],
    }
    if member.spares:
        opening = header_pb2.Open.FromString(bytes.fromhex(given.values["opening"]))
        values = {field.name: value for field, value in opening.ListFields()}
        opened = identity.opened_by_spare(member, statement_rules.Open(**values), given.federation_id)
        assert opened is not None
        output |= {"spares": list(member.spares), "opened": opened.feed_id}
    return output


def on_chain(given: Given) -> dict[str, Any]:
    read, head = header.decode(given.octets("header"), given.federation_id), given.values["head"]
    at = chain.Head(read.feed_id, head["seq"], HeaderHash(bytes.fromhex(head["hash"]))) if head else None
    return {"place": chain.place(at, read).value}


def on_fork(given: Given) -> dict[str, Any]:
    one, other = (
        entry.decode(bytes.fromhex(side["header"]), bytes.fromhex(side["signature"]), given.federation_id)
        for side in (given.values["one"], given.values["other"])
    )
    both = (given.octets("public_key"), given.octets("public_key"))
    proof = chain.prove_fork(one, other, both, given.federation_id)
    assert proof == chain.prove_fork(other, one, both, given.federation_id)
    return {"first": proof.first.header.hash}


def on_marks(given: Given) -> dict[str, Any]:
    said: dict[str, list[dict[str, Any]]] = given.values["marks"]
    found = marks.Marks(
        forks=frozenset((FeedId(bytes.fromhex(one["feed_id"])), one["seq"]) for one in said.get("forks", [])),
        settled=frozenset(_bound(one) for one in said.get("settled", [])),
        ends=frozenset(_bound(one) for one in said.get("ends", [])),
        above=frozenset((FeedId(bytes.fromhex(one["feed_id"])), one["seq"]) for one in said.get("above", [])),
    )
    branch = HeaderHash(given.octets("hash_on_branch"))
    feed_id = FeedId(given.octets("feed_id"))
    return {"standing": marks.standing(found, feed_id, given.values["seq"], lambda _: branch).value}


def _bound(one: dict[str, Any]) -> Bound:
    return Bound(FeedId(bytes.fromhex(one["feed_id"])), one.get("seq", 0), bytes.fromhex(one.get("header_hash", "")))


def on_roster(given: Given) -> dict[str, Any]:
    founding = charter.decode(given.octets("charter"))
    facts = _facts(given.values["facts"], founding.federation_id)
    joined = known.known(founding, facts)
    fallen = {bytes.fromhex(one) for one in given.values["facts"].get("fallen", [])}
    now = roster.roster(founding, facts, given.values["now_ms"], lambda entry: entry not in fallen)
    output = {
        "members": sorted(joined.members),
        "candidates": sorted(joined.candidates),
        "seats": sorted(now.seats),
        "revoked": sorted(now.revoked),
        "suspended": [seat.member_id for seat in now.seats.values() if seat.suspended],
        "in_force": now.in_force,
        "amendment": now.rules.number,
    }
    if any(now.revoked.values()):
        output["bounds"] = [
            {"member_id": member_id, "feed_id": feed_id, "seq": seq}
            for member_id, bounds in sorted(now.revoked.items())
            for feed_id, seq in sorted(bounds.items())
        ]
    return {**output, "amendment_hash": now.rules.hash} if facts.amendments else output


def _facts(given: dict[str, Any], federation_id: FederationId) -> Facts:
    return Facts(
        inceptions=frozenset(
            identity.decode_inception(bytes.fromhex(one["inception"]), bytes.fromhex(one["signature"]))
            for one in given.get("inceptions", [])
        ),
        endorsements=frozenset(_said(one) for one in given.get("endorsements", [])),
        unendorsed=frozenset(
            Retracted(*(bytes.fromhex(one.get(name, "")) for name in ("author", "entry", "by")))  # type: ignore[arg-type]
            for one in given.get("unendorsed", [])
        ),
        suspensions=frozenset(_said(one) for one in given.get("suspensions", [])),
        revocations=frozenset(_said(one) for one in given.get("revocations", [])),
        amendments=frozenset(_amended(one, federation_id) for one in given.get("amendments", [])),
    )


def _said(one: dict[str, Any]) -> Said:
    values: dict[str, Any] = {
        name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in one.items()
    }
    values["bounds"] = tuple((FeedId(bytes.fromhex(row["feed_id"])), row["seq"]) for row in one.get("bounds", []))
    return Said(**values)


def _amended(one: dict[str, Any], federation_id: FederationId) -> Amended:
    statement = bytes.fromhex(one["statement"])
    read = header_pb2.Amend.FromString(statement)
    hash_ = amendment.amendment_hash(federation_id, statement)
    author = MemberId(bytes.fromhex(one["author"]))
    place = HeaderHash(bytes.fromhex(one.get("entry", "")))
    return Amended(author, read.number, read.previous, hash_, read.quorums, read.document, place)


def on_payload(given: Given) -> dict[str, Any]:
    ciphertext, key = given.octets("ciphertext"), given.octets("key")
    associated = payload.context(
        given.federation_id,
        MemberId(given.octets("member_id")),
        given.values["carriage"],
        bool(given.values["exercise"]),
        given.octets("payload_id"),
    )
    plaintext = payload.unseal(key, associated, ciphertext)
    assert payload.seal(key, associated, plaintext) == ciphertext
    assert payload.is_bucket(len(ciphertext))
    return {
        "plaintext": plaintext,
        "payload_size": len(ciphertext),
        "payload_root": payload.root(ciphertext),
        "key_commit": payload.commit(given.federation_id, key),
        "associated": associated,
    }


def on_buckets(given: Given) -> dict[str, Any]:
    return {"buckets": [payload.bucket_bytes(size) for size in given.values["sizes"]]}


def on_tree(given: Given) -> dict[str, Any]:
    return {"root": merkle.root([merkle.leaf(bytes.fromhex(leaf)) for leaf in given.values["leaves"]])}


def on_box(given: Given) -> dict[str, Any]:
    read = box.decode(given.octets("box"))
    assert read.encoded == given.octets("box")
    context, hpke = given.octets("context"), box.Hpke()
    return {
        "box_hash": box.box_hash(given.federation_id, read),
        "opens_for_reader": box.open_box(read, [given.octets("reader")], context, hpke),
        "opens_for_stranger": box.open_box(read, [given.octets("stranger")], context, hpke),
        "fits_carriage": [carriage for carriage in range(4) if box.fits_carriage(read, carriage)],
    }


RUN: dict[str, Callable[[Given], dict[str, Any]]] = {
    name.removeprefix("on_"): run for name, run in sorted(globals().items()) if name.startswith("on_")
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_our_code_says_what_the_vector_says(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    run, given = RUN[vector["type"]], Given(vector["input"])
    if vector["expect"] == "valid":
        assert plain(run(given)) == vector["output"]
        return
    with pytest.raises(Malformed) as caught:
        run(given)
    assert caught.value.rule == vector["expect"]


def test_the_files_are_those_that_the_generator_writes() -> None:
    stored = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in PATHS}
    made = generate.files()
    assert sorted(stored) == sorted(made)
    assert [path for path, text in made.items() if stored[path] != text] == []


def test_every_rule_that_is_raised_has_a_vector_that_expects_it() -> None:
    expected = {json.loads(path.read_text(encoding="utf-8"))["expect"] for path in PATHS}
    assert rules_raised() - expected == set()
    assert expected - rules_raised() == {"valid"}


def rules_raised() -> set[str]:
    """The first argument of every ``Malformed(...)`` in node/feed; each must be a plain string."""
    calls = [
        node
        for path in sorted(FEED.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Malformed"
    ]
    rules = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert len(calls) == sum(isinstance(call.args[0], ast.Constant) for call in calls)
    return {str(rule) for rule in rules}
