"""Service Audit: the audit log for its auditors, who may read it and nothing else, and its witnesses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc.aio

from node import limits
from node.errors import Refused
from node.exchange import anchors, audit, witnesses
from node.exchange.audit import Act
from node.rpc import membership, noting, status
from node.rpc.gate import Access
from node.runtime.auditing import Auditing
from node.runtime.saying import Saying
from node.v1 import audit_pb2, audit_pb2_grpc

PART_BYTES = 256 << 10  # of a segment in one message
WHAT_MAX = 8  # references of one act on the folder

_AUDITOR = Access(scope="audit", administrator=True)
ACCESS = {
    "/tocsin.v1.Audit/ReadLog": _AUDITOR,
    "/tocsin.v1.Audit/ListAnchors": _AUDITOR,
    "/tocsin.v1.Audit/Witness": Access(scope="admin", administrator=True),
    "/tocsin.v1.Audit/NoteAct": Access(administrator=True),
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AuditServicer(audit_pb2_grpc.AuditServicer):
    """The log as it lies there: whoever reads it checks it, and need not believe this node."""

    def __init__(self, auditing: Auditing, saying: Saying, node_id: bytes, keep_days: int) -> None:
        self._auditing, self._saying, self._node_id, self._keep_days = auditing, saying, node_id, keep_days

    async def ReadLog(  # noqa: N802
        self, request: audit_pb2.ReadLogRequest, context: _Context
    ) -> AsyncIterator[audit_pb2.ReadLogResponse]:
        """Its segments, oldest first."""
        async with status.told(context):
            await self._auditing.flush(everything=True)
            async for first, data in self._auditing.read(request.since_ms, request.lines):
                for at in range(0, len(data), PART_BYTES):
                    yield audit_pb2.ReadLogResponse(first=first, data=data[at : at + PART_BYTES])

    @status.answers
    async def ListAnchors(  # noqa: N802
        self, request: audit_pb2.ListAnchorsRequest, _: _Context
    ) -> audit_pb2.ListAnchorsResponse:
        """A member's anchors."""
        writer, now_ms = self._saying.writer, self._saying.clock.now_ms()
        trust, me = writer.trust, writer.reader.member_id
        member_id = me
        if request.member:
            member_id = (await asyncio.to_thread(membership.named, trust, request.member, now_ms)).member_id
        found = await self._saying.reading.run(lambda stores: witnesses.of_member(stores, trust, member_id))
        return audit_pb2.ListAnchorsResponse(
            member_id=member_id,
            name=trust.name_of(member_id),
            anchors=found,
            own_feeds=sorted(anchors.feeds_of_node(trust, me, self._node_id)),
            keep_days=self._keep_days,
        )

    @status.answers
    async def Witness(self, _request: audit_pb2.WitnessRequest, _: _Context) -> audit_pb2.WitnessResponse:  # noqa: N802
        """Say how far the log is, so that peers witness it."""
        said = await self._auditing.anchor()
        return audit_pb2.WitnessResponse(
            audit_size=said.audit_size,
            audit_root=said.audit_root,
            journal_size=said.journal_size,
            journal_head=said.journal_head,
        )

    @status.answers
    async def NoteAct(self, request: audit_pb2.NoteActRequest, _: _Context) -> audit_pb2.NoteActResponse:  # noqa: N802
        """What is done on this node's folder beside it; durable before the answer."""
        operation = audit.FOLDER_ACTS.get(request.act)
        if operation is None:
            raise Refused(
                f"{request.act!r} is nothing that is done on a folder",
                next_step=f"Acts are {', '.join(audit.FOLDER_ACTS)}.",
                field="act",
            )
        if len(request.what) > WHAT_MAX or any(len(one) > limits.AUDIT_WORDS_MAX for one in request.what):
            raise Refused(f"an act is about at most {WHAT_MAX} short references", field="what")
        act = Act(self._auditing.now_ms, operation, request.act, noting.who(), tuple(request.what))
        await self._auditing.note(act)
        return audit_pb2.NoteActResponse()
