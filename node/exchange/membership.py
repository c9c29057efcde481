"""Membership: where each member and candidate stands, what is said of it, and why that counts or does not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from node import limits
from node.exchange.trust import Trust
from node.feed import quorum
from node.feed.facts import Said
from node.feed.growing import Index
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


class Weighing:
    """What is said of members, at one moment: what counts is worked out once for all who are asked about."""

    def __init__(self, trust: Trust, now_ms: int) -> None:
        self.trust, self.now_ms, self.now = trust, now_ms, trust.roster(now_ms)
        self.said = trust.facts.by_member
        self._few: dict[MemberId, frozenset[Said]] = {}
        self._signers: dict[MemberId, frozenset[MemberId]] = {}

    def few_of(self, author: MemberId) -> frozenset[Said]:
        """Those suspensions of an author that count beside its others."""
        if author not in self._few:
            said = (one for one in self.said.suspended.of(author) if one.until_ms > self.now_ms)
            self._few[author] = few_at_a_time(one for one in said if self.stands(one.entry))
        return self._few[author]

    def signers_of(self, member_id: MemberId) -> frozenset[MemberId]:
        """Who suspends a member, however long ago they said so."""
        if member_id not in self._signers:
            said = (one for one in self.said.suspensions.of(member_id) if one.until_ms > self.now_ms)
            self._signers[member_id] = frozenset(one.author for one in said if self.stands(one.entry))
        return self._signers[member_id]

    def stands(self, entry: HeaderHash) -> bool:
        """Whether forks and ends of its feed let a statement count."""
        return self.trust.counts(entry)


def called(trust: Trust) -> dict[MemberId, str]:
    """What everyone is called who is known or a candidate, and everyone who was."""
    known = trust.known.members | trust.candidates
    return {member_id: _name(member_id, inception(trust, member_id)) for member_id in known}


def every(trust: Trust, now_ms: int) -> list[Place]:
    """All of them, and where they stand: candidates first, then by name."""
    return _places(trust, called(trust), now_ms)


def members(trust: Trust, now_ms: int) -> list[Place]:
    """Without those who never were any: strangers are endorsed without end."""
    return _places(trust, trust.known.members, now_ms)


def _places(trust: Trust, who: Iterable[MemberId], now_ms: int) -> list[Place]:
    weighing = Weighing(trust, now_ms)
    found = [_place(weighing, member_id) for member_id in who]
    return sorted(found, key=lambda one: (one.state != CANDIDATE, one.name, one.member_id))


def place(trust: Trust, member_id: MemberId, now_ms: int, card: Inception | None = None) -> Place:
    """Where one stands. Its log may not have come yet: what is on its card is as good."""
    return _place(Weighing(trust, now_ms), member_id, card)


def _place(weighing: Weighing, member_id: MemberId, card: Inception | None = None) -> Place:
    trust, now = weighing.trust, weighing.now
    begun = inception(trust, member_id) or card
    seat = now.seats.get(member_id) or now.former.get(member_id)
    role = seat.role if seat else begun.role if begun else _endorsed_role(weighing, member_id)
    admission = _admission(weighing, member_id, role)
    state = _state(trust, now, member_id)
    until_ms = _suspended_until_ms(weighing, member_id) if state == SUSPENDED else admission.until_ms
    country = begun.country if begun else ""
    return Place(member_id, _name(member_id, begun), country, state, admission, until_ms, trust.left_ms(member_id))


def _name(member_id: MemberId, begun: Inception | None) -> str:
    return begun.name if begun else member_id.hex()[:8]


def inception(trust: Trust, member_id: MemberId) -> Inception | None:
    """How it began, where that has come."""
    log = trust.logs.get(member_id)
    return log.identity.inception if log else trust.charter.founder(member_id)


def _endorsed_role(weighing: Weighing, member_id: MemberId) -> int:
    return min((said.role for said in weighing.said.endorsements.of(member_id)), default=0)


def _state(trust: Trust, now: Roster, member_id: MemberId) -> str:
    if member_id in now.revoked:
        return REVOKED
    if member_id in now.left:
        return LEFT
    seat = now.seats.get(member_id)
    if seat is None:
        return LAPSED if member_id in trust.known.members else CANDIDATE
    return SUSPENDED if seat.suspended else MEMBER


def _admission(weighing: Weighing, member_id: MemberId, role: int) -> Admission:
    now = weighing.now
    needed = now.rules.quorums.get((Act.ADMIT, role), NOBODY)
    founder = weighing.trust.charter.founder(member_id)
    if founder and founder.role == role:
        return Admission(role, (), 0, NOBODY, 0)
    latest: dict[MemberId, Said] = {}  # of those who endorsed more than once
    for said in about(weighing.said.endorsements, member_id):
        if said.role == role and not _obstacle(weighing, said):
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


def _suspended_until_ms(weighing: Weighing, member_id: MemberId) -> int:
    """When the present suspensions are no longer enough."""
    said, now_ms = weighing.said.suspensions.of(member_id), weighing.now_ms
    last: dict[MemberId, tuple[int, int]] = {}  # whoever says it a thousand times is no more one voice than by its last
    for one in said:
        fresh_ms, until_ms = last.get(one.author, (0, 0))
        last[one.author] = max(fresh_ms, min(one.until_ms, one.created_ms + SUSPENSION_MS)), max(until_ms, one.until_ms)
    for moment_ms in sorted(moment_ms for moments in last.values() for moment_ms in moments if moment_ms > now_ms):
        seat = weighing.trust.roster_at(moment_ms).seats.get(member_id)
        if seat is None or not seat.suspended:
            return moment_ms
    return 0


# ---- What is said, and whether it counts


def about(said: Index[MemberId, Said], member_id: MemberId) -> list[Said]:
    """The statements about one member, oldest first."""
    return sorted(said.of(member_id), key=lambda one: (one.created_ms, one.entry))


def obstacles(trust: Trust, said: Iterable[Said], now_ms: int) -> list[str]:
    """Why each of these statements about members does not count now, in words; empty if it does."""
    weighing = Weighing(trust, now_ms)
    return [_obstacle(weighing, one) for one in said]


def _obstacle(weighing: Weighing, said: Said) -> str:
    return next(_obstacles(weighing, said), "")


def _obstacles(weighing: Weighing, said: Said) -> Iterator[str]:
    act, now, now_ms = act_of(weighing.trust, said), weighing.now, weighing.now_ms
    if any(weighing.stands(one.by) for one in weighing.said.retracted.of((said.author, said.entry))):
        yield "taken back"
    if not weighing.stands(said.entry):
        yield "its author's feed is forked or was ended below it"
    if said.created_ms > now_ms + limits.FUTURE_MS_MAX:
        yield "dated ahead"
    if act == Act.ADMIT and said.created_ms + ENDORSEMENT_LIFE_MS <= now_ms:
        yield "lapsed"
    if act == Act.SUSPEND:
        yield from _suspension_obstacles(weighing, said)
    seat = now.seat_behind(said)
    if seat is None and said.author in now.revoked and act == Act.REVOKE:
        seat = now.former.get(said.author)  # revocations are counted before any is applied
    needed = now.rules.quorums.get((act, said.role))
    if seat is None:
        yield effect.unseated(said.author, now)
    elif needed is None or seat.role not in needed.roles:
        yield f"a {parameters.role_name(seat.role)}'s does not count"


def _suspension_obstacles(weighing: Weighing, said: Said) -> Iterator[str]:
    if said.until_ms <= weighing.now_ms:
        yield "ended"
        return
    if said not in weighing.few_of(said.author):
        yield f"its author suspends more than {SUSPENDED_AT_A_TIME_MAX} members"
    if weighing.now_ms >= said.created_ms + SUSPENSION_MS:
        needed = weighing.now.rules.quorums.get((Act.REVOKE, 0))
        if needed is None or len(weighing.signers_of(said.member_id)) < needed.count:
            yield "older than 72 hours: now it takes as many as a removal"


def act_of(trust: Trust, said: Said) -> Act:
    """Which quorum a statement is for."""
    if said in trust.facts.revocations:
        return Act.REVOKE
    return Act.SUSPEND if said in trust.facts.suspensions else Act.ADMIT


def counted(trust: Trust, act: Act, member_id: MemberId, now_ms: int) -> list[Said]:
    """The statements towards suspending or revoking a member that count, one of each author."""
    by_member = trust.facts.by_member
    said = about(by_member.revocations if act == Act.REVOKE else by_member.suspensions, member_id)
    weighed = zip(said, obstacles(trust, said, now_ms), strict=True)
    return list({one.author: one for one, obstacle in weighed if not obstacle}.values())


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
