"""Service Withdrawals: take things back, and see what the others did about it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import grpc.aio

from node.exchange import withdrawals
from node.exchange.due import Mass
from node.rpc import status
from node.rpc.gate import Access
from node.runtime.listing import Listing
from node.runtime.publishing import Publishing
from node.runtime.saying import Saying
from node.v1 import withdrawals_pb2, withdrawals_pb2_grpc

ACCESS = {
    f"/tocsin.v1.Withdrawals/{method}": Access(scope=scope, or_scope=or_scope, administrator=True)
    for method, scope, or_scope in (
        ("WithdrawItem", "share", None),
        ("WithdrawCrisis", "declare", None),
        ("ListWithdrawals", "read", None),
        ("GetWithdrawal", "read", None),
        ("ListMassWithdrawals", "read", "admin"),
    )
}

DECLARING = ("/tocsin.v1.Withdrawals/WithdrawCrisis",)

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class WithdrawalsServicer(withdrawals_pb2_grpc.WithdrawalsServicer):
    """Withdrawals of this member."""

    def __init__(
        self, publishing: Publishing, listing: Listing, saying: Saying, masses: Callable[[], Sequence[Mass]]
    ) -> None:
        self._publishing, self._listing, self._saying, self._masses = publishing, listing, saying, masses

    @status.answers
    async def WithdrawItem(  # noqa: N802
        self, request: withdrawals_pb2.WithdrawItemRequest, _: _Context
    ) -> withdrawals_pb2.WithdrawItemResponse:
        """Take one item back, or a record."""
        return await self._listing.withdraw_item(request)

    @status.answers
    async def WithdrawCrisis(  # noqa: N802
        self, request: withdrawals_pb2.WithdrawCrisisRequest, _: _Context
    ) -> withdrawals_pb2.WithdrawCrisisResponse:
        """Take a crisis back."""
        return await self._publishing.withdraw_crisis(request)

    @status.answers
    async def ListWithdrawals(  # noqa: N802
        self, _request: withdrawals_pb2.ListWithdrawalsRequest, _: _Context
    ) -> withdrawals_pb2.ListWithdrawalsResponse:
        """Those of late."""
        seen = self._saying.view()
        found, more = await self._saying.reading.run(lambda stores: withdrawals.every(stores, seen))
        return withdrawals_pb2.ListWithdrawalsResponse(withdrawals=found, more=more)

    @status.answers
    async def GetWithdrawal(  # noqa: N802
        self, request: withdrawals_pb2.GetWithdrawalRequest, _: _Context
    ) -> withdrawals_pb2.GetWithdrawalResponse:
        """The one that is named, with each member's answer."""
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: withdrawals.one(stores, seen, request.withdrawal))

    @status.answers
    async def ListMassWithdrawals(  # noqa: N802
        self, _request: withdrawals_pb2.ListMassWithdrawalsRequest, _: _Context
    ) -> withdrawals_pb2.ListMassWithdrawalsResponse:
        """What a thief may have taken back."""
        trust = self._saying.writer.trust
        return withdrawals_pb2.ListMassWithdrawalsResponse(
            masses=[
                withdrawals_pb2.MassWithdrawalView(
                    member_id=one.member_id,
                    member_name=trust.name_of(one.member_id),
                    items=one.items,
                    withdrawals=one.withdrawals,
                    began_ms=one.began_ms,
                    erased_ms=one.ends_ms,
                )
                for one in self._masses()
            ]
        )
