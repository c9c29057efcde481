"""Who leads a crisis, as each who spoke knew it, and which of their acts contradict each other."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from node.crisis.states import CLASHES, URGENT, Verb
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.quorum import Quorum
from node.feed.turns import in_turn

ACTS_MAX = 256  # of those who lead a crisis, that are read
KNOWN_MAX = ACTS_MAX + 1  # that an act names: the declaration, and all that counted
_OF_THE_LEAD = frozenset({Verb.HAND_OVER, Verb.WITHDRAW})


@dataclass(frozen=True, slots=True)
class Declared:
    """What decides of one declaration or alert. ``obstacle``: why it has no effect, whatever others say."""

    hash: HeaderHash
    owner: MemberId
    starts_ms: int  # 0: at once
    ends_ms: int
    obstacle: str = ""
    deputies: frozenset[MemberId] = frozenset()
    terms: bytes = b""  # all of it that co-signers answer for, but its end
    quorum: Quorum | None = None  # of co-signatures; None: nobody has to
    longest_ms: int = 1 << 62
    is_alert: bool = False
    withdrawn: bool = False
    declared_ms: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody who may lead it said. ``knows``: what its author had before its eyes."""

    hash: HeaderHash
    verb: Verb
    by: MemberId
    feed_id: FeedId
    seq: int
    at_ms: int
    knows: tuple[HeaderHash, ...]
    says: bytes = b""  # what tells two of one verb apart: two that say the same do not clash
    ends_ms: int = 0  # of an extension or an update; 0: as before
    to: MemberId | None = None
    deputies: frozenset[MemberId] | None = None
    terms: bytes = b""  # of an update, as in Declared
    needs: Quorum | None = None  # of an update: as in Declared; None: as before
    heard_ms: int = 0  # nothing that it ends ends earlier than that

    @property
    def hands_over(self) -> bool:
        """Whether somebody else leads it from then on."""
        return self.verb is Verb.HAND_OVER and self.to not in (None, self.by)


@dataclass(slots=True)
class Line:
    """Acts of those who lead, in an order in which each stands behind what it knew."""

    acts: list[Act] = field(default_factory=list)
    before: dict[HeaderHash, frozenset[HeaderHash]] = field(default_factory=dict)  # everything that each knew
    led: set[HeaderHash] = field(default_factory=set)  # said by the lead, not by a deputy
    against: dict[HeaderHash, set[HeaderHash]] = field(default_factory=dict)  # what undoes each, apart from it

    def add(self, act: Act, before: frozenset[HeaderHash], *, leads: bool) -> None:
        """One more, behind all that it knew."""
        self.before[act.hash] = before
        if leads:
            self.led.add(act.hash)
        apart = [one for one in self.acts if one.hash not in before]
        self.against[act.hash] = {one.hash for one in apart if self._undoes(one, act)}
        for one in apart:
            if self._undoes(act, one):
                self.against[one.hash].add(act.hash)
        self.acts.append(act)

    def are_apart(self, one: Act, other: Act) -> bool:
        """Whether neither knew of the other."""
        return one.hash not in self.before[other.hash] and other.hash not in self.before[one.hash]

    def standing(self, known: Collection[HeaderHash]) -> set[HeaderHash]:
        """Those that are known and that nothing known undoes."""
        led = {one for one in self.led.intersection(known) if self.against[one].isdisjoint(known)}
        return led | {one for one in set(known) - self.led if self.against[one].isdisjoint(led)}

    def _undoes(self, one: Act, other: Act) -> bool:
        """Whether one takes from the author of the other what it spoke by: nobody keeps that by not having heard.

        A hand_over does so to all that its author says beside it; of two to different members neither stands.
        """
        if one.hands_over:
            is_the_same = other.hands_over and other.to == one.to
            return other.by == one.by and other.hash in self.led and not is_the_same
        is_of_deputy = one.hash in self.led and other.hash not in self.led
        return is_of_deputy and one.deputies is not None and other.by not in one.deputies


def line_of(declared: Declared, acts: Iterable[Act]) -> Line:
    """The acts that count as said by who may say them, each behind all that it knew."""
    rest = _behind(declared, _read_at_all(declared, acts))
    parents = _parents(rest)
    line, done = Line(), set[HeaderHash]()
    while rest:
        ready = next((act for act in rest if parents[act.hash] <= done), None)
        if ready is None:  # in a circle: hashes make that impossible
            break
        rest.remove(ready)
        done.add(ready.hash)
        known = parents[ready.hash] & line.before.keys()
        before = frozenset(known).union(*(line.before[one] for one in known))
        lead, deputies = leading(declared, line, before)
        if ready.by in entitled(lead, deputies, ready.verb):
            line.add(ready, before, leads=ready.by == lead)
    return line


def _read_at_all(declared: Declared, acts: Iterable[Act]) -> list[Act]:
    """The first acts of each who may have a say, and its first ends: nobody crowds out another, and nothing an end."""
    each = {act.hash: act for act in acts if len(act.knows) <= KNOWN_MAX}.values()
    dated = sorted(each, key=lambda act: (act.verb not in URGENT, act.at_ms, act.hash))
    leads, deputies = {declared.owner}, set(declared.deputies)
    while True:
        may = [act for act in dated if act.by in leads or (act.by in deputies and act.verb not in _OF_THE_LEAD)]
        said = in_turn(may, lambda act: (act.by, act.verb in URGENT))[:ACTS_MAX]
        led = [act for act in said if act.by in leads]
        more_leads = {act.to for act in led if act.to is not None}
        more_deputies = {one for act in led for one in act.deputies or ()}
        if more_leads <= leads and more_deputies <= deputies:
            return sorted(said, key=lambda act: (act.at_ms, act.hash))
        leads |= more_leads
        deputies |= more_deputies


def _behind(declared: Declared, acts: list[Act]) -> list[Act]:
    """Those that name this declaration, or what names it: an owner may have declared another by the same id before.

    None waits for all that it names: whoever once said something could take that back, and with it what others said
    since.
    """
    naming = defaultdict[HeaderHash, list[HeaderHash]](list)
    for act in acts:
        for one in act.knows:
            naming[one].append(act.hash)
    behind, open_ = {declared.hash}, [declared.hash]
    while open_:
        more = set(naming[open_.pop()]) - behind
        behind |= more
        open_ += more
    return [act for act in acts if act.hash in behind or _is_owners_end(declared, act)]


def _is_owners_end(declared: Declared, act: Act) -> bool:
    """Whether it counts before what it follows is here: it takes away, and only the owner can have meant it."""
    return act.verb in URGENT and act.by == declared.owner


def _parents(acts: Sequence[Act]) -> dict[HeaderHash, set[HeaderHash]]:
    """Of each what it names of these, and what was said before it in the same feed."""
    here = {act.hash for act in acts}
    in_feed = defaultdict[FeedId, list[Act]](list)
    for act in acts:
        in_feed[act.feed_id].append(act)
    return {
        act.hash: here.intersection(act.knows).union(one.hash for one in in_feed[act.feed_id] if one.seq < act.seq)
        - {act.hash}
        for act in acts
    }


def entitled(lead: MemberId, deputies: frozenset[MemberId], verb: Verb) -> frozenset[MemberId]:
    """Who of them may say this."""
    return frozenset({lead}) if verb in _OF_THE_LEAD else deputies | {lead}


def leading(declared: Declared, line: Line, known: Collection[HeaderHash]) -> tuple[MemberId, frozenset[MemberId]]:
    """Who leads it, and who are the deputies, for whoever knows these acts: no co-signature is waited for."""
    lead, deputies = declared.owner, declared.deputies
    standing = line.standing(known) & line.led
    for act in line.acts:
        if act.hash not in standing:
            continue
        if act.hands_over and act.to is not None and act.by == lead:
            lead = act.to
        if act.deputies is not None:
            deputies = act.deputies
    return lead, deputies


def clashing(line: Line) -> tuple[set[HeaderHash], list[tuple[HeaderHash, HeaderHash]]]:
    """Acts that are undone, or contradict another, neither knowing of the other; and pairs that nothing settles yet.

    Of these as many as show it of each: two feeds can contradict each other in more than anybody reads.
    """
    void = line.before.keys() - line.standing(line.before.keys())
    said = [act for act in line.acts if act.hash not in void or act.verb is Verb.HAND_OVER]
    said = [act for act in said if any(act.verb in clash for clash in CLASHES)]
    known_to = {act.hash: {by for by, before in line.before.items() if act.hash in before} for act in said}
    shown, open_ = set[HeaderHash](), list[tuple[HeaderHash, HeaderHash]]()
    for one, other in combinations(said, 2):
        pair = one.hash, other.hash
        if shown.issuperset(pair) or not _contradict(line, one, other):
            continue
        void.update(pair)
        if known_to[one.hash].isdisjoint(known_to[other.hash]):
            shown.update(pair)
            open_.append(pair)
    return void, open_


def _contradict(line: Line, one: Act, other: Act) -> bool:
    return (
        frozenset({one.verb, other.verb}) in CLASHES
        and (one.verb is not other.verb or one.says != other.says)
        and (one.verb is not Verb.HAND_OVER or _hand_over_otherwise(one, other))
        and line.are_apart(one, other)
    )


def _hand_over_otherwise(one: Act, other: Act) -> bool:
    return one.hands_over and other.hands_over and one.by == other.by and one.to != other.to
