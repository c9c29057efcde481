"""Explaining: when one record goes or went and why, and what another policy would do. Reads only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.exchange import keeping, opinions, unindexed
from node.exchange.consult import View
from node.exchange.keeping import Keep
from node.exchange.references import Address
from node.feed import entry
from node.policy import policies, retention
from node.policy.policies import UNITS_MS
from node.policy.retention import OF_ITEMS, Class, Decision, Policy, Won
from node.store import deadlines, ledger, payloads, remainders
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import policy_pb2

RECORDS_PER_PAGE = 512  # a reader's slice: others read between two of them
WEEK_MS, MONTH_MS = 7 * UNITS_MS["d"], 30 * UNITS_MS["d"]
STATES = {
    State.MISSING: "missing",
    State.UNWANTED: "unwanted",
    State.SEALED: "kept",
    State.PRESENT: "waiting",
    State.REMAINDER: "waiting",
    State.ERASED: "erased",
}


@dataclass(frozen=True, slots=True)
class Place:
    """How far a preview is: in the index, and then in what is not readable here."""

    record: int = 0
    sealed: int = 0
    is_over: bool = False


# ---- One record


def explain(
    stores: Stores, keep: Keep, address: Address, said: Erasure | None, seen: View
) -> policy_pb2.ExplainKeepingResponse:
    """When it goes, or went, and what members make of it. ``said``: what the erasure journal has about it."""
    answer = policy_pb2.ExplainKeepingResponse(entry=address.entry, position=address.position)
    row = ledger.entry(stores.ledger, address.entry)
    assert row is not None  # noqa: S101 - the address was found in the same stores
    header = entry.decode(row.body, row.signature, keep.trust.federation_id).header
    state = payloads.state(stores.ledger, address.entry)
    answer.ceiling_ms = header.expires_ms
    answer.state = STATES[state] if state is not None else "unwanted"
    if said is not None:
        _went(stores, keep.policy, answer, said)
        return answer
    found = deadlines.record(stores.index, address.entry)
    if found is not None:
        class_, decision = keeping.decide(stores, keep, found[1])
        kept = deadlines.find(stores.index, found[0])
        if kept is not None and kept.won == Won.CRISIS_END:  # an end that may be forgotten by now
            decision = min(decision, Decision(kept.due_ms, decision.rule, Won.CRISIS_END), key=lambda one: one.due_ms)
        answer.state = "kept"
        _goes(keep.policy, answer, class_, decision)
        if address.position is not None:
            tally = opinions.about(stores, seen, found[1]).at(address.position)
            answer.opinion, answer.agreeing, answer.objecting = tally.state, tally.agreeing, tally.objecting
        required = keeping.required(stores, keep, found[1], seen.now_ms)
        if required is not None:
            answer.minimum_ms = required.end_ms
            answer.minimum = policies.minimum_words(keep.policy.rules[required.rule - 1])
    elif unindexed.is_one(stores, address.entry, state):
        _goes(keep.policy, answer, Class.SEALED, keeping.of_sealed(keep, header, row.received_ms))
    return answer


def _goes(policy: Policy, answer: policy_pb2.ExplainKeepingResponse, class_: Class, decision: Decision) -> None:
    setattr(answer, "class", class_)
    answer.due_ms, answer.rule, answer.policy_id = decision.due_ms, decision.rule, policy.id
    answer.words = policies.decision_words(policy, decision)
    answer.ground = policy.rules[decision.rule - 1].ground


def _went(stores: Stores, policy: Policy, answer: policy_pb2.ExplainKeepingResponse, said: Erasure) -> None:
    answer.state, answer.erased_ms, answer.reason = "erased", said.erased_ms, said.reason.name.lower()
    cause = retention.decode_cause(said.cause) if said.reason is Reason.POLICY else None
    if cause is None:
        answer.words = {
            Reason.EXPIRY: "what its author allows",
            Reason.WITHDRAWAL: "its author took it back",
        }.get(said.reason, answer.reason)
        return
    answer.rule, answer.policy_id = cause.rule, cause.policy_id
    text = ledger.read_meta(stores.ledger, keeping.name_of(cause.policy_id))
    then = policy if cause.policy_id == policy.id else policies.decode(text, "a former policy") if text else None
    if then is None or cause.rule > len(then.rules):
        answer.words = f"rule {cause.rule} of a policy that is not here any more"
        return
    answer.words = policies.decision_words(then, Decision(said.erased_ms, cause.rule, cause.won))
    answer.ground = then.rules[cause.rule - 1].ground


# ---- Another policy


def read(text: bytes) -> Policy:
    """A policy that somebody sent; raises ConfigError as `policies.decode` does."""
    return policies.decode(text, Path("policy"))


def tally(stores: Stores, keep: Keep, now_ms: int, place: Place) -> tuple[Counter[tuple[str, str]], Place]:
    """What the next records come to, by class and by when they go; and where to go on."""
    counts: Counter[tuple[str, str]] = Counter()
    if place.record >= 0:
        page = deadlines.page(stores.index, place.record, RECORDS_PER_PAGE)
        gone = remainders.every(stores.ledger) if page else {}
        for _, record in page:
            class_, decision = keeping.decide(stores, keep, record)
            weight = record.items - gone.get(record.hash, 0).bit_count() if class_ in OF_ITEMS else 1
            when = _when(decision.due_ms - now_ms)
            counts[class_, when] += weight
            if when == "now" and keeping.required(stores, keep, record, now_ms):
                counts[class_, "held"] += weight
        return counts, Place(page[-1][0] if len(page) == RECORDS_PER_PAGE else -1)
    sealed, after = unindexed.page(stores, keep, place.sealed)
    for _, decision in sealed:
        counts[Class.SEALED, _when(decision.due_ms - now_ms)] += 1
    return counts, Place(-1, after, is_over=not after)


def _when(left_ms: int) -> str:
    bounds = (("now", 0), ("within_week", WEEK_MS), ("within_month", MONTH_MS))
    return next((name for name, bound_ms in bounds if left_ms <= bound_ms), "later")


def counts_of(found: Counter[tuple[str, str]]) -> Sequence[policy_pb2.ClassCount]:
    """A line for each class that there is something of."""
    seen = {class_ for class_, _ in found}
    rows = []
    for class_ in Class:
        if class_ in seen:
            row = policy_pb2.ClassCount(
                **{when: found[class_, when] for when in ("now", "within_week", "within_month", "later", "held")}
            )
            setattr(row, "class", class_)
            rows.append(row)
    return rows


def view(policy: Policy, source: str, *, deciding: bool) -> policy_pb2.PolicyView:
    """A policy in words."""
    return policy_pb2.PolicyView(
        name=policy.name,
        policy_id=policy.id,
        source=source,
        text=policy.text,
        deciding=deciding,
        rules=[
            policy_pb2.RuleView(
                number=rule.number,
                line=rule.line,
                classes=policies.class_words(rule),
                conditions=policies.condition_words(rule),
                keep=policies.keep_words(rule),
                clock=policies.clock_words(rule),
                ground=rule.ground,
                minimum=policies.minimum_words(rule),
            )
            for rule in policy.rules
        ],
    )
