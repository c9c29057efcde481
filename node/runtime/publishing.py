"""Publishing crises: what our own tools declare and end, visible here before the caller is told."""

import asyncio

from node.crisis.lifecycle import State
from node.errors import Refused
from node.exchange import consult, drafts
from node.feed.header import URGENT
from node.feed.keys import ObjectId
from node.policy import border
from node.policy.effect import Right
from node.runtime.saying import Saying
from node.runtime.work import Work
from node.v1 import record_pb2, tools_pb2, withdrawals_pb2


class Publishing:
    """One crisis at a time, so that the same request twice is one of them."""

    def __init__(self, saying: Saying) -> None:
        self._saying = saying
        self._work = Work()
        self._one = asyncio.Lock()

    async def declare(self, request: tools_pb2.DeclareRequest) -> tools_pb2.DeclareResponse:
        """Declare a crisis, once for an object id; raises Refused."""
        return await self._work.through(self._declare(request))

    async def _declare(self, request: tools_pb2.DeclareRequest) -> tools_pb2.DeclareResponse:
        async with self._one:
            seen = self._saying.view_of(Right.DECLARE)
            await self._saying.caught_up(bulk=False)
            before = await self._crisis(seen, request.object_id)
            if before is not None:
                return tools_pb2.DeclareResponse(crisis=before, repeated_call=True)
            assert seen.rules is not None  # noqa: S101 - without, nobody may declare
            draft = drafts.declaration(request, seen.rules, seen.now_ms)
            await self._saying.say_visibly([draft], URGENT, unconfirmed=request.unconfirmed)
            made = await self._crisis(seen, request.object_id)
            assert made is not None  # noqa: S101 - it is projected
            return tools_pb2.DeclareResponse(crisis=made)

    async def end_crisis(self, request: tools_pb2.EndCrisisRequest) -> tools_pb2.EndCrisisResponse:
        """End a crisis of our own; raises Refused for another's, and for one that is over."""
        saying = self._saying
        async with self._one:
            seen = saying.view()
            found = await self._own(request.crisis, "ends", seen)
            saying.require(Right.DECLARE, seen)
            if found.state in consult.OVER:
                raise Refused(f"{found.reference} is over already", next_step="Nothing has to be done.", field="crisis")
            handling = record_pb2.Handling(tlp=border.GREEN)
            draft = drafts.crisis_end(found, request.text, handling, seen.now_ms, request.allow_personal)
            hash_ = await saying.say_visibly([draft], URGENT, unconfirmed=request.unconfirmed)
            ended = await self._crisis(saying.view(), found.object_id)
            return tools_pb2.EndCrisisResponse(crisis=ended, entry=hash_)

    async def withdraw_crisis(
        self, request: withdrawals_pb2.WithdrawCrisisRequest
    ) -> withdrawals_pb2.WithdrawCrisisResponse:
        """Take a crisis of our own back, for good, with all that we said of it; also as a member that was removed."""
        drafts.check_reason(request.reason)
        saying = self._saying
        async with self._one:
            found = await self._own(request.crisis, "withdraws", saying.view())
            if found.state == State.WITHDRAWN:
                raise Refused(f"{found.reference} was withdrawn already", next_step="Nothing has to be done.")
            await saying.say([drafts.object_withdrawal(found.object_id, request.reason)], URGENT)
            await saying.caught_up(bulk=False)
            withdrawn = await self._crisis(saying.view(), found.object_id)
            return withdrawals_pb2.WithdrawCrisisResponse(crisis=withdrawn or found)

    async def _own(self, named: str, does: str, seen: consult.View) -> tools_pb2.CrisisView:
        """The crisis of ours that is meant; raises Refused."""
        if not named:
            raise Refused("which crisis?", next_step="Name it by its reference, as c-4k7q.", field="crisis")
        known = await self._saying.reading.run(lambda stores: consult.crises(stores, seen, named, exercises=True))
        # Another member may have taken the same object id; each owns its own.
        found = next((one for one in known if one.member_id == seen.follows.me), None)
        if found is None:
            raise Refused(
                f"{known[0].reference} is a crisis of {known[0].member_name}; only its owner {does} it",
                next_step=f"Ask them to {'end' if does == 'ends' else 'withdraw'} it.",
                field="crisis",
            )
        return found

    async def _crisis(self, seen: consult.View, object_id: bytes) -> tools_pb2.CrisisView | None:
        """Our own crisis with this id."""
        key = seen.follows.me, ObjectId(object_id)
        return await self._saying.reading.run(lambda stores: consult.crisis(stores, seen, *key))
