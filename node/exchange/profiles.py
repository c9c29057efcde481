"""Profiles: of each member the newest record that stands, whatever came first; and our own, said anew.

A profile is one object of its member, with the beginning of the member's id for its own, so that every node
of the member means the same. Of the records that stand the newest counts, by date and hash.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from node import limits
from node.content import names, profiles
from node.content.profiles import Profile
from node.exchange import consult, membership, standing
from node.exchange.publish import Draft
from node.exchange.records import Opened
from node.exchange.trust import Trust
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.policy import border, renewing
from node.store import index, restrictions
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import profile_pb2, record_pb2

_NOT_SHOWN = (membership.CANDIDATE, membership.LEFT, membership.REVOKED)


@dataclass(frozen=True, slots=True)
class Held:
    """The profile of a member that counts, and the record that says it."""

    hash: HeaderHash
    created_ms: int
    expires_ms: int
    profile: Profile


def object_id(member_id: MemberId) -> ObjectId:
    """What a member's profile is called."""
    return ObjectId(member_id[: names.ID_BYTES])


def is_one(opened: Opened) -> bool:
    """Whether a record of this kind is a profile: of its own author, for all members, within every bound."""
    header, record = opened.header, opened.record
    try:
        profiles.decode(record.profile)
    except ValueError:
        return False
    return (
        header.kind == Kind.PROFILE
        and not header.exercise
        and record.object_id == object_id(opened.member_id)
        and record.WhichOneof("content") == "profile"
        and header.expires_ms <= header.created_ms + limits.PROFILE_LIFE_MS_MAX
        and len(record.replaces) <= limits.PROFILE_REPLACES_MAX
    )


# ---- What counts


def every(stores: Stores, trust: Trust, now_ms: int) -> dict[MemberId, Held]:
    """The profile of each member that has one and is one."""
    return _newest(stores, index.of_kinds(stores.index, [Kind.PROFILE]), trust, now_ms)


def of(stores: Stores, trust: Trust, member_id: MemberId, now_ms: int) -> Held | None:
    """The profile of one member."""
    return _newest(stores, _records(stores, member_id), trust, now_ms).get(member_id)


def _newest(stores: Stores, rising: Sequence[Record], trust: Trust, now_ms: int) -> dict[MemberId, Held]:
    """Of records by date and hash, the last of each member that counts."""
    found: dict[MemberId, Held] = {}
    shown: dict[MemberId, bool] = {}
    for record in reversed(rising):
        who = record.member_id
        if who in found or now_ms >= record.expires_ms:
            continue
        if who not in shown:
            shown[who] = membership.place(trust, who, now_ms).state not in _NOT_SHOWN
        if shown[who] and _counts(stores, record, trust):
            said = record_pb2.Record.FromString(record.content).profile
            found[who] = Held(record.hash, record.created_ms, record.expires_ms, profiles.decode(said))
    return found


def _counts(stores: Stores, record: Record, trust: Trust) -> bool:
    """What is contested does not count, nor takes the place of what stands: it may be by a stolen key."""
    if standing.standing_of(stores, record, trust) is not Standing.STANDS:
        return False
    said = restrictions.said_of(stores.index, record.member_id, record.hash, record.object_id)
    if any(standing.standing_of(stores, one, trust) is Standing.STANDS for one in said.replacements):
        return False
    return all(standing.standing_of(stores, one, trust) is Standing.SUPERSEDED for one in said.withdrawals)


def _records(stores: Stores, member_id: MemberId) -> list[Record]:
    found = index.of_object(stores.index, member_id, object_id(member_id))
    return [one for one in found if one.kind == Kind.PROFILE]


def addresses(found: Mapping[MemberId, Held]) -> dict[MemberId, tuple[str, ...]]:
    """Where members say that their nodes are dialled."""
    named = {who: tuple(one.address for one in held.profile.endpoints) for who, held in found.items()}
    return {who: places for who, places in named.items() if places}


# ---- Our own


def replaced(stores: Stores, member_id: MemberId) -> list[HeaderHash]:
    """All that the next one takes the place of, the newest first.

    Also what those had replaced: whoever has missed one of them must not keep what went before it.
    """
    found: list[HeaderHash] = []
    for one in reversed(_records(stores, member_id)):
        before = record_pb2.Record.FromString(one.content).replaces
        found += [one.hash, *(HeaderHash(hash_) for hash_ in before)]
    return list(dict.fromkeys(found))[: limits.PROFILE_REPLACES_MAX]


def draft(member_id: MemberId, profile: Profile, replaces: Iterable[HeaderHash], ends_ms: int) -> Draft:
    """A profile as a record for all members."""
    record = record_pb2.Record(
        kind=Kind.PROFILE,
        object_id=object_id(member_id),
        handling=record_pb2.Handling(tlp=border.GREEN),
        replaces=replaces,
        profile=profiles.encode(profile),
    )
    return Draft(
        Kind.PROFILE,
        NORMAL,
        record=record.SerializeToString(deterministic=True),
        object_id=record.object_id,
        expires_ms=ends_ms,
    )


def nodes_in_use(trust: Trust, member_id: MemberId) -> frozenset[bytes]:
    """The nodes of a member whose feeds were not ended."""
    ended = {bound.feed_id for bound in trust.marks.ends}
    feeds = (feed_id for feed_id in trust.feeds_of(member_id) if feed_id not in ended)
    return frozenset(trust.feeds[feed_id].certificate.node_id for feed_id in feeds)


def addressed(profile: Profile, node_id: bytes, address: str, in_use: frozenset[bytes]) -> Profile:
    """The profile with this node where it is now, and without nodes that are no more."""
    moved = profile.with_address(node_id, address)
    return replace(moved, endpoints=tuple(one for one in moved.endpoints if one.node_id in in_use | {node_id}))


def due(held: Held | None, node_id: bytes, address: str, in_use: frozenset[bytes], now_ms: int) -> Profile | None:
    """What this node has to say by itself: a first profile, another address, or the same before it ends."""
    if held is None:
        return addressed(Profile(), node_id, address, in_use) if address else None
    moved = addressed(held.profile, node_id, address, in_use)
    if moved != held.profile or renewing.is_to_be_said_again(held.profile, held.expires_ms, now_ms):
        return moved
    return None


# ---- As people see it


def view(trust: Trust, member_id: MemberId, held: Held | None, me: MemberId, now_ms: int) -> profile_pb2.ProfileView:
    """One member's, or that it has none."""
    found = profile_pb2.ProfileView(member_id=member_id, name=trust.name_of(member_id), own=member_id == me)
    if held is not None:
        shown = Profile(contacts=tuple(profiles.shown(one) for one in held.profile.contacts))
        letter, said = profiles.encode(shown), held.profile
        found.entry, found.created_ms, found.expires_ms = held.hash, held.created_ms, held.expires_ms
        found.checked_ms, found.stale = said.checked_ms, renewing.is_stale(said, now_ms)
        found.contacts.extend(letter.contacts)
        found.languages.extend(said.languages)
        found.endpoints.extend(profiles.encode(said).endpoints)
    return found


def views(stores: Stores, trust: Trust, me: MemberId, now_ms: int) -> list[profile_pb2.ProfileView]:
    """Of every member, by name; as many as fit one answer, our own among them."""
    found = every(stores, trust, now_ms)
    made = [
        view(trust, one.member_id, found.get(one.member_id), me, now_ms)
        for one in membership.members(trust, now_ms)
        if one.state not in _NOT_SHOWN
    ]
    sizes = accumulate(one.ByteSize() for one in made)
    return [one for one, size in zip(made, sizes, strict=True) if size <= consult.ANSWER_BYTES_MAX or one.own]
