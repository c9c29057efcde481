"""Headers and entries: every byte counts (protos/README.md section 3)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node import limits
from node.errors import Malformed
from node.feed import entry, header, keys, pae, statements
from node.feed.pae import FederationId, Purpose
from node.v1 import header_pb2
from tests.feed import worlds

FOLDER = Path(__file__).parent.parent / "vectors"


def valid(subject: str, *, with_unknown_fields: bool = True) -> list[Any]:
    """The inputs of a subject's valid vectors."""
    found = []
    for path in sorted((FOLDER / subject).glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        has_unknown = "unknown" in path.stem or "foreign" in path.stem
        if vector["expect"] == "valid" and (with_unknown_fields or not has_unknown):
            found.append(pytest.param(vector["input"], id=path.stem))
    return found


VALID = [*valid("header"), *valid("statement")]


def inputs(given: dict[str, str]) -> tuple[FederationId, bytes]:
    return FederationId(bytes.fromhex(given["federation_id"])), bytes.fromhex(given["header"])


@pytest.mark.parametrize("given", VALID)
def test_a_header_cut_anywhere_is_malformed_or_another_one(given: dict[str, str]) -> None:
    federation_id, body = inputs(given)
    whole = header.decode(body, federation_id)
    for size in range(len(body)):
        try:
            read = header.decode(body[:size], federation_id)
        except Malformed:
            continue
        assert read.hash != whole.hash


@pytest.mark.parametrize("given", VALID)
def test_a_header_with_one_bit_turned_is_malformed_or_another_one(given: dict[str, str]) -> None:
    federation_id, body = inputs(given)
    whole = header.decode(body, federation_id)
    for turned in worlds.flips(body):
        try:
            read = header.decode(turned, federation_id)
        except Malformed:
            continue
        assert read.hash != whole.hash


@pytest.mark.parametrize("given", [*valid("header", with_unknown_fields=False), *valid("statement")])
def test_no_two_encodings_of_a_header_mean_the_same(given: dict[str, str]) -> None:
    federation_id, body = inputs(given)
    whole = header.decode(body, federation_id)
    for turned in worlds.flips(body):
        try:
            read = header.decode(turned, federation_id)
        except Malformed:
            continue
        assert replace(read, body=whole.body, hash=whole.hash) != whole


@pytest.mark.parametrize("given", valid("statement", with_unknown_fields=False))
def test_a_statement_cut_anywhere_is_malformed_or_says_less(given: dict[str, str]) -> None:
    federation_id, body = inputs(given)
    whole = header.decode(body, federation_id)
    read = statements.read(whole)
    assert read is not None
    for size in range(1, len(whole.statement)):
        try:
            cut = statements.read(replace(whole, statement=whole.statement[:size]))
        except Malformed:
            continue
        assert cut is not None
        assert cut.statement != read.statement


@pytest.mark.parametrize("given", valid("statement", with_unknown_fields=False))
def test_a_statement_with_one_bit_turned_is_malformed_or_says_something_else(given: dict[str, str]) -> None:
    federation_id, body = inputs(given)
    whole = header.decode(body, federation_id)
    read = statements.read(whole)
    assert read is not None
    for turned in worlds.flips(whole.statement):
        try:
            other = statements.read(replace(whole, statement=turned))
        except Malformed:
            continue
        assert other is not None
        assert other.statement != read.statement


def test_a_signature_holds_for_one_body_one_key_one_purpose_and_one_federation() -> None:
    world = worlds.world()
    author, stranger = world.founders[:2]
    made = worlds.opening(author)
    public_key, body = bytes(author.feed.verify_key), made.header.body
    assert entry.is_signed_by(made, public_key, world.federation_id)
    assert not entry.is_signed_by(made, bytes(stranger.feed.verify_key), world.federation_id)
    assert not entry.is_signed_by(made, public_key, FederationId(bytes(32)))
    others = [purpose for purpose in Purpose if purpose != Purpose.HEADER]
    assert not any(keys.verify(public_key, made.signature, other, world.federation_id, body) for other in others)
    for turned in worlds.flips(made.signature):
        assert not entry.is_signed_by(replace(made, signature=turned), public_key, world.federation_id)


def test_no_bit_of_a_signed_body_can_be_turned() -> None:
    world = worlds.world()
    author = world.founders[0]
    made = worlds.opening(author)
    public_key = bytes(author.feed.verify_key)
    assert not any(
        keys.verify(public_key, made.signature, Purpose.HEADER, world.federation_id, turned)
        for turned in worlds.flips(made.header.body)
    )


def test_the_purposes_are_a_closed_list_and_none_begins_another() -> None:
    encoded = {pae.encode(purpose, pae.NO_FEDERATION, b"") for purpose in Purpose}
    assert len(encoded) == len(Purpose) == 17
    assert not any(a != b and a.startswith(b) for a in encoded for b in encoded)


def test_the_largest_statement_and_all_other_fields_fit_into_a_header() -> None:
    largest = header_pb2.Header(
        version=1,
        feed_id=bytes(32),
        seq=limits.SEQ_MAX,
        previous=bytes(32),
        created_ms=2**48 - 1,
        urgency=3,
        kind=63,
        exercise=1,
        object_id=bytes(16),
        statement=b"\x01" * limits.STATEMENT_BYTES_MAX,
    )
    body = largest.SerializeToString(deterministic=True)
    assert header.decode(body, pae.NO_FEDERATION).statement == largest.statement
