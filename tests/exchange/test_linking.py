"""Which crises are about one event: said by whom it may be, and else shown with the reason and refused at home."""

from pathlib import Path

import pytest

from node.errors import Refused
from node.exchange import consult, crises, declaring
from node.exchange.declaring import Speaker
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.v1 import record_pb2
from tests.exchange.test_crises import LONE, NOW_MS, PAIR, PLATFORM, POLICE, Stage, X, Y, act, crisis, declare, rules
from tests.exchange.test_odd_order import take
from tests.simulator.members import federation

LINK = record_pb2.CrisisAct(link=record_pb2.Link(object_id=Y))


@pytest.fixture(name="stage")
def _stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, federation(25, rules(PAIR, LONE, POLICE)))


def link(stage: Stage, who: int, about: HeaderHash, *, of: int) -> tuple[list[str], list[str]]:
    """What a crisis is linked to once somebody has said so, and why what was said of it does not count."""
    stage.say(who, act(about, link=LINK.link))
    found = stage.view(of)
    (listed,) = crises.every(stage.reader.stores, stage.seen(), "", exercises=True)
    return list(listed.linked), [one.obstacle for one in found.acts]


def test_a_link_of_whom_it_is_not_is_shown_with_the_reason_and_links_nothing(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(LONE)))
    assert link(stage, PLATFORM, declared, of=1) == ([], ["a platform may not declare"])
    linked, obstacles = link(stage, 2, declared, of=1)
    assert (linked, sorted(obstacles)) == ([Y.hex()], ["", "a platform may not declare"])


def test_who_warned_of_something_says_what_it_belongs_to(stage: Stage) -> None:
    warned = stage.say(PLATFORM, declare(crisis(LONE), kind=Kind.ALERT))
    assert link(stage, PLATFORM, warned, of=PLATFORM) == ([Y.hex()], [""])


def test_a_link_that_would_not_count_is_refused_at_its_author_with_the_reason(stage: Stage) -> None:
    stage.say(1, declare(crisis(LONE)))
    for number, is_refused in ((PLATFORM, True), (2, False), (1, False)):
        node = stage.speaker(number)
        take(node, stage.letters)
        while node.project():
            pass
        node.load_documents()
        seen = consult.view(node.trust, node.follows, NOW_MS)
        found = crises.one(node.stores, seen, stage.id_of(1), X)
        assert found
        by = Speaker(stage.id_of(number), seen.roster.seats[stage.id_of(number)], NOW_MS)
        if is_refused:
            with pytest.raises(Refused, match="links it to another: a platform may not declare"):
                declaring.speaking(found, LINK, by, seen)
        else:
            assert declaring.speaking(found, LINK, by, seen).link.object_id == Y
