"""Checking a peer: call it now, step by step, and say what stands in the way and on whose side."""

import statistics
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from node.feed import keys
from node.feed.keys import MemberId
from node.protocol import session
from node.protocol.session import Self
from node.rpc import finding, greeting, leaf, probe
from node.rpc.approval import Approval
from node.rpc.finding import span
from node.rpc.greeting import Caller
from node.rpc.probe import Obstacle, Reached, Shown
from node.rpc.tls import UNREADABLE, Claim, Root
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.writer import Writer
from node.store.peers import BLOCKED, Peer
from node.v1 import peer_pb2
from node.v1.admin_pb2 import Finding

LINK_S = 5.0  # how long a link may take to come up after a greeting that went well
CLOCK_WARNING_MS = 10_000  # nothing depends on it, and no machine with NTP is so far off
CLOCK_FAULT_MS = 600_000  # entries dated so far ahead are put off

NAME_CHARACTERS_MAX = 80  # of a stranger's issuer


class Checking:
    """Calls peers on demand. Owned by the event loop."""

    def __init__(self, approval: Approval, peering: Peering, writer: Writer, clock: Clock, me: Self) -> None:
        self._approval, self._peering = approval, peering
        self._writer, self._clock, self._me = writer, clock, me

    async def check(self, peer: Peer) -> list[Finding]:
        """Everything that was looked at, up to the first obstacle."""
        found = []
        try:
            async for one in self._steps(peer):
                found.append(one)  # noqa: PERF401 - what was found before an obstacle counts
        except Obstacle as obstacle:
            side: finding.Side = "here" if obstacle.here else "there"
            found.append(finding.fault(obstacle.step, obstacle.reason, obstacle.next_step, side))
        return found

    async def _steps(self, peer: Peer) -> AsyncIterator[Finding]:
        if peer.state == BLOCKED:
            raise Obstacle("approval", "blocked here", "Add its card again: `tocsin peer add CARD`.", here=True)
        if peer.member_id not in self._writer.trust.known.members:
            yield finding.warning(
                "membership",
                "not a member of this federation, as far as this node has heard: links to it do not last",
                "Wait for its endorsements, or `tocsin peer remove` it if it is a stranger's card.",
            )
        places = self._approval.addresses(peer.member_id)
        if not places:
            yield self._waiting(peer)
            if peer.member_id not in self._peering.connected:
                return
        reached = None
        async for found in self._in_turn(peer, places):
            if isinstance(found, Finding):
                yield found
            else:
                peer, reached = found
        async for one in self._inside(peer, reached):
            yield one

    async def _in_turn(self, peer: Peer, places: Sequence[str]) -> AsyncIterator[Finding | tuple[Peer, Reached]]:
        """Its addresses up to the first where its node answers; what stands in the way at the last is the obstacle."""
        for address in places:
            if address != peer.address:
                yield finding.ok("address", f"{address}, by its profile")
            try:
                async for one in self._outside(replace(peer, address=address)):
                    yield (replace(peer, address=address), one) if isinstance(one, Reached) else one
            except Obstacle as obstacle:
                if address == places[-1]:
                    raise
                words = f"not at {address}: {obstacle.reason}"
                yield finding.warning(obstacle.step, words, "Its profile names another address, which is tried next.")
            else:
                return

    def _waiting(self, peer: Peer) -> Finding:
        """It has no address: all that can be done is to wait for it."""
        if peer.member_id in self._peering.connected:
            return finding.ok("address", "it has no address: it dials us")
        ended = self._peering.ended.get(peer.member_id)
        last = f"its last link ended: {ended}" if ended else "it has not, since this node started"
        return finding.fault(
            "address",
            f"neither a card nor its profile has an address, so nobody can call it: it dials us; {last}",
            f"Its administrator can see why: `tocsin peer check` there, for this member, {self._fingerprint()}.",
            "there",
        )

    # ---- Up to the certificates

    async def _outside(self, peer: Peer) -> AsyncIterator[Finding | Reached]:
        places = await probe.resolve(peer.address)
        if not probe.is_number(peer.address):
            yield finding.ok("dns", f"{peer.address.rpartition(':')[0]} is {', '.join(host for host, _ in places)}")
        connection, reached = await probe.connect(places, self._clock.monotonic_s)
        yield reached
        yield finding.ok("connect", f"{reached.address} answers in {span(reached.took_s)}")
        shown = await probe.shake_hands(connection, peer.member_id, self._approval.leaf())
        yield _judged_session(shown)
        yield self._judged_certificate(peer, shown.certificate)
        if shown.refused is not None:
            raise self._refused(shown.refused)

    def _judged_certificate(self, peer: Peer, shown: x509.Certificate) -> Finding:
        claim, roots = _claim_of(shown), self._approval.roots(peer.member_id)
        if claim is None or claim.member_id != peer.member_id:
            raise self._stranger(peer, claim, shown)
        root = leaf.issuer_of(shown, roots)
        if root is None:
            raise Obstacle(
                "certificate",
                f"its certificate is by another issuer than the one pinned for it: shown {_issuer_words(shown)}; "
                f"pinned {_pinned_words(roots)}",
                "Ask for its present card, compare its fingerprint over a second channel, and `tocsin peer add` it.",
            )
        now = self._now()
        begins, ends = shown.not_valid_before_utc, min(shown.not_valid_after_utc, root.certificate.not_valid_after_utc)
        if not begins <= now < ends:
            raise self._out_of_time(begins, ends, now)
        words = f"of this member's node, by the pinned issuer {_pinned_words((root,))}, until {_written(ends)}"
        return finding.ok("certificate", words)

    def _stranger(self, peer: Peer, claim: Claim | None, shown: x509.Certificate) -> Obstacle:
        wanted = f"expected: {self._name(peer.member_id)}, pinned {_pinned_words(self._approval.roots(peer.member_id))}"
        next_step = "Ask its member for the present address of its node, and for its present card."
        if claim is None:
            reason = f"what answers at this address is no node: {_issuer_words(shown)}; {wanted}"
            return Obstacle("certificate", reason, f"{next_step} A proxy in between must pass TLS through untouched.")
        who = f"{self._name(claim.member_id)}, {keys.fingerprint(claim.member_id)}"
        if claim.member_id == self._me.member_id:
            reason = "this node itself answers at the address that the peer names"
        elif leaf.issuer_of(shown, self._approval.acquainted.of(claim.member_id)):
            reason = f"another member's node answers at this address: {who}, {_issuer_words(shown)}; {wanted}"
        else:
            reason = f"a certificate answers that claims to be of {who}, {_issuer_words(shown)}; {wanted}"
        return Obstacle("certificate", reason, next_step)

    def _out_of_time(self, begins: datetime, ends: datetime, now: datetime) -> Obstacle:
        clocks = f"this machine's clock says {_written(now)}"
        here = self._is_off()
        own = "This machine's clock is off from its other peers' too: set it. " if here else ""
        if now < begins:
            off = span((begins - now) / timedelta(seconds=1))
            reason = f"its certificate is not valid before {_written(begins)}, which its own clock has passed; {clocks}"
            next_step = f"{own}Compare the clocks: they are at least {off} apart."
        else:
            off = span((now - ends) / timedelta(seconds=1))
            reason = f"its certificate expired at {_written(ends)}, {off} ago; {clocks}"
            next_step = f"{own}Ask whether its clock is right, and have its node restarted: it renews by itself."
        return Obstacle("certificate", reason, next_step, here=here)

    def _refused(self, alert: str) -> Obstacle:
        if not alert:
            how = "its node hangs up on our certificate without a word, as on any stranger's"
            return greeting.not_approved(how, self._fingerprint())
        if "expired" in alert:
            reason = (
                f"its node says that our certificate has expired; this machine's clock says {_written(self._now())}"
            )
            return Obstacle("approval", reason, "Compare the clocks.", here=self._is_off())
        return greeting.not_approved(f"its node refuses our certificate with the alert {alert!r}", self._fingerprint())

    # ---- Inside of the session

    async def _inside(self, peer: Peer, reached: Reached | None) -> AsyncIterator[Finding]:
        if peer.member_id not in self._peering.connected:
            async for one in self._greeted(peer):
                yield one
            await self._link_up(peer.member_id)
        else:
            yield finding.ok("approval", "approved on both sides")
            yield self._judged_clock(self._peering.heard[peer.member_id].clock_ahead_ms)
        await self._peering.compare()
        yield self._judged_link(peer.member_id, reached)

    async def _greeted(self, peer: Peer) -> AsyncIterator[Finding]:
        began, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        caller = Caller(self._me, self._approval.leaf(), self._fingerprint())
        said = await greeting.greet(peer, self._approval.roots(peer.member_id)[-1], caller, now_ms)
        yield finding.ok("approval", "approved on both sides")
        if said is None:
            return
        for one in self._judged_hello(peer, said):
            yield one
        half = (self._clock.monotonic_s() - began) * 500  # milliseconds of the way there
        yield self._judged_clock(int(said.now_ms - now_ms - half))

    def _judged_hello(self, peer: Peer, said: peer_pb2.Hello) -> list[Finding]:
        if said.federation_id != self._me.federation_id:
            raise Obstacle(
                "federation",
                f"its node is of another federation: {said.federation_id.hex()}; here it is "
                f"{self._me.federation_id.hex()}",
                "Compare the charter files: one of the two nodes joined another one than was agreed.",
            )
        reason = session.check_hello(self._me, peer.member_id, said)
        if reason:
            raise Obstacle("version", reason, "Update the older of the two programs.", here=_is_newer(said))
        return [
            finding.ok("federation", "the same"),
            finding.ok("version", f"{said.program[:64]}, protocol {session.VERSION}"),
        ]

    async def _link_up(self, member_id: MemberId) -> None:
        """Have the peer dialled now; raises Obstacle where that comes to nothing all the same."""
        self._peering.dialing.hurry(self._clock.monotonic_s(), member_id)
        self._peering.links.tell()
        if not await self._peering.linked(member_id, LINK_S):
            ended = self._peering.ended.get(member_id, "")
            raise Obstacle("link", f"no link yet{': ' if ended else ''}{ended}", "Check again in a minute.")

    def _judged_link(self, member_id: MemberId, reached: Reached | None) -> Finding:
        trip = f", round trip {span(reached.took_s)}" if reached else ""
        if member_id in self._peering.in_step:
            return finding.ok("link", f"connected{trip}, in step")
        behind = self._peering.behind(member_id)
        lag = f"it has {behind:,} entries that are not here yet" if behind else "it has not everything that is here"
        return finding.warning("link", f"connected{trip}, not in step: {lag}", "Look again in a minute; it should end.")

    # ---- Clocks and names

    def _judged_clock(self, ahead_ms: int) -> Finding:
        where = "ahead of" if ahead_ms > 0 else "behind"
        words = f"its clock is {span(abs(ahead_ms) / 1000)} {where} this machine's"
        if abs(ahead_ms) < CLOCK_WARNING_MS:
            return finding.ok("clock", words)
        next_step = "Set this machine's clock: it is off from other peers' too." if self._is_off() else "Compare both."
        if abs(ahead_ms) < CLOCK_FAULT_MS:
            return finding.warning("clock", words, next_step)
        side: finding.Side = "here" if self._is_off() else "there"
        return finding.fault("clock", f"{words}: what the one ahead says is put off here", next_step, side)

    def _is_off(self) -> bool:
        """Whether this machine's clock is far from those of most connected peers."""
        ahead = [self._peering.heard[peer].clock_ahead_ms for peer in self._peering.connected]
        return bool(ahead) and abs(statistics.median(ahead)) >= CLOCK_FAULT_MS

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)

    def _name(self, member_id: MemberId) -> str:
        return self._writer.trust.name_of(member_id)

    def _fingerprint(self) -> str:
        return keys.fingerprint(MemberId(self._me.member_id))


def _judged_session(shown: Shown) -> Finding:
    next_step = "Ask for the address and port of its node; a proxy in between must pass TLS through untouched."
    if shown.version != "TLS 1.3":
        raise Obstacle("tls", f"what answers speaks {shown.version}; the protocol needs TLS 1.3", next_step)
    if not shown.speaks_http2:
        raise Obstacle("tls", "what answers speaks TLS but not HTTP/2, so it is no node", next_step)
    return finding.ok("tls", shown.version)


def _claim_of(shown: x509.Certificate) -> Claim | None:
    try:
        claim = leaf.claim_of(shown)
    except UNREADABLE:
        return None
    return claim if claim and claim.use == "node" else None


def _is_newer(said: peer_pb2.Hello) -> bool:
    return said.version_min > session.VERSION


def _issuer_words(shown: x509.Certificate) -> str:
    """Its issuer by name, which in a node's is made of its key: only leaves are shown in a handshake."""
    return f"{_sha256(shown)} by issuer {shown.issuer.rfc4514_string()[:NAME_CHARACTERS_MAX] or 'without a name'}"


def _pinned_words(roots: tuple[Root, ...]) -> str:
    found = (f"{root.certificate.subject.rfc4514_string()} ({_sha256(root.certificate)})" for root in roots)
    return ", ".join(found) or "nothing"


def _sha256(shown: x509.Certificate) -> str:
    return f"SHA-256 {shown.fingerprint(hashes.SHA256()).hex()[:16]}"


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
