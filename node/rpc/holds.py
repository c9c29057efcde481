"""Service Holds: what is under legal hold."""

from typing import Any, TypeAlias

import grpc.aio

from node.rpc import noting, status
from node.rpc.gate import Access
from node.runtime.holding import Asked, Holding
from node.runtime.link import Clock
from node.store.vault import Hold
from node.v1 import holds_pb2, holds_pb2_grpc

_PROTECT = Access(scope="protect", administrator=True)
ACCESS = {f"/tocsin.v1.Holds/{method}": _PROTECT for method in ("AddHold", "ListHolds", "ReviewHold", "ReleaseHold")}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class HoldsServicer(holds_pb2_grpc.HoldsServicer):
    """Holds as this node has them."""

    def __init__(self, holding: Holding, clock: Clock) -> None:
        self._holding, self._clock = holding, clock

    @status.answers
    async def AddHold(self, request: holds_pb2.AddHoldRequest, _: _Context) -> holds_pb2.AddHoldResponse:  # noqa: N802
        """Hold what is named."""
        asked = Asked(
            items=list(request.items),
            by=noting.who(),
            authority=request.authority,
            reference=request.reference,
            ground=request.ground,
            review_ms=request.review_ms,
            end_ms=request.end_ms,
        )
        made = await self._holding.add(asked, dry_run=request.dry_run)
        return holds_pb2.AddHoldResponse(hold=self._view(made))

    @status.answers
    async def ListHolds(self, request: holds_pb2.ListHoldsRequest, _: _Context) -> holds_pb2.ListHoldsResponse:  # noqa: N802
        """Those that go on, or all."""
        found = [one for one in self._holding.holds if request.all or not one.is_over]
        return holds_pb2.ListHoldsResponse(holds=map(self._view, found))

    @status.answers
    async def ReviewHold(self, request: holds_pb2.ReviewHoldRequest, _: _Context) -> holds_pb2.ReviewHoldResponse:  # noqa: N802
        """It goes on until looked at again."""
        changed = await self._holding.review(self._holding.named(request.hold), request.review_ms)
        return holds_pb2.ReviewHoldResponse(hold=self._view(changed))

    @status.answers
    async def ReleaseHold(self, request: holds_pb2.ReleaseHoldRequest, _: _Context) -> holds_pb2.ReleaseHoldResponse:  # noqa: N802
        """Destroy what is held."""
        ended = await self._holding.release(self._holding.named(request.hold), noting.who(), request.reason)
        return holds_pb2.ReleaseHoldResponse(hold=self._view(ended))

    def _view(self, one: Hold) -> holds_pb2.HoldView:
        return holds_pb2.HoldView(
            id=one.id,
            reference=self._holding.reference(one),
            made_ms=one.made_ms,
            by=one.by,
            authority=one.authority,
            authority_reference=one.reference,
            ground=one.ground,
            review_ms=one.review_ms,
            end_ms=one.end_ms,
            records=len(one.covers),
            items=sum(covered.positions.bit_count() for covered in one.covers),
            custodian=one.custodian,
            state=one.state(self._clock.now_ms()),
            over_ms=one.over_ms,
            over_by=one.over_by,
            note=one.note,
            entries=[covered.entry for covered in one.covers],
        )
