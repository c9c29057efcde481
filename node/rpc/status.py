"""Errors to status codes: one table, and the details that tell a program which field and what to do."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import grpc
import grpc.aio
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from node.errors import ConfigError, Malformed, NodeError, PeerFault, Refused, Unavailable

DOMAIN = "tocsin"

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

CODES: dict[type[NodeError], grpc.StatusCode] = {
    Malformed: grpc.StatusCode.INVALID_ARGUMENT,
    PeerFault: grpc.StatusCode.INVALID_ARGUMENT,
    Refused: grpc.StatusCode.FAILED_PRECONDITION,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    ConfigError: grpc.StatusCode.INTERNAL,
    NodeError: grpc.StatusCode.INTERNAL,
}

FAULTS: dict[str, type[NodeError]] = {  # the first that fits; a program's part of the contract
    "PEER_FAULT": PeerFault,
    "REFUSED": Refused,
    "UNAVAILABLE": Unavailable,
    "CONFIGURATION": ConfigError,
    "ERROR": NodeError,
}


def code_of(error: NodeError) -> grpc.StatusCode:
    """The code of the nearest class that the table names. A refusal that names a field is about the request."""
    if isinstance(error, Refused) and error.field:
        return grpc.StatusCode.INVALID_ARGUMENT
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def status_of(error: NodeError) -> status_pb2.Status:
    """The error as google.rpc.Status: reason, field, and the next step as help for people."""
    number = code_pb2.Code.Value(code_of(error).name)
    status = status_pb2.Status(code=number, message=error.reason)
    fault = next(name for name, kind in FAULTS.items() if isinstance(error, kind))
    info = error_details_pb2.ErrorInfo(reason=fault, domain=DOMAIN)
    if error.next_step:
        info.metadata["next_step"] = error.next_step
    status.details.add().Pack(info)
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.reason)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status


def error_of(error: grpc.aio.AioRpcError) -> NodeError:
    """What the other side refused, as the very same error; anything else is Unavailable."""
    status = rpc_status.from_call(cast("grpc.Call", error))  # it has the three methods that are asked for
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            kind = FAULTS.get(info.reason, Refused)
            return kind(
                error.details() or "refused", next_step=info.metadata.get("next_step", ""), field=_field(status)
            )
    if error.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}:
        reason, _, next_step = (error.details() or "refused").partition("\n")
        return Refused(reason, next_step=next_step.strip())
    return Unavailable(error.details() or error.code().name)


def _field(status: status_pb2.Status | None) -> str:
    for detail in status.details if status else ():
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request) and request.field_violations:
            return str(request.field_violations[0].field)
    return ""


@asynccontextmanager
async def told(context: _Context) -> AsyncIterator[None]:
    """Around an answer: what is raised on purpose reaches the caller whole."""
    try:
        yield
    except NodeError as error:
        await context.abort_with_status(rpc_status.to_status(status_of(error)))


def answers(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A unary method whose errors are told to its caller."""

    @functools.wraps(method)
    async def answer(servicer: Any, request: Any, context: _Context) -> Any:
        async with told(context):
            return await method(servicer, request, context)

    return answer
