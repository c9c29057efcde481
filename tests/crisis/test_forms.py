"""The file by which a crisis is declared: what is wrong stands at its key, with the criterion's name."""

import json
from datetime import timedelta

import pytest

from node.crisis import events, forms, frameworks
from node.errors import Refused
from node.v1 import record_pb2

OCRF = next(one.framework for one in frameworks.shipped() if one.framework.name == "eu-ocrf")
NOW_MS = 1_800_000_000_000
BEGUN = record_pb2.Crisis(title="Shooting", event=record_pb2.Event(places=["DE-ST"], place_name="Halle"))
BEGUN.framework.name = "eu-ocrf"


@pytest.mark.parametrize("is_json", [False, True])
def test_an_error_names_the_file_and_the_field_also_of_a_criterion(*, is_json: bool) -> None:
    text = forms.write(BEGUN, OCRF).replace(
        '[criteria.cross-border]\nanswer = ""', '[criteria.cross-border]\nanswer = "perhaps"'
    )
    if is_json:
        answers = {"harm": {"answer": "yes"}, "cross-border": {"answer": "perhaps"}}
        text = json.dumps({"title": "x", "criteria": answers})
    with pytest.raises(Refused) as refused:
        forms.read(text, "halle.toml", is_json=is_json)
    assert refused.value.reason == "halle.toml: criteria.cross-border.answer: Invalid enum value 'perhaps'"
    assert refused.value.field == "criteria.cross-border.answer"


@pytest.mark.parametrize(
    ("text", "reason", "step"),
    [
        ('harm = "enormous"', "harm: Invalid enum value 'enormous'", "Write one of low, moderate, high."),
        ('tlp = "blue"', "tlp: Invalid enum value 'blue'", "Write one of clear, green, amber, amber+strict, red."),
        ('handling = ["H0", "H9"]', "handling[1]: Invalid enum value 'H9'", "Write one of H0, H1, H2, H3."),
        ('[criteria.x]\nanswer = "maybe"', "criteria.x.answer: Invalid enum", "Write one of yes, no, unknown."),
        ("place = 1", "place: there is no such key", "Did you mean places?"),
        ("zzz = 1", "zzz: there is no such key", "Here can be title, framework, version, kind, places,"),
        ('[lead]\nphone = "1"', "lead.phone: there is no such key", "Did you mean telephone?"),
        ('[criteria.x]\nwhy = "1"', "criteria.x.why: there is no such key", "Here can be answer, confidence, ground."),
        ("places = 3", "places: Expected `array`", "`tocsin crisis template` shows every key."),
    ],
)
def test_an_error_says_what_could_stand_there(text: str, reason: str, step: str) -> None:
    with pytest.raises(Refused) as refused:
        forms.read(text, "halle.toml")
    assert refused.value.reason.startswith(f"halle.toml: {reason}")
    assert refused.value.next_step.startswith(step)
    assert refused.value.reason.startswith(f"halle.toml: {refused.value.field}: ")


def test_what_is_no_toml_is_named_by_its_line() -> None:
    with pytest.raises(Refused) as refused:
        forms.read('title = "x"\nharm = high\n', "halle.toml")
    assert refused.value.field == "line 2"


def test_what_the_framework_asks_for_is_missing_at_its_key() -> None:
    form = forms.read(forms.write(BEGUN, OCRF), "the file")
    found = dict(forms.faults(form, OCRF, NOW_MS))
    assert set(found) == {"kind", "harm", "virality", "lead", *(f"criteria.{one.name}" for one in OCRF.criteria)}
    assert found["criteria.cross-border"] == "criterion 6 (cross-border) is missing"
    assert dict(forms.faults(form, OCRF, NOW_MS, is_alert=True)) == {}
    empty = forms.read(forms.write(record_pb2.Crisis()).replace('lasts = "48h"', ""), "the file")
    assert [key for key, _ in forms.faults(empty, None, NOW_MS)] == ["title", "framework", "places", "lasts"]


def test_a_criterion_that_the_framework_does_not_know_is_named() -> None:
    form = forms.with_answers(forms.read(forms.write(BEGUN, OCRF), "the file"), {"crossborder": {"answer": "yes"}}, {})
    assert "asks nothing" in dict(forms.faults(form, OCRF, NOW_MS))["criteria.crossborder"]


def test_a_file_that_was_filled_in_says_what_was_meant() -> None:
    text = forms.write(BEGUN, OCRF).replace('answer = ""', 'answer = "yes"').replace('harm = ""', 'harm = "high"')
    text = text.replace('virality = ""', 'virality = "high"').replace('kind = ""', 'kind = "shooting"')
    form = forms.read(text.replace('function = ""', 'function = "Situation centre"'), "the file")
    assert forms.faults(form, OCRF, NOW_MS) == []
    assert forms.letter(form, NOW_MS).ends_ms == NOW_MS + 48 * 3_600_000


def test_a_file_that_is_written_again_keeps_the_zone_the_start_and_whether_it_goes_on() -> None:
    text = (
        'title = "x"\nplaces = ["DE"]\nbegan = 2027-01-15T03:10:00+01:00\nstatus = "over"\n'
        'starts = 2027-01-16T00:00:00Z\nlasts = "48h"\n'
    )
    made = forms.letter(forms.read(text, "the file"), NOW_MS)
    assert (made.event.time_zone, made.event.ongoing, made.event.over) == ("+01:00", False, True)
    assert made.ends_ms - made.starts_ms == 48 * 3_600_000
    written = forms.write(made)
    assert "began = 2027-01-15T03:10:00+01:00\n" in written
    assert forms.letter(forms.read(written, "the file"), NOW_MS + 1) == made


@pytest.mark.parametrize("status", ["", "ongoing", "over"])
def test_whether_it_goes_on_is_said_or_left_open(status: str) -> None:
    made = forms.letter(forms.read(f'status = "{status}"', "the file"), NOW_MS)
    assert events.status(made.event) == status


@pytest.mark.parametrize("zone", ["", "nowhere", "+25:99"])
def test_a_time_whose_zone_cannot_be_read_is_in_utc(zone: str) -> None:
    assert events.zoned(NOW_MS, zone).utcoffset() == timedelta(0)


def test_what_ends_before_it_starts_is_named() -> None:
    text = "starts = 2027-01-16T00:00:00Z\nends = 2027-01-15T23:00:00Z\n"
    assert ("ends", "ends before it starts") in forms.faults(forms.read(text, "the file"), None, 0)


MARKED = record_pb2.Handling(tlp=3, europol_codes=0b0110, pap=4, source_evaluation=2, information_evaluation=1)


def test_a_file_keeps_every_mark() -> None:
    read = forms.read(forms.write(BEGUN, handling=MARKED), "the file")
    assert (read.tlp, read.pap, read.handling, read.evaluation) == ("amber", "red", ["H1", "H2"], "B1")
    assert forms.handling(read) == MARKED
    assert forms.handling(forms.read(forms.write(BEGUN), "the file")) == record_pb2.Handling(tlp=2)


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("pap", "purple", "pap"),
        ("handling", ["H1", "H4"], "handling[1]"),
        ("handling", "H2", "handling"),
        ("evaluation", "2B", "evaluation"),
        ("evaluation", "E1", "evaluation"),
    ],
)
def test_a_mark_that_there_is_not_is_named_at_its_key(key: str, value: object, field: str, *, is_json: bool) -> None:
    text = json.dumps({"title": "x", key: value}) if is_json else f"{key} = {json.dumps(value)}\n"
    with pytest.raises(Refused) as refused:
        forms.read(text, "halle.toml", is_json=is_json)
    assert refused.value.field == field
    assert f"halle.toml: {field}: " in refused.value.reason
