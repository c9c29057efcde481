"""Questions about members and amendments: who is meant, and where the answers are worked out."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from node.errors import Refused
from node.exchange import membership
from node.exchange.exchange import Exchange
from node.exchange.membership import Place
from node.exchange.trust import Trust
from node.feed import amendment
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.rpc.admin import AdminServicer
from node.rpc.membership import MembershipServicer, named
from node.rpc.profiles import ProfilesServicer
from node.runtime.amending import Amending
from node.runtime.profiling import Profiling
from node.runtime.reading import Reading
from node.runtime.saying import Saying
from node.runtime.threads import ReadingThreads
from node.v1 import admin_pb2, charter_pb2, header_pb2, membership_pb2, profile_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import take
from tests.exchange.test_weighing import endorse, flood, name
from tests.rpc.test_approval import approval_of
from tests.rules import PLAIN
from tests.runtime.lines import RealClock, Running
from tests.simulator.members import BASE_MS, federation

GUARD_S = 60
STRANGERS = 50
WORLD = federation(25, PLAIN.encode())
CALLER = cast("Any", None)  # nobody asks who calls
NOT_ASKED = cast("Any", None)
MEANT = "member-3"


def flooded(folder: Path) -> Exchange:
    node = node_in(folder / "node", WORLD, 0)
    amendments = [header_pb2.Amend(number=1, document=name(number)).SerializeToString() for number in range(STRANGERS)]
    said = [endorse(name(number)) for number in range(STRANGERS)]
    take(node, flood(WORLD, [*said, *((Kind.AMEND, one) for one in amendments)]))
    return node


@dataclass
class Asked:
    """What of a node answers such questions, and in which threads it worked out what grows with a flood."""

    saying: Saying
    members: MembershipServicer
    admin: AdminServicer
    profiles: ProfilesServicer
    amending: Amending
    threads: set[int] = field(default_factory=set)
    began: threading.Event = field(default_factory=threading.Event)

    def noting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.threads.add(threading.get_ident())
            self.began.set()
            return real(*arguments, **named)

        return call


@pytest.fixture(name="asked")
async def _asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asked]:
    node, clock = Running(flooded(tmp_path), 0, tmp_path / "node"), RealClock()
    reading, threads = Reading(node.folder), ReadingThreads(node.folder)
    await reading.open()
    saying = Saying(node.peering, node.writer, reading, node.projecting, clock)
    profiling, approval = Profiling(saying, bytes(16), ""), await approval_of(node)
    admin = AdminServicer(
        approval, node.peering, node.writer, reading, NOT_ASKED, clock, (), NOT_ASKED, NOT_ASKED, profiling, NOT_ASKED
    )
    made = Asked(
        saying,
        MembershipServicer(saying, threads, approval, profiling, b"", ""),
        admin,
        ProfilesServicer(profiling, node.writer, clock),
        Amending(saying, threads),
    )
    for module, function in ((membership, "every"), (membership, "called"), (amendment, "history")):
        monkeypatch.setattr(module, function, made.noting(getattr(module, function)))
    async with asyncio.timeout(GUARD_S):
        yield made
    await threads.close()
    await reading.close()
    await node.stop()


async def _agree(asked: Asked) -> None:
    proposed = min(one.hash for one in asked.saying.writer.trust.facts.amendments)
    with pytest.raises(Refused, match="has not come yet"):
        await asked.amending.amend(charter_pb2.AmendRequest(agree=proposed.hex(), dry_run=True))


async def _find_texts(asked: Asked) -> None:
    task = asyncio.create_task(asked.amending.run())
    await asyncio.to_thread(asked.began.wait, GUARD_S)
    task.cancel()


def _until(asked: Asked) -> int:
    return asked.saying.clock.now_ms() + 3_600_000


QUESTIONS: dict[str, Callable[[Asked], Awaitable[Any]]] = {
    "all members": lambda asked: asked.admin.ListMembers(admin_pb2.ListMembersRequest(), CALLER),
    "a member": lambda asked: asked.members.GetMember(membership_pb2.GetMemberRequest(member=MEANT), CALLER),
    "a suspension": lambda asked: asked.members.Suspend(
        membership_pb2.SuspendRequest(member=MEANT, until_ms=_until(asked), dry_run=True), CALLER
    ),
    "a revocation": lambda asked: asked.members.Revoke(
        membership_pb2.RevokeRequest(member=MEANT, dry_run=True), CALLER
    ),
    "a profile": lambda asked: asked.profiles.GetProfiles(profile_pb2.GetProfilesRequest(member=MEANT), CALLER),
    "all amendments": lambda asked: asked.amending.history(),
    "an amendment": _agree,
    "its text": _find_texts,
}


@pytest.mark.parametrize("question", sorted(QUESTIONS))
async def test_what_grows_with_a_flood_is_worked_out_beside_the_event_loop(asked: Asked, question: str) -> None:
    await QUESTIONS[question](asked)
    assert asked.threads
    assert threading.get_ident() not in asked.threads


async def test_a_profile_that_can_be_read_counts_for_approval_before_it_has_been_told(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id = WORLD.members[3].member_id
    request = admin_pb2.ApprovePeersRequest(member_ids=[member_id])

    async def addresses(_: Profiling) -> dict[MemberId, tuple[str, ...]]:
        return {member_id: ("127.0.0.1:9",)}

    monkeypatch.setattr(Profiling, "addresses", addresses)
    (approved,) = (await asked.admin.ApprovePeers(request, CALLER)).peers
    assert (approved.member_id, list(approved.profile_addresses)) == (member_id, ["127.0.0.1:9"])


def test_who_is_meant_is_found_by_names_and_where_it_stands_is_worked_out_of_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust, placed = flooded(tmp_path).trust, []

    def place(trust: Trust, member_id: MemberId, now_ms: int) -> Place:
        placed.append(member_id)
        return real(trust, member_id, now_ms)

    real = membership.place
    monkeypatch.setattr(membership, "place", place)
    monkeypatch.setattr(membership, "every", None)
    member = WORLD.members[3]
    assert named(trust, MEANT, BASE_MS).name == member.inception.name
    stranger = MemberId(name(7))
    assert named(trust, stranger.hex()[:8], BASE_MS).state == membership.CANDIDATE
    assert placed == [member.member_id, stranger]
    with pytest.raises(Refused, match="there is no member 'nobody'"):
        named(trust, "nobody", BASE_MS)
