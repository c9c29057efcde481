"""Recipients: the log names who received something as exactly as it can, and nobody else."""

from collections.abc import Sequence

import pytest

from node.exchange import audit
from node.exchange.audit import Act, Line, Operation, Why
from node.exchange.recipients import About, Recipients
from node.feed.keys import FeedId, HeaderHash
from node.feed.pae import FederationId

FEDERATION = FederationId(bytes(31) + b"\1")
ENTRY, OTHER = HeaderHash(b"e" * 32), HeaderHash(b"o" * 32)
FEED = FeedId(b"f" * 32)
RECEIVED_MS = 1000
FORMER = HeaderHash(b"b" * 32)
PLACE = About(ENTRY, 7, FEED, 12, RECEIVED_MS, frozenset({"acme/halle", "halle", "aabb"}), (FORMER,))
PEER = "Ministry B 4cb4da0b07044e8f"
LOOK_UP, READ, SENT = Operation.CONSULTATION, Operation.CONSULTATION, Operation.DISCLOSURE


def of_item(*positions: int) -> str:
    return f"{ENTRY.hex()}:{','.join(map(str, positions))}"


def lines(*acts: Act) -> Sequence[Line]:
    return [audit.line(one, number, bytes(32), bytes(16), FEDERATION) for number, one in enumerate(acts, 1)]


def found(*acts: Act, place: About = PLACE) -> list[tuple[str, str, str]]:
    who = Recipients([place])
    who.take(lines(*acts))
    return [(one.who, one.act, one.proof) for one in who.of(0)]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Act(2000, SENT, "send to a peer", what=(ENTRY.hex(),), to=PEER), (PEER, "send to a peer", "record")),
        (
            Act(2000, SENT, "publish items", what=(f"feed {FEED.hex()[:16]}:11,12",), to="all members"),
            ("all members", "publish items", "record"),
        ),
        (Act(2000, LOOK_UP, "look-up", "tool/scanner", (of_item(3, 7),)), ("tool/scanner", "look-up", "item")),
        (Act(2000, READ, "entry", "person/anna", (ENTRY.hex(),)), ("person/anna", "entry", "record")),
        (
            Act(500, LOOK_UP, "look-up", "tool/scanner", (f"{FORMER.hex()}:1",)),
            ("tool/scanner", "look-up", "former"),
        ),
        (Act(2000, READ, "list export", "person/anna", ("list:Halle",)), ("person/anna", "list export", "list")),
        (Act(2000, READ, "list export", "person/anna", ("list: halle",)), ("person/anna", "list export", "list")),
        (Act(2000, READ, "list compare", "person/anna", ("list:aabb",)), ("person/anna", "list compare", "list")),
        (Act(2000, READ, "subscribe", "tool/desk", counts={"records": 3}), ("tool/desk", "subscribe", "stream")),
    ],
)
def test_who_received_it_is_named_with_what_the_log_has(act: Act, expected: tuple[str, str, str]) -> None:
    assert found(act) == [expected]


@pytest.mark.parametrize(
    "act",
    [
        Act(2000, SENT, "send to a peer", what=(OTHER.hex(),), to=PEER),
        Act(2000, SENT, "publish items", what=(f"feed {FEED.hex()[:16]}:11,13",), to="all members"),
        Act(2000, LOOK_UP, "look-up", "tool/scanner", (of_item(3, 8),)),
        Act(2000, LOOK_UP, "policy explain", "person/dpo", (ENTRY.hex(),)),
        Act(2000, LOOK_UP, "subject search", "person/dpo", (of_item(7),)),
        Act(2000, READ, "list export", "person/anna", ("list:munich",)),
        Act(RECEIVED_MS - 1, READ, "list export", "person/anna", ("list:halle",)),
        Act(RECEIVED_MS - 1, READ, "subscribe", "tool/desk", counts={"records": 3}),
        Act(2000, Operation.ERASURE, "erase", what=(ENTRY.hex(),)),
        Act(2000, Operation.COLLECTION, "receive items", source=PEER),
    ],
)
def test_nobody_is_named_who_received_something_else_or_only_handled_it(act: Act) -> None:
    assert found(act) == []


def test_what_was_said_of_one_recipient_is_one_line_with_the_first_and_the_last_time() -> None:
    who = Recipients([PLACE])
    why = (Why("art-14", "threat"), Why(), Why("art-14", "threat"))
    who.take(lines(*(Act(2000 + i, LOOK_UP, "look-up", "tool/s", (of_item(7),), why=why[i]) for i in (1, 0, 2))))
    (one,) = who.of(0)
    assert (one.first_ms, one.last_ms, one.lines, one.why) == (2000, 2002, 3, ["art-14 threat"])


def test_what_is_proven_stands_before_what_may_be() -> None:
    acts = (
        Act(1500, READ, "subscribe", "tool/desk"),
        Act(1600, READ, "list export", "person/anna", ("list:halle",)),
        Act(1700, SENT, "send to a peer", what=(ENTRY.hex(),), to=PEER),
        Act(1800, LOOK_UP, "look-up", "tool/scanner", (of_item(7),)),
    )
    assert [proof for _, _, proof in found(*acts)] == ["item", "record", "list", "stream"]


def test_a_text_of_a_record_was_received_by_whoever_has_the_record() -> None:
    place = About(ENTRY, None, FEED, 12, RECEIVED_MS, frozenset({"cc" * 16}))
    acts = (
        Act(2000, SENT, "send to a peer", what=(ENTRY.hex(),), to=PEER),
        Act(2000, READ, "crisis show", "person/anna", (f"crisis:{'cc' * 16}",)),
    )
    assert [who for who, _, _ in found(*acts, place=place)] == [PEER, "person/anna"]


def test_a_stop_out_of_order_is_one_of_the_limits() -> None:
    who = Recipients([])
    before = len(who.limits)
    who.take(lines(Act(500, Operation.ADMINISTRATION, audit.STARTED, why=Why("crash", "words"))))
    assert len(who.limits) == before + 1
    assert who.since_ms == 500
