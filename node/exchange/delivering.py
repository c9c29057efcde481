"""Delivering: all members are told what they said of a crisis and came here, once, and within a bound of our own.

What is to be told stands in the ledger: it is written with what came, and goes with what tells it, each in
one transaction with the entry itself. So it is said once, whatever dies in between.
"""

from collections import deque
from dataclasses import dataclass
from itertools import groupby

from node.exchange import acknowledging
from node.exchange.acknowledging import About
from node.exchange.consult import View
from node.exchange.duties import AGAIN_MS, NEVER_MS
from node.exchange.publish import Draft
from node.feed.keys import MemberId, ObjectId
from node.policy import cooling
from node.policy import deliveries as telling
from node.policy.deliveries import ENTRIES_MAX, Stage
from node.store import deliveries
from node.store.deliveries import Delivery
from node.store.stores import Stores

_Object = tuple[ObjectId, bool]
_By = tuple[MemberId, bool]  # an author, and whether it was a drill: those are counted apart


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be told now, about which crises and whose, and when to look again if nothing new comes."""

    drafts: tuple[Draft, ...] = ()
    about: tuple[tuple[_Object, _By], ...] = ()  # of each draft
    next_ms: int = NEVER_MS


class Delivering:
    """Tells what came. What it remembers may be lost."""

    def __init__(self, own: MemberId) -> None:
        self._own = own
        self._last_ms: dict[_Object, int] = {}
        self._told: deque[tuple[int, _By]] = deque()

    def look(self, stores: Stores, seen: View) -> Due:
        """What is due now. Reads only."""
        rows = deliveries.every(stores.ledger, seen.now_ms + telling.LEFT_MS_MIN)
        if not rows or self._own not in seen.roster.seats:
            return Due()
        self._forget(seen.now_ms)
        told = [by for _, by in self._told]
        drafts, about, next_ms = list[Draft](), list[tuple[_Object, _By]](), [NEVER_MS]
        for key, of_object in groupby(rows, key=lambda one: (one.object_id, one.exercise)):
            waiting = list(of_object)
            # Whoever has no room left keeps no other waiting, and no drill what is real.
            authors = dict.fromkeys((one.member_id, one.exercise) for one in waiting)
            by = next((one for one in authors if told.count(one) < telling.PER_AUTHOR_MAX), None)
            alike = sum(is_drill == key[1] for _, is_drill in told)
            due_ms = telling.due_ms(min(one.came_ms for one in waiting), self._last_ms.get(key, 0), self._own)
            if due_ms <= seen.now_ms and by is not None and alike < telling.PER_HOUR_MAX:
                drafts.append(_draft(waiting[:ENTRIES_MAX], seen))
                about.append((key, by))
                told.append(by)
            next_ms.append(max(due_ms, seen.now_ms + AGAIN_MS))
        return Due(tuple(drafts), tuple(about), min(next_ms))

    def said(self, due: Due, now_ms: int) -> None:
        """These were told."""
        for key, by in due.about:
            self._last_ms[key] = now_ms
            self._told.append((now_ms, by))

    def _forget(self, now_ms: int) -> None:
        while self._told and self._told[0][0] <= now_ms - cooling.HOUR_MS:
            self._told.popleft()
        self._last_ms = {key: at_ms for key, at_ms in self._last_ms.items() if at_ms > now_ms - telling.EVERY_MS}


def _draft(waiting: list[Delivery], seen: View) -> Draft:
    first = waiting[0]
    hashes, ends_ms = tuple(one.hash for one in waiting), max(one.expires_ms for one in waiting)
    about = About(first.object_id, first.exercise, hashes, ends_ms)
    return acknowledging.draft(about, Stage.DELIVERED, max(one.came_ms for one in waiting), 0, seen)
