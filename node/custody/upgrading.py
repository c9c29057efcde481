"""Upgrading: the stores of an older program become this one's, while no daemon runs."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from node.config import Config
from node.custody import folder, host, joining, renewal
from node.errors import ConfigError
from node.store import migrations, schema
from node.store.migrations import PROJECTED

REBUILT_BYTES_PER_S = 4_000_000  # measured with a million SHA-256 on two cores: 25 MB/s
REWRITTEN_BYTES_PER_S = 50_000_000  # a disk that is not fast
SPARE_BYTES = 16 << 20  # for transactions that touch little
MARKED_SINCE = 3  # the version of the stores from which on a signing folder without a marker is a copy

Action = Literal["none", "made", "marked", "noted", "migrated", "rebuilt"]


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one file."""

    path: Path
    version: int
    action: Action
    seconds: int
    room_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upgrade will do, with figures on the safe side."""

    steps: tuple[Step, ...]
    free_bytes: int

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be done; what is not there yet is made by the start itself."""
        return any(step.action not in ("none", "made") for step in self.steps)

    @property
    def seconds(self) -> int:
        """How long it may take."""
        return sum(step.seconds for step in self.steps)

    @property
    def room_bytes(self) -> int:
        """How much room it needs besides what is in use now."""
        return sum(step.room_bytes for step in self.steps) + SPARE_BYTES if self.is_needed else 0


def plan(config: Config) -> Plan:
    """What an upgrade would do; reads only. Raises ConfigError for a newer store, or where there is no room for it."""
    place = config.data_folder
    if not place.exists():
        raise ConfigError(f"{place} is not there", next_step="`tocsin init` makes it.")
    migrations.check_readable(place)
    paths = {name: migrations.path_of(place, name) for name in migrations.NAMES}
    versions = {name: migrations.version_of(path) for name, path in paths.items()}
    anew = any(migrations.is_outdated(name, versions[name]) for name in PROJECTED)
    steps = tuple(_step(path, name, versions[name], anew=anew) for name, path in paths.items())
    found = Plan((*_mark(place, versions["ledger"]), *steps), shutil.disk_usage(place).free)
    if found.room_bytes > found.free_bytes:
        raise ConfigError(
            f"upgrading {place} needs {found.room_bytes >> 20:,} MiB of room,"
            f" and its disk has {found.free_bytes >> 20:,} MiB",
            next_step="Make room first; nothing was changed.",
        )
    return found


def upgrade(config: Config) -> Plan:
    """Bring all four files to this program's version; what was done. Raises ConfigError while the folder is in use.

    What an interruption leaves is of the old version or of the new one, file by file, and the next
    upgrade goes on from there.
    """
    place = config.data_folder
    with renewal.held(place):
        found = plan(config)
        for step in found.steps:
            if step.action == "marked":  # first: without it a ledger of this version is that of a copy
                host.write(place)
            if step.action in ("migrated", "noted"):
                migrations.migrate(step.path, step.path.stem)
        outdated = [step.path for step in found.steps if step.action == "rebuilt"]
        for path in outdated:
            _remove(path)
        if outdated and joining.has_charter(config):
            _project(config)
    return found


def _project(config: Config) -> None:
    """Fill an index that is not there any more; the start of a node would do the same, and take as long."""
    exchange = joining.open_exchange(config, folder.read_keys(config.data_folder), joining.read_charter(config))
    try:
        exchange.start(time.time_ns() // 1_000_000)  # noqa: TID251 - custody has the real clock
    finally:
        joining.close_exchange(exchange)


def _mark(place: Path, version: int) -> list[Step]:
    """Before there were markers no folder had one: that of an older ledger is taken to be where it was made."""
    marker = place / host.MARKER
    is_old = 0 < version < MARKED_SINCE and (place / host.FEED_KEY).exists()
    return [Step(marker, 0, "marked", 0, 0)] if is_old and not marker.exists() else []


def _step(path: Path, name: str, version: int, *, anew: bool) -> Step:
    held_bytes = path.stat().st_size if version else 0
    if not version:
        return Step(path, version, "made", 0, 0)
    if anew and name in PROJECTED:
        return Step(path, version, "rebuilt", 1 + held_bytes // REBUILT_BYTES_PER_S, held_bytes)
    if version == schema.VERSION:
        return Step(path, version, "none", 0, 0)
    pending = migrations.pending(name, version)
    if any(one.rewrites for one in pending):
        return Step(path, version, "migrated", 1 + held_bytes // REWRITTEN_BYTES_PER_S, 2 * held_bytes)
    return Step(path, version, "migrated" if pending else "noted", 0, 0)


def _remove(path: Path) -> None:
    """The file and what SQLite keeps beside it, those first: alone they would be taken for a new file's."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
