"""Channels: their options hold on a real connection."""

from pathlib import Path

import grpc
import pytest

from node import limits
from node.errors import ConfigError
from node.rpc import channel
from tests.rpc.door import ask, code_of, opened, party

A, B = party("a"), party("b")


async def test_two_channels_to_one_address_are_two_connections() -> None:
    async with opened(A, B) as door, door.channel(B.leaf) as gossip, door.channel(B.leaf) as bulk:
        peers = {await ask(each, "Where") for each in (gossip, bulk, gossip)}
        assert len(peers) == 2


async def test_a_frame_of_the_largest_size_passes_and_one_beyond_the_slack_does_not() -> None:
    async with opened(A, B) as door, door.channel(B.leaf) as dialled:
        largest, too_large = bytes(limits.FRAME_BYTES_MAX + 1024), bytes(channel.MESSAGE_BYTES_MAX + 1)
        assert await code_of(ask(dialled, request=largest)) is grpc.StatusCode.OK
        assert await code_of(ask(dialled, request=too_large)) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_server_does_not_take_our_keepalive_for_an_attack() -> None:
    client, server = dict(channel.CHANNEL_OPTIONS), dict(channel.SERVER_OPTIONS)
    least = int(server["grpc.http2.min_ping_interval_without_data_ms"])
    assert least < int(client["grpc.keepalive_time_ms"])


def test_a_socket_with_a_path_too_long_is_refused_before_grpc_cuts_it() -> None:
    with pytest.raises(ConfigError, match="too long for a Unix socket"):
        channel.open_to_administrator(Path("/") / ("x" * 200))
