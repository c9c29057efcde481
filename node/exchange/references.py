"""References: what somebody means who types a record, an item of one, a list or a crisis. Reads only."""

from dataclasses import dataclass

from node.content import names
from node.errors import Refused
from node.exchange import consult, crises
from node.exchange.consult import View
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.store import index, payloads
from node.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Address:
    """A record, or one item of it."""

    entry: HeaderHash
    position: int | None = None


def find(opened: Stores, typed: str) -> Address:
    """``7f3k:1042`` or ``7f3k``, also behind the name of its list: ``europol/halle/7f3k:1042``.

    What is gone is found too. Raises Refused for what names nothing, or several things.
    """
    place = names.place(typed)
    if place is None or len(place[0]) < names.REFERENCE_CHARACTERS_MIN:
        raise Refused(
            f"{typed!r} names no record and no item of one",
            next_step="Give it as `tocsin lookup` prints it, as 7f3k:1042; without :1042 for all of a record.",
            field="item",
        )
    reference, position = place
    found = [hash_ for hash_ in payloads.every(opened.ledger) if names.begins(reference, hash_)]
    if len(found) != 1:
        raise Refused(
            f"{reference} names {'nothing' if not found else f'{len(found)} records'} here",
            next_step="Give more of its characters." if found else "Was it ever here? Headers stay when payloads go.",
            field="item",
        )
    return Address(found[0], position)


def find_all(opened: Stores, seen: View, typed: str) -> list[Address]:
    """The same, and all records that are here of a list or a crisis where one is named; raises Refused."""
    named = find_whole(opened, seen, typed)
    return [Address(one.hash) for one in index.of_object(opened.index, *named)] if named else [find(opened, typed)]


def find_whole(opened: Stores, seen: View, typed: str) -> tuple[MemberId, ObjectId] | None:
    """The list, or else the crisis, that is meant; None for a record or an item. Raises Refused for several."""
    if typed.count("/") > 1 or ":" in typed:
        return None
    for of_kind in (consult.lists, crises.every):
        try:
            found = of_kind(opened, seen, typed, exercises=True)
        except names.Several:
            raise
        except Refused:
            continue
        if len(found) > 1:
            raise names.Several(f"{typed!r} may be any of {len(found)}", next_step="Type more of it.", field="item")
        return MemberId(found[0].member_id), ObjectId(found[0].object_id)
    return None
