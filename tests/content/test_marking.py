"""Marks in a file that somebody edits: above the line that each is about, and gone again without a trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.content import marking
from node.content.marking import MARK

TEXT = """\
# answer = "not a key"
title = "x"
languages = ["en"]

[lead]
function = "desk"

# It has to be yes.
[criteria.harm]
answer = "yes"
ground = "answer = no"

[criteria."cross-border"]
answer = ""

[[office_hours]]
function = "a"
[[office_hours]]
function = "b"
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("title", 'title = "x"'),
        ("languages[1]", 'languages = ["en"]'),
        ("lead", "[lead]"),
        ("lead.telephone", "[lead]"),
        ("lead.function", 'function = "desk"'),
        ("criteria.harm", "[criteria.harm]"),
        ("criteria.harm.answer", 'answer = "yes"'),
        ("criteria.cross-border.answer", 'answer = ""'),
        ("criteria.cross-border.ground", '[criteria."cross-border"]'),
        ("office_hours[1].function", 'function = "b"'),
        ("line 3", 'languages = ["en"]'),
        ("criteria.none", '# answer = "not a key"'),
        ("", '# answer = "not a key"'),
    ],
)
def test_a_mark_stands_above_its_line_or_above_what_it_would_stand_in(field: str, line: str) -> None:
    found = marking.marked(TEXT, [(field, ("wrong", "mend it"))]).splitlines()
    assert found[found.index(line) - 2 : found.index(line)] == [f"{MARK}wrong", f"{MARK}mend it"]


def test_all_that_is_wrong_is_marked_at_once_and_old_marks_go() -> None:
    once = marking.marked(TEXT, [("title", ("old",))])
    found = marking.marked(once, [("title", ("t",)), ("criteria.harm", ("h",)), ("title", ("again",))])
    assert [line.removeprefix(MARK) for line in found.splitlines() if line.startswith(MARK)] == ["t", "again", "h"]
    assert marking.unmarked(found) == TEXT


@given(text=st.text("a=[]. \"\n#>'", max_size=200), field=st.text("a.[]0 line1", max_size=20))
def test_marks_change_nothing_of_what_was_written(text: str, field: str) -> None:
    lines = [line for line in text.splitlines() if not line.startswith(MARK)]
    assert marking.unmarked(marking.marked(text, [(field, ("wrong",))])).splitlines() == lines
