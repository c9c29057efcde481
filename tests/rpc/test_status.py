from collections.abc import Iterator

import grpc
import grpc.aio
import pytest
from grpc_status import rpc_status

from node.errors import ConfigError, Malformed, NodeError, PeerFault, Refused, Unavailable
from node.rpc import status


def every(kind: type[NodeError]) -> Iterator[type[NodeError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


def test_every_error_has_a_code() -> None:
    for kind in every(NodeError):
        assert any(above in status.CODES for above in kind.__mro__), kind


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("no"), grpc.StatusCode.FAILED_PRECONDITION),
        (Refused("no", field="name"), grpc.StatusCode.INVALID_ARGUMENT),
        (Unavailable("not now"), grpc.StatusCode.UNAVAILABLE),
        (ConfigError("mend it"), grpc.StatusCode.INTERNAL),
        (Malformed("rule", "broken"), grpc.StatusCode.INVALID_ARGUMENT),
        (PeerFault("a fault"), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_what_was_refused_arrives_as_the_very_error_it_was(error: NodeError, code: grpc.StatusCode) -> None:
    error.next_step = "Do this."
    sent = rpc_status.to_status(status.status_of(error))
    assert sent.code is code
    metadata = grpc.aio.Metadata(*sent.trailing_metadata)
    call = grpc.aio.AioRpcError(sent.code, grpc.aio.Metadata(), metadata, details=sent.details)
    got = status.error_of(call)
    assert (got.reason, got.next_step, got.field) == (error.reason, "Do this.", error.field)
    assert isinstance(error, type(got))


def test_an_error_that_is_not_ours_is_for_a_later_try() -> None:
    call = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="Socket closed"
    )
    assert isinstance(status.error_of(call), Unavailable)


def test_a_refusal_at_the_gate_keeps_its_next_step() -> None:
    call = grpc.aio.AioRpcError(
        grpc.StatusCode.PERMISSION_DENIED, grpc.aio.Metadata(), grpc.aio.Metadata(), details="may not\n  Ask."
    )
    got = status.error_of(call)
    assert isinstance(got, Refused)
    assert (got.reason, got.next_step) == ("may not", "Ask.")
