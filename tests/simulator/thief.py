"""A member whose feed key is in other hands (F16, F19): its feed forks, junk appears in it, and its root settles it."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from node import limits
from node.exchange import standing
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.exchange.signing import Signing
from node.feed import chain, entry
from node.feed.chain import Head
from node.feed.header import NORMAL, URGENT
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.protocol.effects import Stream
from node.store import driver, index, ledger
from node.v1 import header_pb2, peer_pb2
from tests.simulator import members, workload
from tests.simulator.amendments import AUTHORITIES
from tests.simulator.disk import MemoryErasures, MemoryJournal, Power, empty_disk
from tests.simulator.members import Member
from tests.simulator.node import Node, ms

if TYPE_CHECKING:
    from tests.simulator.world import World

FAULT = "forked author"
DAYS_MS = 86_400_000
SEEN_BY = 4  # nodes that are shown each branch first
SETTLED_AT_S = 12.0
PROOFS = 40  # more than a quota lets in at a time
PROOF_S = 4.0  # hops of half a second each, where links are slow
QUICK = {FAULT, "delay", "reorder", "repeat"}  # none of these keeps a proof from coming at once
Letters = list[header_pb2.SignedEntry]


class Thief:
    """One member's key in several hands. Its own node says nothing by itself in this world."""

    def __init__(self, world: "World", victim: Node) -> None:
        self.world, self.victim = world, victim
        self.random = world.random
        self.feed_id = victim.member.feed_id(world.federation.charter.federation_id)
        self.branches: list[Letters] = []
        self.shown: dict[bytes, set[HeaderHash]] = {}  # by node: what is urgent and was shown once
        self.is_settled = False
        chance = Random(f"{world.seed} deep")
        self.is_deep = chance.random() < 0.5  # the branch that is named parts again, right above
        self.settles_deep = chance.random() < 0.5
        self.stranger: Member | None = None  # whom the thief endorses on one branch, and two others beside it
        if victim.member.number < AUTHORITIES and chance.random() < 0.7:
            self._plan_stranger(chance)
        self.known_at: dict[bytes, float] = {}  # by node: since when it knows that the feed has forked
        world.at(self.random.uniform(1.0, 6.0), self._fork)
        if self.random.random() < 0.75:
            world.at(SETTLED_AT_S, self._settle)

    # ---- What is done

    def _plan_stranger(self, chance: Random) -> None:
        self.stranger, self.endorsing = members.member(1010), chance.randrange(2)
        honest = [node for node in self.world.nodes.values() if node.member.number < AUTHORITIES]
        for node in chance.sample([node for node in honest if node is not self.victim], 2):
            self.world.at(chance.uniform(0.5, 18.0), partial(self.world.let_say, node, lambda: [self._endorsement()]))
        for when in (9.0, 16.0, 23.0):
            self.world.at(when, partial(self._show_stranger, chance))

    def _endorsement(self) -> Draft:
        assert self.stranger is not None
        said = header_pb2.Endorse(member_id=self.stranger.member_id, role=self.stranger.inception.role)
        return Draft(Kind.ENDORSE, NORMAL, said.SerializeToString(deterministic=True))

    def _show_stranger(self, chance: Random) -> None:
        """Who takes it for a member stores all of it, who takes it for a candidate its log."""
        assert self.stranger is not None
        for node in chance.sample([*self.world.nodes.values()], SEEN_BY):
            self._show(node, members.own_letters(self.world.federation.charter, self.stranger))

    def _fork(self) -> None:
        if not self.victim.is_up:
            self.world.at(self.world.now + 1.0, self._fork)
            return
        image = self.victim.disk.image()
        self.branches = [self._sign(image, number=number) for number in range(self.random.choice((2, 2, 3)))]
        self.world.counts[f"fault: {FAULT}"] += 1
        if len(self.branches) > 2:
            self.world.counts["a feed forked in three"] += 1
        if self.is_deep:
            shared = self.branches[0][:1]
            one, other = (shared + self._sign(image, shared, number) for number in (0, len(self.branches)))
            self.branches = [one, *self.branches[1:], other]
        nodes = [node for node in self.world.nodes.values() if node is not self.victim]
        self.random.shuffle(nodes)
        for node in nodes[: SEEN_BY // 2]:
            self._flood_with_proofs(node)
        for number, letters in enumerate(self.branches):
            for node in nodes[number * SEEN_BY : (number + 1) * SEEN_BY]:
                self._show(node, letters)
        for node in self.random.sample(nodes, 3):
            self._show(node, self._junk())

    def _sign(self, image: dict[str, bytes], below: Sequence[header_pb2.SignedEntry] = (), number: int = 0) -> Letters:
        """A branch, as a copy of the node would sign it, behind what it has of that branch already."""
        disk = empty_disk()
        disk.load(image)
        member = self.victim.member
        author = Author(
            self.feed_id,
            member.feed_key,
            member.reader(),
            self.random.randbytes,
            MemoryJournal(Power(), lambda _: None),
            in_place=True,
        )
        copy = Exchange(disk, self.victim.exchange.trust, author, MemoryErasures(Power()))
        now_ms, said = ms(self.world.now), Letters()
        copy.admit(copy.verify(below), now_ms)
        copy.signing = Signing(agrees=True)  # a thief asks nobody
        while len(said) < 1 or self.random.random() < 0.6:
            drafts = workload.draft(self.random, self.world.federation, now_ms, [])
            if sum(len(draft.record) for draft in drafts) < limits.INLINE_BYTES_MAX // 2:  # nobody else could serve it
                said += [copy.letter(one) for one in copy.publish(drafts, now_ms).entries]
        if self.world.amendments and self.random.random() < 0.5:  # it counts where the victim is one who may amend
            signed = self.random.choice(self.world.amendments).drafts(now_ms, first=False)
            said += [copy.letter(one) for one in copy.publish(signed, now_ms).entries]
            self.world.counts["a thief signed an amendment"] += 1
        if self.stranger and number == self.endorsing:
            said += [copy.letter(one) for one in copy.publish([self._endorsement()], now_ms).entries]
        if self.random.random() < 0.7 and (acts := self.world.crises.stolen(copy, now_ms)):
            said += [copy.letter(one) for one in copy.publish(acts, now_ms).entries]
        disk.close()
        return said

    def _junk(self) -> Letters:
        """What is signed by the key all the same: no predecessor, a number out of reach, a date far ahead."""
        head = ledger.head(self.victim.disk.ledger, self.feed_id)
        assert head is not None
        now_ms = ms(self.world.now)
        return [
            self._forged(seq=head.seq + 1, previous=self.random.randbytes(32), created_ms=now_ms),
            self._forged(seq=2**39, previous=self.random.randbytes(32), created_ms=now_ms),
            self._forged(seq=head.seq + 9, previous=self.random.randbytes(32), created_ms=now_ms + 400 * DAYS_MS),
        ]

    def _flood_with_proofs(self, node: Node) -> None:
        """Of places out of reach, each lower than the one before: the true one has to come through all the same."""
        for seq in range(2**38, 2**38 - PROOFS, -1):
            now_ms, below = ms(self.world.now), (self.random.randbytes(32) for _ in range(2))
            pair = [self._forged(seq=seq, previous=one, created_ms=now_ms, urgency=NORMAL) for one in below]
            self._say(node, peer_pb2.Frame(fork=header_pb2.ForkProof(first=pair[0], second=pair[1])))

    def _forged(self, *, seq: int, previous: bytes, created_ms: int, urgency: int = URGENT) -> header_pb2.SignedEntry:
        statement = header_pb2.Withdraw(reason=1).SerializeToString()
        fields = header_pb2.Header(
            feed_id=self.feed_id,
            seq=seq,
            previous=previous,
            created_ms=created_ms,
            urgency=urgency,
            kind=Kind.WITHDRAW,
            object_id=self.random.randbytes(16),
            statement=statement,
        )
        made = entry.create(fields, self.victim.member.feed_key, self.world.federation.charter.federation_id)
        return header_pb2.SignedEntry(header=made.header.body, signature=made.signature)

    def _show(self, node: Node, letters: Sequence[header_pb2.SignedEntry]) -> None:
        self._say(node, peer_pb2.Frame(entries=peer_pb2.Entries(entries=letters, lane=URGENT)))

    def _say(self, node: Node, frame: peer_pb2.Frame) -> None:
        """As if a peer of it had."""
        ready = node.gossip.ready() if node.is_up else []
        if not ready:
            self.world.at(self.world.now + 1.0, lambda: self._say(node, frame))
            return
        peer, data = self.random.choice(ready), frame.SerializeToString(deterministic=True)
        self.world.do(node, lambda: node.frame(self.world.now, peer, Stream.GOSSIP, data))

    def _settle(self) -> None:
        """Its root names the first branch, and ends the feed there; told by its own node."""
        if not self.victim.is_up or not self.branches:
            self.world.at(self.world.now + 1.0, self._settle)
            return
        federation_id, member = self.world.federation.charter.federation_id, self.victim.member
        branch = [entry.decode(one.header, one.signature, federation_id).header for one in self.branches[0]]
        places, last = branch[: 2 if self.is_deep and self.settles_deep else 1], branch[-1]
        named = [header_pb2.Settle(feed_id=self.feed_id, seq=one.seq, header_hash=one.hash) for one in places]
        ended = header_pb2.Retire(feed_id=self.feed_id, seq=last.seq, header_hash=last.hash)
        head: Head = self.victim.exchange.trust.logs[member.member_id].head
        letters = Letters()
        for kind, statement in (*((Kind.SETTLE, one) for one in named), (Kind.RETIRE, ended)):
            fields = header_pb2.Header(
                feed_id=head.feed_id,
                seq=head.seq + 1,
                previous=head.hash,
                created_ms=ms(self.world.now),
                urgency=1,
                kind=kind,
                statement=statement.SerializeToString(),
            )
            made = entry.create(fields, member.root, federation_id)
            head = chain.head_of(made.header)
            letters.append(header_pb2.SignedEntry(header=made.header.body, signature=made.signature))
        self.is_settled = self.world.do(
            self.victim, lambda: self.victim.ingest(self.world.now, self.victim.id, letters)
        )
        if not self.is_settled:
            self.world.at(self.world.now + 1.0, self._settle)

    # ---- What must hold

    def look(self, node: Node) -> None:
        """I8: what is urgent and was shown once goes on being shown, as contested or as superseded by its root."""
        if node.exchange.trust.marks.forked_at(self.feed_id):
            self.known_at.setdefault(node.id, self.world.now)
        here = self._urgent(node)
        shown = self.shown.setdefault(node.id, set())
        assert shown <= set(here), "I8: an urgent entry is not shown any more"
        shown |= set(here)
        if not self.victim.exchange.trust.marks.settled:
            superseded = [hash_ for hash_, found in here.items() if found is Standing.SUPERSEDED]
            assert not superseded, "I8: an urgent entry was superseded, and its root has said nothing"

    def check(self, nodes: Sequence[Node]) -> None:
        """I6: the same fork, and the same effect, everywhere. L4: who knows of a fork tells everyone."""
        if self.known_at and not set(self.world.faults) - QUICK:
            late_s = max(self.known_at.values()) - min(self.known_at.values())
            assert len(self.known_at) == len(nodes), "L4: not everyone knows of the fork"
            assert late_s <= PROOF_S, f"L4: the last one knew of the fork {late_s:.1f} s after the first"
            self.world.counts["a fork was everywhere in time"] += 1
        marks = {node.exchange.trust.marks.forked_at(self.feed_id) for node in nodes}
        assert len(marks) == 1, f"I6: the lowest fork is {marks}"
        if self.is_settled and self.is_deep and not self.settles_deep:
            assert marks <= {None, self._place(1)}, f"I6: settled below, and still {marks}"
            self.world.counts["a fork above one that was settled was proven"] += marks != {None}
        elif self.is_settled:
            assert marks == {None}, f"I6: settled, and still {marks}"
        assert self.is_agreed(nodes), "I6: what has effect differs"
        for node in nodes:
            self.look(node)
        trust = nodes[0].exchange.trust
        unseated = trust.known.members - trust.roster(ms(self.world.now)).seats.keys()
        assert all(_known(node) == _known(nodes[0]) for node in nodes), "I4: who is known differs"
        if self.stranger and self.stranger.member_id in unseated:
            self.world.counts["a contested endorsement made somebody known"] += 1

    def _place(self, number: int) -> int:
        """Where an entry of the branch that is named stands."""
        return header_pb2.Header.FromString(self.branches[0][number].header).seq

    def is_agreed(self, nodes: Sequence[Node]) -> bool:
        """Whether what has effect is alike: what is urgent above a fork is found by no comparing of heads."""
        first, *others = [(self._effect(node), *_known(node)) for node in nodes]
        return all(other == first for other in others)

    def _urgent(self, node: Node) -> dict[HeaderHash, Standing]:
        records = index.from_place(node.disk.index, self.feed_id, 1).values()
        urgent = [record for record in records if record.kind == Kind.DECLARATION and not record.exercise]
        return {record.hash: standing.standing_of(node.disk, record, node.exchange.trust) for record in urgent}

    def _effect(self, node: Node) -> set[tuple[HeaderHash, Standing]]:
        """Records and statements of the feed that stand, and what is urgent, as it is."""
        rows = driver.rows(node.disk.ledger, "SELECT hash FROM entry WHERE feed_id = ?", (self.feed_id,))
        found = [row for row in (ledger.entry(node.disk.ledger, HeaderHash(one[0])) for one in rows) if row]
        stands = [row for row in found if standing.standing_of(node.disk, row, node.exchange.trust) is Standing.STANDS]
        whole = {(row.hash, Standing.STANDS) for row in stands}
        urgent = self._urgent(node).items()
        return whole | {(hash_, found) for hash_, found in urgent if found is not Standing.SUPERSEDED}


def _known(node: Node) -> tuple[AbstractSet[MemberId], AbstractSet[MemberId]]:
    """Whose entries are stored, and whose log alone is."""
    trust = node.exchange.trust
    return trust.known.members, frozenset(trust.candidates)
