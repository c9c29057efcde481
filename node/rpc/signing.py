"""Service Signing: whether the node may sign, and the administrator's word on its clock."""

from typing import Any, TypeAlias

import grpc.aio

from node.exchange import signing
from node.rpc import status
from node.rpc.gate import Access
from node.runtime.embargo import Embargo
from node.runtime.link import Clock
from node.runtime.writer import Writer
from node.v1 import signing_pb2, signing_pb2_grpc

ACCESS = {"/tocsin.v1.Signing/ConfirmClock": Access(scope="admin", administrator=True)}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class SigningServicer(signing_pb2_grpc.SigningServicer):
    """The part of the node that is about signing."""

    def __init__(self, embargo: Embargo, writer: Writer, clock: Clock) -> None:
        self._embargo, self._writer, self._clock = embargo, writer, clock

    @status.answers
    async def ConfirmClock(  # noqa: N802
        self, _request: signing_pb2.ConfirmClockRequest, _: _Context
    ) -> signing_pb2.ConfirmClockResponse:
        """The clock is right."""
        doubted = await self._embargo.confirm_clock()
        return signing_pb2.ConfirmClockResponse(doubted=doubted, signing=view(self._writer, self._clock.now_ms()))


def view(writer: Writer, now_ms: int) -> signing_pb2.SigningView:
    """Whether the node may sign now."""
    now, trust = writer.signing, writer.trust
    return signing_pb2.SigningView(
        state=now.state.value,
        reason=signing.reason(now, trust),
        next_step=signing.next_step(now),
        echoes=len(now.echoed),
        echoes_needed=now.needed,
        missing=signing.missing(now, trust),
        overdue=now.state is signing.State.EMBARGO and now.is_overdue,
        now_ms=now_ms,
        may_erase=now.watch.may_erase,
    )
