"""Membership: where each member and candidate stands, what is said of it, and why that counts or does not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from node import limits
from node.exchange.trust import Trust
from node.feed import quorum
from node.feed.facts import Said
from node.feed.identity import Inception
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.quorum import Act, Quorum
from node.feed.roster import (
    ENDORSEMENT_LIFE_MS,
    SUSPENDED_AT_A_TIME_MAX,
    SUSPENSION_MS,
    Roster,
    few_at_a_time,
)
from node.policy import effect, parameters

CANDIDATE, MEMBER, SUSPENDED, REVOKED, LAPSED, LEFT = (
    "candidate",
    "member",
    "suspended",
    "revoked",
    "lapsed",
    "left",
)
NOBODY = Quorum(0, 0, frozenset())


@dataclass(frozen=True, slots=True)
class Admission:
    """How far the admission to a role is: the endorsements that count, and what it needs."""

    role: int
    voices: tuple[Said, ...]
    countries: int
    needed: Quorum
    until_ms: int  # when too few are left, if nobody endorses again; 0: never, or not admitted

    @property
    def is_met(self) -> bool:
        """Whether it is complete."""
        return len(self.voices) >= self.needed.count and self.countries >= self.needed.countries


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member or candidate stands now."""

    member_id: MemberId
    name: str
    country: str
    state: str
    admission: Admission
    until_ms: int  # as Admission has it; of a suspended one the end of the suspension
    left_ms: int = 0  # when it left, by its own clock

    @property
    def role(self) -> int:
        """The role that it has, had, or asks for."""
        return self.admission.role


def every(trust: Trust, now_ms: int) -> list[Place]:
    """Everyone who is known or a candidate, and everyone who was: candidates first, then by name."""
    known = trust.known.members | trust.candidates
    found = [place(trust, member_id, now_ms) for member_id in sorted(known)]
    return sorted(found, key=lambda one: (one.state != CANDIDATE, one.name, one.member_id))


def place(trust: Trust, member_id: MemberId, now_ms: int, card: Inception | None = None) -> Place:
    """Where one stands. Its log may not have come yet: what is on its card is as good."""
    now, begun = trust.roster(now_ms), inception(trust, member_id) or card
    seat = now.seats.get(member_id) or now.former.get(member_id)
    role = seat.role if seat else begun.role if begun else _endorsed_role(trust, member_id)
    admission = _admission(trust, now, member_id, role, now_ms)
    state = _state(trust, now, member_id)
    until_ms = _suspended_until_ms(trust, member_id, now_ms) if state == SUSPENDED else admission.until_ms
    name, country = (begun.name, begun.country) if begun else (member_id.hex()[:8], "")
    return Place(member_id, name, country, state, admission, until_ms, trust.left_ms(member_id))


def inception(trust: Trust, member_id: MemberId) -> Inception | None:
    """How it began, where that has come."""
    log = trust.logs.get(member_id)
    return log.identity.inception if log else trust.charter.founder(member_id)


def _endorsed_role(trust: Trust, member_id: MemberId) -> int:
    return min((said.role for said in trust.facts.endorsements if said.member_id == member_id), default=0)


def _state(trust: Trust, now: Roster, member_id: MemberId) -> str:
    if member_id in now.revoked:
        return REVOKED
    if member_id in now.left:
        return LEFT
    seat = now.seats.get(member_id)
    if seat is None:
        return LAPSED if member_id in trust.known.members else CANDIDATE
    return SUSPENDED if seat.suspended else MEMBER


def _admission(trust: Trust, now: Roster, member_id: MemberId, role: int, now_ms: int) -> Admission:
    needed = now.rules.quorums.get((Act.ADMIT, role), NOBODY)
    founder = trust.charter.founder(member_id)
    if founder and founder.role == role:
        return Admission(role, (), 0, NOBODY, 0)
    latest: dict[MemberId, Said] = {}  # of those who endorsed more than once
    for said in sorted(trust.facts.endorsements, key=lambda said: (said.created_ms, said.entry)):
        if said.member_id == member_id and said.role == role and not obstacle(trust, said, now_ms):
            latest[said.author] = said
    voices = tuple(sorted(latest.values(), key=lambda said: (said.created_ms, said.entry)))
    admission = Admission(role, voices, _countries(voices, now), needed, 0)
    if not admission.is_met:
        return admission
    ends_ms = _lapses_ms(voices, needed, now)
    return Admission(role, voices, admission.countries, needed, ends_ms)


def _lapses_ms(voices: tuple[Said, ...], needed: Quorum, now: Roster) -> int:
    """The oldest endorsements go first; the one whose end leaves too few is the end."""
    for i, said in enumerate(voices):
        left = voices[i + 1 :]
        if len(left) < needed.count or _countries(left, now) < needed.countries:
            return said.created_ms + ENDORSEMENT_LIFE_MS
    return 0


def _countries(voices: Iterable[Said], now: Roster) -> int:
    return len({seat.country for said in voices if (seat := now.seat_behind(said)) and seat.country})


def _suspended_until_ms(trust: Trust, member_id: MemberId, now_ms: int) -> int:
    """When the present suspensions are no longer enough."""
    said = about(trust.facts.suspensions, member_id)
    moments = {one.until_ms for one in said} | {one.created_ms + SUSPENSION_MS for one in said}
    for moment_ms in sorted(moment_ms for moment_ms in moments if moment_ms > now_ms):
        seat = trust.roster_at(moment_ms).seats.get(member_id)
        if seat is None or not seat.suspended:
            return moment_ms
    return 0


# ---- What is said, and whether it counts


def about(said: Iterable[Said], member_id: MemberId) -> list[Said]:
    """The statements about one member, oldest first."""
    return sorted((one for one in said if one.member_id == member_id), key=lambda one: (one.created_ms, one.entry))


def obstacle(trust: Trust, said: Said, now_ms: int) -> str:
    """Why a statement about a member does not count now, in words; empty if it does."""
    return next(_obstacles(trust, said, now_ms), "")


def _obstacles(trust: Trust, said: Said, now_ms: int) -> Iterator[str]:
    act, facts, now = act_of(trust, said), trust.facts, trust.roster(now_ms)
    if any((one.author, one.entry) == (said.author, said.entry) and _stands(trust, one.by) for one in facts.unendorsed):
        yield "taken back"
    if not _stands(trust, said.entry):
        yield "its author's feed is forked or was ended below it"
    if said.created_ms > now_ms + limits.FUTURE_MS_MAX:
        yield "dated ahead"
    if act == Act.ADMIT and said.created_ms + ENDORSEMENT_LIFE_MS <= now_ms:
        yield "lapsed"
    if act == Act.SUSPEND:
        yield from _suspension_obstacles(trust, said, now_ms)
    seat = now.seat_behind(said)
    if seat is None and said.author in now.revoked and act == Act.REVOKE:
        seat = now.former.get(said.author)  # revocations are counted before any is applied
    needed = now.rules.quorums.get((act, said.role))
    if seat is None:
        yield effect.unseated(said.author, now)
    elif needed is None or seat.role not in needed.roles:
        yield f"a {parameters.role_name(seat.role)}'s does not count"


def _suspension_obstacles(trust: Trust, said: Said, now_ms: int) -> Iterator[str]:
    if said.until_ms <= now_ms:
        yield "ended"
        return
    others = [one for one in trust.facts.suspensions if one.author == said.author and one.until_ms > now_ms]
    if said not in few_at_a_time(one for one in others if _stands(trust, one.entry)):
        yield f"its author suspends more than {SUSPENDED_AT_A_TIME_MAX} members"
    if now_ms >= said.created_ms + SUSPENSION_MS:
        needed = trust.roster(now_ms).rules.quorums.get((Act.REVOKE, 0))
        if needed is None or len(_signers(trust, said, now_ms)) < needed.count:
            yield "older than 72 hours: now it takes as many as a removal"


def _signers(trust: Trust, said: Said, now_ms: int) -> set[MemberId]:
    return {
        one.author
        for one in trust.facts.suspensions
        if one.member_id == said.member_id and one.until_ms > now_ms and _stands(trust, one.entry)
    }


def _stands(trust: Trust, entry: HeaderHash) -> bool:
    return entry not in trust.fallen


def act_of(trust: Trust, said: Said) -> Act:
    """Which quorum a statement is for."""
    if said in trust.facts.revocations:
        return Act.REVOKE
    return Act.SUSPEND if said in trust.facts.suspensions else Act.ADMIT


def counted(trust: Trust, act: Act, member_id: MemberId, now_ms: int) -> list[Said]:
    """The statements towards suspending or revoking a member that count, one of each author."""
    said = trust.facts.revocations if act == Act.REVOKE else trust.facts.suspensions
    found = {one.author: one for one in about(said, member_id) if not obstacle(trust, one, now_ms)}
    return list(found.values())


def against(trust: Trust, found: Place, now_ms: int) -> list[Said]:
    """The statements that removed or suspended a member, where it is."""
    act = {REVOKED: Act.REVOKE, SUSPENDED: Act.SUSPEND}.get(found.state)
    return counted(trust, act, found.member_id, now_ms) if act is not None else []


# ---- Feeds


def feed_state(trust: Trust, feed_id: FeedId, held: int) -> str:
    """What became of a node's feed, in a word."""
    feed = trust.feeds[feed_id]
    log = trust.logs.get(feed.member_id)
    if log and any(bound.feed_id == feed_id for bound in log.identity.retired):
        return "retired"
    if any(bound.feed_id == feed_id for bound in trust.marks.ends):
        return "superseded"
    if trust.marks.forked_at(feed_id) is not None:
        return "forked"
    return "in use" if held else "not heard of"


def is_met(needed: Quorum | None, voices: Iterable[MemberId], now: Roster) -> bool:
    """Whether these members make the quorum."""
    seats = [now.seats[one] for one in voices if one in now.seats]
    return quorum.is_met(needed, [((seat.role,), seat.country) for seat in seats])
