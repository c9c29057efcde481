"""After a restore: what is older may have been erased since the backup was made, and only this node knew.

So it is held back, neither fetched nor taken in, until the erasure journal as it was last is here again,
or is declared lost. Then what is older counts as erased. Documents of the federation are no one's data,
and are never held back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from node.exchange import erase
from node.exchange.trust import Trust
from node.exchange.verified import Checked, Verified
from node.feed import entry
from node.feed.header import Header
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store import ledger, payloads, withheld
from node.store.erasures import Erasure, Erasures, Reason
from node.store.payloads import State
from node.store.stores import Stores

_META = "restored"
AT_A_TIME = 1024


class Journal(IntEnum):
    """Whether the erasure journal is whole."""

    WHOLE = 0
    PENDING = 1  # it may have grown since the backup was made
    FOUND = 2  # its copy has taken its place: what was held back is wanted again at the next start
    LOST = 3  # nobody has it: what is older counts as erased, for good


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of the last restore, and when that was."""

    journal: Journal = Journal.WHOLE
    at_ms: int = 0
    journal_size: int = 0  # lines that the backup had of it

    def covers(self, header: Header) -> bool:
        """Whether a payload may have been erased here before, and nobody can say."""
        is_open = self.journal in (Journal.PENDING, Journal.LOST)
        return is_open and header.has_payload and header.kind != Kind.DOCUMENT and header.created_ms <= self.at_ms


def load(stores: Stores) -> Restored:
    """As it was last noted."""
    value = ledger.read_meta(stores.ledger, _META)
    return Restored(Journal(value[0]), int.from_bytes(value[1:9]), int.from_bytes(value[9:])) if value else Restored()


def note(stores: Stores, restored: Restored) -> None:
    """Keep it; the caller commits."""
    value = bytes((restored.journal,)) + restored.at_ms.to_bytes(8) + restored.journal_size.to_bytes(8)
    ledger.write_meta(stores.ledger, _META, value)


def begin(stores: Stores, erasures: Erasures, restored: Restored, trust: Trust, now_ms: int) -> Restored:
    """At the start: hold back what is older, or let go of it, or want it again."""
    match restored.journal:
        case Journal.PENDING | Journal.LOST:
            withheld.put(stores.ledger, _older(stores, restored, trust))
            stores.commit("ledger")
        case Journal.FOUND:
            withheld.let_go(stores.ledger)
            restored = Restored()
            note(stores, restored)
            stores.commit("ledger")
        case Journal.WHOLE:
            pass
    if restored.journal is Journal.LOST:
        give_up(stores, erasures, withheld.every(stores.ledger), now_ms)
    return restored


def _older(stores: Stores, restored: Restored, trust: Trust) -> list[HeaderHash]:
    rows = (ledger.entry(stores.ledger, hash_) for hash_ in withheld.candidates(stores.ledger))
    return [
        row.hash
        for row in rows
        if row and restored.covers(entry.decode(row.body, row.signature, trust.federation_id).header)
    ]


def without_older(checked: Checked, restored: Restored) -> Checked:
    """What came in, without what is older: header and box stay, the payload does not."""
    return replace(checked, entries=tuple(_stripped(one, restored) for one in checked.entries))


def _stripped(one: Verified, restored: Restored) -> Verified:
    return replace(one, payload=b"") if one.payload and restored.covers(one.header) else one


def keep_back(stores: Stores, erasures: Erasures, restored: Restored, entries: Iterable[Verified], now_ms: int) -> None:
    """Of what just came in, what is older is held back, or counts as erased."""
    older = [one.header.hash for one in entries if restored.covers(one.header)]
    if not older:
        return
    withheld.put(stores.ledger, older)
    stores.commit("ledger")
    if restored.journal is Journal.LOST:
        give_up(stores, erasures, older, now_ms)


def give_up(stores: Stores, erasures: Erasures, hashes: Sequence[HeaderHash], now_ms: int) -> None:
    """What was held back is erased now: it was never in the index."""
    held = [hash_ for hash_ in hashes if payloads.state(stores.ledger, hash_) is State.HELD_BACK]
    for start in range(0, len(held), AT_A_TIME):
        part = held[start : start + AT_A_TIME]
        erasures.append([Erasure(hash_, now_ms, Reason.PURGE) for hash_ in part])
        erase.drop_whole(stores, dict.fromkeys(part, Reason.PURGE))
