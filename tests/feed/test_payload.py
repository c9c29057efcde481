"""Payloads, trees and boxes (protos/README.md section 6)."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from node import limits
from node.errors import Malformed
from node.feed import box, merkle, pae, payload, statements
from tests.feed import worlds

FOLDER = Path(__file__).parent.parent / "vectors"
KEY = worlds.seed("content key")
CONTEXT = pae.encode(pae.Purpose.PAYLOAD, worlds.world().federation_id, b"context")


def valid(folder: str, kind: str) -> list[Any]:
    """The valid vectors of a type."""
    found = []
    for path in sorted((FOLDER / folder).glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        if vector["expect"] == "valid" and vector["type"] == kind:
            found.append(pytest.param(vector, id=path.stem))
    return found


def associated_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["output"]["associated"])


@pytest.mark.parametrize("vector", valid("payload", "payload"))
def test_a_payload_that_is_cut_does_not_open(vector: dict[str, Any]) -> None:
    key, whole = (bytes.fromhex(vector["input"][name]) for name in ("key", "ciphertext"))
    borders = range(0, len(whole), limits.CHUNK_BYTES)
    near = {border + step for border in borders for step in (-17, -16, -1, 0, 1, 15, 16, 17)}
    for size in sorted(near | {len(whole) - 1, len(whole) - 16, len(whole) - 17}):
        if 0 <= size < len(whole):
            with pytest.raises(Malformed):
                payload.unseal(key, associated_of(vector), whole[:size])
            assert not payload.fits(len(whole), payload.root(whole), whole[:size])


@pytest.mark.parametrize("vector", valid("payload", "payload"))
def test_a_payload_with_one_bit_turned_does_not_open(vector: dict[str, Any]) -> None:
    key, whole = (bytes.fromhex(vector["input"][name]) for name in ("key", "ciphertext"))
    root = payload.root(whole)
    for turned in worlds.flips(whole, range(0, len(whole) * 8, 7 + len(whole) // 64)):
        with pytest.raises(Malformed):
            payload.unseal(key, associated_of(vector), turned)
        assert not payload.fits(len(whole), root, turned)


def test_chunks_can_be_neither_moved_nor_left_out_nor_repeated() -> None:
    sealed = payload.seal(KEY, CONTEXT, bytes(3 * limits.CHUNK_BYTES))
    parts = payload.chunks(sealed)
    assert len(parts) == 4
    for wrong in ([1, 0, 2, 3], [0, 1, 3], [0, 1, 2], [1, 2, 3], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3]):
        with pytest.raises(Malformed):
            payload.unseal(KEY, CONTEXT, b"".join(parts[number] for number in wrong))


@pytest.mark.parametrize("size", [0, 1, 251, 252, 253, 65516, 65517, 65532, 200_000])
def test_what_is_sealed_opens_and_has_a_size_that_a_header_may_name(size: int) -> None:
    plaintext = worlds.randomness(str(size)).randbytes(size)
    sealed = payload.seal(KEY, CONTEXT, plaintext)
    assert payload.unseal(KEY, CONTEXT, sealed) == plaintext
    assert payload.is_bucket(len(sealed))


def test_the_context_binds_author_carriage_exercise_and_payload() -> None:
    world = worlds.world()
    one, other = (founder.member_id for founder in world.founders[:2])
    contexts = {
        payload.context(federation_id, member, carriage, exercise, payload_id)
        for federation_id in (world.federation_id, pae.NO_FEDERATION)
        for member in (one, other)
        for carriage in range(4)
        for exercise in (False, True)
        for payload_id in (bytes(16), b"\x01" * 16)
    }
    assert len(contexts) == 2 * 2 * 4 * 2 * 2
    sealed = payload.seal(KEY, min(contexts), b"record")
    for context in sorted(contexts)[1:]:
        with pytest.raises(Malformed):
            payload.unseal(KEY, context, sealed)


@given(st.integers(0, limits.PAYLOAD_BYTES_MAX))
@settings(max_examples=300, deadline=None)
def test_a_bucket_is_its_own_bucket_and_costs_an_eighth_at_most(size: int) -> None:
    padded = payload.bucket_bytes(size)
    assert padded >= size
    assert payload.bucket_bytes(padded) == padded
    assert padded <= max(payload.BUCKET_BYTES_MIN, size + size // 8)
    assert payload.bucket_bytes(size + 1) >= padded


@given(st.integers(payload.BUCKET_BYTES_MIN, 15 << 20))
@settings(max_examples=300, deadline=None)
def test_a_ciphertext_size_is_a_bucket_only_if_padding_makes_it(size: int) -> None:
    def ciphertext_bytes(plain: int) -> int:
        return plain + payload.TAG_BYTES * -(-plain // payload.PLAIN_CHUNK_BYTES)

    padded = ciphertext_bytes(payload.bucket_bytes(size))
    assert payload.is_bucket(padded)
    assert not payload.is_bucket(padded + 1)
    assert payload.is_bucket(ciphertext_bytes(size)) == (payload.bucket_bytes(size) == size)


@given(st.integers(1, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_a_path_proves_its_leaf_and_no_other(count: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf(bytes([number])) for number in range(count)]
    number = data.draw(st.integers(0, count - 1))
    root, steps = merkle.root(leaves), merkle.path(leaves, number)
    assert merkle.root_of_path(leaves[number], number, count, steps) == root
    assert merkle.root_of_path(merkle.leaf(b"changed"), number, count, steps) != root
    elsewhere = [other for other in range(count) if other != number]
    assert all(merkle.root_of_path(leaves[number], other, count, steps) != root for other in elsewhere)
    assert merkle.root_of_path(leaves[number], number, count, [*steps, root]) is None
    assert merkle.root_of_path(leaves[number], count, count, steps) is None
    if steps:
        assert merkle.root_of_path(leaves[number], number, count, steps[:-1]) is None
        bent = [sha256(steps[0]).digest(), *steps[1:]]
        assert merkle.root_of_path(leaves[number], number, count, bent) != root


@given(st.sets(st.integers(0, limits.ITEMS_MAX - 1), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_positions_and_their_bitmap_are_one(named: set[int]) -> None:
    bits = statements.bitmap(sorted(named))
    assert statements.positions(bits) == sorted(named)
    assert bits[-1]
    assert len(bits) <= limits.ITEMS_MAX // 8
    assert statements.bitmap(sorted(named, reverse=True)) == bits


# ---- Boxes


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@pytest.mark.parametrize("readers", [1, 2, 3, 5, 8])
def test_a_box_opens_for_every_reader_and_nobody_else(readers: int) -> None:
    people = [worlds.seed(f"kem {number}") for number in range(readers)]
    made = box.wrapped(KEY, map(public, people), CONTEXT, box.Hpke(), worlds.randomness("shuffle").randbytes)
    for private in people:
        assert box.open_box(made, [private], CONTEXT, box.Hpke()) == KEY
        assert box.open_box(made, [private], CONTEXT + b"x", box.Hpke()) is None
    assert box.open_box(made, [worlds.seed("kem of a stranger")], CONTEXT, box.Hpke()) is None
    assert box.open_box(made, [], CONTEXT, box.Hpke()) is None
    assert box.decode(made.encoded) == made


@pytest.mark.parametrize(("readers", "count"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (33, 64)])
def test_the_number_of_wraps_is_a_power_of_two(readers: int, count: int) -> None:
    people = [public(worlds.seed(f"kem {number}")) for number in range(readers)]
    chance = worlds.randomness("shuffle").randbytes
    made = box.wrapped(KEY, [*people, *people], CONTEXT, box.Hpke(), chance)
    assert len(made.data) == count * box.WRAP_BYTES
    parts = {made.data[at : at + box.WRAP_BYTES] for at in range(0, len(made.data), box.WRAP_BYTES)}
    assert len(parts) == count


@pytest.mark.parametrize("vector", valid("box", "box"))
def test_a_box_that_is_cut_is_malformed_or_another_one(vector: dict[str, Any]) -> None:
    encoded = bytes.fromhex(vector["input"]["box"])
    federation_id = worlds.world().federation_id
    whole = box.box_hash(federation_id, box.decode(encoded))
    for size in range(len(encoded)):
        try:
            cut = box.decode(encoded[:size])
        except Malformed:
            continue
        assert box.box_hash(federation_id, cut) != whole
        assert cut.type != box.CLEAR


@pytest.mark.parametrize("vector", valid("box", "box"))
def test_a_box_with_one_bit_turned_has_another_hash_and_opens_for_nobody(vector: dict[str, Any]) -> None:
    given = {name: bytes.fromhex(value) for name, value in vector["input"].items()}
    federation_id = worlds.world().federation_id
    whole, hpke = box.decode(given["box"]), box.Hpke()
    if len(whole.data) > box.WRAP_BYTES:
        return  # a bit of one wrap says nothing of the others
    for turned in worlds.flips(given["box"]):
        try:
            other = box.decode(turned)
        except Malformed:
            continue
        assert box.box_hash(federation_id, other) != box.box_hash(federation_id, whole)
        key = box.open_box(other, [given["reader"]], given["context"], hpke)
        original = bytes.fromhex(vector["output"]["opens_for_reader"] or "")
        assert key is None or key != original
        assert key is None or other.type == box.CLEAR


def test_a_box_is_for_somebody_and_for_no_more_than_fit() -> None:
    chance = worlds.randomness("shuffle").randbytes
    for people in ([], [number.to_bytes(32) for number in range(1, limits.WRAPS_MAX + 2)]):
        with pytest.raises(ValueError, match="readers"):
            box.wrapped(KEY, people, CONTEXT, _Plain(), chance)
    most = [number.to_bytes(32) for number in range(1, limits.WRAPS_MAX + 1)]
    made = box.wrapped(KEY, most, CONTEXT, _Plain(), chance)
    assert box.decode(made.encoded) == made


class _Plain:
    """Wraps that show what they are, for counting."""

    def wrap(self, key: bytes, public_key: bytes, context: bytes) -> bytes:
        return public_key + key + bytes(16)

    def unwrap(self, wrapped: bytes, private_key: bytes, context: bytes) -> bytes | None:
        return wrapped[32:64] if wrapped[:32] == private_key else None

    def decoy(self, key: bytes, context: bytes) -> bytes:
        return bytes(box.WRAP_BYTES)
