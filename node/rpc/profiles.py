"""Service Profiles: whom to call at each member, and saying it of our own."""

import asyncio
from typing import Any, TypeAlias

import grpc.aio

from node.content import profiles
from node.rpc import membership, status
from node.rpc.gate import Access
from node.runtime.link import Clock
from node.runtime.profiling import Profiling
from node.runtime.writer import Writer
from node.v1 import profile_pb2, profile_pb2_grpc

_ADMIN = Access(scope="admin", administrator=True)
ACCESS = {
    "/tocsin.v1.Profiles/GetProfiles": Access(scope="read", administrator=True),
    "/tocsin.v1.Profiles/SetProfile": _ADMIN,
    "/tocsin.v1.Profiles/ConfirmProfile": _ADMIN,
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ProfilesServicer(profile_pb2_grpc.ProfilesServicer):
    """What members say of themselves."""

    def __init__(self, profiling: Profiling, writer: Writer, clock: Clock) -> None:
        self._profiling, self._writer, self._clock = profiling, writer, clock

    @status.answers
    async def GetProfiles(  # noqa: N802
        self, request: profile_pb2.GetProfilesRequest, _: _Context
    ) -> profile_pb2.GetProfilesResponse:
        """All of them, or the one that is named."""
        if request.member:
            about = self._writer.trust, request.member, self._clock.now_ms()
            found = await asyncio.to_thread(membership.named, *about)
            return profile_pb2.GetProfilesResponse(profiles=[await self._profiling.of(found.member_id)])
        warnings = [reason for reason, _ in await self._profiling.warnings()]
        return profile_pb2.GetProfilesResponse(profiles=await self._profiling.every(), warnings=warnings)

    @status.answers
    async def SetProfile(  # noqa: N802
        self, request: profile_pb2.SetProfileRequest, _: _Context
    ) -> profile_pb2.SetProfileResponse:
        """Say these contacts and languages."""
        contacts = profiles.contacts_of(request.contacts)
        return profile_pb2.SetProfileResponse(profile=await self._profiling.set(contacts, request.languages))

    @status.answers
    async def ConfirmProfile(  # noqa: N802
        self, _request: profile_pb2.ConfirmProfileRequest, _: _Context
    ) -> profile_pb2.ConfirmProfileResponse:
        """The contacts are right today."""
        return profile_pb2.ConfirmProfileResponse(profile=await self._profiling.confirm())
