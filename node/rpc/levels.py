"""From which level on the log is written: the one state that `logs` reads and the administrator sets."""

from collections.abc import MutableMapping
from typing import Any, TypeAlias

import grpc.aio
import structlog
from structlog.processors import NAME_TO_LEVEL

from node.errors import Refused
from node.rpc import status
from node.rpc.gate import Access
from node.v1 import admin_pb2, admin_pb2_grpc

LEVELS = ("debug", "info", "warning", "error")
ACCESS = {"/tocsin.v1.Admin/SetLogLevel": Access(scope="admin", administrator=True)}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_log = structlog.get_logger()


class Threshold:
    """The first of structlog's processors: drops what is below. The program has one."""

    def __init__(self) -> None:
        self.level = "info"

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Let it pass, or raise DropEvent."""
        if NAME_TO_LEVEL[method] < NAME_TO_LEVEL[self.level]:
            raise structlog.DropEvent
        return event


THRESHOLD = Threshold()


class LevelServicer(admin_pb2_grpc.AdminServicer):
    """The part of service Admin that is about the log."""

    @status.answers
    async def SetLogLevel(  # noqa: N802
        self, request: admin_pb2.SetLogLevelRequest, _: _Context
    ) -> admin_pb2.SetLogLevelResponse:
        """Write from this level on until the next start; without one only say which it is."""
        before = THRESHOLD.level
        if request.level and request.level not in LEVELS:
            raise Refused(
                f"there is no log level {request.level[:32]!r}",
                next_step=f"The levels are {', '.join(LEVELS)}.",
                field="level",
            )
        if request.level and request.level != before:
            THRESHOLD.level = request.level
            _log.warning("log level set", before=before, level=request.level)
        return admin_pb2.SetLogLevelResponse(before=before)
