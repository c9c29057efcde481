"""The erasure journal and its copy: where the journal is an older one, the copy takes its place, or there is none.

A backup has the journal as it was, and so has a disk that was put back. What was erased since stands in the copy alone.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from node.config import Config
from node.custody import auditing, files, folder, joining, looking, renewal
from node.errors import ConfigError, Refused
from node.exchange import anchors, restored, witnesses
from node.exchange.audit import Fault, Found, Witness
from node.exchange.exchange import Exchange
from node.exchange.restored import Journal, Restored
from node.exchange.trust import Trust
from node.feed.pae import FederationId
from node.store import erasures, stores
from node.store.erasures import FILE, Erasure
from node.store.stores import Stores
from node.v1.header_pb2 import SignedEntry

MEND = (
    "With the node stopped, `tocsin erase journal FILE` takes in what its copy has more. Without a copy nobody can say "
    "what these lines erased: look after what came back, as after a restore."
)


def require_whole(config: Config, exchange: Exchange) -> None:
    """Raise ConfigError where the copy shows that the journal is an older one, before anything is served.

    A restored node waits for the copy, and takes in nothing older. A copy that cannot be read shows nothing.
    """
    copy, is_waited_for = config.erasures_copy, restored.load(exchange.stores).journal is Journal.PENDING
    if copy is not None and not is_waited_for:
        with suppress(OSError):  # its disk is away: it is looked at again as soon as it is there
            erasures.require_whole(config.data_folder / FILE, copy, exchange.trust.federation_id)


def adopt(config: Config, copy: Path, now_ms: int) -> int:
    """Let the copy take the journal's place, while the node is stopped; how many lines it has more.

    What the node erased since it was restored, or since an older journal was put here, is behind it. Raises Refused
    for a copy that is older than the backup, has nothing that is not here, or is of another node.
    """
    with renewal.held(config.data_folder):
        federation_id, before = joining.read_charter(config).federation_id, _restored(config)
        is_waited_for = before.journal is Journal.PENDING
        known = before.journal_size if is_waited_for else _parted(config.data_folder, copy, federation_id)
        more = replace(config.data_folder, copy, federation_id, known)
        if is_waited_for:
            _answer(config, Journal.FOUND)
        auditing.note_keys(config, federation_id, now_ms, "erase journal --from")
    return more


@dataclass(frozen=True, slots=True)
class Compared:
    """The journal beside what ANCHORs of its node say of it."""

    size: int
    witnesses: int
    found: Found | None


def compare(config: Config, letters: Sequence[SignedEntry] | None = None) -> Compared:
    """By the ANCHORs in the node's own ledger, or by these; raises Refused for a forged one."""
    with looking.into(config) as (opened, trust):
        return compare_in(config, opened, trust, letters)


def compare_in(config: Config, opened: Stores, trust: Trust, letters: Sequence[SignedEntry] | None = None) -> Compared:
    """The same, with the stores open.

    ANCHORs from before a restore say nothing where the copy is waited for, or declared lost.
    """
    node_id, me = folder.read_node_id(config.data_folder), folder.read_member(config.data_folder)
    held = witnesses.of_member(opened, trust, me) if letters is None else letters
    seen = anchors.seen_of_journal(held, trust, anchors.feeds_of_node(trust, me, node_id))
    before = restored.load(opened)
    since_ms = before.at_ms if before.journal in (Journal.PENDING, Journal.LOST) else -1
    path = config.data_folder / FILE  # read last: the journal of a node that runs grows
    heads, counted = list[bytes](), [one for one in seen if one.size and one.made_ms > since_ms]
    try:
        for head in erasures.heads(path, trust.federation_id) if path.exists() else ():
            heads.append(head)
    except ConfigError:
        return Compared(len(heads), len(counted), Found(Fault.CHANGED, len(heads) + 1, len(heads) + 1))
    return Compared(len(heads), len(counted), _compared(heads, counted))


def _compared(heads: Sequence[bytes], seen: Sequence[Witness]) -> Found | None:
    there = [one for one in seen if one.size <= len(heads)]
    wrong = min((one.size for one in there if heads[one.size - 1] != one.root), default=0)
    if wrong:
        return Found(Fault.CHANGED, max((one.size for one in there if one.size < wrong), default=0) + 1, wrong)
    longest = max((one.size for one in seen), default=0)
    return Found(Fault.LOST, len(heads) + 1, longest) if longest > len(heads) else None


def _parted(data_folder: Path, copy: Path, federation_id: FederationId) -> int:
    """How many lines journal and copy have in common; raises Refused where that is all, or none."""
    held, (found, _, _) = _held(data_folder, federation_id), _read(copy, federation_id)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(held, found, strict=False)))
    if same == len(found):
        raise Refused(
            f"nothing waits for the erasure journal here: it has all that {copy} has",
            next_step="`tocsin doctor` says how the journal is.",
            field="copy",
        )
    if held and not same:
        raise Refused(
            f"{copy} does not go on from the journal here: they have no line in common",
            next_step="It is of another node. Find the copy that this node wrote last.",
            field="copy",
        )
    return same


def reach(copy: Path, federation_id: FederationId) -> tuple[int, int]:
    """How many lines a copy has, and when the last of them was written; raises ConfigError for one that is none."""
    rows, _, _ = _read(copy, federation_id)
    return len(rows), rows[-1].erased_ms if rows else 0


def declare_lost(config: Config, now_ms: int) -> None:
    """Nobody has the copy: what is older than the restore counts as erased, for good."""
    with renewal.held(config.data_folder):
        _answer(config, Journal.LOST)
        auditing.note_keys(config, joining.read_charter(config).federation_id, now_ms, "erase journal --lost")


def replace(data_folder: Path, copy: Path, federation_id: FederationId, known: int) -> int:
    """The copy in the journal's place, whole or not at all; how many lines it has behind the ``known`` first ones.

    What the journal has behind these is kept too. Raises Refused for a copy that does not begin with them.
    """
    held = _held(data_folder, federation_id)
    found, end, head = _read(copy, federation_id)
    if found[:known] != held[:known]:
        fault = "ends before the backup" if found == held[: len(found)] else "does not go on from the journal here"
        raise Refused(
            f"{copy} {fault}",
            next_step="It is older, or of another node. Find the copy that this node wrote last.",
            field="copy",
        )
    there = set(found)
    missing = [one for one in held[known:] if one not in there]
    data = copy.read_bytes()[:end] + erasures.encode(missing, head, federation_id)
    files.replace_secret(data_folder / FILE, data)
    return len(found) - known


def _held(data_folder: Path, federation_id: FederationId) -> list[Erasure]:
    path = data_folder / FILE
    return erasures.read(path, federation_id)[0] if path.exists() else []


def _read(copy: Path, federation_id: FederationId) -> tuple[list[Erasure], int, bytes]:
    try:
        return erasures.read(copy, federation_id)
    except OSError as error:
        raise ConfigError(f"{copy} cannot be read: {error.strerror}", next_step="Check the path.") from error


def mark(opened: Stores, made: Restored) -> None:
    """What a restored ledger says of its journal from the beginning."""
    restored.note(opened, made)
    opened.commit("ledger")


def _answer(config: Config, journal: Journal) -> None:
    before = _restored(config)
    if before.journal is not Journal.PENDING:
        raise Refused(
            "nothing waits for the erasure journal here",
            next_step="It does only in a node that was restored; `tocsin doctor` says how the journal is.",
        )
    opened = stores.open_folder(config.data_folder)
    try:
        mark(opened, dataclasses.replace(before, journal=journal))
    finally:
        opened.close()


def _restored(config: Config) -> Restored:
    opened = stores.open_folder(config.data_folder)
    try:
        return restored.load(opened)
    finally:
        opened.close()
