"""Where a node is reached, and as whom: over its socket, or with a bundle that is replaced while we run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import grpc.aio

from node.errors import ConfigError
from node.rpc import bundle, channel


class Opening(Protocol):
    """A way to the node that can be taken again."""

    place: str

    def changed(self) -> bool:
        """Whether a channel that is opened now would be another one."""

    def open(self, options: channel.Options) -> grpc.aio.Channel:
        """A channel as of now; raises ConfigError."""

    def ended(self) -> ConfigError | None:
        """Why the node can only refuse us from now on, if it can."""


class SocketOpening:
    """As the administrator, on the node's machine."""

    def __init__(self, socket: Path) -> None:
        self.place = str(socket)
        self._socket = socket

    def changed(self) -> bool:
        """The file's mode is all there is to it."""
        return False

    def open(self, options: channel.Options) -> grpc.aio.Channel:
        """A channel over the socket; raises ConfigError for a path no socket can have."""
        return channel.open_to_administrator(self._socket, (*channel.OURS, *options))

    def ended(self) -> ConfigError | None:
        """A socket has no end."""
        return None


class BundleOpening:
    """As a tool, by a file that is replaced before what stands in it ends."""

    def __init__(self, address: str, path: Path) -> None:
        self.place = address
        self._path = path
        self._stamp = _stamp(path)
        self._bundle = bundle.read_bundle(path)

    def changed(self) -> bool:
        """Whether the file is another one than when it was read."""
        return _stamp(self._path) != self._stamp

    def open(self, options: channel.Options) -> grpc.aio.Channel:
        """A channel by what stands in the file now; raises ConfigError for what cannot replace the last one."""
        if self.changed():
            self._read()
        read = self._bundle
        return channel.open_to_member(self.place, read.member_id, read.root_pem, read.leaf, (*channel.OURS, *options))

    def _read(self) -> None:
        stamp = _stamp(self._path)  # before the content: what is written in between is read next time
        read = bundle.read_bundle(self._path)
        if read.member_id != self._bundle.member_id:
            raise ConfigError(
                f"{self._path} has become a bundle of another member",
                next_step="Give each member's tools files of their own.",
            )
        self._stamp, self._bundle = stamp, read

    def ended(self) -> ConfigError | None:
        """That the certificate has ended, if it has."""
        if datetime.now(UTC) < self._bundle.ends:  # noqa: TID251 - the client's own
            return None
        return ConfigError(
            f"the certificate in {self._path} ended at {self._bundle.ends:%Y-%m-%d %H:%M} UTC",
            next_step="Have `tocsin tool issue` make another file and move it into the place of this one: "
            "tools that run take it from there.",
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes with the file; None while it is away."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
