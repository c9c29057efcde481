"""What a crisis is to say: nothing is lost of what it says already, by a file or by options."""

from pathlib import Path
from typing import Any

import pytest

from node.cli import filling
from node.cli.calling import Place
from node.crisis import forms
from node.errors import Refused
from node.feed.pae import FederationId
from node.v1 import record_pb2, tools_pb2

PLACE = Place(FederationId(b"f" * 32))
MARKED = record_pb2.Handling(tlp=2, europol_codes=0b0010, pap=2, source_evaluation=1, information_evaluation=3)
STARTS_MS, ENDS_MS = 1_800_000_000_123, 1_800_090_000_456
FOUND = tools_pb2.CrisisView(
    crisis=record_pb2.Crisis(
        framework=record_pb2.Reference(name="eu-ocrf", version="1", sha256=b"f" * 32),
        title="Shooting",
        event=record_pb2.Event(places=["DE"]),
        starts_ms=STARTS_MS,
        ends_ms=ENDS_MS - 3_600_000,
    ),
    handling=MARKED,
    ends_ms=ENDS_MS,  # it was extended
    alert=True,
)


def said(**options: Any) -> dict[str, Any]:
    return {"file": None, "criteria": {}, **options}


def test_what_becomes_of_an_alert_keeps_its_marks_but_for_those_that_are_given() -> None:
    assert forms.handling(filling.form(said(), FOUND)) == MARKED
    given = filling.form(said(tlp="clear", handling=("H0", "H1")), FOUND)
    held = record_pb2.Handling(tlp=1, europol_codes=0b0011, pap=2, source_evaluation=1, information_evaluation=3)
    assert forms.handling(given) == held


@pytest.mark.parametrize(
    ("marks", "held"),
    [
        ("", MARKED),  # what the file says nothing of is as it is
        ('pap = ""\nhandling = []\n', record_pb2.Handling(tlp=2, source_evaluation=1, information_evaluation=3)),
        (
            'tlp = "clear"\nevaluation = ""\n',
            record_pb2.Handling(tlp=1, europol_codes=0b0010, pap=2),
        ),
    ],
)
def test_a_mark_that_a_file_has_no_key_of_is_as_it_was_and_an_empty_one_is_taken_away(
    marks: str, held: record_pb2.Handling, tmp_path: Path
) -> None:
    file = tmp_path / "halle.toml"
    file.write_text(f'title = "Attack"\nplaces = ["DE"]\nlasts = "48h"\n{marks}')
    assert forms.handling(filling.form(said(file=file), FOUND)) == held
    letter, handling = filling.anew(PLACE, FOUND, file, {})
    assert (letter.title, handling) == ("Attack", held)


def test_an_update_by_a_file_changes_nothing_that_it_does_not_change(tmp_path: Path) -> None:
    file = tmp_path / "halle.toml"
    file.write_text(forms.write(filling.as_it_is(FOUND), handling=MARKED))
    letter, handling = filling.anew(PLACE, FOUND, file, {})
    assert (letter.starts_ms, letter.ends_ms, handling) == (STARTS_MS, ENDS_MS, MARKED)
    assert letter == filling.as_it_is(FOUND)
    file.write_text(file.read_text().replace('title = "Shooting"', 'title = "Attack"'))
    letter, _ = filling.anew(PLACE, FOUND, file, {})
    assert (letter.title, letter.ends_ms) == ("Attack", ENDS_MS)


def test_a_mark_that_is_given_changes_that_scale_alone_and_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "halle.toml"
    file.write_text(forms.write(filling.as_it_is(FOUND), handling=record_pb2.Handling(tlp=1, pap=1)))
    for one, held in ((None, MARKED), (file, record_pb2.Handling(tlp=1))):
        letter, handling = filling.anew(PLACE, FOUND, one, {"pap": "green"})
        assert letter == filling.as_it_is(FOUND)
        assert (handling.pap, handling.tlp, handling.europol_codes) == (2, held.tlp, held.europol_codes)


def test_a_mark_of_a_later_version_is_not_changed_by_this_one() -> None:
    later = tools_pb2.CrisisView()
    later.CopyFrom(FOUND)
    later.handling.pap = 7
    with pytest.raises(Refused, match="later version"):
        filling.anew(PLACE, later, None, {"tlp": "clear"})


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("handling", "tlp"),
        ("audience", "to"),
        ("handling.pap", "pap"),
        ("handling.europol_codes", "handling"),
        ("crisis.title", "title"),
    ],
)
def test_what_the_node_refuses_is_named_by_its_key_in_the_file(field: str, key: str) -> None:
    refused = filling.words(Path("halle.toml"), Refused("no", next_step="Mend it.", field=field))
    assert (refused.field, refused.reason) == (key, f"halle.toml: {key}: no")
