"""Minimum: what the law has kept of what is to be erased now, and the holds that keep it. Reads only.

It shortens nothing and lengthens nothing: what is erased goes as it would, and a sealed copy stays. So whoever
had it erased, and why, makes no difference; what was put into the vault for another reason is under the
minimum all the same, since that hold may be released before.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from node.exchange import keeping, project, records
from node.exchange.keeping import Keep
from node.exchange.verified import Reader
from node.feed.box import Randomness
from node.feed.keys import HeaderHash
from node.policy import cooling
from node.policy.retention import Required
from node.store import deadlines, ledger, payloads, remainders, restrictions, vault
from node.store.erasures import Erasure
from node.store.index import Record
from node.store.payloads import State
from node.store.stores import Stores
from node.store.vault import Covered, Ground, Hold

REVIEW_MS = 90 * cooling.DAY_MS
RECORDS_MAX = 16_384  # of one hold: a list of 66 million

Held = Mapping[HeaderHash, Sequence[tuple[int, int]]]  # places, as bits, -1 for all; and until when


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that has to be held. ``pressing``: it endangers somebody, or a court wants it gone."""

    covered: Covered
    required: Required
    pressing: bool


def held(holds: Iterable[Hold]) -> Held:
    """What is held for the law's minimum already."""
    found: dict[HeaderHash, list[tuple[int, int]]] = defaultdict(list)
    for one in holds:
        for covered in one.covers if one.ground is Ground.LEGAL_MINIMUM and not one.is_over else ():
            found[covered.entry].append((covered.positions or -1, one.end_ms))
    return found


def wanted(stores: Stores, found: Sequence[Erasure], keep: Keep, reader: Reader, known: Held) -> list[Wanted]:
    """What of this the law has kept. What cannot be read here was never in anybody's hands, and is not held."""
    made = (_wanted(stores, one, keep, reader, known.get(one.entry, ())) for one in found)
    return [one for one in made if one]


def _wanted(
    stores: Stores, one: Erasure, keep: Keep, reader: Reader, known: Sequence[tuple[int, int]]
) -> Wanted | None:
    record = _record(stores, one.entry, keep, reader)
    required = keeping.required(stores, keep, record, one.erased_ms) if record else None
    if record is None or required is None:
        return None
    left = remainders.find(stores.ledger, one.entry)
    bits = int.from_bytes(one.positions, "little")
    positions = bits & ~(left.positions if left else 0)
    is_held = any(not (positions or -1) & ~places and required.end_ms <= end_ms for places, end_ms in known)
    if is_held or (bits and not positions):
        return None
    return Wanted(Covered(one.entry, positions), required, _is_pressing(stores, record, positions))


def _record(stores: Stores, hash_: HeaderHash, keep: Keep, reader: Reader) -> Record | None:
    """As the index has it, or would have it."""
    if payloads.state(stores.ledger, hash_) not in (State.PRESENT, State.REMAINDER):
        return None
    found = deadlines.record(stores.index, hash_)
    if found is not None:
        return found[1]
    row = ledger.entry(stores.ledger, hash_)
    opened = records.open_record(stores, row, keep.trust, reader) if row else None
    return project.row_of(opened, 0) if opened else None


def _is_pressing(stores: Stores, record: Record, positions: int) -> bool:
    said = restrictions.said_of(stores.index, record.member_id, record.hash, record.object_id)
    return any(
        one.reason in cooling.PRESSING
        and (not one.positions or (positions or -1) & int.from_bytes(one.positions, "little"))
        for one in said.withdrawals
    )


def holds(found: Iterable[Wanted], custodian: bytes, now_ms: int, randomness: Randomness) -> Iterator[Hold]:
    """As few holds as say it: of one rule, whatever ends on one day ends with the last of it."""
    groups: dict[tuple[int, int, bool], list[Wanted]] = defaultdict(list)
    for one in found:
        groups[one.required.rule, one.required.end_ms // cooling.DAY_MS, one.pressing].append(one)
    for (_, _, pressing), group in sorted(groups.items()):
        for start in range(0, len(group), RECORDS_MAX):
            made = _hold(group[start : start + RECORDS_MAX], custodian, now_ms, randomness(vault.ID_BYTES))
            yield replace(made, review_ms=now_ms) if pressing else made


def _hold(group: Sequence[Wanted], custodian: bytes, now_ms: int, hold_id: bytes) -> Hold:
    minimum, end_ms = group[0].required.minimum, max(one.required.end_ms for one in group)
    return Hold(
        id=hold_id,
        made_ms=now_ms,
        by=vault.NODE,
        authority=minimum.authority,
        reference=minimum.ground,
        ground=Ground.LEGAL_MINIMUM,
        review_ms=min(now_ms + REVIEW_MS, end_ms),
        end_ms=end_ms,
        custodian=custodian,
        covers=tuple(sorted((one.covered for one in group), key=lambda one: one.entry)),
    )
