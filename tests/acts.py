"""What tests have running daemons do, and what they wait for."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom

from node.client import Client, Received
from node.custody import joining
from node.feed.kinds import Kind
from node.v1 import admin_pb2, profile_pb2, record_pb2, tools_pb2
from tests.federation import GUARD_S, Node, federation

HOUR_MS = 3_600_000
GREEN = record_pb2.Handling(tlp=2)
DIGESTS = [i.to_bytes(32) for i in range(1, 20_001)]


def fresh_name() -> str:
    """A subscription that nobody had before, so it begins at the beginning."""
    return SystemRandom().randbytes(8).hex()


def client(node: Node) -> Client:
    return Client.on_socket(node.config.socket, joining.read_charter(node.config).federation_id)


def crisis(title: str, now_ms: int) -> record_pb2.Crisis:
    return record_pb2.Crisis(
        framework=record_pb2.Reference(name="eu-ocrf", version="1"), title=title, ends_ms=now_ms + HOUR_MS
    )


async def declare(node: Node, title: str) -> tools_pb2.CrisisView:
    async with client(node) as opened:
        status = await opened.admin.GetStatus(admin_pb2.GetStatusRequest())
        return await opened.declare(crisis(title, status.certificate_ends_ms - 20 * HOUR_MS), GREEN)


async def publish(node: Node, name: str, digests: Sequence[bytes]) -> tools_pb2.PublishListResponse:
    async with client(node) as opened:
        draft = tools_pb2.ListDraft(name=name, kind="sha256", labels=["drill"], handling=GREEN)
        return await opened.publish_list(draft, digests)


async def approve(node: Node, *others: Node) -> None:
    """As `peer add` does, without waiting for the connection."""
    async with client(node) as opened:
        ids = [other.made.card.inception.member_id for other in others]
        await opened.admin.ApprovePeers(admin_pb2.ApprovePeersRequest(member_ids=ids))


async def in_force(*nodes: Node) -> None:
    """Wait until each has heard that all founders accepted."""
    async with asyncio.timeout(GUARD_S):
        for node in nodes:
            async with client(node) as opened:
                while not (await opened.admin.GetStatus(admin_pb2.GetStatusRequest())).charter_in_force:
                    pass


async def introduced(*nodes: Node) -> None:
    """Wait until each has every other's profile, which each says by itself once it is in step."""
    async with asyncio.timeout(GUARD_S):
        for node in nodes:
            async with client(node) as opened:
                while len(await profiles_of(opened)) < len(nodes):
                    pass


async def profiles_of(opened: Client) -> list[profile_pb2.ProfileView]:
    answer = await opened.profiles.GetProfiles(profile_pb2.GetProfilesRequest())
    return [one for one in answer.profiles if one.entry]


async def hears(node: Node, *titles: str) -> None:
    """Wait until these crises were received there; what came before the call counts."""
    missing = set(titles)
    async with asyncio.timeout(GUARD_S), client(node) as opened:
        async for event in opened.subscribe(fresh_name(), kinds_wanted=[Kind.DECLARATION]):
            if isinstance(event, Received) and event.record is not None:
                missing.discard(event.record.crisis.title)
            if not missing:
                return


async def holds(node: Node, digests: Sequence[bytes]) -> None:
    """Wait until the values are found there: a record arrives a moment before its values can be looked up."""
    probe = [digests[0], digests[len(digests) // 2], digests[-1]]
    async with asyncio.timeout(GUARD_S), client(node) as opened:
        while len(await opened.look_up("sha256", probe)) < len(probe):
            pass


async def in_step(*nodes: Node) -> None:
    """Wait until all hold the same heads, want nothing, and have the same values in their index."""
    async with asyncio.timeout(GUARD_S):
        while True:
            answers = [await status(node) for node in nodes]
            views = {(one.heads_digest, one.index_digest, one.payloads_wanted) for one in answers}
            if len(views) == 1 and not answers[0].payloads_wanted:
                return


async def status(node: Node) -> admin_pb2.GetStatusResponse:
    async with client(node) as opened:
        return await opened.admin.GetStatus(admin_pb2.GetStatusRequest(index_digest=True))


# ---- As it is typed


@contextmanager
def pair(folder: Path) -> Iterator[Sequence[Node]]:
    """Two members that have approved each other and hold the same."""
    with federation(folder, 2) as nodes:
        nodes[0].cli("peer", "add", "--founders", "--yes", "--no-wait")
        nodes[1].cli("peer", "add", "--founders", "--yes")
        is_in_step(nodes[0])
        yield nodes


def is_in_step(node: Node, *, peers: int = 1) -> None:
    """Wait until so many peers hold the same."""
    node.until(lambda status: status["peers_in_step"] == peers, "status")


def has(node: Node, *lists: Sequence[bytes]) -> None:
    """Wait until it has the items of these lists, and wants nothing."""
    node.until(lambda status: status["items"] == sum(map(len, lists)) and not status["payloads_wanted"], "status")
