"""Accounting: reports are made of what is in force, and of what was counted in each period."""

import pytest

from node.content.profiles import OUT_OF_HOURS, Contact, Profile
from node.exchange import accounting, audit, consult, profiles
from node.exchange.accounting import Given, Tally
from node.exchange.audit import Act, Operation
from node.exchange.exchange import Exchange
from node.feed.pae import FederationId
from node.policy.reporting import Caller, Settings
from node.store import peers
from node.store.erasures import Erasure, Reason
from node.store.peers import Peer
from node.store.vault import Ground, Hold
from tests.exchange.test_odd_order import said, take
from tests.simulator.members import BASE_MS, Federation

DAY_MS = 86_400_000
FEDERATION = FederationId(bytes(31) + b"\1")
NOW_MS = 1000 * DAY_MS
READ, SENT = Operation.CONSULTATION, Operation.DISCLOSURE


def tallied(*acts: Act) -> dict[str, tuple[int, ...]]:
    tally = Tally(NOW_MS)
    tally.take(audit.line(one, number, bytes(32), bytes(16), FEDERATION) for number, one in enumerate(acts, 1))
    return {one.what: one.numbers for one in tally.rows if any(one.numbers)}


def ago(days: int) -> int:
    return NOW_MS - days * DAY_MS


def test_what_was_done_counts_in_every_period_that_it_lies_in() -> None:
    acts = [Act(ago(days), READ, "look-up", counts={"asked": 10, "matches": 1}) for days in (1, 30, 31, 90, 364, 366)]
    assert tallied(*acts) == {"values looked up": (20, 40, 50), "matches that were shown": (2, 4, 5)}


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        (
            [Act(NOW_MS, READ, "list export"), Act(NOW_MS, READ, "list export", counts={"items": 3, "records": 1})],
            {"lists exported": (1, 1, 1)},
        ),
        ([Act(NOW_MS, READ, "subject search", counts={"places": 0})], {"searches for a data subject": (1, 1, 1)}),
        (
            [Act(NOW_MS, SENT, "crisis declare", counts={"personal_allowed": 1})],
            {"border overridden by a person": (1, 1, 1)},
        ),
        ([Act(NOW_MS, READ, "crisis show", counts={"asked": 9})], {}),
        ([Act(NOW_MS, READ, "audit read")], {"readings of the audit log": (1, 1, 1)}),
    ],
)
def test_each_act_is_counted_as_what_it_is_and_once(acts: list[Act], expected: dict[str, tuple[int, ...]]) -> None:
    assert tallied(*acts) == expected


def test_erasures_count_items_where_items_went_and_holds_where_they_began_and_ended() -> None:
    entry = bytes(32)
    rows = [
        Erasure(entry, ago(1), Reason.EXPIRY),  # type: ignore[arg-type]
        Erasure(entry, ago(40), Reason.WITHDRAWAL, positions=b"\7"),  # type: ignore[arg-type]
    ]
    found = {one.what: one.numbers for one in accounting.erased(rows, NOW_MS)}
    assert (found["erased: expiry"], found["erased: withdrawal"]) == ((1, 1, 1), (0, 3, 3))
    assert len(found) == len(Reason)
    held = Hold(b"h" * 16, ago(50), "dpo", "AG", "12", Ground.COURT_ORDER, ago(20), ago(2), b"k" * 32, (), ago(2))
    assert [one.numbers for one in accounting.held([held], NOW_MS)] == [(0, 1, 1), (1, 1, 1)]


def test_the_facts_are_those_of_the_federation_the_profile_the_peers_and_the_folder(
    node: Exchange, world: Federation
) -> None:
    me, peer = node.reader.member_id, world.members[1].member_id
    profile = Profile(contacts=(Contact(OUT_OF_HOURS, "duty desk", "+49 611 555 0100"),))
    take(node, said(node, profiles.draft(me, profile, (), BASE_MS + 80 * DAY_MS)))
    while node.project():
        pass
    for member_id, state in ((peer, peers.APPROVED), (world.members[2].member_id, peers.BLOCKED)):
        peers.put(node.stores.ledger, Peer(member_id, "", b"", state, 1))
    seen = consult.view(node.trust, node.follows, BASE_MS)
    callers = [Caller("late", ("read",), BASE_MS + 1), Caller("ended", ("read",), BASE_MS)]
    given = Given(Settings(audit_days=7), callers, policy_is_own=True)
    found = accounting.facts(node.stores, seen, node.keep.policy, given)
    assert found == accounting.facts(node.stores, seen, node.keep.policy, given)
    assert found.contacts == ("Out of hours: duty desk, +49 611 555 0100.",)
    assert found.me.name == node.trust.name_of(me)
    assert len(found.others) == len(seen.roster.seats) - 1
    assert list(found.others) == sorted(found.others, key=lambda one: one.name)
    assert found.peers == (node.trust.name_of(peer),)
    assert [one.name for one in found.callers] == ["late"]
