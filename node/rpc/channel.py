"""Open a channel: to a peer, whose one root is pinned, or to the administrator's socket.

A client is never shown the certificate of the server: all it knows of who answers is that the leaf
is under the one root given and carries the one name asked for.
"""

from pathlib import Path

import grpc
import grpc.aio

from node import limits
from node.errors import ConfigError
from node.feed.keys import MemberId
from node.rpc import tls
from node.rpc.tls import Leaf

KEEPALIVE_S = 30.0  # a link that is cut without a word is noticed after this and the next
KEEPALIVE_TIMEOUT_S = 10.0  # gRPC gives a ping a minute, whatever its option for keep-alives says
HANDSHAKE_TIMEOUT_S = 10.0  # a stranger that connects and says nothing holds a socket so long
MESSAGE_BYTES_MAX = limits.FRAME_BYTES_MAX + (64 << 10)  # a frame, and the message and oneof around it
# To our own tools: a whole payload with its header and box, which no frame between peers ever is.
RECORD_BYTES_MAX = limits.PAYLOAD_BYTES_MAX + (1 << 20)
# How much of a stream is read ahead. With gRPC's own estimate an unread stream grows to 5 MB, and
# there are two for every peer; this is what bulk may have under way without an acknowledgement.
LOOKAHEAD_BYTES = limits.CHUNK_BYTES * limits.CHUNKS_UNACKNOWLEDGED_MAX
SOCKET_PATH_BYTES_MAX = 107  # of a Unix socket's address, without its end

Options = tuple[tuple[str, str | int], ...]

_BOTH_SIDES: Options = (
    ("grpc.keepalive_time_ms", int(KEEPALIVE_S * 1000)),
    ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
    ("grpc.http2.ping_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
)


def _bounded(bytes_max: int) -> Options:
    return (("grpc.max_receive_message_length", bytes_max), ("grpc.max_send_message_length", bytes_max))


PEERS, OURS = _bounded(MESSAGE_BYTES_MAX), _bounded(RECORD_BYTES_MAX)

CHANNEL_OPTIONS: Options = (
    *_BOTH_SIDES,
    # Else two channels to one address share one TCP connection, and bulk delays what is urgent.
    ("grpc.use_local_subchannel_pool", 1),
    # A node that restarts is back within a second, and its tools should be soon after.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

SERVER_OPTIONS: Options = (
    *_BOTH_SIDES,
    # Half of what clients keep, or a server takes their pings for an attack and hangs up.
    ("grpc.http2.min_ping_interval_without_data_ms", int(KEEPALIVE_S * 500)),
    ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_TIMEOUT_S * 1000)),
    ("grpc.so_reuseport", 0),  # a second daemon on the port must fail, not share it
)


def open_to_member(
    address: str, member_id: MemberId, root_pem: bytes, leaf: Leaf, bounds: Options = PEERS
) -> grpc.aio.Channel:
    """A TCP connection of its own to a member's node; raises ConfigError unless exactly one root is given.

    Nothing is sent before the first call. Close it by the caller: certificates of a channel never change,
    so a new one is opened when two thirds of the leaf's life are over.
    """
    return grpc.aio.secure_channel(
        address,
        tls.channel_credentials(root_pem, leaf),
        options=(*CHANNEL_OPTIONS, *bounds, ("grpc.ssl_target_name_override", tls.dns_name(member_id))),
    )


def open_to_administrator(socket: Path, bounds: Options = OURS) -> grpc.aio.Channel:
    """A channel over the node's own Unix socket; raises ConfigError for a path no socket can have."""
    return grpc.aio.secure_channel(
        socket_address(socket),
        grpc.local_channel_credentials(grpc.LocalConnectionType.UDS),
        options=(*CHANNEL_OPTIONS, *bounds),
    )


def socket_address(socket: Path) -> str:
    """How gRPC names the socket, for both of its ends; raises ConfigError where the path is too long."""
    path = str(socket.absolute())
    if len(path.encode()) > SOCKET_PATH_BYTES_MAX:
        raise ConfigError(
            f"{path} is too long for a Unix socket: more than {SOCKET_PATH_BYTES_MAX} bytes",
            next_step="Put the socket into a folder with a shorter path.",
        )
    return f"unix:{path}"
