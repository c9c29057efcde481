"""Ask a running node: over its socket as its administrator, or over TLS as whoever a bundle names."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import options
from node.errors import ConfigError, Refused, Unavailable

if TYPE_CHECKING:
    from node.cli.remote import Remote
    from node.client import Client
    from node.config import Config
    from node.feed.keys import MemberId
    from node.feed.pae import FederationId

ANSWER_S = 90.0  # a node that has just started waits a minute for its peers before it refuses to sign
PROBE_S = 5.0  # a socket answers at once, unless very many are waiting before it
UNIT = "tocsin.service"
UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))

Answer = TypeVar("Answer")
Work = Callable[["Client"], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the node is: a folder that has joined a federation, or an address and a bundle, or both."""

    federation_id: "FederationId"
    _config: "Config | None" = None
    remote: "Remote | None" = None

    @property
    def config(self) -> "Config":
        """The folder's; raises Refused where the node was named by its address."""
        if self._config is None:
            raise Refused(
                "this command reads the node's own folder", next_step="Run it on the node's machine, without --node."
            )
        return self._config

    @property
    def member_id(self) -> "MemberId":
        """Whose node it is."""
        if self.remote is not None:
            return self.remote.bundle.member_id
        from node.custody import folder

        return folder.read_member(self.config.data_folder)


def find(folder: Path) -> Place:
    """The node that was meant; raises ConfigError where a folder has not joined, or a bundle is none."""
    said = options.said()
    if said.bundle is None:
        if said.where == "node":
            raise click.UsageError(
                "--node needs --as FILE (or TOCSIN_AS): the file that `tocsin tool issue` made on the node's machine."
            )
        return local(folder)
    from node.cli import remote

    named = remote.find(said, folder)
    return Place(named.federation_id, remote=named)


def local(folder: Path) -> Place:
    """The node of a folder on this machine, as its administrator; raises ConfigError where it has not joined."""
    from node import config as configs
    from node.custody import charters
    from node.custody import folder as folders

    file = options.config_file(folder)
    _require_allowed(file)
    config = configs.load(file)
    path = config.data_folder / folders.CHARTER
    _require_allowed(path)
    if config.data_folder.exists() and not path.exists():
        raise ConfigError(
            f"{config.folder} has not joined a federation",
            next_step="Run `tocsin join CHARTER` with the file you were sent.",
        )
    charter = charters.read(path)[1]
    return Place(charter.federation_id, config)


def _require_allowed(path: Path) -> None:
    """Raise ConfigError where another user's folder stands in the way; whatever else is wrong, its reader says."""
    try:
        with path.open("rb"):
            return
    except PermissionError:
        raise _forbidden(path) from None
    except OSError:
        return


def _forbidden(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} may not be opened by this user",
        next_step=f"Run the command as the user that the node runs as, {_owner(path)}; or as a person "
        "of its member, with --as FILE.",
    )


def ask(place: Place, work: Work[Answer]) -> Answer:
    """Run this with a client of the node; raises Unavailable where it does not run, Refused as it refuses."""
    import asyncio

    _require_running(place)
    try:
        return asyncio.run(_interruptible(_ask(place, work)))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Leave at the first Ctrl-C, in order. A second one would be raised in the midst of gRPC, which then hangs."""
    import asyncio
    import signal
    import threading

    asking, loop = asyncio.ensure_future(work), asyncio.get_running_loop()

    def leave() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asking.cancel()

    if threading.current_thread() is not threading.main_thread():
        return await asking
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, leave)  # which wakes a loop that is just about to sleep
    try:
        return await asking
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN if asking.cancelled() else before)  # also while the program ends


async def _ask(place: Place, work: Work[Answer]) -> Answer:
    import grpc.aio

    from node.rpc import status

    try:
        async with _open(place) as client:
            try:
                return await work(client)
            except grpc.aio.AioRpcError as error:
                raise status.error_of(error) from error
    except Unavailable as error:
        # Whether the node cannot now, or is not there any more, gRPC says in the same words.
        _require_running(place)
        slow = "SETTINGS frame" in error.reason  # it took the connection and says nothing
        raise Unavailable(
            "the node does not answer" if slow else error.reason,
            next_step=error.next_step or "Try again; the node's log may say more.",
        ) from error


def _open(place: Place) -> "Client":
    from node.client import Client

    why = options.said().why
    if place.remote is not None:
        address, path = place.remote.address, place.remote.path
        return Client.with_bundle(address, path, place.federation_id, timeout_s=ANSWER_S, why=why)
    return Client.on_socket(place.config.socket, place.federation_id, timeout_s=ANSWER_S, why=why)


def _require_running(place: Place) -> None:
    """Raise what stands in the way of asking: gRPC would say it in a paragraph, or not at all."""
    if place.remote is not None:
        from node.cli import remote

        remote.require_reachable(place.remote)
    else:
        _require_socket(place.config)


def _require_socket(config: "Config") -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(config.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            raise Unavailable(
                f"the node of {config.folder} is not running", next_step=how_to_start(config.folder)
            ) from None
        except PermissionError:
            raise _forbidden(config.socket) from None
        except OSError as error:
            raise Unavailable(
                f"{config.socket} does not answer: {error.strerror or error}",
                next_step=f"Its log may say more: {_log(config.folder)}.",
            ) from error


def _owner(path: Path) -> str:
    """Whose it is, or the folder that is closed to us."""
    for place in (path, *path.absolute().parents):
        try:
            return place.owner()
        except (OSError, KeyError):
            continue
    return "USER"


def how_to_start(folder: Path) -> str:
    """What to do about a node of this machine that does not run, and where its log is."""
    if _is_a_unit(folder):
        return f"Start it: `systemctl start tocsin`. Its log: {_log(folder)}."
    return f"Start it: `tocsin run --folder {folder}`. Its log is what that writes."


def _log(folder: Path) -> str:
    return "`journalctl -u tocsin`" if _is_a_unit(folder) else "what `tocsin run` writes"


def _is_a_unit(folder: Path) -> bool:
    """Whether systemd is told to run the node of this folder: all that can be known of one that does not run."""
    for unit in (parent / UNIT for parent in UNIT_FOLDERS):
        try:
            if str(folder) in unit.read_text().split():
                return True
        except (OSError, ValueError):
            continue
    return False
