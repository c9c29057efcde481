"""Ignoring: the decisions of this node's people about what counts as no match here. Nothing of it is ever said."""

from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256

from node import limits
from node.content import hashes, names
from node.errors import Refused
from node.exchange import consult, matching, references
from node.exchange.consult import View
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.policy.ignoring import Ignored, Ignores, Thing, What
from node.store import ignored, index
from node.store.stores import Stores
from node.v1 import ignores_pb2, record_pb2, tools_pb2

SHOWN_DIGITS = 16  # of a value's SHA-256


def load(stores: Stores) -> Ignores:
    """The decisions as they are stored."""
    return Ignores.of(ignored.every(stores.ledger))


def add(stores: Stores, before: Ignores, one: Ignored, now_ms: int) -> tuple[Ignores, Ignored]:
    """With this decision; about what was decided already, the other end. Raises Refused where there are too many."""
    known = before.every.get(one.thing.key)
    if known is None and len(before.every) >= limits.IGNORED_MAX:
        raise Refused(
            f"{limits.IGNORED_MAX:,} things are ignored, and no more can be",
            next_step="`tocsin ignore list` has them, `tocsin ignore end` ends one.",
        )
    if one.until_ms and one.until_ms <= now_ms:
        raise Refused("it would be over already", next_step="Name an end that is still to come.", field="until_ms")
    kept = replace(one, id=known.id) if known else one
    ignored.put(stores.ledger, kept)
    stores.commit("ledger")
    return Ignores.of({**before.every, kept.thing.key: kept}.values()), kept


def end(stores: Stores, before: Ignores, found: Collection[Ignored]) -> Ignores:
    """Without these."""
    ignored.drop(stores.ledger, [one.id for one in found])
    stores.commit("ledger")
    gone = {one.thing.key for one in found}
    return Ignores.of(one for key, one in before.every.items() if key not in gone)


# ---- What is meant


def thing(stores: Stores, seen: View, request: ignores_pb2.IgnoreRequest) -> Thing:
    """What is to be ignored; raises Refused for what is not here, and for what is several things."""
    if request.HasField("value"):
        return _value(request.value)
    typed = request.about.strip()
    found = references.find_whole(stores, seen, typed) if typed else None
    if found is not None:
        is_list = any(one.kind == Kind.LIST for one in index.of_object(stores.index, *found))
        return Thing(What.LIST, found[1], member_id=found[0]) if is_list else Thing(What.CRISIS, found[1])
    address = references.find(stores, typed)
    if address.position is None:
        raise Refused(
            f"{typed} is a record of many items",
            next_step="Name one as 7f3k:1042, or the whole list.",
            field="about",
        )
    record = index.by_hash(stores.index, address.entry)
    if record is None or record.kind != Kind.ITEMS or address.position >= record.items:
        raise Refused(
            f"{typed} is no item that is here", next_step="Give it as `tocsin lookup` prints it.", field="about"
        )
    return Thing(What.ITEM, address.entry, address.position)


def _value(values: tools_pb2.Values) -> Thing:
    request = tools_pb2.LookUpRequest(kind=values.kind, texts=values.texts)
    if values.digests:
        request.values.append(values.digests)
    asked = matching.ask(request)
    if asked.count != 1:
        raise Refused(f"{asked.count} values", next_step="Name one value at a time.", field="value")
    return Thing(What.VALUE, asked.packed, asked.kind.number)


def named(stores: Stores, seen: View, typed: str) -> Ignored:
    """The decision that is meant, by its reference or by what it is about; raises Refused."""
    every = {one.id: one for one in seen.ignores.every.values()}
    called = {one.id: (seen.ignores.reference(one), _about(stores, seen, one)) for one in every.values()}
    return every[names.resolve(typed, "decision to ignore something", called)]


# ---- Told


def every(stores: Stores, seen: View) -> list[ignores_pb2.IgnoredView]:
    """All that counts, the newest first."""
    found = [one for one in seen.ignores.every.values() if not one.is_over(seen.now_ms)]
    return [view(stores, seen, one) for one in sorted(found, key=lambda one: (-one.made_ms, one.id))]


def view(stores: Stores, seen: View, one: Ignored) -> ignores_pb2.IgnoredView:
    """One decision, without the value that it may be about."""
    return ignores_pb2.IgnoredView(
        id=one.id,
        reference=seen.ignores.reference(one),
        what=one.thing.what,
        about=_about(stores, seen, one),
        made_ms=one.made_ms,
        by=one.by,
        until_ms=one.until_ms,
    )


def _about(stores: Stores, seen: View, one: Ignored) -> str:
    thing = one.thing
    match thing.what:
        case What.VALUE:
            kind = hashes.BY_NUMBER.get(thing.place)
            return f"{kind.name if kind else 'value'} {sha256(thing.target).hexdigest()[:SHOWN_DIGITS]}"
        case What.ITEM:
            record = index.by_hash(stores.index, HeaderHash(thing.target))
            name = list_name(stores, seen, record.member_id, record.object_id, record.exercise) if record else "erased"
            return f"{matching.item_record(stores, name, HeaderHash(thing.target))}:{thing.place}"
        case What.LIST:
            return list_name(stores, seen, MemberId(thing.member_id), ObjectId(thing.target))
        case What.CRISIS:
            return consult.crisis_reference(stores, thing.target)


def list_name(stores: Stores, seen: View, member_id: MemberId, object_id: ObjectId, *drills: bool) -> str:
    """What a list is called, or its id where nothing here says that. ``drills``: whether it is one, if known."""
    each = (
        index.newest(stores.index, Kind.LIST, member_id, object_id, exercise=one) for one in drills or (False, True)
    )
    head = next(filter(None, each), None)
    name = record_pb2.Record.FromString(head.content).list.name if head else object_id.hex()
    return consult.list_name(seen.trust, member_id, name)
