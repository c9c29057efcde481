"""A disk that forgets what was not committed, and can die at any commit."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import sqlalchemy as sa

from node.feed.keys import HeaderHash
from node.store import stores
from node.store.erasures import Erasure, Reason
from node.store.journal import Signed
from node.store.stores import Stores


class Crash(BaseException):
    """The machine stops here. Not an Exception: nothing may catch it but the world."""


@dataclass
class Power:
    """When the machine dies: at which commit from now on, and whether that commit was kept."""

    commits_left: int = -1
    kept: bool = False
    only: str = ""  # commits of this file alone are counted; empty: of any
    died_at: str = ""

    def spend(self, name: str) -> bool:
        """Whether the machine dies at this commit."""
        if self.commits_left < 0 or self.only not in ("", name):
            return False
        self.commits_left -= 1
        if self.commits_left >= 0:
            return False
        self.died_at = name
        return True


@dataclass(frozen=True)
class Disk(Stores):
    """Four SQLite files in memory."""

    power: Power

    def commit(self, name: str) -> None:
        dies = self.power.spend(name)
        if not dies or self.power.kept:
            super().commit(name)
        if dies:
            raise Crash(name)

    def image(self) -> dict[str, bytes]:
        """The bytes of each file."""
        return {name: raw(getattr(self, name)).serialize() for name in stores.NAMES}

    def load(self, image: dict[str, bytes]) -> None:
        """Put other bytes in place of the files."""
        self.rollback()
        for name, data in image.items():
            with closing(sqlite3.connect(":memory:")) as other:
                other.deserialize(data)
                # Copied page by page: of a connection that is deserialized itself SQLite 3.40 keeps what json_each
                # hangs on, frees it, and reads it at the next use.
                other.backup(raw(getattr(self, name)))
        self.power.commits_left = -1


def raw(connection: sa.Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def empty_disk() -> Disk:
    """A new disk with empty tables."""
    connections = {}
    for name in stores.NAMES:
        connections[name] = stores.connect(lambda: sqlite3.connect(":memory:", check_same_thread=False))
        stores.create(connections[name], name)
    return Disk(**connections, power=Power())


@dataclass
class MemoryErasures:
    """The erasure journal. It survives a crash unless the crash is at the append and not kept."""

    power: Power
    rows: list[Erasure] = field(default_factory=list)

    def append(self, rows: Sequence[Erasure]) -> None:
        dies = self.power.spend("erasures")
        if not dies or self.power.kept:
            self.rows += rows
        if dies:
            raise Crash("erasures")

    @property
    def gone(self) -> set[HeaderHash]:
        """Everything of which at least a part was erased."""
        return {one.entry for one in self.rows}

    @property
    def whole(self) -> dict[HeaderHash, Reason]:
        return {one.entry: one.reason for one in self.rows if not one.positions}

    @property
    def parts(self) -> dict[HeaderHash, int]:
        found: dict[HeaderHash, int] = {}
        for one in self.rows:
            if one.positions and one.entry not in self.whole:
                found[one.entry] = found.get(one.entry, 0) | int.from_bytes(one.positions, "little")
        return found


@dataclass
class MemoryJournal:
    """The sign journal. Its lines survive a crash unless the crash is at the append and not kept."""

    power: Power
    noted: Callable[[bytes], None]  # every header whose signature became durable
    signed: list[Signed] = field(default_factory=list)
    headers: set[bytes] = field(default_factory=set)

    def append(self, signed: Sequence[Signed]) -> None:
        dies = self.power.spend("journal")
        if not dies or self.power.kept:
            self.signed += signed
            for header, _ in signed:
                self.headers.add(header)
                self.noted(header)
        if dies:
            raise Crash("journal")

    def lines(self) -> list[Signed]:
        return list(self.signed)
