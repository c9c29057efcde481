"""Examining the running node: what only it knows of its peers, its clock, and how far behind it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from node.content import names
from node.exchange import branches, consult, documents, lifecycles, membership, project, signing
from node.exchange.budgets import Budgets
from node.exchange.signing import State
from node.exchange.trust import Trust
from node.feed import keys
from node.feed.keys import MemberId
from node.rpc import finding
from node.rpc.approval import Approval
from node.rpc.checking import CLOCK_FAULT_MS, CLOCK_WARNING_MS
from node.rpc.finding import span
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.profiling import Profiling
from node.runtime.reading import Reading
from node.runtime.writer import Writer
from node.store import deadlines, health
from node.store.health import Waiting
from node.store.peers import APPROVED, BLOCKED, Peer
from node.store.stores import Stores
from node.v1 import admin_pb2
from node.v1.admin_pb2 import Finding
from node.v1.forks_pb2 import ForkView

WANTED_MS_MAX = 600_000  # what any holder has comes in seconds; what nobody has is worth a look
UNPROJECTED_MS_MAX = 60_000
OVERDUE_MS_MAX = 900_000  # what is due goes within so long
SLOWED_MS = 3_600_000  # so long after what is over our quota was said, it may still be on its way
ISSUER_MS_MIN = 30 * 86_400_000
CERTIFICATE_MS_MIN = 3_600_000  # it is renewed eight hours before its end

HEADS, ACTS = "declarations and alerts", "acts"  # of crises
Unread = Mapping[str, Mapping[MemberId, int]]

Own = Callable[[], admin_pb2.GetStatusResponse]


class Examination:
    """Looks at the parts of the running node. Owned by the event loop."""

    def __init__(
        self,
        approval: Approval,
        peering: Peering,
        writer: Writer,
        reading: Reading,
        clock: Clock,
        own: Own,
        profiling: Profiling,
    ) -> None:
        self._approval, self._peering = approval, peering
        self._writer, self._reading = writer, reading
        self._clock, self._own, self._profiling = clock, own, profiling

    async def examine(self) -> list[Finding]:
        """Everything that was looked at."""
        await self._peering.compare()
        now_ms = self._clock.now_ms()

        seen, here = consult.view(self._writer.trust, self._writer.follows, now_ms), self._writer.feed_id

        def look(stores: Stores) -> tuple[Waiting, Waiting, Waiting, list[ForkView], Unread]:
            behind = health.unprojected(stores.ledger, project.cursor(stores))
            overdue = Waiting(*deadlines.backlog(stores.index, now_ms))
            missing = health.missing(stores.ledger, now_ms)
            unread = {HEADS: lifecycles.unread_heads(stores), ACTS: lifecycles.unread_acts(stores)}
            return missing, behind, overdue, branches.every(stores, seen, here), unread

        wanted, unprojected, overdue, forks, unread = await self._reading.run(look)
        return [
            *self._listening(now_ms),
            *self._charter(now_ms),
            *self._signing(),
            *self._membership(now_ms),
            *self._peers(),
            *self._turned_away(),
            *self._faults(),
            *self._issuers(now_ms),
            *self._clocks(),
            _wanted(wanted, now_ms),
            _projected(unprojected, now_ms),
            _overdue(overdue, now_ms),
            *self._forks(forks),
            *_crises(unread, self._writer.trust),
            _own_quota(self._writer.budgets, now_ms),
            *_profile(await self._profiling.warnings()),
        ]

    # ---- The node

    def _listening(self, now_ms: int) -> Iterator[Finding]:
        own = self._own()
        yield finding.ok("listens", f"peers {own.peers_listen}, tools {own.tools_listen}, {own.program}")
        left_ms = own.certificate_ends_ms - now_ms
        words = f"ends {_written(own.certificate_ends_ms)}, renewed before by itself"
        if left_ms < CERTIFICATE_MS_MIN:
            step = "It should have been renewed: see the log, and restart the node."
            yield finding.fault("certificate", f"ends {_written(own.certificate_ends_ms)}", step)
        else:
            yield finding.ok("certificate", words)

    def _charter(self, now_ms: int) -> Iterator[Finding]:
        trust = self._writer.trust
        accepted = sum(founder.member_id in trust.logs for founder in trust.charter.founders)
        words = f"{accepted} of {len(trust.charter.founders)} founders' acceptances are here"
        if not trust.roster(now_ms).in_force:
            yield finding.warning("in force", f"the charter is not: {words}", "Connect to more of the founders.")
        else:
            yield finding.ok("in force", words)
        number, wait = trust.rules.number, "Wait until the node is in step, or connect to more peers."
        match documents.state(trust):
            case "waiting" if self._has_left():
                yield finding.ok("rules", "erased with what else was others'")
            case "waiting":
                words = f"the text of amendment {number} has not come yet, so nobody may anything here"
                yield finding.warning("rules", words, wait)
            case "unreadable":
                words = f"this program cannot read the text of amendment {number}, so nobody may anything here"
                yield finding.fault("rules", words, "Install the newer version that the other members use.")
            case _:
                yield finding.ok("rules", f"amendment {number} is in force" if number else "never amended")

    def _signing(self) -> Iterator[Finding]:
        now, trust = self._writer.signing, self._writer.trust
        words, step = signing.reason(now, trust), signing.next_step(now)
        match now.state:
            case State.ACTIVE:
                yield finding.ok("signing", "ready")
            case State.EMBARGO:
                yield finding.warning("signing", words, step)
            case State.LEFT:
                yield finding.warning("membership", words, step)
            case _:
                yield finding.fault("signing", words, step)
        if now.watch.is_unheard and not now.watch.suspicion:
            words = "the node stood still for long and no peer has told its time since: nothing is erased by it"
            yield finding.warning("clock", words, "Connect to a peer, or `tocsin clock confirm` where it is right.")

    def _membership(self, now_ms: int) -> Iterator[Finding]:
        """Only where it is not as it should be."""
        trust, me = self._writer.trust, self._writer.reader.member_id
        found = membership.place(trust, me, now_ms)
        said = membership.against(trust, found, now_ms)
        if not said:
            return
        by = ", ".join(sorted(trust.name_of(one.author) for one in said))
        when = _written(max(one.created_ms for one in said))
        if found.state == membership.REVOKED:
            words = f"this member was removed by {by}, the last on {when}: what it says counts nowhere"
            step = "Ask them why. What it published can still be withdrawn; coming back is a new member."
        else:
            until = f" until {_written(found.until_ms)}" if found.until_ms else ""
            words = f"this member is suspended{until} by {by}, the last on {when}: what it says has no effect"
            step = "Ask them why. It ends by itself; beyond 72 hours it takes as many as a removal."
        yield finding.warning("membership", words, step)

    # ---- Its peers

    def _peers(self) -> Iterator[Finding]:
        approved = self._approval.expected()
        if not approved:
            yield finding.warning("peers", "none is approved, so nothing comes in", "`tocsin peer add --founders`.")
            return
        connected = [one for one in approved if one.member_id in self._peering.connected]
        if not connected:
            step = "`tocsin peer check NAME` says why, for each."
            yield finding.fault("peers", f"connected to none of {len(approved)}: nothing comes in", step)
        else:
            yield finding.ok("peers", f"connected to {len(connected)} of {len(approved)}")
        for one in approved:
            yield from self._peer(one)

    def _peer(self, one: Peer) -> Iterator[Finding]:
        """Only what is not as it should be: there may be hundreds."""
        named = self._named(one.member_id)
        if one.member_id not in self._writer.trust.known.members:
            step = "Wait for its endorsements, or `tocsin peer remove` it if it is a stranger's card."
            yield finding.warning("peers", f"{named} is not a member of this federation, as far as is known here", step)
        elif one.member_id not in self._peering.connected:
            waits = not self._approval.addresses(one.member_id)
            waiting = "it dials us, and has not yet" if waits else "not connected since this node started"
            reason = self._peering.ended.get(one.member_id, waiting)
            yield finding.warning("peers", f"{named}: {reason}", f"`tocsin peer check {self._slug(one.member_id)}`")
        elif one.member_id not in self._peering.in_step and not self._has_left():
            late, _ = self._peering.lag.late(self._clock.monotonic_s(), one.member_id)
            behind = self._peering.behind(one.member_id)
            lag = f"{behind:,} entries behind it" if behind else "it lacks something that is here"
            step = (
                f"`tocsin peer show {self._slug(one.member_id)}`, and ask its administrator: it has been offered this."
            )
            again = "Look again in a minute; it should end."
            yield finding.warning("lag", f"{named}: not in step, {lag}", step if late and not behind else again)

    def _has_left(self) -> bool:
        """Then peers are told identity logs and the own feeds, and hold much more."""
        return bool(self._writer.trust.left_ms(self._writer.reader.member_id))

    def _turned_away(self) -> Iterator[Finding]:
        held = {one.member_id: one.state for one in self._approval.every()}
        for member_id, tries in sorted(self._approval.turned_away.items()):
            if held.get(member_id) == APPROVED:
                continue
            why = "blocked" if held.get(member_id) == BLOCKED else "not approved"
            yield finding.warning(
                "turned away",
                f"{self._named(member_id)} tried to connect {tries.times:,} times, last at "
                f"{_written(tries.last_ms)}: {why} here",
                f"`tocsin peer add {self._slug(member_id)}`, if it shall be a peer.",
            )

    def _faults(self) -> Iterator[Finding]:
        if self._peering.convicting.is_ours:
            yield finding.fault(
                "faults",
                "within a minute more than 30 % of the peers seemed to send what does not hold: it is rather this "
                "node, which hangs up on none of them now",
                "Run `tocsin doctor --deep`, and compare `tocsin --version` with theirs.",
            )

    def _issuers(self, now_ms: int) -> Iterator[Finding]:
        """TLS issuers that end soon: their member's handshakes fail from then on, whatever its log says."""
        me = self._writer.reader.member_id
        for member_id in (me, *(one.member_id for one in self._approval.expected())):
            ends_ms = self._approval.issuer_ends_ms(member_id)
            if not ends_ms or ends_ms - now_ms > ISSUER_MS_MIN:
                continue
            whose, step = "this node's", "Make a new one before: `tocsin key rotate tls`; then no link is lost."
            if member_id != me:
                whose, step = f"{self._named(member_id)}'s", "Ask its administrator to make a new one before."
            words = f"{whose} TLS issuer ends {_written(ends_ms)}: no connection with it works from then on"
            yield finding.warning("issuer", words, step)

    def _clocks(self) -> Iterator[Finding]:
        median, count = self._peering.clock_ahead_ms, len(self._peering.connected)
        if median is None:
            return
        where = "behind" if median > 0 else "ahead of"
        words = f"{span(abs(median) / 1000)} {where} the connected peers', by the median of {count}"
        step = "Set the clock: `timedatectl` shows whether NTP does it."
        if abs(median) >= CLOCK_FAULT_MS:
            yield finding.fault("clock", f"{words}: what this node says is put off by others", step)
        elif abs(median) >= CLOCK_WARNING_MS:
            yield finding.warning("clock", words, step)
        else:
            yield finding.ok("clock", words)

    def _forks(self, forks: list[ForkView]) -> Iterator[Finding]:
        alarming = [one for one in forks if one.state in (branches.OPEN, branches.FROZEN)]
        for one in alarming:
            what = "identity log" if one.state == branches.FROZEN else "feed"
            if one.own:
                words = f"this member's own {what} forked at entry {one.seq}: its key signed one place twice"
                yield finding.fault("feeds", words, one.next_step)
            else:
                who = self._named(MemberId(one.member_id))
                words = f"the {what} of {who} forked at entry {one.seq}: what follows is contested everywhere"
                yield finding.warning("feeds", words, one.next_step)
        if not alarming:
            settled = sum(one.state == branches.SETTLED for one in forks)
            yield finding.ok("feeds", f"no open fork is known, {settled} settled" if settled else "no fork is known")

    def _named(self, member_id: MemberId) -> str:
        return f"{self._writer.trust.name_of(member_id)} ({keys.fingerprint(member_id)})"

    def _slug(self, member_id: MemberId) -> str:
        name = names.slug(self._writer.trust.name_of(member_id))
        return name or keys.fingerprint(member_id)[:5]


def _wanted(found: Waiting, now_ms: int) -> Finding:
    if not found.count:
        return finding.ok("wanted", "no payload is missing")
    age_ms = max(now_ms - found.since_ms, 0)
    words = f"{found.count:,} payloads are missing, the oldest for {span(age_ms / 1000)}"
    if age_ms <= WANTED_MS_MAX:
        return finding.ok("wanted", words)
    return finding.warning("wanted", words, "Connect to more peers: none of those connected has them.")


def _crises(unread: Unread, trust: Trust) -> list[Finding]:
    found = [
        finding.warning(
            "crises",
            f"{trust.name_of(member_id)} says so many that {count:,} of its {what} are not read",
            "Ask it what happened. What it said first and last is read; any crisis is read by its whole id, with up to"
            f" {lifecycles.SAID_MAX:,} acts in a feed that may move it, and as many others.",
        )
        for what, by_member in unread.items()
        for member_id, count in by_member.items()
    ]
    return found or [finding.ok("crises", "all that is here of crises is read")]


def _own_quota(budgets: Budgets, now_ms: int) -> Finding:
    if not budgets.slowed or now_ms > budgets.slowed_ms + SLOWED_MS:
        return finding.ok("quota", "what this node says goes the fast way")
    age = span(max(now_ms - budgets.slowed_ms, 0) / 1000)
    words = (
        f"our own feed is over its quota at peers, by {budgets.slowed:,} entries, the last {age} ago:"
        " they fetch these by turns, and carry what is urgent of them like the rest"
    )
    return finding.warning("quota", words, "Nothing is lost, and all of it comes within minutes.")


def _profile(warnings: Sequence[tuple[str, str]]) -> list[Finding]:
    found = [finding.warning("profile", reason, next_step) for reason, next_step in warnings]
    return found or [finding.ok("profile", "others find whom to call here")]


def _projected(found: Waiting, now_ms: int) -> Finding:
    if not found.count:
        return finding.ok("index", "everything that arrived can be looked up")
    age_ms = max(now_ms - found.since_ms, 0)
    words = f"{found.count:,} entries are not in it yet, the oldest for {span(age_ms / 1000)}"
    if age_ms <= UNPROJECTED_MS_MAX:
        return finding.ok("index", words)
    step = "See the log for `index not written`; if the disk has room, stop the node and run `tocsin index rebuild`."
    return finding.warning("index", words, step)


def _overdue(found: Waiting, now_ms: int) -> Finding:
    age_ms = max(now_ms - found.since_ms, 0)
    if not found.count or age_ms <= OVERDUE_MS_MAX:
        return finding.ok("erasure", "nothing is overdue")
    words = f"{found.count:,} payloads are to be gone by now, the first for {span(age_ms / 1000)}"
    return finding.fault("erasure", words, "See what is said of the clock here; then the log for `not erased`.")


def _written(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
