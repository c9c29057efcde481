"""The vault: what is under legal hold, out of all stores and sealed to a custodian who is not this node.

One file describes a hold, without any value; one more for each record has what is held of it. The
description is written last, and taken away last: a sealed file that no description names is left from
a crash, and goes at the next start. A hold that is over keeps its description, and nothing that is sealed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from node.errors import ConfigError, Unavailable
from node.feed.keys import HeaderHash
from node.store import appending

FOLDER = "vault"
ID_BYTES = 16
NODE = "the node"  # who makes a hold where the law wants it, and ends one whose time is over
_DESCRIPTION, _SEALED = ".json", ".held"


class Ground(StrEnum):
    """Why something is held. The order is that of the codes in receipts (protos/README.md section 4)."""

    COURT_ORDER = "court-order"
    INVESTIGATION = "investigation"
    PRESERVATION = "preservation"  # Article 6 of Regulation (EU) 2021/784
    LEGAL_CLAIM = "legal-claim"
    SUPERVISION = "supervision"
    LEGAL_MINIMUM = "legal-minimum"


@dataclass(frozen=True, slots=True)
class Covered:
    """A record under hold, or items of it by their places, as bits. Whole: no bits."""

    entry: HeaderHash
    positions: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """What is said of a hold. Times in milliseconds."""

    id: bytes
    made_ms: int
    by: str
    authority: str
    reference: str
    ground: Ground
    review_ms: int
    end_ms: int
    custodian: bytes
    covers: tuple[Covered, ...]
    over_ms: int = 0  # 0: it goes on
    over_by: str = ""
    note: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing is sealed under it any more."""
        return self.over_ms > 0

    def state(self, now_ms: int) -> str:
        """How it is: held, review (somebody has to look whether it is still needed) or over."""
        if self.is_over:
            return "over"
        return "held" if now_ms < self.review_ms else "review"


class _Covered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entry: str
    positions: str


class _Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, field by field."""

    version: Literal[1]
    id: str
    made_ms: int
    by: str
    authority: str
    reference: str
    ground: Ground
    review_ms: int
    end_ms: int
    custodian: str
    covers: tuple[_Covered, ...]
    over_ms: int
    over_by: str
    note: str


class Vault:
    """The files of all holds. Owned by the one writer; descriptions are held in memory.

    ``write``: a secret, durable and whole under its name, or not at all.
    """

    def __init__(self, data_folder: Path, write: Callable[[Path, bytes], None]) -> None:
        self._folder, self._write = data_folder / FOLDER, write
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._holds = {one.id: one for one in read(data_folder)}
        self._tidy()

    @property
    def holds(self) -> Sequence[Hold]:
        """All of them, the oldest first."""
        return sorted(self._holds.values(), key=lambda one: (one.made_ms, one.id))

    @property
    def covered(self) -> Mapping[HeaderHash, int]:
        """Records of which something was ever held, and which of their places, as bits; -1: all."""
        found: dict[HeaderHash, int] = {}
        for one in (covered for hold in self._holds.values() for covered in hold.covers):
            found[one.entry] = found.get(one.entry, 0) | (one.positions or -1)
        return found

    def seal(self, hold_id: bytes, entry: HeaderHash, sealed: bytes) -> None:
        """Keep what is held of a record; it counts once the hold is described. Raises Unavailable."""
        self._put(_sealed_name(hold_id, entry), sealed)

    def describe(self, hold: Hold) -> None:
        """Make durable that this is held, or what became of it. What is over loses what was sealed.

        Raises Unavailable, all as before, where it cannot be written.
        """
        self._put(f"{hold.id.hex()}{_DESCRIPTION}", _encode(hold))
        self._holds = {**self._holds, hold.id: hold}  # anew, since others read it meanwhile
        if hold.is_over:
            self.discard(hold.id)

    def discard(self, hold_id: bytes) -> None:
        """Take away what was sealed under a hold, and no other's: one that is under way is described last."""
        self._unlink(self._folder.glob(f"{hold_id.hex()}-*{_SEALED}"))

    def end(self, hold: Hold, over_ms: int, by: str, note: str) -> Hold:
        """Destroy what is sealed under a hold."""
        ended = replace(hold, over_ms=over_ms, over_by=by, note=note)
        self.describe(ended)
        return ended

    def _tidy(self) -> None:
        """Take away what no hold that goes on names: at the start, when none is under way."""
        named = {
            _sealed_name(hold.id, one.entry) for hold in self._holds.values() if not hold.is_over for one in hold.covers
        }
        drafts = self._folder.glob(".*.new")
        stray = [path for path in self._folder.glob(f"*{_SEALED}") if path.name not in named]
        self._unlink((*drafts, *stray))

    def _put(self, name: str, data: bytes) -> None:
        try:
            self._write(self._folder / name, data)
        except ConfigError as error:  # while the node runs it is a disk that is full, and it may have room again
            raise Unavailable(error.reason, next_step=error.next_step) from error

    def _unlink(self, paths: Iterable[Path]) -> None:
        for path in list(paths):
            path.unlink()
        appending.sync_folder(self._folder)


def read(data_folder: Path) -> list[Hold]:
    """What is held, beside a running node or without one; raises ConfigError for a file that was changed."""
    return [_decode(path) for path in sorted((data_folder / FOLDER).glob(f"*{_DESCRIPTION}"))]


def sealed(data_folder: Path, hold: Hold, entry: HeaderHash) -> bytes:
    """What is held of one record, for its custodian; raises ConfigError where it is gone."""
    path = data_folder / FOLDER / _sealed_name(hold.id, entry)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", next_step="Is the hold over? `tocsin hold list --all` says so."
        ) from error


def _sealed_name(hold_id: bytes, entry: HeaderHash) -> str:
    return f"{hold_id.hex()}-{entry.hex()}{_SEALED}"


def _encode(hold: Hold) -> bytes:
    said = _Description(
        version=1,
        id=hold.id.hex(),
        made_ms=hold.made_ms,
        by=hold.by,
        authority=hold.authority,
        reference=hold.reference,
        ground=hold.ground,
        review_ms=hold.review_ms,
        end_ms=hold.end_ms,
        custodian=hold.custodian.hex(),
        covers=tuple(_Covered(one.entry.hex(), f"{one.positions:x}") for one in hold.covers),
        over_ms=hold.over_ms,
        over_by=hold.over_by,
        note=hold.note,
    )
    return msgspec.json.format(msgspec.json.encode(said), indent=1)


def _decode(path: Path) -> Hold:
    try:
        said = msgspec.json.decode(path.read_bytes(), type=_Description)
        return Hold(
            id=bytes.fromhex(said.id),
            made_ms=said.made_ms,
            by=said.by,
            authority=said.authority,
            reference=said.reference,
            ground=said.ground,
            review_ms=said.review_ms,
            end_ms=said.end_ms,
            custodian=bytes.fromhex(said.custodian),
            covers=tuple(_covered(said.covers)),
            over_ms=said.over_ms,
            over_by=said.over_by,
            note=said.note,
        )
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path} describes no hold: {error}",
            next_step="It was changed outside of Tocsin. Put its copy back: what it names must stay held.",
        ) from error


def _covered(rows: Iterable[_Covered]) -> Iterable[Covered]:
    return (Covered(HeaderHash(bytes.fromhex(one.entry)), int(one.positions, 16)) for one in rows)
