"""Identity logs, forks and rotation (protos/README.md sections 5.1 and 5.2)."""

import pytest
from nacl.signing import SigningKey

from node.errors import Malformed
from node.feed import chain, entry, header, identity, keys, pae, statements
from node.feed.entry import Entry
from node.feed.identity import Identity, Role
from node.feed.pae import Purpose
from node.v1 import header_pb2
from tests.feed import worlds
from tests.feed.worlds import Actor

WORLD = worlds.world()
MEMBER = WORLD.founders[0]


def log_entry(actor: Actor, kind: int, statement: bytes, key: SigningKey, previous: Entry | None = None) -> Entry:
    """The next entry of the actor's identity log."""
    fields = header_pb2.Header(
        feed_id=actor.member_id,
        seq=previous.header.seq + 1 if previous else 1,
        previous=previous.header.hash if previous else b"",
        created_ms=worlds.NOW_MS,
        kind=kind,
        statement=statement,
    )
    return entry.create(fields, key, WORLD.federation_id)


def accept(actor: Actor) -> Entry:
    accepted = header_pb2.Accept(inception=actor.inception.body, inception_signature=actor.inception.signature)
    return log_entry(actor, 2, accepted.SerializeToString(deterministic=True), actor.root)


def rotation(actor: Actor) -> bytes:
    after = SigningKey(worlds.seed("the one after"))
    return header_pb2.Rotate(
        root_key=bytes(actor.next_root.verify_key),
        next_root=identity.next_root_commitment(bytes(after.verify_key)),
    ).SerializeToString(deterministic=True)


def begun() -> tuple[Identity, Entry]:
    first = accept(MEMBER)
    return identity.begin(first, WORLD.federation_id), first


def test_after_a_rotation_only_the_new_root_signs() -> None:
    member, first = begun()
    rotate = log_entry(MEMBER, 4, rotation(MEMBER), MEMBER.next_root, first)
    rotated = identity.follow(member, rotate, WORLD.federation_id)
    heir = header_pb2.Successor(member_id=WORLD.founders[1].member_id).SerializeToString(deterministic=True)
    named = identity.follow(rotated, log_entry(MEMBER, 14, heir, MEMBER.next_root, rotate), WORLD.federation_id)
    assert named.successor == WORLD.founders[1].member_id
    with pytest.raises(Malformed, match="signature"):
        identity.follow(rotated, log_entry(MEMBER, 14, heir, MEMBER.root, rotate), WORLD.federation_id)


def test_a_thief_of_the_root_key_can_not_rotate_to_its_own() -> None:
    member, first = begun()
    thief = SigningKey(worlds.seed("thief"))
    stolen = header_pb2.Rotate(
        root_key=bytes(thief.verify_key), next_root=identity.next_root_commitment(bytes(thief.verify_key))
    ).SerializeToString(deterministic=True)
    for signer in (MEMBER.root, thief):
        with pytest.raises(Malformed, match="rotation-committed"):
            identity.follow(member, log_entry(MEMBER, 4, stolen, signer, first), WORLD.federation_id)


def test_a_spare_lets_in_exactly_the_keys_it_signed() -> None:
    member, first = begun()
    spare = SigningKey(worlds.seed("spare"))
    certified = header_pb2.Spare(keys=bytes(spare.verify_key)).SerializeToString(deterministic=True)
    member = identity.follow(member, log_entry(MEMBER, 12, certified, MEMBER.root, first), WORLD.federation_id)
    feed = bytes(SigningKey(worlds.seed("new feed")).verify_key)
    blank = statements.Open(MEMBER.member_id, feed, bytes(range(16)), worlds.seed("kem"), b"issuer")
    message = identity.spare_message(blank)
    signature = keys.sign(spare, Purpose.SPARE, WORLD.federation_id, message)
    opened = statements.Open(
        blank.member_id, feed, blank.node_id, blank.kem_key, blank.tls_issuer, bytes(spare.verify_key), signature
    )
    found = identity.opened_by_spare(member, opened, WORLD.federation_id)
    assert found is not None
    assert found.feed_id == keys.feed_id(WORLD.federation_id, MEMBER.member_id, feed)
    changed = statements.Open(
        blank.member_id, feed, bytes(16), blank.kem_key, blank.tls_issuer, bytes(spare.verify_key), signature
    )
    assert identity.opened_by_spare(member, changed, WORLD.federation_id) is None
    assert identity.opened_by_spare(begun()[0], opened, WORLD.federation_id) is None


def test_two_signatures_over_one_body_are_no_fork() -> None:
    made = worlds.opening(MEMBER)
    public_key = bytes(MEMBER.feed.verify_key)
    again = entry.decode(made.header.body, bytes(64), WORLD.federation_id)
    with pytest.raises(Malformed, match="fork-differs"):
        chain.prove_fork(made, again, (public_key, public_key), WORLD.federation_id)


def test_a_feed_goes_on_only_from_its_head() -> None:
    first = worlds.opening(MEMBER)
    statement = header_pb2.Unendorse(entry=bytes(range(32))).SerializeToString(deterministic=True)
    second = worlds.entry_of(MEMBER, header_pb2.Header(kind=36, statement=statement), first.header)
    third = worlds.entry_of(MEMBER, header_pb2.Header(kind=36, statement=statement), second.header)
    assert chain.place(None, first.header) is chain.Place.NEXT
    assert chain.place(chain.head_of(first.header), second.header) is chain.Place.NEXT
    assert chain.place(chain.head_of(first.header), third.header) is chain.Place.AHEAD
    assert chain.place(chain.head_of(second.header), first.header) is chain.Place.KNOWN
    other = worlds.entry_of(
        MEMBER, header_pb2.Header(kind=36, statement=statement, created_ms=worlds.NOW_MS + 1), first.header
    )
    assert chain.place(chain.head_of(other.header), third.header) is chain.Place.BROKEN
    public_key = bytes(MEMBER.feed.verify_key)
    proof = chain.prove_fork(second, other, (public_key, public_key), WORLD.federation_id)
    assert (proof.feed_id, proof.seq) == (second.header.feed_id, 2)
    assert proof.first.header.hash < proof.second.header.hash


def test_a_header_that_we_make_ourselves_is_read_by_the_same_rules() -> None:
    with pytest.raises(Malformed, match="urgency-known"):
        worlds.entry_of(MEMBER, header_pb2.Header(kind=36, urgency=header.HISTORY, statement=b"\x0a\x01x"))


def test_a_longer_signature_does_not_lend_its_tail_to_the_message() -> None:
    inner = pae.encode(Purpose.INCEPTION, pae.NO_FEDERATION, b"inner")
    outer_data = b"anything before " + inner
    signature = keys.sign(MEMBER.root, Purpose.CARD, pae.NO_FEDERATION, outer_data)
    head = pae.encode(Purpose.CARD, pae.NO_FEDERATION, outer_data).removesuffix(inner)
    public_key = bytes(MEMBER.root.verify_key)
    assert keys.verify(public_key, signature, Purpose.CARD, pae.NO_FEDERATION, outer_data)
    assert not keys.verify(public_key, signature + head, Purpose.INCEPTION, pae.NO_FEDERATION, b"inner")


def test_a_short_exchange_key_is_none() -> None:
    assert not keys.is_exchange_key(b"abc")
    assert keys.is_exchange_key(bytes(SigningKey(worlds.seed("any")).to_curve25519_private_key().public_key))


@pytest.mark.parametrize("character", ["\u3164", "\ufe0f", "\U000e0041", "\u202e", "\x00"])
def test_a_name_looks_like_itself(character: str) -> None:
    with pytest.raises(Malformed, match="name-plain"):
        identity.create_inception(
            MEMBER.root, bytes(MEMBER.next_root.verify_key), bytes(15) + b"1", f"Mem{character}ber", Role.PLATFORM, ""
        )


def test_a_rotation_with_more_than_is_known_here_still_rotates() -> None:
    first = accept(MEMBER)
    begun = identity.begin(first, WORLD.federation_id)
    beyond = rotation(MEMBER) + b"\x80\x04\x01"  # field 64, number 1
    rotated = log_entry(MEMBER, 4, beyond, MEMBER.next_root, first)
    after = identity.follow(begun, rotated, WORLD.federation_id)
    assert after.root_key == bytes(MEMBER.next_root.verify_key)


def test_a_fork_of_an_identity_log_at_a_rotation_is_proven_by_the_key_that_each_side_needs() -> None:
    member, first = begun()
    rotate = log_entry(MEMBER, 4, rotation(MEMBER), MEMBER.next_root, first)
    heir = header_pb2.Successor(member_id=WORLD.founders[1].member_id).SerializeToString(deterministic=True)
    beside = log_entry(MEMBER, 14, heir, MEMBER.root, first)
    for log in (member, identity.follow(member, rotate, WORLD.federation_id)):
        signers = (identity.signer_at(log, rotate), identity.signer_at(log, beside))
        assert signers == (bytes(MEMBER.next_root.verify_key), bytes(MEMBER.root.verify_key))
        proof = chain.prove_fork(rotate, beside, signers, WORLD.federation_id)
        assert {proof.first, proof.second} == {rotate, beside}
    stolen = SigningKey(worlds.seed("a thief"))
    thief = header_pb2.Rotate(root_key=bytes(stolen.verify_key), next_root=bytes(32)).SerializeToString()
    with pytest.raises(Malformed, match="rotation-committed"):
        identity.signer_at(member, log_entry(MEMBER, 4, thief, stolen, first))
