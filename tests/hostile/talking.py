"""The hostile's ends of its connections: bytes in, bytes out, over gRPC without any generated code."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from tests.federation import GUARD_S
from tests.hostile import letters
from tests.hostile.letters import Read
from tests.hostile.member import Head, Leaf, Member, Said

BROKEN = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
FAULT_GUARD_S = 20  # it takes a hundredth of a second
NO_DIGEST = b"\x01" * 32  # of no store
OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.bdp_probe", 0),  # what is not read here stays with the sender
    ("grpc.http2.lookahead_bytes", 65536),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True)
class Victim:
    """A daemon as it is dialled: its address, and the member whose certificate it shows."""

    address: str
    member: Member


class Talk:
    """One stream."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def say(self, *messages: bytes) -> None:
        """Whatever it is; the other side may have hung up meanwhile."""
        with suppress(*BROKEN):
            for message in messages:
                await self.call.write(message)

    async def hear(self, body: int) -> Read:
        """The next frame of this kind."""
        while True:
            found, fields = letters.opened(await self.heard())
            if found == body:
                return fields

    async def heard(self) -> bytes:
        """The next message."""
        message = await self.call.read()
        assert isinstance(message, bytes), "it hung up instead"
        return message

    async def fault(self, *messages: bytes) -> str:
        """Say it: why the other side hangs up over the last of it. Nothing is written behind, which could hide that."""
        await self.say(*messages)
        async with asyncio.timeout(FAULT_GUARD_S):
            code, told = await self.end()
        assert code is grpc.StatusCode.ABORTED, (code, told)
        return told

    async def verdict(self, *messages: bytes) -> tuple[grpc.StatusCode, str]:
        """Say it: whether the other side still listens, and if not, how it ended the stream."""
        await self.say(*messages, letters.digest(NO_DIGEST))
        with suppress(*BROKEN):
            while (message := await self.call.read()) is not grpc.aio.EOF:
                body, fields = letters.opened(message)
                if body == letters.HEADS and letters.count(fields, 2):  # so what was said before had its effect
                    return grpc.StatusCode.OK, ""
        return await self.end()

    async def end(self) -> tuple[grpc.StatusCode, str]:
        """Read to the end: how the other side ended it, and why."""
        with suppress(*BROKEN):
            while await self.call.read() is not grpc.aio.EOF:
                pass
        return await self.call.code(), await self.call.details() or ""

    async def held(self, *wanted: Said) -> list[bytes]:
        """Those of these entries that the other side holds, as their letters."""
        for start in range(0, len(wanted), 64):
            await self.say(letters.want(single=[one.hash for one in wanted[start : start + 64]]))
        await self.say(letters.digest(NO_DIGEST))  # the listing comes behind the answers
        bodies, found = {one.body for one in wanted}, list[bytes]()
        while True:
            body, fields = letters.opened(await self.heard())
            if body == letters.ENTRIES:
                found += [one for one in letters.several(fields, 1) if _body(one) in bodies]
            if body == letters.HEADS and letters.count(fields, 2):
                return found

    async def span(self, feed_id: bytes, first: int, last: int) -> list[bytes]:
        """A range of a feed that the other side has, as letters."""
        await self.say(letters.want([(feed_id, first, last)]))
        while True:
            found = letters.several(await self.hear(letters.ENTRIES), 1)
            if letters.octets(letters.read(_body(found[0])), 2) == feed_id:
                return found

    async def head(self, member: Member) -> Head:
        """The last entry of the member's node feed that the other side has."""
        return Head(*(await self.rows())[member.feed_id])

    async def rows(self) -> dict[bytes, tuple[int, bytes]]:
        """Sequence number and hash of every head that the other side states."""
        await self.say(letters.digest(NO_DIGEST))
        found: dict[bytes, tuple[int, bytes]] = {}
        while True:
            fields = await self.hear(letters.HEADS)
            if not letters.count(fields, 2):
                continue  # what this side lacks, by an answer to its own listing
            for one in map(letters.read, letters.several(fields, 1)):
                found[letters.octets(one, 1)] = (letters.count(one, 2), letters.octets(one, 3))
            if letters.count(fields, 3):
                return found


def _body(letter: bytes) -> bytes:
    return letters.octets(letters.read(letter), 1)


@asynccontextmanager
async def connected(victim: Victim, leaf: Leaf) -> AsyncIterator[grpc.aio.Channel]:
    """A TCP connection of its own, with this certificate."""
    credentials = grpc.ssl_channel_credentials(victim.member.nodes.pem, leaf.key, leaf.certificate)
    options = (*OPTIONS, ("grpc.ssl_target_name_override", victim.member.dns_name))
    opened = grpc.aio.secure_channel(victim.address, credentials, options=options)
    try:
        yield opened
    finally:
        await opened.close()


def begin(channel: grpc.aio.Channel, stream: str = "Gossip", **options: Any) -> Talk:
    """Open a stream, and say nothing yet."""
    method: Any = channel.stream_stream(f"/tocsin.v1.Peer/{stream}")
    return Talk(method(**options))


@asynccontextmanager
async def unheard(victim: Victim, me: Member) -> AsyncIterator[Talk]:
    """A stream of gossip on which nothing was said yet."""
    async with asyncio.timeout(GUARD_S), connected(victim, me.leaf) as opened:
        yield begin(opened)


@asynccontextmanager
async def gossip(victim: Victim, me: Member) -> AsyncIterator[Talk]:
    """A stream of gossip that both sides have greeted on."""
    async with unheard(victim, me) as talk:
        await talk.say(me.hello())
        await talk.hear(letters.HELLO)
        yield talk


@asynccontextmanager
async def bulk(victim: Victim, me: Member) -> AsyncIterator[Talk]:
    """A stream of bulk that both sides have greeted on, beside one of gossip."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gossip(victim, me))
        opened = await stack.enter_async_context(connected(victim, me.leaf))
        talk = begin(opened, "Bulk")
        await talk.say(me.hello())
        await talk.hear(letters.HELLO)
        yield talk
