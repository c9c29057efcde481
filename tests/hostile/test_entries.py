"""Forged, replayed, reordered and odd entries: nothing comes in that its author did not sign."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import grpc
import pytest
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from tests.acts import declare, fresh_name
from tests.hostile import letters, member, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Head, Member, Said
from tests.vectors import wire

OK = grpc.StatusCode.OK
STRANGER = SigningKey(wire.seed("a stranger's key"))
HIGH = 2**39
Making = Callable[[Member, Head], bytes]


def with_header(me: Member, said: Said, body: bytes) -> bytes:
    """The signature of one header beside other bytes."""
    return letters.signed(body, letters.octets(letters.read(said.letter), 2))


def turned(me: Member, head: Head) -> bytes:
    said = me.entry(head)
    return with_header(me, said, said.body[:40] + bytes([said.body[40] ^ 1]) + said.body[41:])


def reordered(me: Member, head: Head) -> bytes:
    """Two fields the other way round, and signed so: protobuf reads the same."""
    fields = letters.read(me.entry(head).body)
    one, two = (wire.field(number, fields[number][0]) for number in (1, 2))
    rest = wire.message({number: values[0] for number, values in fields.items() if number > 2})
    return me.sign(two + one + rest).letter


def doubled(me: Member, head: Head) -> bytes:
    """A field twice: protobuf takes the last one."""
    body = me.entry(head).body
    return me.sign(body[:2] + body).letter


def lengthened(me: Member, head: Head) -> bytes:
    """A number in more bytes than it needs."""
    body = me.entry(head).body
    return me.sign(wire.tag(1, 0) + wire.varint(1, zeros=2) + body[2:]).letter


def defaulted(me: Member, head: Head) -> bytes:
    """A zero that is written."""
    return me.entry(head, more=wire.field(40, 0)).letter


def boxed_elsewise(me: Member, head: Head) -> bytes:
    made = me.sealed(head, 201, b"plain")
    payload = letters.octets(letters.read(made.letter), 4)
    return me.sign(made.body, box=b"\x00" + bytes(32), payload=payload).letter


def paid_elsewise(me: Member, head: Head) -> bytes:
    made = me.sealed(head, 201, b"plain")
    found = letters.read(made.letter)
    payload = letters.octets(found, 4)
    return me.sign(made.body, box=letters.octets(found, 3), payload=payload[:-1] + b"\xff").letter


FORGED: dict[str, tuple[Making, str]] = {
    "by a key that is not the feed's": (lambda me, head: me.entry(head, key=STRANGER).letter, "signed by its feed"),
    "of another federation": (lambda me, head: me.elsewhere().entry(head, feed_id=me.feed_id).letter, "signed"),
    "without a signature": (lambda me, head: letters.signed(me.entry(head).body, b""), "signature-size"),
    "with a longer signature": (
        lambda me, head: me.entry(head).letter.replace(b"\x12\x40", b"\x12\x41", 1) + b"x",
        "signature-size",
    ),
    "with a bit turned": (turned, ""),
    "with fields the other way round": (reordered, "fields-rising"),
    "with a field twice": (doubled, "fields-rising"),
    "with a number in too many bytes": (lengthened, "varint-minimal"),
    "with a zero written down": (defaulted, "default-absent"),
    "with a field that is kept for later": (lambda me, head: me.entry(head, more=wire.field(20, 1)).letter, "unknown"),
    "larger than a header": (lambda me, head: me.entry(head, more=wire.field(40, bytes(1024))).letter, "header-size"),
    "cut off": (lambda me, head: me.sign(me.entry(head).body[:-1]).letter, "truncated"),
    "of version 2": (lambda me, head: me.entry(head, version=2).letter, "number-range"),
    "above all places": (lambda me, head: me.entry(head, seq=2**40 + 1).letter, "number-range"),
    "with the box of another entry": (boxed_elsewise, "box-hash"),
    "with the payload of another entry": (paid_elsewise, "payload-root"),
    "with a box beside a statement": (lambda me, head: me.sign(me.entry(head).body, box=b"\x00" * 33).letter, "box"),
}


@pytest.mark.parametrize("what", FORGED)
async def test_an_entry_that_does_not_hold_is_the_senders_fault_and_not_kept(scene: Scene, what: str) -> None:
    make, rule = FORGED[what]
    async with talking.gossip(scene.victim, scene.me) as talk:
        head = await talk.head(scene.me)
        letter = make(scene.me, head)
        assert rule in await talk.fault(letters.entries([letter]))
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert await talk.held(scene.me.named(letter)) == []
        assert await talk.head(scene.me) == head


async def test_an_entry_of_an_identity_log_is_not_taken_into_a_nodes_feed(scene: Scene) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        head = await talk.head(scene.me)
        said = scene.me.entry(head, kind=8, statement=wire.message({1: scene.me.feed_id}))
        await talk.say(letters.entries([said.letter]))
        assert await talk.held(said) == []
        assert await talk.head(scene.me) == head


async def test_nobody_speaks_for_another_member(scene: Scene) -> None:
    """The victim's own feed, and its identity log, signed by the hostile."""
    victim = scene.victim.member
    async with talking.gossip(scene.victim, scene.me) as talk:
        head = await talk.head(victim)
    forged = [
        victim.entry(head, key=scene.me.feed_key),
        victim.entry(Head(9_998, wire.seed("no such entry")), key=scene.me.feed_key, urgency=0),
        victim.entry(
            head, key=scene.me.feed_key, feed_id=victim.member_id, kind=8, statement=wire.message({1: b"f" * 32})
        ),
    ]
    for one in forged:
        async with talking.gossip(scene.victim, scene.me) as talk:
            await talk.verdict(letters.entries([one.letter]))
        async with talking.gossip(scene.victim, scene.me) as talk:
            assert await talk.held(one) == []
            assert await talk.head(victim) == head


async def test_replayed_and_reordered_entries_change_nothing_and_are_nobodys_fault(scene: Scene) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        head, made = await talk.head(scene.me), list[Said]()
        for _ in range(20):
            made.append(scene.me.entry(head))
            head = Head(head.seq + 1, made[-1].hash)
        backwards = [one.letter for one in reversed(made)]
        await talk.say(*[letters.entries([one]) for one in backwards], letters.entries(backwards * 10))
        await talk.say(letters.entries([one.letter for one in made]), letters.entries(backwards))
        assert await talk.head(scene.me) == head
        assert await talk.span(scene.me.feed_id, head.seq - 19, head.seq) == [one.letter for one in made]


async def test_two_signatures_over_one_body_are_one_entry(scene: Scene) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        head = await talk.head(scene.me)
        made = scene.me.entry(head)
        again = scene.me.sign_again(made)
        assert again.hash == made.hash
        assert again.letter != made.letter
        for letter in (made.letter, again.letter):
            assert (await talk.verdict(letters.entries([letter])))[0] is OK
        assert await talk.held(made) == [made.letter]
        assert "fork-differs" in await talk.fault(letters.fork(made.letter, again.letter))
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert await talk.head(scene.me) == Head(head.seq + 1, made.hash)


async def test_an_entry_far_above_its_feed_is_not_chained_and_few_urgent_ones_are_kept(
    scene: Scene,
) -> None:
    gap = Head(HIGH - 1, wire.seed("nobody has this"))
    slow = scene.me.entry(gap, urgency=1)
    urgent = [scene.me.entry(Head(HIGH + i, gap.hash), urgency=0) for i in range(40)]
    async with talking.gossip(scene.victim, scene.me) as talk:
        head = await talk.head(scene.me)
        await talk.say(*[letters.entries([one.letter]) for one in [slow, *urgent]])
        assert await talk.held(slow) == []
        assert len(await talk.held(*urgent)) == 16
        assert await talk.head(scene.me) == head


UNKNOWN_ODD, UNKNOWN_EVEN = 201, 202


async def test_what_is_not_known_goes_through_two_honest_nodes_as_it_came(scene: Scene) -> None:
    """Kinds, odd and even, as statements and with payloads; fields of later versions; a carriage."""
    makes: Sequence[Callable[[Head], Said]] = (
        lambda head: scene.me.entry(head, kind=61, statement=b"of a later version"),
        lambda head: scene.me.entry(head, kind=62, statement=b"of a later version"),
        lambda head: scene.me.sealed(head, UNKNOWN_ODD, b"of a later version"),
        lambda head: scene.me.sealed(head, UNKNOWN_EVEN, b"of a later version"),
        lambda head: scene.me.entry(head, more=wire.field(33, b"ignored") + wire.field(63, 7)),
        lambda head: scene.me.entry(head, more=wire.field(64, b"not effective")),
        lambda head: scene.me.entry(head, more=wire.tag(2**29 - 1, 1) + bytes(8)),
    )
    async with talking.gossip(scene.victim, scene.me) as talk:
        head, made = await talk.head(scene.me), list[Said]()
        for make in makes:
            made.append(make(head))
            head = Head(head.seq + 1, made[-1].hash)
            await talk.say(letters.entries([made[-1].letter]))
        assert await talk.held(*made) == [one.letter for one in made]
    await _until_held(scene, made[-1])
    async with talking.gossip(scene.bystander, scene.me) as talk:
        assert await talk.span(scene.me.feed_id, head.seq - len(made) + 1, head.seq) == [one.letter for one in made]


async def _until_held(scene: Scene, said: Said) -> None:
    """Until the second honest node has it from the first."""
    for _ in count():
        async with talking.gossip(scene.bystander, scene.me) as talk:
            if await talk.held(said):
                return


@pytest.mark.parametrize(("kind", "goes_on"), [(UNKNOWN_ODD, True), (UNKNOWN_EVEN, False)], ids=["odd", "even"])
async def test_an_object_of_which_something_critical_is_not_known_is_not_read_on(
    scene: Scene, kind: int, goes_on: bool
) -> None:
    object_id, other_id = wire.seed(fresh_name())[:16], wire.seed(fresh_name())[:16]
    async with talking.gossip(scene.victim, scene.me) as talk:
        head = await talk.head(scene.me)
        for said, plain, about in (
            (kind, b"of a later version", object_id),
            (82, member.declaration(f"behind {object_id.hex()}", object_id), object_id),
            (82, member.declaration(f"beside {object_id.hex()}", other_id), other_id),
        ):
            made = scene.me.sealed(head, said, plain, object_id=about, urgency=1)
            assert (await talk.verdict(letters.entries([made.letter])))[0] is OK
            head = Head(head.seq + 1, made.hash)

    def is_read(crises: list[Any]) -> bool:
        return f"beside {object_id.hex()}" in _titles(crises)

    shown = await asyncio.to_thread(scene.one.until, is_read, "crisis", "list")
    assert (f"behind {object_id.hex()}" in _titles(shown)) is goes_on


def _titles(crises: list[Any]) -> set[str]:
    return {one["crisis"]["title"] for one in crises}


async def test_keys_of_small_order_come_in_by_no_certificate(scene: Scene) -> None:
    """They would sign for everyone. The certificate is signed by the member's own root, as it should be."""
    infinity = b"\x01" + bytes(31)
    beyond = (2**255 - 19 + 1).to_bytes(32, "little")  # the same point, not encoded canonically
    order_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
    good, kem = bytes(SigningKey(wire.seed("a node's")).verify_key), bytes(PrivateKey(wire.seed("kem")).public_key)
    for feed_key, kem_key in ((infinity, kem), (beyond, kem), (order_8, kem), (good, bytes(32)), (good, infinity)):
        async with talking.gossip(scene.victim, scene.me) as talk:
            head = Head(*(await talk.rows())[scene.me.member_id])
            node = wire.message({1: b"n" * 16, 2: feed_key, 3: kem_key, 4: b"an issuer"})
            log = {"feed_id": scene.me.member_id, "kind": 6, "statement": node}
            said = scene.me.entry(head, key=scene.root, **log)  # type: ignore[arg-type]
            assert "key-order" in await talk.fault(letters.entries([said.letter]))
        async with talking.gossip(scene.victim, scene.me) as talk:
            assert (await talk.rows())[scene.me.member_id] == (head.seq, head.hash)


async def test_a_proof_that_proves_nothing_ends_the_stream_and_one_of_an_unknown_feed_does_not(
    scene: Scene,
) -> None:
    me = scene.me
    async with talking.gossip(scene.victim, me) as talk:
        head = await talk.head(me)
        one, other = me.entry(head), me.entry(head, created_ms=1)
        unknown = {"feed_id": wire.seed("no feed"), "key": STRANGER}
        foreign = [me.entry(head, **unknown), me.entry(head, created_ms=1, **unknown)]  # type: ignore[arg-type]
        await talk.say(letters.fork(foreign[0].letter, foreign[1].letter))
        assert (await talk.rows())[me.feed_id] == (head.seq, head.hash)
    for first, second, rule in (
        (one, one, "fork-differs"),
        (one, me.entry(Head(head.seq + 1, one.hash)), "fork-place"),
        (one, me.entry(head, created_ms=1, key=STRANGER), "fork-signed"),
        (one, me.elsewhere().entry(head, created_ms=1, feed_id=me.feed_id), "fork-signed"),
        (one, me.sign(other.body[:-1]), "truncated"),
    ):
        async with talking.gossip(scene.victim, me) as talk:
            assert rule in await talk.fault(letters.fork(first.letter, second.letter))
    async with talking.gossip(scene.victim, me) as talk:
        assert (await talk.rows())[me.feed_id] == (head.seq, head.hash)


async def test_an_echo_that_lies_stops_nobody_from_signing(scene: Scene) -> None:
    """Of the victim's own feed: entries that it never signed, and rubbish."""
    victim = scene.victim.member
    async with talking.gossip(scene.victim, scene.me) as talk:
        head, own = await talk.head(victim), await talk.head(scene.me)
    lies = (
        victim.entry(Head(9_998, wire.seed("no such entry")), key=scene.me.feed_key).letter,
        victim.entry(head, key=STRANGER).letter,
        victim.elsewhere().entry(head, feed_id=victim.feed_id).letter,
        scene.me.entry(own, seq=9_999).letter,
        letters.signed(b"\xff" * 100, bytes(64)),
        b"",
    )
    for lie in lies:
        async with talking.gossip(scene.victim, scene.me) as talk:
            await talk.verdict(letters.frame(letters.ECHO, letters.repeated(1, [lie])))
    await declare(scene.one, fresh_name())
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert (await talk.head(victim)).seq == head.seq + 1
