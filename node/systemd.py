"""What the daemon tells systemd, if it runs under it: datagrams to a socket (sd_notify(3))."""

import asyncio
import os
import socket
from collections.abc import Mapping

STOPPING = "STOPPING=1"
READY = "READY=1"
ALIVE = "WATCHDOG=1"
PINGS = 3  # in the time after which systemd would kill: two may be late


def notify(state: str) -> None:
    """Tell it a state; nothing where nobody asked."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifying:
        notifying.sendto(state.encode(), f"\0{path[1:]}" if path.startswith("@") else path)


def watchdog_s(environment: Mapping[str, str]) -> float:
    """How often systemd wants to hear that the daemon is alive; 0: not at all (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return max(int(environment.get("WATCHDOG_USEC", "0")), 0) / 1_000_000 / PINGS
    except ValueError:
        return 0.0


async def ping(environment: Mapping[str, str]) -> None:
    """Tell systemd that the event loop still turns, if it wants to hear that."""
    every_s = watchdog_s(environment)
    while every_s:
        notify(ALIVE)
        await asyncio.sleep(every_s)
