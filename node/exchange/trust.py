"""Trust: what all governance read so far amounts to. A value; every entry makes a new one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from node.feed import chain, identity, keys, kinds, roster, statements
from node.feed.chain import Head
from node.feed.charter import Charter
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.identity import Identity, NodeCertificate
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.pae import FederationId
from node.feed.roster import Amended, Facts, Known, Roster, Said
from node.feed.statements import Bound, Read


@dataclass(frozen=True, slots=True)
class Log:
    """An identity log: what it says, and how far it was read."""

    identity: Identity
    head: Head


@dataclass(frozen=True, slots=True)
class Feed:
    """A node feed that a member's root, or a spare of it, certified."""

    member_id: MemberId
    certificate: NodeCertificate


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may say what, by everything read so far."""

    charter: Charter
    known: Known
    logs: Mapping[MemberId, Log] = field(default_factory=dict)
    feeds: Mapping[FeedId, Feed] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    marks: Marks = field(default_factory=Marks)

    @property
    def federation_id(self) -> FederationId:
        """The federation this is about."""
        return self.charter.federation_id

    def author(self, feed_id: FeedId) -> MemberId | None:
        """The known member whose feed this is."""
        feed = self.feeds.get(feed_id)
        member_id = feed.member_id if feed else MemberId(bytes(feed_id))
        return member_id if member_id in self.known.members or (feed is None and member_id in self.logs) else None

    def roster(self, now_ms: int, counts: Callable[[HeaderHash], bool] = lambda _: True) -> Roster:
        """Who has effect now."""
        return roster.roster(self.charter, self.facts, now_ms, counts)

    def admits_log(self, member_id: MemberId) -> bool:
        """Whether this member's identity log is stored: members, and candidates for membership."""
        return member_id in self.known.members or member_id in self.known.candidates


def begin(charter: Charter) -> Trust:
    """What the charter alone says."""
    return Trust(charter, roster.known(charter, Facts()))


def with_log(trust: Trust, log: Identity, entry: Entry) -> Trust:
    """One more entry of an identity log, verified."""
    member_id = log.member_id
    feeds = {certificate.feed_id: Feed(member_id, certificate) for certificate in log.nodes}
    facts = trust.facts
    if entry.header.kind == Kind.ACCEPT:
        facts = replace(facts, inceptions=facts.inceptions | {log.inception})
    logs = {**trust.logs, member_id: Log(log, chain.head_of(entry.header))}
    return _with_bounds(replace(trust, logs=logs, feeds={**trust.feeds, **feeds}, facts=facts), member_id)


def _with_bounds(trust: Trust, member_id: MemberId) -> Trust:
    """What a member's root says of feeds counts for its own only, and a spare may open one after it was named."""
    log = trust.logs[member_id].identity
    own = {feed_id for feed_id, feed in trust.feeds.items() if feed.member_id == member_id}
    settled, ends = (frozenset(one for one in said if one.feed_id in own) for said in (log.settled, log.retired))
    return replace(trust, marks=trust.marks.merge(Marks(settled=settled, ends=ends)))


def with_statement(trust: Trust, author: MemberId, header: Header, read: Read | None) -> Trust:
    """One more statement of a node feed, verified. What is not understood whole has no effect."""
    if read is None:
        return trust
    statement = read.statement
    if isinstance(statement, statements.Open):
        return _with_open(trust, statement)
    if not read.understood:
        return trust
    if isinstance(statement, Bound):
        return _with_supersede(trust, author, statement)
    facts = _facts(trust, author, header, statement)
    if facts is None:
        return trust
    merged = trust.facts.merge(facts)
    return replace(trust, facts=merged, known=roster.known(trust.charter, merged))


def with_fork(trust: Trust, feed_id: FeedId, seq: int, *, parts: bool) -> Trust:
    """A proven fork, in place of the one that was kept of the feed; whether the branches part right there."""
    return replace(trust, marks=trust.marks.with_fork(feed_id, seq, parts=parts))


def _with_open(trust: Trust, opened: statements.Open) -> Trust:
    log = trust.logs.get(opened.member_id)
    made = identity.opened_by_spare(log.identity, opened, trust.federation_id) if log and opened.spare_key else None
    if made is None:
        return trust
    feeds = {**trust.feeds, made.feed_id: Feed(opened.member_id, made)}
    return _with_bounds(replace(trust, feeds=feeds), opened.member_id)


def _with_supersede(trust: Trust, author: MemberId, bound: Bound) -> Trust:
    """A feed is ended only by its own member."""
    feed = trust.feeds.get(bound.feed_id)
    if feed is None or feed.member_id != author:
        return trust
    return replace(trust, marks=trust.marks.merge(Marks(ends=frozenset({bound}))))


def _facts(trust: Trust, author: MemberId, header: Header, statement: statements.Statement) -> Facts | None:
    match statement:
        case statements.Endorse(member_id=member_id, role=role, predecessor=predecessor):
            said = Said(header.hash, author, member_id, header.created_ms, role=role, predecessor=predecessor)
            return Facts(endorsements=frozenset({said}))
        case statements.Unendorse(entry=entry):
            return Facts(unendorsed=frozenset({(author, entry)}))
        case statements.Suspend(member_id=member_id, until_ms=until_ms):
            said = Said(header.hash, author, member_id, header.created_ms, until_ms=until_ms)
            return Facts(suspensions=frozenset({said}))
        case statements.Revoke(member_id=member_id):
            return Facts(revocations=frozenset({Said(header.hash, author, member_id, header.created_ms)}))
        case statements.Amend():
            hash_ = roster.amendment_hash(trust.federation_id, header.statement)
            amended = Amended(
                author, statement.number, statement.previous, hash_, statement.quorums, statement.document
            )
            return Facts(amendments=frozenset({amended}))
        case _:
            return None


def feed_key(trust: Trust, header: Header, read: Read | None) -> tuple[MemberId, bytes] | None:
    """The member and the key that must have signed a node feed's header; None where it is not known here."""
    feed = trust.feeds.get(header.feed_id)
    if feed is None and read is not None and isinstance(read.statement, statements.Open):
        feed = _opened_feed(trust, header, read.statement)
    if feed is None or feed.member_id not in trust.known.members or kinds.is_identity(header.kind):
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
    log = trust.logs.get(opened.member_id)
    if log is None or keys.feed_id(trust.federation_id, opened.member_id, opened.feed_key) != header.feed_id:
        return None
    made = identity.opened_by_spare(log.identity, opened, trust.federation_id)
    return Feed(opened.member_id, made) if made else None
