"""Ask the running node of a folder, over its socket, as its administrator."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from node.cli import options
from node.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from node.client import Client
    from node.config import Config
    from node.feed.charter import Charter

PROBE_S = 5.0  # a socket answers at once, unless very many are waiting before it

Answer = TypeVar("Answer")
Work = Callable[["Client"], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that has joined a federation."""

    config: "Config"
    charter: "Charter"


def find(folder: Path) -> Place:
    """The folder's configuration and charter; raises ConfigError where it has not joined."""
    from node import config as configs
    from node.custody import charters
    from node.custody import folder as folders

    config = configs.load(options.config_file(folder))
    path = config.data_folder / folders.CHARTER
    if config.data_folder.exists() and not _is_there(path):
        raise ConfigError(
            f"{config.folder} has not joined a federation",
            next_step="Run `tocsin join CHARTER` with the file you were sent.",
        )
    return Place(config, charters.read(path)[1])


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # whoever reads it says why it cannot


def ask(place: Place, work: Work[Answer]) -> Answer:
    """Run this with a client of the folder's node; raises Unavailable where it does not run, Refused as it refuses."""
    import asyncio

    _require_running(place.config)
    return asyncio.run(_ask(place, work))


async def _ask(place: Place, work: Work[Answer]) -> Answer:
    import grpc.aio

    from node.client import Client
    from node.rpc import status

    try:
        async with Client.on_socket(place.config.socket, place.charter.federation_id) as client:
            try:
                return await work(client)
            except grpc.aio.AioRpcError as error:
                raise status.error_of(error) from error
    except Unavailable as error:
        # Whether the node cannot now, or is not there any more, gRPC says in the same words.
        _require_running(place.config)
        slow = "SETTINGS frame" in error.reason  # it took the connection and says nothing
        raise Unavailable(
            "the node does not answer" if slow else error.reason,
            next_step=error.next_step or "Try again; the node's log may say more.",
        ) from error


def _require_running(config: "Config") -> None:
    """Raise Unavailable unless somebody listens on the socket: gRPC would say it in a paragraph."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(config.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            raise Unavailable(
                f"the node of {config.folder} is not running",
                next_step=f"Start it: `tocsin run --folder {config.folder}`, or `systemctl start tocsin`.",
            ) from None
        except PermissionError:
            raise ConfigError(
                f"{config.socket} may not be opened by this user",
                next_step="Run the command as the user that the node runs as, with `sudo -u`.",
            ) from None
        except OSError as error:
            raise Unavailable(
                f"{config.socket} does not answer: {error.strerror or error}", next_step="See the node's log."
            ) from error
