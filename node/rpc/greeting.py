"""A greeting: the first words of a session (protos/README.md section 8.2), to hear what stands in its way.

Only for a peer to which there is no link: a second stream would take the place of the first.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from node.protocol import session
from node.protocol.session import Self
from node.rpc import channel, gate
from node.rpc import peer as peers_service
from node.rpc.probe import Obstacle
from node.rpc.tls import Leaf, Root
from node.store.peers import Peer
from node.v1 import peer_pb2, peer_pb2_grpc

GREETING_S = 10.0

_NOT_A_MEMBER = "not a member of this federation"
_LINKED = "stands already"  # its link came up meanwhile


@dataclass(frozen=True, slots=True)
class Caller:
    """Who greets: what this node shows and says."""

    me: Self
    leaf: Leaf
    fingerprint: str


async def greet(peer: Peer, root: Root, caller: Caller, now_ms: int) -> peer_pb2.Hello | None:
    """Say hello and hear the peer's; None where a link came up meanwhile. Raises Obstacle."""
    try:
        async with asyncio.timeout(GREETING_S), _stream(peer, root, caller) as stream:
            await peers_service.admission([stream])
            await stream.write(peer_pb2.GossipRequest(frame=session.hello(caller.me, now_ms)))
            said = await stream.read()
            if said is not grpc.aio.EOF and said.frame.HasField("hello"):
                return peer_pb2.Hello.FromString(said.frame.hello.SerializeToString())
            raise Obstacle("link", "it hangs up before it says hello", "See its log; ask its administrator.")
    except TimeoutError:
        reason = f"it takes our certificate and says nothing within {GREETING_S:.0f} s"
        raise Obstacle("link", reason, "Ask its administrator whether its node hangs; see its log.") from None
    except grpc.aio.AioRpcError as error:
        if _LINKED in (error.details() or ""):
            return None
        raise _obstacle(error, caller) from error


@asynccontextmanager
async def _stream(peer: Peer, root: Root, caller: Caller) -> AsyncIterator[Any]:
    opened = channel.open_to_member(peer.address, peer.member_id, root.pem, caller.leaf)
    try:
        call: Any = peer_pb2_grpc.PeerStub(opened).Gossip()
        try:
            yield call
        finally:
            call.cancel()
    finally:
        await opened.close()


def _obstacle(error: grpc.aio.AioRpcError, caller: Caller) -> Obstacle:
    details = (error.details() or "").partition("\n")[0]
    if gate.NOT_APPROVED in details:
        return not_approved("its node knows this member and does not let it in", caller.fingerprint)
    if _NOT_A_MEMBER in details:
        return Obstacle(
            "federation",
            f"its node says of this member: {details}",
            f"Compare the federation ids, `tocsin status` on both sides: here it is {caller.me.federation_id.hex()}. "
            "If they are the same, this member's log has not reached it yet.",
        )
    return Obstacle("link", peers_service.describe(error), "See its log; ask its administrator.")


def not_approved(how: str, fingerprint: str) -> Obstacle:
    """The peer's administrator has not approved this member."""
    return Obstacle(
        "approval",
        f"not approved there: {how}",
        f"Ask its administrator to approve this member, {fingerprint}, with its present card: `tocsin peer add`.",
    )
