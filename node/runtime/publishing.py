"""Publishing crises: what our own tools declare and say of them, visible here before the caller is told."""

import asyncio
import hmac

from node.crisis.states import State
from node.errors import Refused
from node.exchange import crises, declaring, drafts, lifecycles, verifying
from node.exchange.consult import View
from node.exchange.crises import Crisis
from node.exchange.declaring import Speaker
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.policy.effect import Right
from node.runtime.saying import Saying
from node.runtime.work import Work
from node.store.stores import Stores
from node.v1 import tools_pb2, withdrawals_pb2


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
            seen = self._saying.view_of(Right.ALERT if request.alert else Right.DECLARE)
            await self._saying.caught_up(bulk=request.exercise)  # drills stand behind what is bulk
            about = seen.follows.me, request.object_id
            before = await self._shown(seen, *about, exercise=None)
            if before is not None:
                return tools_pb2.DeclareResponse(crisis=before, repeated_call=True)
            draft = declaring.declaration(request, seen, self._speaker(seen))
            await self._saying.say_visibly([draft], draft.lane, unconfirmed=request.unconfirmed)
            made = await self._shown(seen, *about, exercise=request.exercise)
            assert made is not None  # noqa: S101 - it is projected
            return tools_pb2.DeclareResponse(crisis=made)

    # ---- What is said of them later

    async def act(self, request: tools_pb2.ActOnCrisisRequest, by: str) -> tools_pb2.ActOnCrisisResponse:
        """Lead a crisis, or co-sign or refuse one; raises Refused where that would have no effect.

        ``by``: who asks, noted where a call-back code was heard.
        """
        async with self._one:
            seen = self._saying.view()
            found = await self._meant(request.crisis, seen)
            speaker = self._speaker(seen)
            if request.act.WhichOneof("act") in lifecycles.ANSWERING:
                self._saying.require(Right.COSIGN, seen)
                act = declaring.answering(found, request.act, speaker, seen, heard=bool(request.code))
                if request.code:
                    await self._check_code(HeaderHash(act.entry), request.code, by, seen)
            else:
                act = declaring.leading(found, request.act, speaker, seen)
            handling = request.handling if request.HasField("handling") else None
            draft = declaring.act_draft(found, act, handling, speaker, seen, request.allow_personal)
            entry = await self._saying.say_visibly([draft], draft.lane, unconfirmed=request.unconfirmed)
            return tools_pb2.ActOnCrisisResponse(crisis=await self._again(found), entry=entry)

    async def speak(self, request: tools_pb2.SpeakOfCrisisRequest) -> tools_pb2.SpeakOfCrisisResponse:
        """Say what any member says of a crisis; raises Refused."""
        async with self._one:
            seen = self._saying.view()
            found = await self._meant(request.crisis, seen)
            speaker = self._speaker(seen)
            act = declaring.speaking(found, request.act, speaker, seen)
            handling = request.handling if request.HasField("handling") else None
            draft = declaring.act_draft(found, act, handling, speaker, seen, request.allow_personal)
            entry = await self._saying.say_visibly([draft], draft.lane)
            return tools_pb2.SpeakOfCrisisResponse(crisis=await self._again(found), entry=entry)

    async def verify(self, request: tools_pb2.VerifyCrisisRequest, by: str) -> tools_pb2.VerifyCrisisResponse:
        """Note that the right call-back code was heard; or tell the code of our own. Raises Refused."""
        seen = self._saying.view()
        found = await self._meant(request.crisis, seen)
        own = seen.follows.me in (found.record.member_id, found.reading.lead)
        if not request.code:
            if not own:
                raise Refused(
                    "its code is for those to say who declared it",
                    next_step="Call them at a number that `tocsin crisis show` has, and give --code.",
                    field="code",
                )
            digits = await asyncio.to_thread(verifying.code, seen.trust.federation_id, found.reading.proposal)
            return tools_pb2.VerifyCrisisResponse(crisis=await self._again(found), code=verifying.spoken(digits))
        await self._check_code(found.reading.proposal, request.code, by, seen)
        return tools_pb2.VerifyCrisisResponse(crisis=await self._again(found))

    async def _check_code(self, entry: HeaderHash, heard: str, by: str, seen: View) -> None:
        digits = await asyncio.to_thread(verifying.code, seen.trust.federation_id, entry)
        if not hmac.compare_digest(digits.encode(), "".join(heard.split()).encode()):
            raise Refused(
                "this is not the code of what is proposed now",
                next_step="Ask again, and call a number that you know. If they say the same, they mean another "
                "declaration: what you see may not be theirs.",
                field="code",
            )
        heard_by = verifying.Verified(by, seen.now_ms)
        await self._saying.writer.run(lambda exchange: verifying.note(exchange.stores, entry, heard_by))

    async def withdraw_crisis(
        self, request: withdrawals_pb2.WithdrawCrisisRequest
    ) -> withdrawals_pb2.WithdrawCrisisResponse:
        """Take a crisis of our own back, for good, with all that we said of it; also as a member that was removed."""
        drafts.check_reason(request.reason)
        saying = self._saying
        async with self._one:
            seen = self._saying.view()
            found = await self._meant(request.crisis, seen)
            if found.record.member_id != seen.follows.me:
                name = seen.trust.name_of(found.record.member_id)
                raise Refused(
                    f"it is a crisis of {name}; only its owner withdraws it",
                    next_step="Ask them to withdraw it.",
                    field="crisis",
                )
            if found.reading.state == State.WITHDRAWN:
                raise Refused("it was withdrawn already", next_step="Nothing has to be done.", field="crisis")
            about = found.record
            draft = drafts.object_withdrawal(about.object_id, request.reason, exercise=about.exercise)
            await saying.say([draft], draft.lane)
            await saying.caught_up(bulk=about.exercise)
            return withdrawals_pb2.WithdrawCrisisResponse(crisis=await self._again(found))

    # ---- Inside

    def _speaker(self, seen: View) -> Speaker:
        me = seen.follows.me
        return Speaker(me, seen.roster.seats.get(me), seen.now_ms)

    async def _meant(self, named: str, seen: View) -> Crisis:
        """The crisis that is meant, ours before those of others; raises Refused."""
        if not named:
            raise Refused("which crisis?", next_step="Name it by its reference, as c-4k7q.", field="crisis")

        def look(stores: Stores) -> Crisis | None:
            view = crises.meant(stores, seen, named)
            about = MemberId(view.member_id), ObjectId(view.object_id)
            return crises.one(stores, seen, *about, exercise=view.exercise)

        await self._saying.caught_up(bulk=False)
        found = await self._saying.reading.run(look)
        assert found is not None  # noqa: S101 - it was just found
        return found

    async def _again(self, found: Crisis) -> tools_pb2.CrisisView:
        record = found.record
        about = record.member_id, record.object_id
        shown = await self._shown(self._saying.view(), *about, exercise=record.exercise)
        assert shown is not None  # noqa: S101 - it was just found
        return shown

    async def _shown(
        self, seen: View, member_id: MemberId, object_id: bytes, *, exercise: bool | None
    ) -> tools_pb2.CrisisView | None:
        key = member_id, ObjectId(object_id)
        return await self._saying.reading.run(lambda stores: crises.shown(stores, seen, *key, exercise=exercise))
