"""Accounting: what a report on this node's processing is made of, and what was counted. Reads only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from node.content import profiles as contents
from node.exchange import profiles, withdrawals
from node.exchange.audit import Line, Operation
from node.exchange.consult import View
from node.feed.keys import MemberId
from node.policy import impact
from node.policy.impact import Counted, Standing
from node.policy.reporting import Caller, Facts, Member, Settings
from node.policy.retention import Policy
from node.store import deadlines, peers, restrictions
from node.store.erasures import Erasure, Reason
from node.store.stores import Stores
from node.store.vault import Hold

_ROUTES = {contents.OFFICE_HOURS: "Office hours", contents.OUT_OF_HOURS: "Out of hours"}
_AUDIT_LOG, _JOURNAL, _STORES, _VAULT = "audit log", "erasure journal", "withdrawals held here", "vault"
_LINES = {  # by act, or by a number that a line has
    "asked": "values looked up",
    "matches": "matches that were shown",
    "personal_allowed": "border overridden by a person",
    "subject search": "searches for a data subject",
    "list export": "lists exported",
    "audit read": "readings of the audit log",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the daemon and its folder know, and no store."""

    settings: Settings
    callers: Sequence[Caller]
    policy_is_own: bool


def facts(stores: Stores, seen: View, policy: Policy, given: Given) -> Facts:
    """What holds by the configuration in force, the same for the same configuration."""
    me = seen.follows.me
    seats = seen.roster.seats
    held = profiles.of(stores, seen.trust, me, seen.now_ms)
    approved = [one.member_id for one in peers.every(stores.ledger) if one.state == peers.APPROVED]
    callers = sorted(
        (one for one in given.callers if seen.now_ms < one.ends_ms), key=lambda one: (one.name, one.ends_ms, one.scopes)
    )
    return Facts(
        federation=seen.trust.charter.name,
        me=_member(seen, me),
        policy=policy,
        policy_is_own=given.policy_is_own,
        settings=given.settings,
        contacts=tuple(map(_contact, held.profile.contacts)) if held else (),
        others=tuple(
            sorted((_member(seen, one) for one in seats if one != me), key=lambda one: (one.name, one.country))
        ),
        peers=tuple(sorted(seen.trust.name_of(one) for one in approved)),
        frameworks=tuple(f"{one.name} {one.version}" for one in seen.rules.frameworks) if seen.rules else (),
        callers=tuple(callers),
    )


def _member(seen: View, member_id: MemberId) -> Member:
    seat = seen.roster.seats.get(member_id)
    if seat is not None:
        return Member(seen.trust.name_of(member_id), seat.role, seat.country)
    log = seen.trust.logs.get(member_id)
    begun = log.identity.inception if log else seen.trust.charter.founder(member_id)
    return Member(seen.trust.name_of(member_id), begun.role if begun else 0, begun.country if begun else "")


def _contact(one: contents.Contact) -> str:
    reached = ", ".join(filter(None, (one.telephone, one.email)))
    return f"{_ROUTES.get(one.route, 'Contact')}: {one.function}, {reached}."


# ---- What was counted


class Tally:
    """What the audit log has, line by line, in each of the periods. Owned by whoever reads it."""

    def __init__(self, now_ms: int) -> None:
        self._begins = impact.begins_ms(now_ms)
        self._counts: list[Counter[str]] = [Counter() for _ in self._begins]

    def take(self, lines: Iterable[Line]) -> None:
        """The next lines."""
        for line in lines:
            counted = _counted(line)
            for begins_ms, found in zip(self._begins, self._counts, strict=True):
                if line.act.at_ms >= begins_ms:
                    found.update(counted)

    @property
    def rows(self) -> list[Counted]:
        """A line for each thing that is counted, also where there was none of it."""
        return [
            Counted(words, _AUDIT_LOG, tuple(found[name] for found in self._counts)) for name, words in _LINES.items()
        ]


def _counted(line: Line) -> Mapping[str, int]:
    act = line.act
    is_look_up = act.operation is Operation.CONSULTATION and act.act == "look-up"
    names = ("asked", "matches") if is_look_up else ("personal_allowed",)
    found = {name: act.counts[name] for name in names if name in act.counts}
    is_begun = act.act != "list export" or not act.counts  # how much it was stands in another line
    return {**found, act.act: 1} if act.act in _LINES and is_begun else found


def erased(rows: Sequence[Erasure], now_ms: int) -> list[Counted]:
    """What went, by why: payloads, and items of those of which something is left."""
    found = [Counter[Reason]() for _ in impact.PERIODS_DAYS]
    for begins_ms, counts in zip(impact.begins_ms(now_ms), found, strict=True):
        for one in rows:
            if one.erased_ms >= begins_ms:
                counts[one.reason] += int.from_bytes(one.positions, "little").bit_count() or 1
    return [
        Counted(f"erased: {reason.name.lower()}", _JOURNAL, tuple(counts[reason] for counts in found))
        for reason in Reason
    ]


def taken_back(stores: Stores, me: MemberId, now_ms: int) -> list[Counted]:
    """Withdrawals, own ones and those of others."""
    found = [restrictions.said_since(stores.index, me, begins_ms) for begins_ms in impact.begins_ms(now_ms)]
    return [
        Counted("own withdrawals", _STORES, tuple(own for own, _ in found)),
        Counted("withdrawals of other members", _STORES, tuple(others for _, others in found)),
    ]


def held(holds: Sequence[Hold], now_ms: int) -> list[Counted]:
    """Legal holds that began, and that ended."""
    begins = impact.begins_ms(now_ms)
    return [
        Counted("legal holds begun", _VAULT, tuple(sum(one.made_ms >= since for one in holds) for since in begins)),
        Counted("legal holds ended", _VAULT, tuple(sum(one.over_ms >= since for one in holds) for since in begins)),
    ]


def standing(stores: Stores, seen: View, holds: Sequence[Hold]) -> Standing:
    """What waits for somebody right now."""
    said, _ = withdrawals.every(stores, seen)
    held_now = [one for one in holds if not one.is_over]
    return Standing(
        overdue=deadlines.backlog(stores.index, seen.now_ms)[0],
        unanswered=sum(one.unanswered > 0 for one in said),
        holds=len(held_now),
        holds_to_review=sum(one.review_ms <= seen.now_ms for one in held_now),
    )
