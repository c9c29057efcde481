"""Around a method's handler: another of the same kind, of the four that gRPC has."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def same_kind(inner: Handler, act: Any, read: Any = None, write: Any = None) -> Handler:
    """A handler that acts like this, and reads and writes like that, or as the one inside does."""
    make = _MAKERS[bool(inner.request_streaming), bool(inner.response_streaming)]
    return make(act, read or inner.request_deserializer, write or inner.response_serializer)


def act_of(inner: Handler) -> Any:
    """What a handler does, whatever its kind."""
    # The stubs describe the synchronous server, whose handlers return what ours await.
    return inner.unary_unary or inner.unary_stream or inner.stream_unary or inner.stream_stream


_MAKERS: Mapping[tuple[bool, bool], Callable[..., Handler]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
