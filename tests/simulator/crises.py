"""Crises in worlds: declared, co-signed or refused, led by several at once, promoted, ended, taken back.

What honest programs say goes through the same checks as in the daemon (exchange/declaring); what they would refuse to
say is said as well. What must hold of it stands in readings.py.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Literal

from node.crisis.states import State
from node.crisis.words import STANCES
from node.errors import Refused
from node.exchange import crises, declaring, documents, drafts, signing
from node.exchange.consult import View
from node.exchange.crises import Crisis
from node.exchange.declaring import Speaker
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.keys import MemberId, ObjectId
from node.feed.kinds import Kind
from node.v1 import record_pb2, tools_pb2
from tests.simulator import clocks, floods, readings
from tests.simulator.node import Node, ms

if TYPE_CHECKING:
    from tests.simulator.world import World

Verb = Literal["update", "extend", "hand_over", "de_escalate", "end", "review", "close", "withdraw"]
Act = record_pb2.CrisisAct
Choose = Callable[[Crisis, View], Act | Draft | None]

RARE = (
    "a crisis was active with all its co-signatures",
    "a crisis was rejected",
    "a crisis ended by itself",
    "a crisis was ended",
    "a crisis was de-escalating",
    "a crisis was under review",
    "a crisis was closed",
    "a crisis was withdrawn",
    "a crisis was updated",
    "a crisis was extended",
    "a crisis was handed over",
    "a clash was open",
    "a clash was settled",
    "an extension waited for co-signatures",
    "an alert was promoted",
    "a crisis under a framework that an amendment brought",
    "a crisis whose owner has lost its seat",
    "a thief acted in a crisis",
    "an act was refused",
    "a member took part in a crisis, and left it",
    *clocks.RARE,
)
AUTHORITIES = 10
CRISES = 3
COSIGNERS = 4
DEPUTIES = 2
TRIES = 12
AGAIN_S = 1.0
HOUR_MS = 3_600_000
LEADING: tuple[Verb, ...] = (
    *("update", "extend", "extend", "de_escalate", "end", "review", "close", "hand_over", "withdraw"),
)
CLASHING: tuple[tuple[Verb, Verb], ...] = (
    ("end", "extend"),
    ("extend", "extend"),
    ("update", "update"),
    ("hand_over", "hand_over"),
)


def _framework(name: str, count: int) -> bytes:
    cosign = f'[cosign]\ncount = {count}\ncountries = {count}\nroles = ["authority"]\n' if count else ""
    return (
        f'name = "{name}"\nversion = "1"\ntitle = "Simulated"\nrequired = ["harm"]\n\n'
        f'[declare]\nroles = ["authority"]\nalert = ["authority", "platform"]\n\n'
        f"{cosign}\n[duration]\ndefault_hours = 1\nlongest_hours = 1\n"
    ).encode()


SIGNED, FREE, LATER = _framework("signed", 2), _framework("free", 0), _framework("later", 1)


def _with_frameworks(text: str, named: Sequence[tuple[str, bytes]]) -> str:
    rows = [
        f'\n[[frameworks]]\nname = "{name}"\nversion = "1"\nsha256 = "{sha256(document).hexdigest()}"\n'
        for name, document in named
    ]
    before, after = text.split('name = "eu-ocrf"\nversion = "1"\n')
    return f'{before}name = "eu-ocrf"\nversion = "1"\n{"".join(rows)}{after}'


DOCUMENT = _with_frameworks(floods.DOCUMENT.decode(), [("signed", SIGNED), ("free", FREE)]).encode()


def amended(text: str, number: int) -> str:
    """The rules that an amendment puts in force: with one more framework, sometimes with one less."""
    kept = [("signed", SIGNED), ("free", FREE)][: 2 if number % 3 else 1]
    return _with_frameworks(text, [*kept, ("later", LATER)])


@dataclass
class Raised:
    """One crisis or alert, whose it is, and how willing others are to co-sign it."""

    owner: Node
    object_id: ObjectId
    deputies: tuple[Node, ...] = ()
    willing: float = 0.9
    is_alert: bool = False
    exercise: bool = False

    @property
    def about(self) -> tuple[MemberId, ObjectId]:
        """What names it on every node."""
        return self.owner.id, self.object_id


@dataclass
class Crises:
    """What is declared and said in a world."""

    world: "World"
    raised: list[Raised] = field(default_factory=list)
    contested: set[bytes] = field(default_factory=set)
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(f"crises {self.world.seed}")  # what the worlds do besides stays as it is

    # ---- The plan

    def plan(self, victim: Node | None) -> None:
        """Who declares and leads, and what is said when. ``victim``: whose key is stolen; its own node is silent."""
        everyone = [node for node in self.world.nodes.values() if node is not victim]
        desks = [node for node in everyone if node.member.number < AUTHORITIES]
        for node in self.random.sample(desks, 2):
            for text in (SIGNED, FREE, LATER):
                self._at(0.1, 1.5, partial(self._publish_text, node, text, TRIES))
        still = [node for node in everyone if node not in self.world.authors]
        clocks.plan(self.world, self.random, still)
        for number in range(CRISES):
            owner, *others = self.random.sample(desks, 1 + DEPUTIES + COSIGNERS)
            deputies = [*others[:DEPUTIES], *([victim] if victim else [])]
            one = Raised(owner, self._draw_id(), tuple(deputies), 0.1 if number == CRISES - 1 else 0.9)
            one.exercise = self.random.random() < 0.2
            self._plan_one(one, others[DEPUTIES:], self.random.uniform(1.2, 6), None)
        self._plan_alert(self.random.choice([node for node in everyone if node not in desks]), desks)

    def _plan_alert(self, owner: Node, desks: Sequence[Node]) -> None:
        """A platform warns, and an authority makes a crisis of it."""
        alert = Raised(owner, self._draw_id(), is_alert=True)
        self.world.at(self.random.uniform(1, 3), partial(self._declare, alert, "", None, TRIES))
        promoter, *others = self.random.sample(desks, 1 + DEPUTIES + COSIGNERS)
        one = Raised(promoter, self._draw_id(), tuple(others[:DEPUTIES]))
        self._plan_one(one, others[DEPUTIES:], self.random.uniform(5, 8), alert)

    def _plan_one(self, one: Raised, cosigners: Sequence[Node], at: float, alert: Raised | None) -> None:
        framework = self.random.choice(("signed", "signed", "free", "later"))
        self.world.at(at, partial(self._declare, one, framework, alert, TRIES))
        for node in cosigners:
            for _ in range(2):  # to the declaration, and to what is proposed later
                self._at(at + 0.3, at + 9, partial(self._act, node, one, partial(self._answer, one), TRIES))
        leaders = [node for node in (one.owner, *one.deputies) if not self._is_victim(node)]
        for _ in range(2):
            self._at(at + 1, at + 12, partial(self._lead, self.random.choice(leaders), one, None))
        pair = self.random.choice(CLASHING)
        when = at + self.random.uniform(2, 9)
        for node, verb in zip(self.random.sample(leaders, 2), pair, strict=True):
            leader = one.owner if verb in ("hand_over", "withdraw") and self.random.random() < 0.5 else node
            self.world.at(when + self.random.uniform(0, 0.01), partial(self._lead, leader, one, verb))
        self._at(when + 2, when + 5, partial(self._lead, self.random.choice(leaders), one, None))
        node = self.random.choice(list(self.world.nodes.values()))
        if not self._is_victim(node):
            self._at(at + 0.5, at + 3, partial(self._act, node, one, lambda *_: self._participation(1), TRIES))
            self._at(at + 4, at + 8, partial(self._act, node, one, lambda *_: self._participation(4), TRIES))
            self._at(at + 1, at + 10, partial(self._act, node, one, self._odd, TRIES))

    def _is_victim(self, node: Node) -> bool:
        return self.world.thief is not None and self.world.thief.victim is node

    def _at(self, low_s: float, high_s: float, what: Callable[[], None]) -> None:
        self.world.at(self.random.uniform(low_s, high_s), what)

    def _again(self, what: Callable[[], None]) -> None:
        self.world.at(self.world.now + AGAIN_S, what)

    def _draw_id(self) -> ObjectId:
        return ObjectId(self.random.randbytes(16))

    # ---- What is said

    def _publish_text(self, node: Node, text: bytes, tries: int) -> None:
        if not self._say(node, documents.draft(text, "simulated", "1", node.ms(self.world.now))) and tries:
            self._again(partial(self._publish_text, node, text, tries - 1))

    def _declare(self, one: Raised, framework: str, alert: Raised | None, tries: int) -> None:
        """Once its framework is here; whoever cannot says so, and tries again for a while."""
        node = one.owner
        if node.is_up:
            now_ms = node.ms(self.world.now)
            seen = readings.view(node.exchange, now_ms)
            speaker = Speaker(node.id, seen.roster.seats.get(node.id), now_ms)
            try:
                draft = declaring.declaration(self._request(one, framework, alert, now_ms), seen, speaker)
            except Refused:
                self.world.counts["an act was refused"] += 1
            else:
                if self._say(node, draft):
                    self.raised.append(one)
                    return
        if tries:  # what an amendment was to bring may never come
            other = "signed" if framework == "later" and tries < TRIES // 2 else framework
            self._again(partial(self._declare, one, other, alert, tries - 1))

    def _request(self, one: Raised, framework: str, alert: Raised | None, now_ms: int) -> tools_pb2.DeclareRequest:
        life_ms = self.random.choice((8_000, 15_000, 60_000, HOUR_MS))
        return tools_pb2.DeclareRequest(
            object_id=one.object_id,
            alert=one.is_alert,
            exercise=one.exercise,
            handling=record_pb2.Handling(tlp=2),
            crisis=self._crisis(one, framework, now_ms + life_ms, [alert.object_id] if alert else []),
        )

    def _crisis(self, one: Raised, framework: str, ends_ms: int, linked: Sequence[bytes]) -> record_pb2.Crisis:
        return record_pb2.Crisis(
            framework=record_pb2.Reference(name=framework) if framework else None,
            title=f"simulated {self.random.randrange(1000)}",
            harm=self.random.choice((2, 3)),
            virality=3,
            ends_ms=ends_ms,
            deputies=[node.id for node in one.deputies],
            linked=linked,
        )

    def _lead(self, node: Node, one: Raised, verb: Verb | None) -> None:
        self._act(node, one, lambda found, seen: self._leading(one, verb or self._fitting(found), found, seen), 2)

    def _fitting(self, found: Crisis) -> Verb:
        """What may well have a place in this state."""
        state = found.reading.state
        if state in (State.ENDED, State.EXPIRED):
            return self.random.choice(("review", "close"))
        if state is State.UNDER_REVIEW:
            return "close"
        return self.random.choice(LEADING)

    def _leading(self, one: Raised, verb: Verb, found: Crisis, seen: View) -> Act | Draft:
        ends_ms = found.reading.ends_ms + self.random.randint(1, 20) * 1000
        if verb == "extend":
            return Act(extend=record_pb2.Extend(ends_ms=ends_ms))
        if verb == "update":
            update = self._crisis(one, found.content.framework.name, ends_ms, found.content.linked)
            return Act(update=update)
        if verb == "hand_over":
            to = self.random.choice(one.deputies or (one.owner,))
            return Act(hand_over=record_pb2.HandOver(member_id=to.id))
        if verb == "withdraw" and self.random.random() < 0.5 and seen.follows.me == one.owner.id:
            return drafts.object_withdrawal(one.object_id, 1)
        return Act(**{verb: record_pb2.Note(text="simulated")})  # type: ignore[arg-type]

    def _answer(self, one: Raised, *_: object) -> Act:
        agrees = self.random.random() < one.willing
        return Act(cosign=record_pb2.Cosign()) if agrees else Act(refuse=record_pb2.Refuse())

    @staticmethod
    def _participation(stance: int) -> Act:
        return Act(participation=record_pb2.Participation(stance=stance))

    def _odd(self, found: Crisis, seen: View) -> Draft:
        """What no honest program says: it has no effect, or as much as its author may."""
        now_ms, reading = seen.now_ms, found.reading
        act = self.random.choice(
            (
                Act(end=record_pb2.Note()),
                Act(extend=record_pb2.Extend(ends_ms=now_ms + 2 * HOUR_MS)),
                Act(cosign=record_pb2.Cosign()),
                Act(close=record_pb2.Note()),
                Act(de_escalate=record_pb2.Note()),
            )
        )
        act.entry = self.random.choice((found.record.hash, reading.proposal, reading.version))
        draft = declaring.act_draft(found, act, None, Speaker(seen.follows.me, None, now_ms), seen)
        if self.random.random() < 0.5:
            return draft
        record = record_pb2.Record.FromString(draft.record)
        record.exercise = not record.exercise  # of a drill about what is real, or the other way round
        return replace(draft, record=record.SerializeToString(deterministic=True), exercise=record.exercise)

    def _act(self, node: Node, one: Raised, choose: Choose, tries: int) -> None:
        """Somebody looks at a crisis as it is at its own node, and says something of it."""
        seen = readings.view(node.exchange, node.ms(self.world.now)) if node.is_up else None
        found = crises.one(node.disk, seen, *one.about) if seen else None
        if seen is None or found is None:
            if tries:
                self._again(partial(self._act, node, one, choose, tries - 1))
            return
        self.look(found, seen, ms(self.world.now) if clocks.is_within(node) else seen.now_ms)
        try:
            draft = self._draft(found, choose(found, seen), seen)
        except Refused:
            self.world.counts["an act was refused"] += 1
            return
        if draft is None:
            return
        if self._say(node, draft):
            said = record_pb2.Record.FromString(draft.record).crisis_act
            if said.participation.stance == len(STANCES):
                self.world.counts["a member took part in a crisis, and left it"] += 1
        elif tries and node.exchange.signing.state is not signing.State.STALE:
            self._again(partial(self._act, node, one, choose, tries - 1))

    @staticmethod
    def _draft(found: Crisis, said: Act | Draft | None, seen: View) -> Draft | None:
        if not isinstance(said, Act):
            return said
        by = Speaker(seen.follows.me, seen.roster.seats.get(seen.follows.me), seen.now_ms)
        match str(said.WhichOneof("act")):
            case "cosign" | "refuse":
                act = declaring.answering(found, said, by, seen)
            case "participation":
                act = declaring.speaking(found, said, by, seen)
            case _:
                act = declaring.leading(found, said, by, seen)
        return declaring.act_draft(found, act, None, by, seen)

    def _say(self, node: Node, draft: Draft) -> bool:
        """Whether it was said: the node may be off, not allowed to sign, or die of it."""
        if not node.is_up or node.exchange.signing.state is signing.State.STALE:
            return False
        try:
            lived = self.world.do(node, lambda: node.publish(self.world.now, [draft]))
        except Refused:
            return False
        self.world.entries += lived
        return lived

    # ---- A stolen key

    def stolen(self, copy: Exchange, now_ms: int) -> list[Draft]:
        """What a thief says of crises in which its victim is a deputy, as that would."""
        seen = readings.view(copy, now_ms)
        found = [one for raised in self.raised if (one := crises.one(copy.stores, seen, *raised.about))]
        made = []
        for one in found[:2]:
            verb: Verb = self.random.choice(("end", "extend", "update"))
            raised = next(each for each in self.raised if each.object_id == one.record.object_id)
            try:
                draft = self._draft(one, self._leading(raised, verb, one, seen), seen)
            except Refused:
                continue
            if draft is not None:
                self.world.counts["a thief acted in a crisis"] += 1
                made.append(draft)
        return made

    # ---- What must hold

    def look(self, found: Crisis, seen: View, true_ms: int) -> None:
        """C1 to C4 as a node reads one now, and which branches that shows. ``true_ms``: what the time is really."""
        readings.hold(found, seen)
        readings.ended(found, true_ms, clocks.TOLERANCE_MS)
        for branch in readings.met(found, seen):
            self.world.counts[branch] += 1
        if found.reading.clashes:
            self.contested.add(found.record.hash)

    def check_end(self, nodes: Sequence[Node]) -> None:
        """All nodes show the same, now and later; and each reading is sound."""
        now_ms = ms(self.world.now)
        for node in nodes:  # one whose clock was set right a moment ago
            node.mature(self.world.now)
        later = self.random.choice([one.reading.ends_ms for one in readings.every(nodes[0], now_ms)] or [now_ms])
        readings.agree(nodes, (now_ms, later - 1, now_ms + 2 * HOUR_MS), [one.about for one in self.raised])
        for at_ms in (now_ms, later - 1, later, now_ms + 2 * HOUR_MS):
            seen = readings.view(nodes[0].exchange, at_ms)
            for found in readings.every(nodes[0], at_ms):
                self.look(found, seen, at_ms)
        clocks.nothing_outlives(nodes, now_ms)
        for node in self.random.sample(list(nodes), 3):
            readings.kept(node, readings.every(node, now_ms), now_ms)
        self._count_end(nodes[0], now_ms)

    def _count_end(self, node: Node, now_ms: int) -> None:
        counts: Counter[str] = self.world.counts
        found = readings.every(node, now_ms)
        counts["a clash was settled"] += sum(
            one.record.hash in self.contested and not one.reading.clashes for one in found
        )
        alerts = {one.record.object_id for one in found if one.record.kind == Kind.ALERT}
        promoted = {id_ for one in found if one.record.kind == Kind.DECLARATION for id_ in one.content.linked}
        counts["an alert was promoted"] += len(alerts & promoted)
