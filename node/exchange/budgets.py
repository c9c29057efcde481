"""Budgets: what each author has left of its quota here, and what that means for the entries of a frame.

What is pushed beyond it is not taken in: it is fetched later, in its author's turn. What was asked for is taken in
and not pushed on beyond it. What is urgent beyond it goes in lane 1. Own entries are never held back here. Of proofs
of forks beyond it the lowest of each feed waits for its turn. Who is no member yet has no budget of its own: whoever
endorsed it has one for all such.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from node.errors import PeerFault
from node.exchange import documents, forks
from node.exchange.trust import Trust
from node.exchange.verified import Checked, Verified
from node.feed import entry
from node.feed.chain import ForkProof
from node.feed.facts import Facts
from node.feed.header import NORMAL, URGENT, Header
from node.feed.identity import Role
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.policy import effect, quota
from node.policy.parameters import Parameters
from node.policy.quota import Buckets, Rates
from node.protocol.effects import Asked
from node.v1 import header_pb2

CHARGED_KEPT = 16_384  # hashes whose copies cost nothing more

Letter = header_pb2.SignedEntry
Held = Callable[[list[HeaderHash]], Collection[HeaderHash]]  # which of them are stored


@dataclass(frozen=True, slots=True)
class Rules:
    """By what budgets are given, computed once for each state of the facts, and of the texts that they name."""

    facts: Facts
    fallen: frozenset[HeaderHash]
    documents: Mapping[bytes, bytes]
    roles: Mapping[MemberId, int]  # that each was ever admitted to: budgets look at no clock
    parameters: Parameters | None

    def role_of(self, member_id: MemberId) -> int:
        """0: none."""
        return self.roles.get(member_id, 0)


def rules(trust: Trust) -> Rules:
    """The rules in force, and who was ever given a seat."""
    roles = {member_id: min(found) for member_id, found in sorted(trust.known.roles.items())}
    return Rules(trust.facts, trust.fallen, trust.documents, roles, documents.rules_in_force(trust))


class _Way:
    """What is pushed to us and what we fetch have budgets of their own: history costs nobody its next warning.

    So have proofs of forks: nothing that an author says keeps one out.
    """

    def __init__(self, rates_of: Callable[[MemberId], Rates]) -> None:
        self.headers = Buckets(lambda member_id: rates_of(member_id).headers)
        self.drills = Buckets(lambda member_id: rates_of(member_id).headers)  # no exercise takes from what is real
        self.guests = Buckets(lambda member_id: rates_of(member_id).headers)  # for the logs of whom it endorsed
        self.urgent = Buckets(lambda member_id: rates_of(member_id).urgent)

    def of(self, *, exercise: bool) -> Buckets:
        """What a member's own entries take from."""
        return self.drills if exercise else self.headers


class Budgets:
    """Of all authors. Changed by the writer alone; looking may be done from any thread."""

    def __init__(self, own: MemberId, trust: Callable[[], Trust]) -> None:
        self.ignored: Counter[MemberId] = Counter()  # pushed entries, and proofs of forks, that were not taken in
        self.demoted: Counter[MemberId] = Counter()  # urgent entries that went in lane 1
        self.slowed = 0  # our own entries that others fetch by turns, or carry in lane 1
        self.slowed_ms = 0  # the last of them
        self._own, self._trust = own, trust
        self._rules = rules(trust())
        self._pushed, self._fetched, self._proofs = (_Way(self._rates) for _ in range(3))
        self._waiting: dict[MemberId, dict[FeedId, ForkProof]] = {}  # of each feed the lowest, the next turn first
        self._bulk = {drills: Buckets(lambda member_id: self._rates(member_id).bulk_bytes) for drills in (False, True)}
        self._charged: OrderedDict[HeaderHash, bool] = OrderedDict()  # and whether each went in lane 0

    # ---- Before anything is checked

    def affordable(
        self, letters: Sequence[Letter], asked: Asked, held: Held, now_ms: int
    ) -> tuple[list[Letter], frozenset[HeaderHash]]:
        """Without those whose author has nothing left, which cost no signature check; and their hashes."""
        pushed = [one for letter in letters if (one := self._pushed_by(letter, asked)) is not None]
        for hash_ in sorted(held(sorted({header.hash for _, header, _ in pushed}))) if pushed else ():
            self._note(hash_, fast=False)  # it brings what a stored entry lacks
        left: dict[tuple[int, MemberId], float] = {}
        over: dict[HeaderHash, tuple[Letter, MemberId]] = {}
        for letter, header, author in pushed:
            if header.hash in self._charged or self._is_urgent_now(header, author, now_ms):
                continue
            budget, payer = self._budget(self._pushed, author, now_ms, exercise=header.exercise)
            place = id(budget), payer
            left[place] = (left[place] if place in left else budget.left(payer, now_ms)) - 1
            if left[place] < 0:
                over[header.hash] = letter, author
        self.ignored.update(author for _, author in over.values())
        dropped = {id(letter) for letter, _ in over.values()}
        return [letter for letter in letters if id(letter) not in dropped], frozenset(over)

    def lane_of(self, letter: Letter, now_ms: int) -> int:
        """In which lane it would go now, before it is checked; what cannot be read is for verification to say."""
        header, author = self._named(letter)
        if header is None or not header.is_urgent:
            return max(header.urgency, NORMAL) if header else NORMAL
        return URGENT if author == self._own or (author and self._is_urgent_now(header, author, now_ms)) else NORMAL

    def _named(self, letter: Letter) -> tuple[Header | None, MemberId | None]:
        """Who is said to have written it; nobody has checked that."""
        trust = self._trust()
        try:
            header = entry.decode(letter.header, letter.signature, trust.federation_id).header
        except PeerFault:
            return None, None
        author, log = trust.author(header.feed_id), MemberId(bytes(header.feed_id))
        return header, log if author is None and trust.admits_log(log) else author

    def _pushed_by(self, letter: Letter, asked: Asked) -> tuple[Letter, Header, MemberId] | None:
        """What takes from an author's budget, unless it is stored already; None for what does not."""
        header, author = self._named(letter)
        if header is None or author is None or author == self._own:
            return None
        return None if header.hash in self._charged or asked.covers(header) else (letter, header, author)

    def _is_urgent_now(self, header: Header, author: MemberId, now_ms: int) -> bool:
        if not header.is_urgent or not self._may_be_urgent(header, author):
            return False
        fast = self._charged.get(header.hash)  # at once: the writer forgets the oldest meanwhile
        return self._pushed.urgent.left(author, now_ms) >= 1 if fast is None else fast

    # ---- Once it is verified

    def rule(self, checked: Checked, asked: Asked, now_ms: int) -> tuple[Checked, frozenset[HeaderHash]]:
        """What comes in of these, each in its lane; and what does not, because its author has nothing left."""
        found = [(one, self._ruled(one, asked.covers(one.header), now_ms)) for one in checked.entries]
        over = frozenset(one.header.hash for one, ruled in found if ruled is None)
        return replace(checked, entries=tuple(ruled for _, ruled in found if ruled is not None)), over

    def _ruled(self, one: Verified, is_asked: bool, now_ms: int) -> Verified | None:
        header, author = one.header, one.member_id
        if author == self._own:
            return one
        if header.hash in self._charged:
            return replace(one, demoted=header.is_urgent and not self._charged[header.hash])
        way = self._fetched if is_asked else self._pushed
        fast = header.is_urgent and self._may_be_urgent(header, author) and way.urgent.take(author, now_ms)
        budget, payer = self._budget(way, author, now_ms, exercise=header.exercise)
        if not fast and not budget.take(payer, now_ms):  # what is urgent does not wait behind the rest
            if not is_asked:
                self.ignored[author] += 1
                return None
            return replace(one, demoted=header.is_urgent, passed_on=False)
        self._charge(header, author, fast=fast)
        return replace(one, demoted=header.is_urgent and not fast)

    def _budget(self, way: _Way, author: MemberId, now_ms: int, *, exercise: bool = False) -> tuple[Buckets, MemberId]:
        """What an author's entries take from: who is no member yet has what that of its endorsers has that has most."""
        who = self._trust().known
        roles = () if author in who.members else Role
        endorsers = sorted({one for role in roles for one in who.endorsers.of((author, role))})
        if not endorsers:
            return way.of(exercise=exercise), author
        return way.guests, max(endorsers, key=lambda one: way.guests.left(one, now_ms))

    def _charge(self, header: Header, author: MemberId, *, fast: bool) -> None:
        if header.is_urgent and not fast:
            self.demoted[author] += 1
        self._note(header.hash, fast=fast)

    def _note(self, hash_: HeaderHash, *, fast: bool) -> None:
        self._charged[hash_] = fast
        while len(self._charged) > CHARGED_KEPT:
            self._charged.popitem(last=False)

    # ---- Proofs of forks

    def next_proof(self, shown: ForkProof, now_ms: int) -> ForkProof | None:
        """The proof to take in now, where its author has something left; what is shown beyond that waits.

        It is the lowest of its feed, and that of another feed of the author if that has waited longer. However many
        higher ones somebody brings, and however fast, they take no turn from it.
        """
        trust, author = self._trust(), forks.author(self._trust(), shown.feed_id)
        waiting = self._waiting.setdefault(author, {})
        known = [one for one in (waiting.get(shown.feed_id), shown) if one is not None and _is_news(trust, one)]
        if known:
            waiting[shown.feed_id] = min(known, key=lambda proof: proof.seq)
        budget, payer = self._budget(self._proofs, author, now_ms)
        if budget.left(payer, now_ms) < 1:
            self.ignored[author] += bool(known)
            return None
        while waiting:
            proof = waiting.pop(next(iter(waiting)))
            if _is_news(trust, proof) and budget.take(payer, now_ms):
                return proof
        return None

    # ---- Our own, and payloads

    def published(self, entries: Sequence[Verified], now_ms: int) -> None:
        """Our own went out: count those that others will not take at once."""
        for one in entries:
            header = one.header
            is_urgent, way = header.is_urgent, self._pushed
            fast = is_urgent and self._may_be_urgent(header, self._own) and way.urgent.take(self._own, now_ms)
            within = fast or way.of(exercise=header.exercise).take(self._own, now_ms)
            if not within or fast != is_urgent:
                self.slowed, self.slowed_ms = self.slowed + 1, now_ms

    def fetched_bytes(self, author: MemberId, count: int, now_ms: int, *, exercise: bool) -> None:
        """So much of an author's payloads came in, of drills or of what is real."""
        self._bulk[exercise].spend(author, now_ms, count)

    def waits_in_bulk(self, author: MemberId, now_ms: int, *, exercise: bool) -> bool:
        """Whether its payloads are fetched after all others' that are drills, or real, like them."""
        return author != self._own and self._bulk[exercise].left(author, now_ms) <= 0

    # ---- By what rules

    def _rates(self, member_id: MemberId) -> Rates:
        seen = self._seen()
        return quota.rates(seen.role_of(member_id), seen.parameters)

    def _may_be_urgent(self, header: Header, author: MemberId) -> bool:
        seen = self._seen()
        return author in seen.roles and effect.may_be_urgent(header.kind, seen.role_of(author), seen.parameters)

    def _seen(self) -> Rules:
        trust = self._trust()
        seen = self._rules
        if seen.facts is trust.facts and seen.fallen is trust.fallen and seen.documents is trust.documents:
            return seen
        self._rules = rules(trust)
        return self._rules


def _is_news(trust: Trust, proof: ForkProof) -> bool:
    return forks.is_news(trust, proof.first.header, proof.second.header)
