"""Proving an erasure: what journal and stores say of one address, and whether any file still shows a value.

Reads only, beside a running node or without one.
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from node.config import Config
from node.content import hashes
from node.custody import joining
from node.exchange import references
from node.exchange.references import Address
from node.policy.ignoring import Ignores, What
from node.store import digests, erasures, ignored, index, payloads, remainders, stores
from node.store.erasures import Erasure
from node.store.payloads import State
from node.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Shown:
    """A value that still stands in a file, and where."""

    path: Path
    byte: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. ``left`` is empty where nothing of the address is left."""

    address: Address
    line: int  # of the journal, from 1; 0: it says nothing of this address
    erasure: Erasure | None
    journal_size: int
    journal_head: bytes
    left: tuple[str, ...]
    shown: tuple[Shown, ...]
    searched_bytes: int

    @property
    def holds(self) -> bool:
        """Whether it was erased, and nothing contradicts that."""
        return self.erasure is not None and not self.left and not self.shown

    @property
    def erased_at(self) -> datetime | None:
        """When."""
        return datetime.fromtimestamp(self.erasure.erased_ms / 1000, UTC) if self.erasure else None


def prove(config: Config, typed: str, values: Sequence[str] = ()) -> Proof:
    """Look at everything; raises Refused for an address that names nothing here, or several things."""
    federation_id = joining.read_charter(config).federation_id
    rows, _, head = erasures.read(config.data_folder / erasures.FILE, federation_id)
    opened = stores.open_to_read(config.data_folder)
    try:
        address = references.find(opened, typed)
        needles = sorted({needle for value in values for needle in _forms(value)})
        left = (*_left(opened, address), *_ignored(opened, needles))
    finally:
        opened.close()
    about = [i for i, one in enumerate(rows, 1) if erasures.covers(one, address.entry, address.position)]
    line, found = (about[-1], rows[about[-1] - 1]) if about else (0, None)
    paths = sorted(path for path in config.data_folder.rglob("*") if path.is_file()) if needles else []
    shown = tuple(one for path in paths for one in _search(path, needles))
    searched = sum(path.stat().st_size for path in paths)
    return Proof(address, line, found, len(rows), head, left, shown, searched)


def _left(opened: Stores, address: Address) -> Iterator[str]:
    """What of the address is still in the stores."""
    state, left = payloads.state(opened.ledger, address.entry), remainders.find(opened.ledger, address.entry)
    if address.position is not None and left is not None:
        if not left.positions >> address.position & 1:
            yield "the item stands in the remainder of its record"
        if payloads.box(opened.keys, address.entry) is not None:
            yield "the key of the whole record is still here"
    elif state is not State.ERASED:
        yield f"the payload is in state {state.name.lower() if state is not None else 'unknown'}"
    number = index.number(opened.index, address.entry)
    if number is not None and (address.position is None or digests.has_place(opened.digests, number, address.position)):
        yield "the index has it"
    if left is None and payloads.box(opened.keys, address.entry) is not None:
        yield "its key box is still here"
    if left is None and payloads.has_chunks(opened.ledger, address.entry):
        yield "ciphertext of it is still here"


def _ignored(opened: Stores, values: Sequence[bytes]) -> Iterator[str]:
    """Decisions of this node's people that name one of the values."""
    ignores = Ignores.of(ignored.every(opened.ledger))
    for one in ignores.every.values():
        if one.thing.what is What.VALUE and one.thing.target in values:
            yield f"it is ignored here as a value: `tocsin ignore end {ignores.reference(one)}`"


def _forms(value: str) -> Iterator[bytes]:
    """A value as bytes, as text, and as the index has it."""
    yield value.encode()
    yield hashes.key(value)  # others may have listed it as a kind that it cannot be
    for kind in hashes.KINDS.values():
        try:
            parsed = hashes.parse(kind, value)
        except ValueError:
            continue
        yield hashes.key(parsed) if isinstance(parsed, str) else parsed


def _search(path: Path, needles: Sequence[bytes]) -> Iterator[Shown]:
    """Every place in a file at which one of these begins: the first of each."""
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for needle in needles:
            at = data.find(needle)
            if at >= 0:
                yield Shown(path, at)
