"""Alarms: about which crises somebody here is to be woken, by which route now, and with which words.

A crisis wakes somebody while there is a reason for it and no person of our member has acknowledged that, whoever of
its nodes has heard so. What has been tried stands in the ledger: a restart neither repeats nor forgets it.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from node.content import names, personal, profiles
from node.crisis.states import State
from node.crisis.words import EXERCISE, IMMINENT, NOT_VERIFIED
from node.exchange import acknowledging, crises, reasons
from node.exchange.consult import View
from node.exchange.duties import NEVER_MS
from node.exchange.reasons import Reason
from node.feed import entry
from node.feed.keys import HeaderHash, MemberId
from node.policy import alarm, border, handling
from node.policy.alarm import Route, Settings, Tried
from node.store import alarms, ledger
from node.store.alarms import Alarm, Ringing
from node.store.stores import Stores
from node.v1 import alarms_pb2, tools_pb2

TITLE_CHARACTERS_MAX = 200
TEST = "TEST"
ASKING = "asks for co-signatures"
FOR_SOME = "for some members alone"
DAY_MS = 24 * alarm.HOUR_MS

Key = tuple[HeaderHash, str]  # what wakes, and a route by its name


@dataclass(frozen=True, slots=True)
class Call:
    """One try of one route, and what it is told."""

    route: Route
    ringing: Ringing  # as it is from the moment the try begins
    object_id: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """Alarms that begin, what is to be tried now, and when to look again if nothing new comes."""

    begin: tuple[Alarm, ...] = ()
    calls: tuple[Call, ...] = ()
    waiting: int = 0  # crises for which there is no room in this hour
    next_ms: int = NEVER_MS


def _urgency(one: tools_pb2.CrisisView) -> tuple[bool, bool, int, bytes]:
    """A threat to life before all else, and no drill before anything that is real."""
    return one.exercise, not one.pointers, one.received_ms, one.entry


def look(stores: Stores, seen: View, settings: Settings, under_way: Collection[Key]) -> Look:
    """What is to be done now. Reads only."""
    shown, known = crises.every(stores, seen, "", exercises=settings.exercises), alarms.begun(stores.ledger)
    each_of = ((one, reasons.of_crisis(stores, seen, one, settings, known)) for one in shown)
    waking = [(one, found) for one, found in each_of if found]
    next_ms = [NEVER_MS, *(one.crisis.starts_ms for one in shown if one.crisis.starts_ms > seen.now_ms)]
    if not waking:
        return Look(next_ms=min(next_ms))
    tried = _tried(alarms.ringing(stores.ledger))
    begun = _hours(stores, seen, settings, known.values())
    begin, calls, waiting = list[Alarm](), list[Call](), 0
    for crisis, each_reason in sorted(waking, key=lambda each: _urgency(each[0])):
        left = [
            each
            for each in each_reason
            if not (each[0] in known and known[each[0]].confirmed_ms)
            and not acknowledging.is_confirmed(stores, seen, each[0])
        ]
        chosen = _chosen(left, crisis.entry, known, begun[crisis.exercise].take)
        waiting += bool(left) and not chosen
        begin += [Alarm(*each, seen.now_ms) for each in chosen if each[0] not in known]
        # Nobody waits longer for the next route because more was said of it meanwhile.
        began_ms = min((known[each[0]].began_ms for each in left if each[0] in known), default=seen.now_ms)
        for hash_, author in chosen:
            before = tried.get(hash_, {})
            for place, at_ms in alarm.due_ms(settings, began_ms, before):
                route = settings.routes[place]
                if (hash_, route.name) in under_way:
                    continue
                if at_ms > seen.now_ms:
                    next_ms.append(at_ms)
                    continue
                tries = before[route.name].tries if route.name in before else 0
                ringing = Ringing(hash_, route.name, tries + 1, seen.now_ms)
                calls.append(Call(route, ringing, crisis.object_id, text(crisis, route, author)))
    return Look(tuple(begin), tuple(calls), waiting, min(next_ms))


class _Hour:
    """What began to wake somebody in this hour, of drills or of what is real: no drill keeps a crisis from it."""

    def __init__(self, settings: Settings, now_ms: int) -> None:
        self._settings, self._now_ms = settings, now_ms
        self.begun: list[tuple[bytes, int]] = []

    def take(self, author: MemberId) -> bool:
        """One more of this author begins, if it may."""
        may = alarm.may_begin(self._settings, author, self.begun, self._now_ms)
        self.begun += [(author, self._now_ms)] if may else []
        return may


def _chosen(
    left: Sequence[Reason], itself: bytes, known: Collection[HeaderHash], may_begin: Callable[[MemberId], bool]
) -> list[Reason]:
    """For what somebody is woken now: one threat of each who points to one, or else that the crisis is there.

    Whoever says it again and again silences neither what wakes already nor what others say.
    """
    found: dict[MemberId, Reason] = {}
    for each in left:
        hash_, author = each
        if author in found or (found and hash_ == itself):
            continue
        if hash_ in known or may_begin(author):
            found[author] = each
    return list(found.values())


def _hours(stores: Stores, seen: View, settings: Settings, known: Iterable[Alarm]) -> tuple[_Hour, _Hour]:
    """That of what is real, and that of drills."""
    found = _Hour(settings, seen.now_ms), _Hour(settings, seen.now_ms)
    for one in known:
        if alarm.is_of_this_hour(one.began_ms, seen.now_ms):
            row = ledger.entry(stores.ledger, one.hash)
            header = entry.decode(row.body, row.signature, seen.trust.federation_id).header if row else None
            found[header is not None and header.exercise].begun.append((one.member_id, one.began_ms))
    return found


def _tried(rows: Sequence[Ringing]) -> dict[HeaderHash, dict[str, Tried]]:
    found: dict[HeaderHash, dict[str, Tried]] = {}
    for one in rows:
        found.setdefault(one.hash, {})[one.route] = Tried(one.tries, one.tried_ms, one.through)
    return found


def begin(stores: Stores, found: Look) -> None:
    """Before anybody is called, keep that it is tried."""
    for one in found.begin:
        alarms.begin(stores.ledger, one)
    for call in found.calls:
        alarms.put(stores.ledger, call.ringing)
    stores.commit("ledger")


def note(stores: Stores, one: Ringing) -> None:
    """Keep what came of it."""
    alarms.put(stores.ledger, one)
    stores.commit("ledger")


def confirm(stores: Stores, hashes: Sequence[HeaderHash], now_ms: int) -> None:
    """Nobody is woken about these any more, and nobody else is told."""
    alarms.confirm(stores.ledger, hashes, now_ms)
    stores.commit("ledger")


def tidy(stores: Stores, now_ms: int) -> None:
    """Forget what nobody asks for any more."""
    if alarms.drop_before(stores.ledger, now_ms - alarm.LIFE_MS):
        stores.commit("ledger")


# ---- What is said


def text(crisis: tools_pb2.CrisisView, route: Route, author: bytes) -> bytes:
    """What a route is told of a crisis, and how it stands: nothing personal, and nothing it holds but its title."""
    threats = (one.member_name for one in crisis.pointers if one.member_id == author)
    member = crisis.member_name if author == crisis.member_id else next(threats, crisis.member_name)
    title, framework = _redacted(crisis.crisis.title), _redacted(crisis.crisis.framework.name)
    mark = f"{EXERCISE} " if crisis.exercise else ""
    if crisis.pointers:
        mark += f"{IMMINENT} "
    return _text(
        route,
        f"{mark}{crisis.reference} {_standing(crisis)}: {title} (by {member}, {framework})",
        reference=crisis.reference,
        title=f"{mark}{title}",
        member=member,
        framework=framework,
        ends_ms=crisis.ends_ms,
        exercise=crisis.exercise,
        state=crisis.state,
        alert=crisis.alert,
        verified=crisis.verified_ms > 0,
    )


def _standing(crisis: tools_pb2.CrisisView) -> str:
    asks = crisis.state == State.PROPOSED and crisis.cosignatures_needed > 0
    is_strict = border.strictness(crisis.handling) > border.GREEN
    mark = handling.words(crisis.handling) if is_strict else ""  # what whoever is woken must not pass on
    readers = FOR_SOME if crisis.audience else ""  # also under GREEN, and not whom: nothing personal is told
    said = (crisis.state, ASKING if asks else "", NOT_VERIFIED if crisis.unverified else "", mark, readers)
    return ", ".join(filter(None, said))


def _redacted(text: str) -> str:
    """As much as a line has room for, and one line; looking through all of a long text would keep others waiting."""
    redacted = personal.redact(text[: 4 * TITLE_CHARACTERS_MAX])[:TITLE_CHARACTERS_MAX]
    return profiles.printable(names.unmistakable(redacted))


def trial_text(route: Route, member: str, now_ms: int) -> bytes:
    """What a route is told where it is only tested."""
    words = f"{TEST}: this is how {member} is woken when a crisis is declared. Nothing has happened."
    return _text(route, words, member=member, ends_ms=now_ms, test=True)


def _text(route: Route, words: str, **said: str | int | bool) -> bytes:
    empty = {
        "reference": "",
        "title": "",
        "member": "",
        "framework": "",
        "ends_ms": 0,
        "exercise": False,
        "state": "",
        "alert": False,
        "verified": False,
        "test": False,
    }
    return json.dumps({"text": words, **empty, **said, "route": route.name}).encode() + b"\n"


# ---- What is shown


def routes(stores: Stores, settings: Settings, now_ms: int) -> list[alarms_pb2.RouteView]:
    """Each route of the settings, and how it did."""
    rows = alarms.ringing(stores.ledger)
    return [
        _route(place, route, [one for one in rows if one.route == route.name], now_ms)
        for place, route in enumerate(settings.routes)
    ]


def _route(place: int, route: Route, rows: Sequence[Ringing], now_ms: int) -> alarms_pb2.RouteView:
    late = [one for one in rows if 0 <= now_ms - one.tried_ms < DAY_MS]
    last = rows[-1] if rows else None
    return alarms_pb2.RouteView(
        number=place + 1,
        name=route.name,
        kind=route.kind,
        target=route.target,
        after_ms=route.after_ms,
        used_ms=last.tried_ms if last else 0,
        through=bool(last and last.through),
        answer=last.answer if last else "",
        tries=sum(one.tries for one in late),
        failures=sum(one.tries - one.through for one in late),
    )


def warnings(stores: Stores, settings: Settings, now_ms: int) -> Iterator[str]:
    """Which routes did not come through when they were last used."""
    for one in routes(stores, settings, now_ms):
        if one.used_ms and not one.through and one.answer:
            yield f"route {one.number} ({one.name}) did not come through: {one.answer}"
