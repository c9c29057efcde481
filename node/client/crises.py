"""What our own tools say of crises, and ask of them."""

import secrets
from collections.abc import Sequence

from node.client.stubs import Stubs
from node.v1 import record_pb2, tools_pb2

SAID = "It may have been said: `crises` says whether it was."  # where the answer was lost


class Crises(Stubs):
    """The stubs, and a client's part about crises."""

    async def declare(
        self,
        crisis: record_pb2.Crisis,
        handling: record_pb2.Handling,
        *,
        exercise: bool = False,
        alert: bool = False,
        object_id: bytes = b"",
        audience: record_pb2.Audience | None = None,
        unconfirmed: bool = False,
        allow_personal: str = "",
    ) -> tools_pb2.CrisisView:
        """Declare a crisis; with the object id of an earlier try it is declared once. Raises Refused.

        The id is drawn once and kept over all tries; where none is answered, Unavailable names it. A node that has
        just started waits up to a minute for its peers, and then refuses but for what is said ``unconfirmed``. What
        looks like a telephone number, an e-mail address or an account is refused but for a reason, ``allow_personal``.
        """
        drawn = object_id or secrets.token_bytes(16)  # noqa: TID251 - the client's own
        request = tools_pb2.DeclareRequest(
            object_id=drawn,
            crisis=crisis,
            handling=handling,
            exercise=exercise,
            alert=alert,
            audience=audience,
            unconfirmed=unconfirmed,
            allow_personal=allow_personal,
        )
        lost = f'Declare it again with object_id=bytes.fromhex("{drawn.hex()}"): it is declared once.'
        return (await self._connection.asked(lambda tools: tools.Declare(request), lost=lost)).crisis

    async def act(
        self,
        crisis: str,
        act: record_pb2.CrisisAct,
        *,
        code: str = "",
        handling: record_pb2.Handling | None = None,
        unconfirmed: bool = False,
        allow_personal: str = "",
    ) -> tools_pb2.CrisisView:
        """Lead a crisis, co-sign one or refuse to; raises Refused. Not tried again: the second time it is done.

        Which entries the act names is filled in by the node; an answer may name in ``entry`` the proposal that was
        shown, and is refused for another. ``code``: the call-back code, as it was heard.
        """
        request = tools_pb2.ActOnCrisisRequest(
            crisis=crisis,
            act=act,
            handling=handling,
            code=code,
            unconfirmed=unconfirmed,
            allow_personal=allow_personal,
        )
        is_end = act.WhichOneof("act") == "end"
        lost = "It may have ended: `crises` says whether it has." if is_end else SAID
        return (await self._connection.asked(lambda tools: tools.ActOnCrisis(request), lost=lost)).crisis

    async def speak(
        self,
        crisis: str,
        act: record_pb2.CrisisAct,
        *,
        handling: record_pb2.Handling | None = None,
        allow_personal: str = "",
    ) -> tools_pb2.CrisisView:
        """Say what any member says of a crisis: whether it takes part, what it sees or doubts. Raises Refused."""
        request = tools_pb2.SpeakOfCrisisRequest(
            crisis=crisis, act=act, handling=handling, allow_personal=allow_personal
        )
        return (await self._connection.asked(lambda tools: tools.SpeakOfCrisis(request), lost=SAID)).crisis

    async def verify(self, crisis: str, code: str = "") -> tools_pb2.VerifyCrisisResponse:
        """Note that a crisis's call-back code was heard from its owner; without one, tell that of our own."""
        request = tools_pb2.VerifyCrisisRequest(crisis=crisis, code=code)
        return await self._connection.asked(lambda tools: tools.VerifyCrisis(request))

    async def end_crisis(
        self, crisis: str, text: str = "", *, unconfirmed: bool = False, allow_personal: str = ""
    ) -> tools_pb2.CrisisView:
        """End a crisis that we lead now; raises Refused."""
        act = record_pb2.CrisisAct(end=record_pb2.Note(text=text))
        return await self.act(crisis, act, unconfirmed=unconfirmed, allow_personal=allow_personal)

    async def crises(self, crisis: str = "", *, exercises: bool = False) -> Sequence[tools_pb2.CrisisView]:
        """All crises as the node sees them, or the one that is named; raises Refused."""
        request = tools_pb2.ListCrisesRequest(crisis=crisis, exercises=exercises)
        return (await self._connection.asked(lambda tools: tools.ListCrises(request))).crises

    async def confirm(self, crisis: str, *, acted: bool = False) -> tools_pb2.ConfirmResponse:
        """Tell all members that somebody here has seen a crisis, or acted on it; raises Refused. Again says nothing."""
        request = tools_pb2.ConfirmRequest(crisis=crisis, acted=acted)
        return await self._connection.asked(lambda tools: tools.Confirm(request))

    async def acknowledgements(self, crisis: str = "", *, entry: bytes = b"") -> tools_pb2.ListAcknowledgementsResponse:
        """Which members a crisis, or one entry about it, has reached, as they say themselves; raises Refused."""
        request = tools_pb2.ListAcknowledgementsRequest(crisis=crisis, entry=entry)
        return await self._connection.asked(lambda tools: tools.ListAcknowledgements(request))
