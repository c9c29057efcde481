"""Addresses of nodes: host:port, as they stand in a configuration, on a card and in a profile."""

import re

PEERS_PORT = 7443
BYTES_MAX = 255  # what a card has room for

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):(0|[1-9][0-9]{0,4})")


def fault(text: str, *, listening: bool = False) -> str:
    """What is wrong with a host:port; empty if nothing is. Port 0, any free one, is only for listening."""
    found = _ADDRESS.fullmatch(text)
    if found is None or len(text) > BYTES_MAX:
        return f"{text!r} is no host:port, as node.example.org:{PEERS_PORT} or [2001:db8::1]:{PEERS_PORT}"
    port = int(found[3])
    if port > 65535 or (port == 0 and not listening):
        return f"{text!r} has port {port}; a port is a number from 1 to 65535"
    return ""
