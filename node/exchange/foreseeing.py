"""Foreseeing: what other rules would do to the crises that are here. Reads only."""

from dataclasses import replace

from node.crisis.lifecycle import NOT_BEGUN
from node.crisis.states import IN_EFFECT, State
from node.exchange import crises, documents
from node.exchange.consult import View
from node.policy import effect
from node.store.stores import Stores
from node.v1 import tools_pb2

NAMED_MAX = 8  # crises, a line each

_BESIDE = "If that is not meant: leave what they are under in the rules, beside what follows it, until they are over."


def warnings(stores: Stores, seen: View, text: bytes) -> list[str]:
    """What to know before rules with this text come into force, a sentence each."""
    rules = effect.read(text)
    if rules is None:
        return []
    told = documents.pitfalls(seen.trust, rules).values()
    return [*(line for lines in told for line in lines), *_losing(stores, seen, replace(seen, rules=rules))]


def _losing(stores: Stores, seen: View, then: View) -> list[str]:
    """The crises that would be in effect no more, or could not become it: rules hold for what was said before, too."""
    after = {one.entry: one for one in crises.every(stores, then, "", exercises=True)}
    pairs = ((one, after[one.entry]) for one in crises.every(stores, seen, "", exercises=True))
    lost = [(one, other) for one, other in pairs if _rank(other) < _rank(one)]
    found = [
        f"{one.reference} ({one.crisis.title}) is {one.state}, and would have no effect: {other.reason}."
        for one, other in lost[:NAMED_MAX]
    ]
    found += [f"So it is with {len(lost) - NAMED_MAX} more."] if len(lost) > NAMED_MAX else []
    return [*found, _BESIDE] if lost else []


def _rank(one: tools_pb2.CrisisView) -> int:
    """Whether it is in effect, or at least can become it."""
    if one.state in (*IN_EFFECT, State.ALERT):
        return 2
    return 1 if one.state == State.PROPOSED and (one.cosignatures_needed or one.reason == NOT_BEGUN) else 0
