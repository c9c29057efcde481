"""Calls of the node, whose refusals are raised as the very errors it raised."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import TypeVar

import grpc.aio

from node.rpc import status

Answer = TypeVar("Answer")


async def asked(call: Awaitable[Answer]) -> Answer:
    """The answer, or what the node refused as the very error it raised."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise status.error_of(error) from error


async def streamed(call: AsyncIterable[Answer]) -> AsyncIterator[Answer]:
    """Each answer, or what the node refused as the very error it raised."""
    try:
        async for answer in call:
            yield answer
    except grpc.aio.AioRpcError as error:
        raise status.error_of(error) from error
