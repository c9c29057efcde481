"""A full disk: a small file system under a node's data, or, where none may be mounted, a limit on its files."""

import os
import resource
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from node.custody import host
from tests.federation import Node

MOUNTS = "TOCSIN_CHAOS_MOUNTS"  # set where this process has mounts of its own
SIZE_BYTES = 128 << 20  # several times what a round's list takes
BALLAST = "ballast"
SPARE_BYTES = 64 << 10  # what files may grow at least, where only they are bounded


def may_mount() -> bool:
    """Whether mounts made here are seen by this process and its children only."""
    return bool(os.environ.get(MOUNTS))


def put_on_a_small_disk(data: Path) -> None:
    """Move a data folder onto a file system of its own; before its daemon runs."""
    aside = data.with_name("data.aside")
    data.rename(aside)
    data.mkdir(mode=0o700)
    options = f"size={SIZE_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tocsin-chaos", str(data)], check=True)
    for path in sorted(aside.iterdir()):
        shutil.move(path, data / path.name)
    aside.rmdir()
    host.write(data)  # it was moved, and is no copy


def put_back(data: Path) -> None:
    """Move what is on it to where it outlives this process."""
    (data / BALLAST).unlink(missing_ok=True)
    aside = data.with_name("data.aside")
    shutil.copytree(data, aside, ignore=shutil.ignore_patterns("*.sock"))
    subprocess.run(["umount", "--lazy", str(data)], check=True)
    data.rmdir()
    aside.rename(data)
    host.write(data)


class FullDisk:
    """One node's disk, to be filled and to have room again."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._data = node.config.data_folder
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def fill(self, room_bytes: int) -> None:
        """Leave only so much; a daemon that starts later is bounded too, where there is a file system."""
        if may_mount():
            found = os.statvfs(self._data)
            size = found.f_bavail * found.f_frsize - room_bytes
            if size > 0:
                with (self._data / BALLAST).open("wb") as opened, suppress(OSError):
                    os.posix_fallocate(opened.fileno(), 0, size)
            return
        self._before = resource.prlimit(self._node.pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in self._data.iterdir())
        resource.prlimit(self._node.pid, resource.RLIMIT_FSIZE, (largest + SPARE_BYTES + room_bytes, self._before[1]))

    def make_room(self) -> None:
        """As an operator who deletes what filled it."""
        if may_mount():
            (self._data / BALLAST).unlink(missing_ok=True)
        elif self._node.runs:
            with suppress(ProcessLookupError):
                resource.prlimit(self._node.pid, resource.RLIMIT_FSIZE, self._before)
