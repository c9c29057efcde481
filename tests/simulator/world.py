"""A world from a seed: members, links, faults, what is said; then healing, and agreement is demanded."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.errors import Refused
from node.exchange.publish import Draft
from node.exchange.signing import State
from node.feed.keys import MemberId
from node.store import arrivals, health, index, ledger, peers
from node.store.peers import APPROVED, Peer
from tests.simulator import (
    amendments,
    checks,
    churn,
    copies,
    crises,
    erasing,
    floods,
    members,
    memo,
    readings,
    thief,
    workload,
)
from tests.simulator.churn import Churn
from tests.simulator.crises import Crises
from tests.simulator.disk import Crash, Disk, empty_disk
from tests.simulator.erasing import Erasing
from tests.simulator.network import Network
from tests.simulator.node import Node, ms
from tests.simulator.thief import Thief

AUTHORS = 5
ENTRIES_MIN = 40
SAYING_S = 20.0  # how long entries are published
CONVERGE_S = 240.0  # after the healing; sixteen rounds of anti-entropy
DEGREE = 4
THIEF_ALONE = 7  # of every twenty worlds, this one
FAULTS = (
    *(
        "loss",
        "delay",
        "reorder",
        "repeat",
        "partition",
        "one way",
        "crash",
        "late joiner",
        "restart",
        "churn",
        "flood",
    ),
    thief.FAULT,
    *copies.FAULTS,
)
RARE = (
    "a feed forked in three",
    "a fork was proven",
    "a fork was settled",
    "a fork above one that was settled was proven",
    "a fork was everywhere in time",
    "a proof of a fork was put off",
    "a chain gave way to the branch that was named",
    "a gap was seen",
    "the circle changed",
    "a feed was not certified yet",
    "a push beyond a quota was not taken in",
    "an urgent entry went in lane 1",
    "a payload was absent",
    "a chunk was kept",
    "a fetch was retried or moved",
    "an own entry came back from the journal",
    "died at keys",
    "died at ledger",
    "died at index",
    "died at digests",
    "died at journal",
    "the last commit was lost",
    "the last commit was kept",
    "the store was built the long way",
    "an amendment took effect",
    "two amendments of one number were complete",
    "a thief signed an amendment",
    "a contested endorsement made somebody known",
    *copies.RARE,
    *erasing.RARE,
    *crises.RARE,
)

memo.remember()
_disks: list[Disk] = []  # made once, loaded anew by every world


@dataclass
class Report:
    """What a world did."""

    seed: int
    trace: str
    entries: int
    frames: int
    faults: tuple[str, ...]
    counts: Counter[str]
    converged_s: float


class World(Network):
    """One run."""

    def __init__(self, seed: int, count: int = 25) -> None:
        super().__init__(seed)
        self.federation = members.federation(count, crises.DOCUMENT)
        authorities = self.federation.members[: amendments.AUTHORITIES]
        self.checks.declaring = frozenset(one.feed_id(self.federation.charter.federation_id) for one in authorities)
        self.published: list[bytes] = []
        self.authors: list[Node] = []
        self.over: list[Node] = []  # whose journal was set back
        self.entries = 0
        self.thief: Thief | None = None
        self.churn: Churn | None = None
        self.erasing = Erasing(self)
        self.crises = Crises(self)
        self.faults = tuple(sorted(self.random.sample(FAULTS, self.random.randint(3, 5))))
        if seed % 20 == THIEF_ALONE:  # where nothing else strikes, a proof has to be quick
            self.faults = tuple(sorted({thief.FAULT, *thief.QUICK}))
        self.disturb(self.faults)
        self.wakes: dict[MemberId, float] = {}
        self.nodes = {one.member_id: self._node(one) for one in self.federation.members}

    # ---- The run

    def run(self) -> Report:
        """Say, fail, heal, agree; raises AssertionError with what does not hold."""
        self._connect()
        self._plan()
        last_at = SAYING_S + 5
        self._until(last_at, None)
        self._heal()
        self._until(last_at + CONVERGE_S, self._is_agreed)
        assert self._is_agreed(), f"seed {self.seed}: no agreement after {CONVERGE_S} s: {self._disagreement()}"
        converged_s = self.now - last_at
        self._check_end()
        for node in self.nodes.values():
            self.counts += node.counts
        return Report(
            self.seed, self.trace.hexdigest(), self.entries, self.frames, self.faults, self.counts, converged_s
        )

    # ---- Making

    def _node(self, one: members.Member) -> Node:
        number = one.number
        while len(_disks) <= number:
            _disks.append(empty_disk())
        disk = _disks[number]
        disk.load(self.federation.image)
        node = Node(self.seed, one, self.federation, disk)
        node.journal.noted = lambda body: self.checks.signed(node.id, body, ms(self.now))
        node.carry, node.cut = self._carry, self._cut
        self.write_store_id(disk, number)
        return node

    def write_store_id(self, disk: Disk, number: int) -> None:
        store_id = members.seed(f"store {self.seed} {number}")[:16]
        ledger.write_meta(disk.ledger, "store_id", store_id)
        disk.ledger.commit()
        index.set_projected(disk.index, arrivals.last(disk.ledger, store_id))
        disk.index.commit()

    def _connect(self) -> None:
        late = self._late_joiner()
        ids = list(self.nodes)
        for i, one in enumerate(ids):
            self._link(one, ids[(i + 1) % len(ids)])
            for other in self.random.sample(ids, DEGREE // 2 - 1):
                if other != one:
                    self._link(one, other)
        if self.seed % 20 == 0:
            self._build_long_way()
        for node in self.nodes.values():
            self.approve(node)
        for node in self.nodes.values():
            if node is not late:
                node.start(0.0, prepared=True)
        for pair in sorted(self.links):
            self._dial(pair)

    def _build_long_way(self) -> None:
        """The prepared image is what taking everything in makes, entry by entry."""
        disk = empty_disk()
        first = self.federation.members[0]
        for letter in self.federation.letters:
            members.take_all_again(disk, self.federation, first, letter)
        assert checks.admitted(disk) == checks.admitted(self.nodes[first.member_id].disk)
        self.counts["the store was built the long way"] += 1
        disk.close()

    def approve(self, node: Node) -> None:
        """Its administrator approves those with whom it has a link."""
        for pair in sorted(self.links):
            if node.id in pair:
                (peer,) = set(pair) - {node.id}
                peers.put(node.disk.ledger, Peer(peer, "", b"", APPROVED, members.BASE_MS))
        node.disk.commit("ledger")

    def _late_joiner(self) -> Node | None:
        if "late joiner" not in self.faults:
            return None
        node = self.nodes[self.federation.members[-1].member_id]
        node.disk.load(self.federation.empty)
        self.write_store_id(node.disk, node.member.number)
        self.at(self.random.uniform(5, SAYING_S), lambda: self._join(node))
        return node

    def _join(self, node: Node) -> None:
        self.counts["fault: late joiner"] += 1
        self.join(node)

    def join(self, node: Node) -> None:
        """Its stores are empty, and its journal is there."""
        node.start(self.now, prepared=False)
        own = members.own_letters(self.federation.charter, node.member)
        node.exchange.admit(node.exchange.verify(own), ms(self.now))
        node.start(self.now, prepared=False)
        self.after(node)

    # ---- The plan of a seed

    def _plan(self) -> None:
        authors = [self.nodes[one.member_id] for one in self.random.sample(self.federation.members[:-1], AUTHORS)]
        self.authors = authors
        for i in range(ENTRIES_MIN):
            self.at(self.random.uniform(0.1, SAYING_S), lambda i=i: self.let_say(authors[i % AUTHORS]))  # type: ignore[misc]
        self.amendments = amendments.plan(self, SAYING_S)
        self.checks.is_amended = bool(self.amendments)
        if "churn" in self.faults:
            self._plan_churn([author.id for author in authors])
        if "partition" in self.faults:
            self.at(self.random.uniform(1, 8), self._partition)
        if "one way" in self.faults:
            self.at(self.random.uniform(1, 8), self._mute)
        if "flood" in self.faults:
            floods.plan(self)
        everyone = list(self.nodes.values())
        if thief.FAULT in self.faults:
            self.thief, self.may_blame = Thief(self, self._victim(everyone[:-1])), True
        if "crash" in self.faults:
            for author in self.random.sample(authors, 2):
                self.at(self.random.uniform(1, SAYING_S), lambda author=author: self._die_signing(author))  # type: ignore[misc]
            for _ in range(4):
                node = self.random.choice([*authors, *everyone])
                self.at(self.random.uniform(1, SAYING_S), lambda node=node: self._arm(node))  # type: ignore[misc]
        copies.plan(self, authors)
        self.erasing.plan(authors)
        self.crises.plan(self.thief.victim if self.thief else None)
        if "restart" in self.faults:
            for _ in range(2):
                node = self.random.choice(everyone)
                self.at(self.random.uniform(1, SAYING_S), lambda node=node: self._stop(node, "restart"))  # type: ignore[misc]

    def _victim(self, everyone: Sequence[Node]) -> Node:
        """Whose key is stolen: nobody for whom others wait. Half of the time one who may amend."""
        busy = {node.id for node in self.authors}
        if self.churn:
            busy |= {self.churn.removed, self.churn.leaver, *(member_id for member_id, _ in self.churn.sayings)}
        spared = [node for node in everyone if node.id not in busy]
        amending = [node for node in everyone[: amendments.AUTHORITIES] if node in spared]
        return self.random.choice(amending if amending and self.random.random() < 0.5 else spared)

    def _plan_churn(self, busy: Sequence[MemberId]) -> None:
        amending = {signer for one in self.amendments for signer in one.signers}
        self.churn = planned = churn.plan(self.random, self.federation, busy, amending)
        for member_id, drafts in planned.sayings:
            node = self.nodes[member_id]
            when = self.random.uniform(1, SAYING_S)
            self.at(when, lambda node=node, drafts=drafts: self.let_say(node, lambda: drafts(node, ms(self.now))))  # type: ignore[misc]
        self.at(self.random.uniform(1, SAYING_S), lambda: self._leave(self.nodes[planned.leaver]))

    def _leave(self, node: Node) -> None:
        """Told by its own node; again where that died meanwhile."""
        if node.is_up and (letters := churn.leave(node, ms(self.now))):
            self.counts["a member left"] += self.do(node, lambda: node.ingest(self.now, node.id, letters))
        if not node.is_up or not node.exchange.trust.left_ms(node.id):
            self.at(self.now + 1.0, lambda: self._leave(node))

    def let_say(self, author: Node, drafts: Callable[[], Sequence[Draft]] | None = None) -> None:
        if not author.is_up:
            self.at(self.now + 2.0, lambda: self.let_say(author, drafts))
            return
        said = drafts() if drafts else workload.draft(self.random, self.federation, ms(self.now), self.published)
        self.counts["fault: churn"] += drafts is not None
        try:
            lived = self.do(author, lambda: author.publish(self.now, said) if said else None)
        except Refused:
            state = author.exchange.signing.state
            self.counts[f"refused to sign: {state.value}"] += 1
            is_over = state is State.STALE and drafts is None  # somebody else says something instead
            other = self.random.choice(self.authors) if is_over else author
            self.at(self.now + 1.0, lambda: self.let_say(other, drafts))
            return
        if lived:
            self.entries += len(said)
        else:
            self.at(self.now + 3.0, lambda: self.let_say(author, drafts))

    def _arm(self, node: Node) -> None:
        """Let the machine die at one of its next commits; one that is off is left alone."""
        if not node.is_up:
            return
        left = self.random.randint(0, 5)
        node.disk.power.kept = self.random.random() < 0.5
        # What is seldom written would seldom be met.
        node.disk.power.commits_left, node.disk.power.only = (0, "digests") if left == 5 else (left, "")

    def _die_signing(self, node: Node) -> None:
        """Let the machine die at the first thing that becomes durable of what it says: its line in the journal."""
        if node.is_up:
            node.disk.power.commits_left, node.disk.power.only = 0, "journal"
            node.disk.power.kept = self.random.random() < 0.7
            self.let_say(node)

    def _stop(self, node: Node, fault: str) -> None:
        if not node.is_up:
            return
        self.counts[f"fault: {fault}"] += 1
        self.turn_off(node)
        self.at(self.now + self.random.uniform(0.5, 4.0), lambda: self._restart(node))

    def turn_off(self, node: Node) -> None:
        """Its links end, and what was not committed is lost."""
        node.is_up = False
        node.disk.rollback()
        node.disk.power.commits_left = -1
        for pair, link in sorted(self.links.items()):
            if node.id in pair and link.is_up:
                self._hang_up(pair)

    def _restart(self, node: Node) -> None:
        if node.is_up:
            return
        before = len(checks.admitted(node.disk))
        brought = self.erasing.brought_back(node)
        node.start(self.now, prepared=False)
        self.counts["a start erased again what a disk brought back"] += brought
        self.erasing.restarted(node)
        if len(checks.admitted(node.disk)) > before:
            self.counts["an own entry came back from the journal"] += 1
        self.checks.restarted(node)
        self.after(node)

    def _partition(self) -> None:
        self.counts["fault: partition"] += 1
        side = set(self.random.sample(list(self.nodes), len(self.nodes) // 2))
        cut = [pair for pair in sorted(self.links) if (pair[0] in side) != (pair[1] in side)]
        until = self.now + self.random.uniform(3, 10)
        for pair in cut:
            self._hang_up(pair, until)

    def _mute(self) -> None:
        """Some links lose all that one side sends, for good: what it says comes another way, which the ring leaves."""
        ids = list(self.nodes)
        ring = {frozenset(pair) for pair in zip(ids, [*ids[1:], ids[0]], strict=True)}
        free, others = set(ids), [pair for pair in sorted(self.links) if frozenset(pair) not in ring]
        for pair in self.random.sample(others, len(others)):
            if free.issuperset(pair):  # one for each node, so that most of its peers hear it and are heard
                free -= set(pair)
                self.mute(*self.random.sample(pair, 2))

    def _heal(self) -> None:
        """Faults stop here, but for links that lose one way; what is in flight still arrives as it was sent."""
        self.is_healed = True
        for node in self.nodes.values():
            node.disk.power.commits_left = -1

    # ---- One event of one node

    def do(self, node: Node, what: Callable[[], None]) -> bool:
        """Run it, let the machine die in it, check what must hold. Whether it lived."""
        try:
            what()
        except Crash:
            power = node.disk.power
            self.counts[f"died at {power.died_at}"] += 1
            self.counts["the last commit was kept" if power.kept else "the last commit was lost"] += 1
            self._stop(node, "crash")
            return False
        self.after(node)
        return True

    def forget(self, node: Node) -> None:
        """What was promised and shown from there is no promise any more: its disk is another."""
        self.checks.forget(node)
        if self.thief:
            self.thief.shown.pop(node.id, None)

    def after(self, node: Node) -> None:
        self.checks.moved(node, self.federation.charter.federation_id)
        if node.is_up:
            self.erasing.look(node)
        if self.thief and node.is_up:
            self.thief.look(node)
        wake_at = node.wake_at
        if wake_at != self.wakes.get(node.id) and wake_at < float("inf"):
            self.wakes[node.id] = wake_at
            self.at(max(wake_at, self.now), lambda: self._wake(node, wake_at))

    def _wake(self, node: Node, wake_at: float) -> None:
        if node.is_up and self.wakes.get(node.id) == wake_at:
            self.wakes.pop(node.id)
            self.do(node, lambda: node.wakeup(self.now))

    # ---- Agreement

    @property
    def _members(self) -> list[Node]:
        """Everyone but who was removed or left, and hears no more."""
        gone = (self.churn.removed, self.churn.leaver) if self.churn else ()
        return [node for node in self.nodes.values() if node.id not in gone]

    def _is_agreed(self) -> bool:
        nodes = self._members
        if not all(node.is_up for node in nodes) or len({node.gossip.digest for node in nodes}) > 1:
            return False
        if self.thief and not self.thief.is_agreed(nodes):
            return False
        return all(health.missing(node.disk.ledger, 0).count == 0 for node in nodes)

    def _disagreement(self) -> str:
        nodes = list(self.nodes.values())
        digests = Counter(node.gossip.digest.hex()[:8] for node in nodes if node.is_up)
        wants = {node.member.number: health.missing(node.disk.ledger, 0).count for node in nodes}
        return f"heads {dict(digests)}, wants { {k: v for k, v in wants.items() if v} }, {self.faults}"

    def _check_end(self) -> None:
        nodes = self._members
        checks.converged(nodes)
        self.erasing.sweep_all(nodes)
        amendments.agreed(self, self.amendments, nodes)
        self.crises.check_end(nodes)
        if self.thief:
            self.thief.check(nodes)
        copies.check_end(self)
        self.erasing.check_end(nodes)
        if self.churn:
            churn.agreed(self.churn, nodes)
        for node in nodes:
            checks.boxed(node)
            checks.bounded(node)
        for node in self.random.sample(nodes, 2):
            shown = readings.shown(node, ms(self.now))
            checks.rebuilt(node)
            assert readings.shown(node, ms(self.now)) == shown, "C6: an index made anew shows other crises"
            checks.unreadable(node, self.published)
            checks.unbroken(node)
            checks.separated(node, members.member(10_000).feed_key)
