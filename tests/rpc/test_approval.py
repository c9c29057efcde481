"""Whom this node dials, and where: peers that are approved, at the stored address first, and nobody else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from nacl.signing import SigningKey
from structlog.testing import capture_logs

from node import limits
from node.custody import issuer
from node.errors import Refused, Unavailable
from node.feed import entry, identity, keys, statements
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.feed.pae import Purpose
from node.rpc.approval import Approval
from node.rpc.tls import Pins, TlsState
from node.store.peers import APPROVED, BLOCKED, PAUSED, Peer
from node.v1 import header_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_forks import by_root
from tests.exchange.test_odd_order import take
from tests.rpc.door import NOW, party
from tests.rpc.test_pins import root
from tests.runtime.lines import RealClock, Running
from tests.simulator.members import BASE_MS, Member, federation, seed

NEVER = float("inf")
GUARD_S = 60
A, B = party("a"), party("b")


@pytest.fixture(name="node")
async def _node(tmp_path: Path) -> AsyncIterator[Running]:
    world = federation(25)
    running = Running(exchange_in(tmp_path, world, world.members[0]), 0, tmp_path)
    yield running
    await running.stop()


async def approval_of(node: Running, *found: Peer) -> Approval:
    async def hide(_: Sequence[HeaderHash]) -> None:
        raise AssertionError

    await node.writer.run(lambda exchange: exchange.keep_peers(found))
    made = Approval(node.writer, node.peering, TlsState(A.leaf, Pins()), lambda: A.leaf, RealClock(), hide)
    await made.load()
    return made


def peer(number: int, state: str = APPROVED, address: str = "") -> Peer:
    return Peer(federation(25).members[number].member_id, address, B.nodes.der, state, 0)


async def test_profiles_make_approved_peers_be_dialled_and_nobody_else(node: Running) -> None:
    hidden, paused, blocked = peer(1), peer(2, PAUSED), peer(3, BLOCKED)
    approval, next_at = await approval_of(node, hidden, paused, blocked), node.peering.dialing.next_at
    stranger = federation(25).members[4].member_id
    assert next_at(hidden.member_id) == NEVER
    named = dict.fromkeys((hidden.member_id, paused.member_id, blocked.member_id, stranger), ("127.0.0.1:9",))
    approval.follow(named)
    assert next_at(hidden.member_id) < NEVER
    assert [next_at(one) for one in named][1:] == [NEVER] * 3
    assert approval.addresses(stranger) == ()
    for one in list(named)[1:]:
        with pytest.raises(Unavailable, match="not approved"):
            approval.dial(one)
    await approval.remove(hidden.member_id)
    assert next_at(hidden.member_id) == NEVER
    assert approval.addresses(hidden.member_id) == ()


async def test_a_peer_that_names_no_address_any_more_is_waited_for(node: Running) -> None:
    hidden = peer(1)
    approval = await approval_of(node, hidden)
    approval.follow({hidden.member_id: ("127.0.0.1:9",)})
    approval.follow({})
    assert node.peering.dialing.next_at(hidden.member_id) == NEVER
    with pytest.raises(Unavailable, match="names no address"):
        approval.dial(hidden.member_id)


async def test_the_stored_address_comes_first_and_four_are_the_most(node: Running) -> None:
    known = peer(1, address="stored.example:1")
    approval = await approval_of(node, known)
    places = [f"n{i}.example:1" for i in range(limits.PEER_ADDRESSES_MAX + 1)]
    approval.follow({known.member_id: ("stored.example:1", *places)})
    assert approval.addresses(known.member_id) == ("stored.example:1", *places[:3])


@asynccontextmanager
async def doors(count: int) -> AsyncIterator[tuple[list[str], "asyncio.Queue[int]"]]:
    """Addresses where somebody hangs up at once, and who was called."""
    called: asyncio.Queue[int] = asyncio.Queue()
    servers = [await asyncio.start_server(partial(_hang_up, called, i), "127.0.0.1", 0) for i in range(count)]
    try:
        yield [f"127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in servers], called
    finally:
        for one in servers:
            one.close()


async def _hang_up(
    called: "asyncio.Queue[int]", number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    called.put_nowait(number)
    writer.close()


async def _reaches(called: "asyncio.Queue[int]", number: int) -> None:
    """Wait until it is called; a call before this one may be heard of late."""
    while await called.get() != number:
        pass


async def test_addresses_are_dialled_in_turn_the_stored_one_first(node: Running) -> None:
    async with asyncio.timeout(GUARD_S), doors(3) as (places, called):
        known = peer(1, address=places[0])
        approval = await approval_of(node, known)
        approval.follow({known.member_id: places[1:]})
        for turn in range(4):
            while not called.empty():
                called.get_nowait()
            with pytest.raises(Unavailable):
                async with approval.dial(known.member_id):
                    pass
            await _reaches(called, turn % 3)
        approval.follow({known.member_id: places[:0:-1]})
        while not called.empty():
            called.get_nowait()
        with pytest.raises(Unavailable):
            async with approval.dial(known.member_id):
                pass
        await _reaches(called, 0)  # what is new begins with the stored one


async def test_by_its_name_only_a_member_is_approved_whose_profile_says_where_it_is(node: Running) -> None:
    member, approval = federation(25).members[1].member_id, await approval_of(node)
    with pytest.raises(Refused, match="nobody has said where"):
        await approval.approve([], [member])
    approval.follow({member: ("127.0.0.1:9",), node.member_id: ("127.0.0.1:9",)})
    for nobody in (node.member_id, bytes(32)):
        with pytest.raises(Refused, match="it is no member"):
            await approval.approve([], [nobody])  # type: ignore[list-item]
    await approval.approve([], [member])
    (approved,) = approval.every()
    assert (approved.state, approved.address, approval.addresses(member)) == (APPROVED, "", ("127.0.0.1:9",))


# ---- What logs certify

Act = tuple[Kind, bytes]
M, H = federation(25).members[1:3]  # M was approved before H


def letting_in(number: int, der: bytes) -> Act:
    """The root lets in a node that has this issuer."""
    key = bytes(SigningKey(seed(f"node {number}")).verify_key)
    letter = header_pb2.Node(node_id=number.to_bytes(16), feed_key=key, kem_key=key, tls_issuer=der)
    return Kind.NODE, letter.SerializeToString()


async def says(node: Running, approval: Approval, member: Member, *acts: Act) -> None:
    """A log as it is from its third entry on; what is here already is passed over."""
    letters = by_root(federation(25), member, *acts)
    await node.writer.run(lambda exchange: take(exchange, letters))
    approval.refresh()


def roots_of(approval: Approval, member: Member) -> list[bytes]:
    return [one.der for one in approval.roots(member.member_id)]


def approved(member: Member, der: bytes) -> Peer:
    """In the order of their numbers."""
    return Peer(member.member_id, "127.0.0.1:9", der, APPROVED, member.number)


def name_of(der: bytes) -> str:
    (name,) = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def named_as(der: bytes) -> bytes:
    """Another root of the same name."""
    return root(key=issuer.create_key(), name=name_of(der))


def opened_by(spare: SigningKey, member: Member, der: bytes) -> header_pb2.SignedEntry:
    """A spare opens a feed of a node that has this issuer."""
    federation_id, key = federation(25).charter.federation_id, SigningKey(seed("reopened"))
    public = bytes(key.verify_key)
    opened = statements.Open(member.member_id, public, bytes(16), public, der, bytes(spare.verify_key))
    signature = keys.sign(spare, Purpose.SPARE, federation_id, identity.spare_message(opened))
    letter = header_pb2.Open(
        member_id=opened.member_id,
        feed_key=public,
        node_id=opened.node_id,
        kem_key=public,
        tls_issuer=der,
        spare_key=opened.spare_key,
        spare_signature=signature,
    )
    fields = header_pb2.Header(
        feed_id=keys.feed_id(federation_id, member.member_id, public),
        seq=1,
        created_ms=BASE_MS,
        urgency=1,
        kind=Kind.OPEN,
        statement=letter.SerializeToString(),
    )
    made = entry.create(fields, key, federation_id)
    return header_pb2.SignedEntry(header=made.header.body, signature=made.signature)


async def test_a_log_that_names_the_issuer_of_another_takes_nothing_from_it_over_restarts(node: Running) -> None:
    first, renewed = B.nodes.der, issuer.create_issuer(NOW).der
    approval = await approval_of(node, approved(M, A.nodes.der), approved(H, first))
    hostile = [letting_in(i, der) for i, der in enumerate((first, renewed, named_as(first), named_as(renewed)))]
    await says(node, approval, M, *hostile)
    await says(node, approval, H, letting_in(9, renewed))
    assert roots_of(approval, H) == roots_of(await approval_of(node), H) == [first, renewed]
    approval.dial(H.member_id)


async def test_of_roots_whose_names_anybody_may_take_a_peer_keeps_what_it_was_approved_with_and_what_it_has(
    node: Running,
) -> None:
    first, renewed = root(name="first"), root(key=issuer.create_key(), name="renewed")
    approval = await approval_of(node, approved(M, A.nodes.der), approved(H, first))
    await says(node, approval, H, letting_in(9, renewed))
    await says(node, approval, M, letting_in(1, named_as(first)), letting_in(2, named_as(renewed)))
    assert roots_of(approval, H) == [first, renewed]
    assert roots_of(approval, M) == [A.nodes.der]


async def test_who_named_its_issuer_before_keeps_nobody_from_being_approved(node: Running) -> None:
    approval = await approval_of(node, approved(M, A.nodes.der))
    await says(node, approval, M, letting_in(1, B.nodes.der), letting_in(2, named_as(B.nodes.der)))
    await approval.approve([identity.Card(H.inception, B.nodes.der, "127.0.0.1:9")])
    assert roots_of(approval, H) == [B.nodes.der]
    another = identity.Card(federation(25).members[3].inception, named_as(B.nodes.der), "127.0.0.1:9")
    with pytest.raises(Refused, match="has the subject or key id of the one pinned for"):
        await approval.approve([another])


async def test_what_cannot_be_pinned_is_told_once_for_each_root(node: Running) -> None:
    acts = [letting_in(1, b"junk"), letting_in(2, named_as(B.nodes.der))]
    approval = await approval_of(node, approved(M, A.nodes.der), approved(H, B.nodes.der))
    with capture_logs() as told:
        await says(node, approval, M, *acts[:1])
        await says(node, approval, M, *acts)
        await says(node, approval, H, letting_in(3, issuer.create_issuer(NOW).der))
    assert [(line["event"], line["member"]) for line in told] == [("issuer not pinned", M.member_id.hex())] * 2
    assert ["cannot be read" in line["reason"] for line in told] == [True, False]


async def test_an_issuer_that_was_certified_above_a_fork_of_the_log_is_let_go_when_the_proof_comes(
    node: Running,
) -> None:
    approval = await approval_of(node)
    approval.follow({H.member_id: ("127.0.0.1:9",)})
    await says(node, approval, H, letting_in(1, B.nodes.der))
    await approval.approve([], [H.member_id])
    assert roots_of(approval, H) == [B.nodes.der]
    await says(node, approval, H, letting_in(2, A.nodes.der))
    assert roots_of(approval, H) == []


async def test_an_issuer_that_comes_with_what_a_spare_opens_is_pinned_with_it(node: Running) -> None:
    spare, approval = SigningKey(seed("spare")), await approval_of(node, approved(H, A.nodes.der))
    await says(node, approval, H, (Kind.SPARE, header_pb2.Spare(keys=bytes(spare.verify_key)).SerializeToString()))
    opening = opened_by(spare, H, B.nodes.der)
    await node.writer.run(lambda exchange: take(exchange, [opening]))
    approval.refresh()
    assert roots_of(approval, H) == [A.nodes.der, B.nodes.der]


async def test_of_two_decisions_about_a_peer_neither_undoes_the_other(node: Running) -> None:
    member, approval = federation(25).members[1].member_id, await approval_of(node)
    approval.follow({member: ("127.0.0.1:9",)})
    await approval.approve([], [member])
    await asyncio.gather(
        approval.limit(member, bytes_per_s=7, kinds=frozenset()), approval.block(member, quarantine=False)
    )
    (held,) = approval.every()
    assert (held.state, held.bytes_per_s) == (BLOCKED, 7)
