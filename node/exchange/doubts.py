"""Doubts about a crisis: members that are against it, and that nobody here has called its owner. Advice only."""

from collections.abc import Iterable, Mapping, Sequence

from node.crisis.states import OVER
from node.crisis.words import LEVELS
from node.exchange import lifecycles, opinions
from node.exchange.consult import View
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.policy import effect
from node.policy.effect import Right
from node.policy.opinions import AGREEING, OBJECTING, Verdict
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

DISPUTE, AGREE = "dispute", "agree"
JUDGING = frozenset({DISPUTE, AGREE})  # acts that say whether it should be one
TEXT_CHARACTERS_MAX = 1000
FIRST_MS = 86_400_000  # so long one of its author was here before its next is no first one

Word = tuple[int, bytes, tools_pb2.DisputeView | None]  # when, its entry, and what is shown of it; None: it agrees


# ---- Members that are against it


def disputes(stores: Stores, record: Record, counting: Iterable[Record], seen: View) -> list[tools_pb2.DisputeView]:
    """Who holds that it should not be one: the last word of each member whose word counts, by dispute or opinion."""
    words: dict[MemberId, list[Word]] = {}
    for one in counting:
        if lifecycles.verb_of(one) in JUDGING and one.member_id != record.member_id and not obstacle(one, seen):
            words.setdefault(one.member_id, []).append(_judged(one, seen))
    heads = opinions.heads(stores, record.member_id, record.object_id, exercise=record.exercise)
    for word in opinions.about_object(stores, seen, heads).words if heads else ():
        if not word.obstacle:
            words.setdefault(word.said.member_id, []).append(_opined(word, seen))
    last = [max(said, key=lambda one: one[:2])[2] for _, said in sorted(words.items())]
    return sorted((one for one in last if one), key=lambda one: (one.member_name, one.member_id))


def obstacle(act: Record, seen: View) -> str:
    """Why somebody's word for or against it does not count; empty where it does: who may publish may judge."""
    return effect.obstacle(Right.PUBLISH, act.member_id, seen.roster, seen.rules, (act.feed_id, act.seq))


def _judged(one: Record, seen: View) -> Word:
    if lifecycles.verb_of(one) == AGREE:
        return one.created_ms, one.hash, None
    text = lifecycles.act_of(one).dispute.text
    return one.created_ms, one.hash, _view(one.member_id, DISPUTE, text, one.created_ms, seen)


def _opined(word: opinions.Word, seen: View) -> Word:
    said = word.said
    if said.verdict not in AGREEING | OBJECTING:
        return 0, said.hash, None
    if said.verdict in AGREEING:
        return said.created_ms, said.hash, None
    note = record_pb2.Record.FromString(said.record.content).opinion.note
    return said.created_ms, said.hash, _view(said.member_id, Verdict(said.verdict).words, note, said.created_ms, seen)


def _view(member_id: MemberId, what: str, text: str, said_ms: int, seen: View) -> tools_pb2.DisputeView:
    name = seen.trust.name_of(member_id)
    shown = text[:TEXT_CHARACTERS_MAX]
    return tools_pb2.DisputeView(member_id=member_id, member_name=name, what=what, text=shown, said_ms=said_ms)


# ---- That nobody called


def unverified(made: tools_pb2.CrisisView, declared: Mapping[bytes, Sequence[Record]], seen: View) -> str:
    """Why somebody should call its owner; empty where somebody did, or nothing asks for it.

    ``declared``: declarations by owner. The first that an owner says may be a thief's.
    """
    ours = seen.follows.me in (made.member_id, made.lead_id)
    if made.verified_ms or ours or made.state in OVER or (made.alert and not made.pointers):
        return ""
    before = (one for one in declared.get(made.member_id, ()) if one.exercise == made.exercise)
    known = any(one.received_ms <= made.received_ms - FIRST_MS for one in before)
    why = {
        "life is said to be threatened": bool(made.pointers),
        "it says that harm is high": made.crisis.harm == len(LEVELS),
        f"it is the first of {made.member_name} here": not (known or made.alert),
    }
    return ", ".join(words for words, is_so in why.items() if is_so)


def by_owner(heads: Iterable[Record]) -> dict[bytes, list[Record]]:
    """Declarations by owner."""
    found: dict[bytes, list[Record]] = {}
    for one in heads:
        if one.kind == Kind.DECLARATION:
            found.setdefault(one.member_id, []).append(one)
    return found
