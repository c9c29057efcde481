"""Erasing: a payload, or some items of it, leave for good (protos/README.md section 6.5).

The order is journal, index, boxes, ledger; each is durable before the next. The index goes before the
payload, because its digests are found by their values, which the payload alone still knows. After a
crash the journal says what was begun, and the start goes through with it; also where a power cut took what the index
had erased, which does not wait for the disk, and left what the ledger had.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from node.content import hashes, items
from node.exchange import project, records
from node.exchange.keeping import Keep
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import box as boxes
from node.feed import payload, statements
from node.feed.box import Randomness
from node.feed.keys import HeaderHash
from node.store import digests, index, ledger, payloads, remainders
from node.store.erasures import Erasures, Reason
from node.store.payloads import State
from node.store.remainders import Remainder
from node.store.stores import Stores

NAME_BYTES = 32
APPLIED_AT_A_TIME = 256


def drop_whole(stores: Stores, found: Mapping[HeaderHash, Reason]) -> None:
    """Boxes, then all else of these payloads; they have left the index."""
    hashes_ = sorted(found)
    left = [one for hash_ in hashes_ if (one := remainders.find(stores.ledger, hash_))]
    payloads.drop_boxes(stores.keys, [*hashes_, *(one.box for one in left)])
    stores.commit("keys")
    for reason in Reason:
        payloads.erase(stores.ledger, [hash_ for hash_ in hashes_ if found[hash_] is reason], reason.name.lower())
    for hash_ in hashes_:
        remainders.drop(stores.ledger, hash_)
    stores.commit("ledger")


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of a record, sealed anew; nothing where no more of it goes than went before."""

    former: Remainder | None
    made: Remainder | None = None
    box: bytes = b""
    ciphertext: bytes = b""


def drop_parts(
    stores: Stores, parts: Mapping[HeaderHash, int], trust: Trust, reader: Reader, randomness: Randomness
) -> None:
    """Seal what is left of records under fresh keys of our own, then let the originals go.

    A new box lies under a name of its own until the ledger has what it opens: there is no moment
    at which a crash leaves neither. Each commit waits for the disk longer than a record takes to seal, so
    three do for all of them.
    """
    sealed = ((hash_, _left(stores, hash_, gone, trust, reader, randomness)) for hash_, gone in sorted(parts.items()))
    left = {hash_: one for hash_, one in sealed if one}
    payloads.put_boxes(stores.keys, [(one.made.box, one.box) for one in left.values() if one.made])
    stores.commit("keys")
    for hash_, one in left.items():
        if one.made:
            payloads.replace_chunks(stores.ledger, hash_, payload.chunks(one.ciphertext))
            remainders.put(stores.ledger, hash_, one.made)
    stores.commit("ledger")
    former = [one.former.box for one in left.values() if one.former and one.made]
    payloads.drop_boxes(stores.keys, [*left, *former])
    stores.commit("keys")


def _left(
    stores: Stores, hash_: HeaderHash, gone: int, trust: Trust, reader: Reader, randomness: Randomness
) -> _Left | None:
    row, former = ledger.entry(stores.ledger, hash_), remainders.find(stores.ledger, hash_)
    opened = records.open_record(stores, row, trust, reader) if row else None
    kind = hashes.KINDS.get(opened.record.items.kind) if opened else None
    if opened is None or kind is None:
        return None
    gone &= (1 << items.count(kind, opened.record.items)) - 1
    if opened.gone | gone == opened.gone:
        return _Left(former)
    made = Remainder(opened.gone | gone, HeaderHash(randomness(NAME_BYTES)))
    items.blank(kind, opened.record.items, places(made.positions))
    plaintext = opened.record.SerializeToString(deterministic=True)
    key = randomness(payload.KEY_BYTES)
    ciphertext = payload.seal(key, payload.remainder_context(trust.federation_id, hash_), plaintext)
    return _Left(former, made, boxes.clear(key).encoded, ciphertext)


def places(bits: int) -> list[int]:
    """The places that are set, rising."""
    return statements.positions(bits.to_bytes(-(-bits.bit_length() // 8), "little"))


def is_unfinished(stores: Stores, erasures: Erasures) -> bool:
    """Whether anything that the journal says is gone is still here, after a crash or out of an old copy."""
    if any(payloads.state(stores.ledger, hash_) not in (None, State.ERASED) for hash_ in erasures.whole):
        return True
    if _back(stores, erasures) or _places_back(stores, erasures):
        return True
    return any(
        payloads.state(stores.ledger, hash_) in (State.PRESENT, State.REMAINDER)
        and (payloads.box(stores.keys, hash_) is not None or _missing(stores, hash_, gone))
        for hash_, gone in erasures.parts.items()
    )


def _back(stores: Stores, erasures: Erasures) -> list[int]:
    """Records that the index has again, or still: it does not wait for the disk, and their payloads did."""
    whole = erasures.whole
    return [number for number, hash_ in index.every(stores.index) if hash_ in whole]


def _places_back(stores: Stores, erasures: Erasures) -> list[tuple[int, int]]:
    """Of records of which a part is gone: where values stand again, or still. Only what they are of is known of them.

    All digests are read for it, so it is asked only where the index has such a record.
    """
    parts = erasures.parts
    gone = [(number, place) for number, hash_ in index.every(stores.index) for place in places(parts.get(hash_, 0))]
    return gone if gone and digests.has_any_at(stores.digests, gone) else []


def _leave_again(stores: Stores, erasures: Erasures, keep: Keep) -> None:
    numbers, gone = _back(stores, erasures), _places_back(stores, erasures)
    for number in numbers:
        index.hide(stores.index, number)
    stores.commit("index")
    if numbers:
        digests.drop_of_records(stores.digests, numbers)
    if gone:
        digests.drop_at(stores.digests, gone)
    stores.commit("digests")
    for number in numbers:
        project.forget(stores, number, keep)


def _missing(stores: Stores, hash_: HeaderHash, gone: int) -> int:
    left = remainders.find(stores.ledger, hash_)
    return gone & ~(left.positions if left else 0)


def apply(stores: Stores, erasures: Erasures, keep: Keep, reader: Reader, randomness: Randomness) -> None:
    """At the start: go through with what the journal says and the stores do not show, after a crash or a restore."""
    whole = [
        hash_ for hash_ in sorted(erasures.whole) if payloads.state(stores.ledger, hash_) not in (None, State.ERASED)
    ]
    for start in range(0, len(whole), APPLIED_AT_A_TIME):
        part = whole[start : start + APPLIED_AT_A_TIME]
        for hash_ in part:
            leave_index(stores, hash_, keep, reader)
        drop_whole(stores, {hash_: erasures.whole[hash_] for hash_ in part})
    for hash_, gone in sorted(erasures.parts.items()):
        apply_part(stores, hash_, gone, keep.trust, reader, randomness)
    _leave_again(stores, erasures, keep)


def apply_part(
    stores: Stores, hash_: HeaderHash, gone: int, trust: Trust, reader: Reader, randomness: Randomness
) -> None:
    """Take out of a record that is here what the journal says is gone."""
    row = ledger.entry(stores.ledger, hash_)
    if row is None or payloads.state(stores.ledger, hash_) not in (State.PRESENT, State.REMAINDER):
        return
    project.thin(stores, row, places(_missing(stores, hash_, gone)), trust, reader)
    drop_parts(stores, {hash_: gone}, trust, reader, randomness)


def leave_index(stores: Stores, hash_: HeaderHash, keep: Keep, reader: Reader) -> None:
    """Take a record out of the index, items first."""
    row, number = ledger.entry(stores.ledger, hash_), project.hide(stores, hash_)
    if row is not None and number is not None:
        project.erase_keys(stores, row, number, keep.trust, reader)
        project.forget(stores, number, keep)
