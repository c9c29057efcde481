"""A crisis drawn on a terminal of some size: what decides and what is newest is there, and what is not is counted."""

import io

import pytest
from rich.console import Console

from node.cli import picture
from node.v1 import record_pb2, tools_pb2

NOW_MS = 1_800_000_000_000
MEMBERS = ("Ministry A", "Ministry B", "Platform C", "Platform D with a name that is very much longer than all others")


def view(*, orders: int = 0, lists: int = 0, acts: int = 0, members: int = 4, threats: int = 0) -> tools_pb2.CrisisView:
    names = [*MEMBERS, *(f"Member {number}" for number in range(members))][:members]
    words = [f"word {number} {'x' * 90}" for number in range(acts)]
    comments = [record_pb2.CrisisAct(comment=record_pb2.Note(text=one)) for one in words]
    return tools_pb2.CrisisView(
        member_id=b"m0",
        lead_id=b"m0",
        member_name="Ministry A",
        reference="c-4k7q",
        state="active",
        crisis=record_pb2.Crisis(title="Shooting"),
        ends_ms=NOW_MS * 2,
        pointers=[
            tools_pb2.PointerView(member_name="Platform C", pointer=record_pb2.Pointer(places=["DE"], channel="PERCI"))
            for _ in range(threats)
        ],
        orders=[
            tools_pb2.OrderView(reference=f"DE-{number}", member_name="Platform C", state="running", hours=1, left_ms=1)
            for number in range(orders)
        ],
        lists=[tools_pb2.CrisisListView(name=f"list {number}", following="followed") for number in range(lists)],
        acts=[tools_pb2.CrisisActView(member_name="Ministry B", act=one, created_ms=NOW_MS) for one in comments],
        participation=[
            tools_pb2.ParticipationView(member_id=f"m{number}".encode(), member_name=name, stance=number % 2)
            for number, name in enumerate(names)
        ],
    )


def reached(found: tools_pb2.CrisisView) -> tools_pb2.ListAcknowledgementsResponse:
    """The owner is not asked, the second is silent, the others have it and one of them has seen it."""
    members = []
    for number, one in enumerate(found.participation[1:]):
        row = tools_pb2.AcknowledgementView(member_id=one.member_id, member_name=one.member_name, state="silent")
        if number:
            row.state, row.delivered.after_ms = "delivered", 1200
        if number == 1:
            row.seen.after_ms = 90_000
        members.append(row)
    return tools_pb2.ListAcknowledgementsResponse(members=members, expected=len(members), delivered=len(members) - 1)


def drawn(found: tools_pb2.CrisisView, height: int, *, width: int = 80, is_answered: bool = True) -> list[str]:
    """As the terminal has it."""
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, highlight=False)
    console.print(picture.drawn(picture.lines(found, reached(found), console, is_answered=is_answered)))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_each_member_has_a_line_and_whom_to_call_comes_first() -> None:
    shown = drawn(view(), 24)
    place = next(number for number, line in enumerate(shown) if "takes part" in line)
    assert shown[place + 1 : place + 5] == [
        "  Ministry B                      joined     delivered -        seen -",
        "  Platform D with a name that is  joined     delivered 1.2 s    seen -",
        "  Platform C                      no answer  delivered 1.2 s    seen 90.0 s",
        "  Ministry A                      no answer  delivered its own  seen -",
    ]


def test_the_newest_stays_in_sight_below_many_orders_and_it_is_said_how_many_are_left_out() -> None:
    shown = drawn(view(orders=20, lists=3, acts=30), 24)
    assert len(shown) <= 23
    assert "word 29" in shown[-1]
    assert sum("says: word" in line for line in shown) == picture.NEWEST
    assert "c-4k7q  Shooting  active" in shown[0]
    assert sum("delivered" in line and "seen" in line for line in shown) == 4 + 1, "all members, and the sum"
    kept = [line for line in shown if line.startswith("  order")]
    assert "DE-0" in kept[0], "what is due first"
    assert f"  {20 - len(kept)} more orders: `tocsin crisis show c-4k7q`" in shown
    assert "  3 lists: `tocsin crisis show c-4k7q`" in shown


@pytest.mark.parametrize("height", [4, 6, 8, 10, 12, 16, 24, 60])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_whatever_the_terminal_nothing_is_below_its_end(height: int, width: int) -> None:
    found = view(orders=20, lists=20, acts=20, members=40, threats=6)
    for is_answered in (True, False):
        shown = drawn(found, height, width=width, is_answered=is_answered)
        assert len(shown) < height
        assert all(len(line) <= width for line in shown)
        assert any("says: word 19"[: width - 40] in line for line in shown)
        assert is_answered or "does not answer" in shown[-1]


def test_all_of_it_is_there_where_there_is_room_and_nothing_is_said_to_be_left_out() -> None:
    shown = drawn(view(orders=20, lists=3, acts=8, members=12, threats=1), 70)
    assert sum("delivered" in line and "seen" in line for line in shown) == 12 + 1
    assert [sum(line.startswith(f"  {what} ") for line in shown) for what in ("order", "list")] == [20, 3]
    assert not any("tocsin crisis show" in line for line in shown)


def test_of_a_crisis_for_some_it_is_said_for_whom_and_that_nobody_is_told_who_has_it() -> None:
    found = view()
    found.audience = "Ministry A and Ministry B"
    found.handling.tlp = 5
    answer = reached(found)
    del answer.members[:]
    answer.crisis.CopyFrom(found)
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, highlight=False)
    shown = [line for line, _ in picture.lines(found, answer, console, is_answered=True)]
    assert "  mark          TLP:RED, to Ministry A and Ministry B alone" in shown
    assert "  reached       of a crisis for some alone nobody is told who has it" in shown
    assert not any("delivered" in line for line in shown)
