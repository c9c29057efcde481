"""Whether this node may sign by its feed: it never resumes a copy (protos/README.md section 8.2).

A copy that was brought back looks like a node that was stopped in order. So every start waits until
peers have shown what they hold of this node's feed. One entry of it that is not in the sign journal
ends the feed for good: another one is opened with a spare key, and no place is signed twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from node.errors import Refused
from node.exchange import echo
from node.exchange.trust import Trust
from node.exchange.watch import Watch
from node.feed import entry
from node.feed.entry import Entry
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.store import ledger, peers
from node.store.journal import Signed
from node.store.peers import APPROVED
from node.store.stores import Stores

ECHOES_MAX = 5
ECHOES_WITHIN_S = 60.0  # a peer that runs has been dialled several times by then
NAMED = 5  # of the peers that are missing

REOPEN = "Open a new feed: `tocsin reopen --spare FILE`. Until then this node reads and passes on."
CONFIRM_CLOCK = "Set the clock if it is wrong (`timedatectl`), then `tocsin clock confirm`."
CONNECT = (
    "Connect to them: `tocsin peer check NAME` says what is in the way. What cannot wait: `tocsin crisis declare "
    "--unconfirmed` at the risk of this feed, or a new feed by `tocsin reopen --spare FILE`."
)
LEFT = (
    "It goes on telling its peers that. Coming back is another member: `tocsin init` in another folder, and new "
    "endorsements."
)
JOIN_AGAIN = "Run `tocsin join` again with the charter file, with the node stopped; nothing is signed twice."

COPIED = "the signing folder is not where it was made, or its marker is gone: it may be a copy"


_OF_WHO_LEFT = frozenset({Kind.WITHDRAW, Kind.SUPERSEDE})


class State(StrEnum):
    """What a node may do with its feed key; the words are shown."""

    EMBARGO = "waiting"
    ACTIVE = "ready"
    STALE = "stale"
    CLOCK = "clock"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Signing:
    """Whether this node may sign, and why not. Everything not said is against it."""

    watch: Watch = field(default_factory=Watch)
    agrees: bool = False  # the ledger ends where the sign journal does
    is_new: bool = False  # nothing was ever signed by this feed
    peers: frozenset[MemberId] = frozenset()  # approved at the start: half of them are waited for
    echoed: frozenset[MemberId] = frozenset()  # of these
    stale: str = ""  # why nothing is signed by this feed again
    left_ms: int = 0  # when this member left the federation
    ended: bool = False  # it left with the feed that is signed here: not even a withdrawal would count

    @property
    def needed(self) -> int:
        """How many peers have to show what they hold of this feed."""
        return 0 if self.is_new else self.enough

    @property
    def enough(self) -> int:
        """Half of the peers, or five."""
        return min(ECHOES_MAX, (len(self.peers) + 1) // 2)

    @property
    def state(self) -> State:
        """Whether it may sign now."""
        if self.left_ms:
            return State.LEFT
        if self.stale:
            return State.STALE
        if self.watch.suspicion:
            return State.CLOCK
        return State.ACTIVE if self.agrees and len(self.echoed) >= self.needed else State.EMBARGO

    @property
    def is_overdue(self) -> bool:
        """Whether peers had their time: what cannot wait need not."""
        return self.watch.ran_s() >= ECHOES_WITHIN_S

    def echo(self, peer: MemberId) -> "Signing":
        """A peer has shown nothing but what was signed here; who is told nothing of our feed has nothing to show."""
        return replace(self, echoed=self.echoed | (self.peers & {peer}))

    def leave(self, trust: Trust, me: MemberId, feed_id: FeedId) -> "Signing":
        """As the own identity log has it now: whoever has left says nothing more."""
        left_ms = trust.left_ms(me)
        if left_ms == self.left_ms:
            return self
        return replace(self, left_ms=left_ms, ended=any(end.feed_id == feed_id for end in trust.marks.ends))

    def end(self, shown: Entry) -> "Signing":
        """An entry of this feed was shown that was not signed here."""
        return replace(self, stale=self.stale or _ended(shown))


def begin(
    stores: Stores,
    me: MemberId,
    feed_id: FeedId,
    signed: Sequence[Signed],
    trust: Trust,
    watch: Watch,
    awaited: Iterable[MemberId],
    *,
    in_place: bool,
) -> Signing:
    """At the start, when the ledger has taken in what only the journal had. ``awaited`` are the `approved` peers."""
    shown = [entry.decode(body, by, trust.federation_id) for body, by in _stored(stores, feed_id)]
    foreign = unsigned(shown, signed)
    if foreign is not None:
        echo.keep(stores, foreign, trust.federation_id)
    ended = echo.kept(stores, feed_id, trust.federation_id)
    own = [body for body, by in signed if entry.decode(body, by, trust.federation_id).header.feed_id == feed_id]
    head = ledger.head(stores.ledger, feed_id)
    last = ledger.entry(stores.ledger, head.hash) if head else None
    return Signing(
        watch,
        agrees=own[-1:] == ([last.body] if last else []),
        is_new=not own,
        peers=frozenset(awaited),
        stale=_ended(ended) if ended else "" if in_place else COPIED,
    ).leave(trust, me, feed_id)


def approved(stores: Stores, trust: Trust, now_ms: int) -> list[MemberId]:
    """The peers that can show something: approved, and members. Who only lapsed may do so by a clock that is wrong."""
    found = (one.member_id for one in peers.every(stores.ledger) if one.state == APPROVED)
    members = trust.known.members - trust.roster(now_ms).revoked.keys()
    return [member_id for member_id in found if member_id in members and not trust.left_ms(member_id)]


def unsigned(shown: Iterable[Entry], signed: Sequence[Signed]) -> Entry | None:
    """The highest of these entries that the journal does not have."""
    bodies = {body for body, _ in signed}
    foreign = [one for one in shown if one.header.body not in bodies]
    return max(foreign, key=lambda one: one.header.seq, default=None)


def require(signing: Signing, trust: Trust, kinds: Iterable[int], *, urgent: bool, unconfirmed: bool) -> None:
    """Raise Refused where nothing of these kinds may be signed now; ``unconfirmed``: the operator's word, for lane 0.

    Whoever has left may still take back its own, in a feed that its root certified since.
    """
    if signing.left_ms and not signing.ended and {*kinds} <= _OF_WHO_LEFT:
        signing = replace(signing, left_ms=0)
    may_wait_no_longer = signing.agrees and signing.is_overdue and urgent and unconfirmed
    match signing.state:
        case State.ACTIVE:
            return
        case State.EMBARGO if may_wait_no_longer:
            return
    raise Refused(reason(signing, trust), next_step=next_step(signing))


def reason(signing: Signing, trust: Trust) -> str:
    """Why nothing is signed, in words; empty where it is."""
    match signing.state:
        case State.ACTIVE:
            return ""
        case State.STALE:
            return f"nothing is signed any more: {signing.stale}"
        case State.LEFT:
            day = datetime.fromtimestamp(signing.left_ms / 1000, UTC)
            return f"nothing is signed any more: this member left the federation on {day:%Y-%m-%d}"
        case State.CLOCK:
            return f"nothing is signed while the clock of this machine is in doubt: {signing.watch.suspicion}"
        case State.EMBARGO if not signing.agrees:
            return "nothing is signed: the ledger does not end where the sign journal does"
        case _:
            heard = f"{len(signing.echoed)} of {signing.needed} peers have shown since the start what they hold of"
            names = missing(signing, trust)
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            return f"nothing is signed yet: {heard} this node's feed; not yet: {', '.join(names[:NAMED])}{more}"


def next_step(signing: Signing) -> str:
    """What to do about it."""
    match signing.state:
        case State.ACTIVE:
            return ""
        case State.STALE:
            return REOPEN
        case State.CLOCK:
            return CONFIRM_CLOCK
        case State.LEFT:
            return LEFT
        case _:
            return CONNECT if signing.agrees else JOIN_AGAIN


def missing(signing: Signing, trust: Trust) -> list[str]:
    """The names of peers that were approved at the start and have shown nothing since."""
    return sorted(trust.name_of(member_id) for member_id in signing.peers - signing.echoed)


def _stored(stores: Stores, feed_id: FeedId) -> list[Signed]:
    rows = [(row.body, row.signature) for row in ledger.of_feed(stores.ledger, feed_id)]
    forks = [fork for fork in ledger.forks(stores.ledger) if fork.feed_id == feed_id]
    return [*rows, *(branch for fork in forks for branch in (fork.first, fork.second))]


def _ended(shown: Entry) -> str:
    return f"entry {shown.header.seq} of this node's feed was signed elsewhere: a copy of it runs, or this is one"
