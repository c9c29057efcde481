"""Trust: what all governance read so far amounts to. A value; every entry makes a new one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from node.content import names
from node.errors import Refused
from node.exchange.feeds import Feed, Superseding, below_fork, counts, lowest, with_root, with_spare
from node.feed import amendment, chain, identity, keys, kinds, known, roster, statements
from node.feed.amendment import Proposal, Rules
from node.feed.chain import Head
from node.feed.charter import Charter
from node.feed.entry import Entry
from node.feed.facts import Amended, Departed, Facts, Retracted, Said
from node.feed.growing import Growing
from node.feed.header import Header
from node.feed.identity import Card, Departure, Extent, Identity
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.known import Known
from node.feed.marks import Marks
from node.feed.pae import FederationId
from node.feed.roster import Roster
from node.feed.statements import Bound, Read


@dataclass(frozen=True, slots=True)
class Log:
    """An identity log: what it says, and how far it was read."""

    identity: Identity
    head: Head
    past: tuple[Extent, ...] = ()  # after each of its entries

    def below(self, seq: int) -> Identity:
        """What it says below a place."""
        last = min(seq - 1, len(self.past))
        return self.identity.within(self.past[last - 1] if last > 0 else None)


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may say what, by everything read so far."""

    charter: Charter
    known: Known
    documents: Mapping[bytes, bytes] = field(default_factory=dict)  # by SHA-256, of what the amendments named
    logs: Mapping[MemberId, Log] = field(default_factory=dict)
    feeds: Mapping[FeedId, Feed] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    marks: Marks = field(default_factory=Marks)
    superseding: Mapping[MemberId, Growing[Superseding]] = field(default_factory=dict)  # whether it counts or not
    fallen: frozenset[HeaderHash] = frozenset()  # governance that forks and ends of its feeds keep from counting
    _rosters: list[tuple[int, Roster]] = field(default_factory=list, init=False, repr=False, compare=False)
    _candidates: list[frozenset[MemberId]] = field(default_factory=list, init=False, repr=False, compare=False)
    _rules: list[Rules] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def federation_id(self) -> FederationId:
        """The federation this is about."""
        return self.charter.federation_id

    def author(self, feed_id: FeedId) -> MemberId | None:
        """The known member whose feed this is."""
        feed = self.feeds.get(feed_id)
        member_id = feed.member_id if feed else MemberId(bytes(feed_id))
        return member_id if member_id in self.known.members or (feed is None and member_id in self.logs) else None

    def feeds_of(self, member_id: MemberId) -> list[FeedId]:
        """All feeds of one member, rising."""
        return sorted(feed_id for feed_id, feed in self.feeds.items() if feed.member_id == member_id)

    @property
    def rules(self) -> Rules:
        """In force, by all amendments read whose signatures stand. Computed once, when somebody asks."""
        if not self._rules:
            inceptions = known.inceptions_of(self.charter, self.facts)
            found = amendment.rules_in_force(self.charter, self.facts, self.known.roles, inceptions, self.counts)
            self._rules[:] = [found]
        return self._rules[0]

    def amendments(self) -> list[Proposal]:
        """Every amendment that follows the charter or a complete one, by number and hash."""
        inceptions = known.inceptions_of(self.charter, self.facts)
        return amendment.history(self.charter, self.facts, self.known.roles, inceptions, self.counts)

    def counts(self, entry: HeaderHash) -> bool:
        """Whether a statement of members counts, by forks and ends of its feed."""
        return entry not in self.fallen

    def roster(self, now_ms: int) -> Roster:
        """Who has effect now. Computed once for as long as it holds: it is looked at on every urgent entry."""
        for since_ms, held in self._rosters:
            if since_ms <= now_ms < held.holds_until_ms:
                return held
        found = self.roster_at(now_ms)
        self._rosters[:] = [(now_ms, found), *self._rosters[:1]]
        return found

    def roster_at(self, moment_ms: int) -> Roster:
        """Who will have, or had, effect at some other moment, if nothing more were said."""
        return roster.roster(self.charter, self.facts, moment_ms, self.counts, self.rules)

    def name_of(self, member_id: MemberId) -> str:
        """What a member is called; the beginning of its id where its log has not come yet."""
        log = self.logs.get(member_id)
        inception = log.identity.inception if log else self.charter.founder(member_id)
        return names.unmistakable(inception.name) if inception else member_id.hex()[:8]

    def left_ms(self, member_id: MemberId) -> int:
        """When a member left, by its own clock; 0 if it has not. It does not come back."""
        said = self.believed(member_id)
        return said.departure.left_ms if said and said.departure else 0

    def believed(self, member_id: MemberId) -> Identity | None:
        """What the log of a member says as far as all read the same: below its fork, if it has one."""
        log, forked = self.logs.get(member_id), self.marks.forked_at(identity.log_id(member_id))
        if log is None or forked is None:
            return log.identity if log else None
        return log.below(forked)

    def supersedes(self, said: Superseding) -> bool:
        """Whether a feed ends another of its member by this."""
        feed = self.feeds[said.feed_id]
        believed = self.believed(feed.member_id)
        return not feed.is_undone and counts(said, believed.retired if believed else ())

    def takes(self, feed_id: FeedId) -> bool:
        """Whether entries of a feed are stored and relayed, as everyone has it who has read the same."""
        feed = self.feeds.get(feed_id)
        if feed is None:
            return self.admits_log(MemberId(bytes(feed_id)))
        return feed.member_id in self.known.members and not feed.is_undone

    def present_card(self, card: Card) -> Card:
        """The card; raises Refused for one by a root key that was replaced since, as far as is known here."""
        log = self.logs.get(card.inception.member_id)
        if log is None or card.root_key == log.identity.root_key:
            return card
        keys_before = {log.identity.inception.root_key, *(one.root_key for one in log.identity.rotations)}
        if card.root_key in keys_before:
            raise Refused(
                f"the card of {card.inception.name} is by a root key that was replaced since",
                next_step="Ask for its present one: `tocsin key card` there writes it.",
                field="card",
            )
        return card

    def admits_log(self, member_id: MemberId) -> bool:
        """Whether this member's identity log is stored: members, and candidates for membership."""
        return member_id in self.known.members or member_id in self.candidates

    @property
    def candidates(self) -> AbstractSet[MemberId]:
        """Whom known members have endorsed where nobody contests it: on which branch others are, nobody knows."""
        if not self.fallen:
            return self.known.candidates
        if not self._candidates:
            members = self.known.members
            said = (one for one in self.facts.endorsements if self.counts(one.entry))
            self._candidates[:] = [known.candidates(said, members)]
        return self._candidates[0]


def begin(charter: Charter) -> Trust:
    """What the charter alone says."""
    return Trust(charter, known.known(charter, Facts()))


def with_log(trust: Trust, log: Identity, entry: Entry) -> Trust:
    """One more entry of an identity log, verified."""
    member_id, feeds, facts = log.member_id, trust.feeds, trust.facts
    if entry.header.kind == Kind.ACCEPT:
        facts = facts.merge(Facts(inceptions=frozenset({log.inception})))
    if log.departure is not None and log.departure.entry == entry.header.hash:
        facts = facts.merge(Facts(departures=frozenset({_departed(log.member_id, log.departure)})))
    before = trust.logs.get(member_id)
    if log.nodes and (before is None or len(before.identity.nodes) < len(log.nodes)):
        made = log.nodes[-1]
        feeds = {**feeds, made.feed_id: with_root(feeds.get(made.feed_id), member_id, made)}
    past = (*before.past, log.extent) if before else (log.extent,)
    logs = {**trust.logs, member_id: Log(log, chain.head_of(entry.header), past)}
    return _remarked(replace(trust, logs=logs, feeds=feeds, facts=facts), member_id)


def _remarked(trust: Trust, member_id: MemberId) -> Trust:
    """With what is said of a member's feeds by its root and by each other, as far as that counts now.

    Only of its own: and a feed may be let in after it was named.
    """
    said, own = trust.believed(member_id), set(trust.feeds_of(member_id))
    settled, retired = (said.settled, said.retired) if said else ((), ())
    by_feed = defaultdict(list)
    for bound in retired:
        by_feed[bound.feed_id].append(bound)
    told = (
        one.bound
        for one in trust.superseding.get(member_id, ())
        if not trust.feeds[one.feed_id].is_undone and counts(one, by_feed[one.feed_id])
    )
    marks = replace(
        trust.marks,
        settled=_renewed(trust.marks.settled, settled, own),
        ends=lowest(_renewed(trust.marks.ends, (*retired, *told), own)),
    )
    return trust if marks == trust.marks else replace(trust, marks=marks)


def _renewed(before: frozenset[Bound], said: Iterable[Bound], own: AbstractSet[FeedId]) -> frozenset[Bound]:
    return frozenset((*(one for one in before if one.feed_id not in own), *(one for one in said if one.feed_id in own)))


def with_statement(trust: Trust, author: MemberId, header: Header, read: Read | None) -> Trust:
    """One more statement of a node feed, verified. What is not understood whole has no effect."""
    if read is None:
        return trust
    feed, statement = trust.feeds.get(header.feed_id), read.statement
    if isinstance(statement, statements.Open):
        return _with_open(trust, statement)
    if not read.understood or (feed is not None and feed.is_undone):
        return trust
    if isinstance(statement, Bound):
        return _with_supersede(trust, author, Superseding(header.feed_id, header.seq, header.hash, statement))
    facts = _facts(trust, author, header, statement)
    if facts is None:
        return trust
    merged = trust.facts.merge(facts)
    return _carry(
        trust, replace(trust, facts=merged, known=known.known_with(trust.charter, trust.known, facts, merged)), facts
    )


def _carry(before: Trust, trust: Trust, more: Facts) -> Trust:
    """With what was computed before, where one statement more plainly leaves it as it is: floods are weighed once."""
    others = Facts(endorsements=more.endorsements, amendments=more.amendments) != more
    if others or trust.known.roles is not before.known.roles or known.may_complete(trust.known, more.amendments):
        return trust
    trust._rules[:] = before._rules  # noqa: SLF001 - caches of the same kind of value
    rosters = [
        (since_ms, roster.with_idle(held, trust.known, more.endorsements, since_ms))
        for since_ms, held in before._rosters  # noqa: SLF001
    ]
    trust._rosters[:] = [(since_ms, held) for since_ms, held in rosters if held]  # noqa: SLF001
    return trust


def with_fork(trust: Trust, feed_id: FeedId, seq: int, *, parts: bool) -> Trust:
    """A proven fork, in place of the one that was kept of the feed; whether the branches part right there."""
    found, member_id = replace(trust, marks=trust.marks.with_fork(feed_id, seq, parts=parts)), MemberId(bytes(feed_id))
    return _below_fork(found, member_id) if member_id in trust.logs else found


def _below_fork(trust: Trust, member_id: MemberId) -> Trust:
    """Without what the log says at or above its fork: which of the branches was read here, was read by chance."""
    said = trust.believed(member_id)
    own = {feed_id: below_fork(trust.feeds[feed_id], feed_id, said) for feed_id in trust.feeds_of(member_id)}
    undone = frozenset(feed_id for feed_id, feed in own.items() if feed.is_undone)
    facts = trust.facts.without(undone, member_id if said is None or said.departure is None else None)
    who = trust.known if facts is trust.facts else known.known(trust.charter, facts)
    return _remarked(replace(trust, feeds={**trust.feeds, **own}, facts=facts, known=who), member_id)


def _with_open(trust: Trust, opened: statements.Open) -> Trust:
    said = trust.believed(opened.member_id)
    made = identity.opened_by_spare(said, opened, trust.federation_id) if said and opened.spare_key else None
    if made is None:
        return trust
    found = with_spare(trust.feeds.get(made.feed_id), opened.member_id, made)
    return _remarked(replace(trust, feeds={**trust.feeds, made.feed_id: found}), opened.member_id)


def _with_supersede(trust: Trust, author: MemberId, said: Superseding) -> Trust:
    """A feed is ended only by its own member; which of them are its own may be heard of later."""
    before = trust.superseding.get(author, Growing())
    if said in before or said.feed_id not in trust.feeds:
        return trust
    found, target = replace(trust, superseding={**trust.superseding, author: before.grown((said,))}), said.bound
    feed = trust.feeds.get(target.feed_id)
    if feed is None or feed.member_id != author or not trust.supersedes(said):
        return found
    ends = lowest((*trust.marks.ends, target))
    return found if ends == trust.marks.ends else replace(found, marks=replace(trust.marks, ends=ends))


def _facts(trust: Trust, author: MemberId, header: Header, statement: statements.Statement) -> Facts | None:
    match statement:
        case statements.Endorse(member_id=member_id, role=role, predecessor=predecessor):
            said = _said(author, header, member_id)
            return Facts(endorsements=frozenset({replace(said, role=role, predecessor=predecessor)}))
        case statements.Unendorse(entry=entry):
            return Facts(unendorsed=frozenset({Retracted(author, entry, header.hash, header.feed_id, header.seq)}))
        case statements.Suspend(member_id=member_id, until_ms=until_ms):
            return Facts(suspensions=frozenset({replace(_said(author, header, member_id), until_ms=until_ms)}))
        case statements.Revoke(member_id=member_id):
            return Facts(revocations=frozenset({replace(_said(author, header, member_id), bounds=statement.rows)}))
        case statements.Amend():
            return Facts(amendments=frozenset({_amended(trust, author, header, statement)}))
        case _:
            return None


def _said(author: MemberId, header: Header, member_id: MemberId) -> Said:
    return Said(header.hash, author, member_id, header.created_ms, seq=header.seq, feed_id=header.feed_id)


def _amended(trust: Trust, author: MemberId, header: Header, said: statements.Amend) -> Amended:
    hash_ = amendment.amendment_hash(trust.federation_id, header.statement)
    place = header.hash, header.feed_id, header.seq
    return Amended(author, said.number, said.previous, hash_, said.quorums, said.document, *place)


def _departed(member_id: MemberId, departure: Departure) -> Departed:
    ends: dict[FeedId, int] = {}
    for end in departure.ends:  # one that was retired twice ends where it ends first
        ends[end.feed_id] = min(end.seq, ends.get(end.feed_id, end.seq))
    return Departed(member_id, departure.entry, departure.left_ms, tuple(sorted(ends.items())))


def feed_key(
    trust: Trust, header: Header, read: Read | None, me: MemberId | None = None
) -> tuple[MemberId, bytes] | None:
    """The member and the key that must have signed a node feed's header; None where it is not known here.

    A candidate's own feed is known at home: it is told to nobody before it is a member.
    """
    feed = trust.feeds.get(header.feed_id)
    if (feed is None or feed.is_undone) and read is not None and isinstance(read.statement, statements.Open):
        feed = _opened_feed(trust, header, read.statement) or feed
    if feed is None or kinds.is_identity(header.kind):
        return None
    if feed.member_id != me and (feed.member_id not in trust.known.members or feed.is_undone):
        return None
    return feed.member_id, feed.certificate.feed_key


def signers(trust: Trust, one: Entry, other: Entry) -> tuple[bytes, bytes] | None:
    """The keys that must have signed two entries of one feed; None where the feed is not known here.

    Raises Malformed for a rotation to a key that was never committed to.
    """
    feed = trust.feeds.get(one.header.feed_id)
    if feed is not None:
        return feed.certificate.feed_key, feed.certificate.feed_key
    log = trust.logs.get(MemberId(bytes(one.header.feed_id)))
    if log is None or log.head.seq < one.header.seq - 1:
        return None  # who signs there is said by what is still to come
    return identity.signer_at(log.identity, one), identity.signer_at(log.identity, other)


def _opened_feed(trust: Trust, header: Header, opened: statements.Open) -> Feed | None:
    said = trust.believed(opened.member_id)
    if said is None or keys.feed_id(trust.federation_id, opened.member_id, opened.feed_key) != header.feed_id:
        return None
    made = identity.opened_by_spare(said, opened, trust.federation_id)
    return Feed(opened.member_id, by_spare=made) if made else None
