"""Profiles as values, letters and files: what is bounded, what is plausible, and how the rest is shown."""

import pytest

from node import limits
from node.content import forms, marking, profiles
from node.content.profiles import OFFICE_HOURS, OUT_OF_HOURS, Contact, Endpoint, Profile
from node.errors import Refused
from node.v1 import record_pb2

NODE, OTHER = b"n" * 16, b"o" * 16
DESK = Contact(OFFICE_HOURS, "Front desk", "+49 611 555 0100", "desk@ministry.example")
DUTY = Contact(OUT_OF_HOURS, "Duty officer", "+49 611 555-0101 ext. 7")
FULL = Profile((Endpoint(NODE, "node.example:7443"),), (DESK, DUTY), ("de", "fr-BE"), 7)


def refused(*contacts: Contact, languages: tuple[str, ...] = ()) -> Refused:
    with pytest.raises(Refused) as raised:
        profiles.require_plausible(Profile(contacts=contacts, languages=languages))
    return raised.value


def test_what_is_written_is_read_again() -> None:
    assert profiles.decode(profiles.encode(FULL)) == FULL
    read = forms.read(forms.write(FULL), "x.toml")
    assert (read.contacts, read.languages) == (FULL.contacts, FULL.languages)


@pytest.mark.parametrize(
    "letter",
    [
        record_pb2.Profile(endpoints=[record_pb2.Endpoint()] * (limits.PROFILE_ENDPOINTS_MAX + 1)),
        record_pb2.Profile(contacts=[record_pb2.Contact()] * (limits.PROFILE_CONTACTS_MAX + 1)),
        record_pb2.Profile(languages=["de"] * (limits.PROFILE_LANGUAGES_MAX + 1)),
        record_pb2.Profile(languages=["x" * limits.PROFILE_BYTES_MAX]),
        record_pb2.Profile(contacts=[record_pb2.Contact(function="x" * 81)]),
        record_pb2.Profile(contacts=[record_pb2.Contact(telephone="1" * 41)]),
        record_pb2.Profile(contacts=[record_pb2.Contact(email="x" * 255)]),
    ],
)
def test_what_is_beyond_a_bound_is_no_profile(letter: record_pb2.Profile) -> None:
    with pytest.raises(ValueError, match="more than"):
        profiles.decode(letter)


def test_what_a_reader_does_not_understand_is_left_out_and_the_rest_stands() -> None:
    letter = profiles.encode(FULL)
    letter.contacts.add(route=9, function="Of a later version", telephone="+49 611 555 0100")
    letter.contacts.add(route=OFFICE_HOURS, function="Nobody reaches it")
    letter.endpoints.add(node_id=NODE[:5], address="node.example:7443")
    letter.endpoints.add(node_id=OTHER, address="http://node.example/")
    letter.languages.append("\x1b[2J")
    assert profiles.decode(letter) == FULL


def test_what_could_deceive_is_spelled_out() -> None:
    shown = profiles.shown(Contact(1, "Duty \u043efficer\x1b[2J\u202e", "+49\u2028611", "desk@min\u0456stry.example"))
    assert shown.function == "Duty \\u043efficer\\x1b[2J\\u202e"
    assert shown.telephone == "+49\\u2028611"
    assert shown.email == "desk@min\\u0456stry.example"
    assert profiles.shown(DUTY) == DUTY
    assert profiles.shown(Contact(1, "Дежурный", "+359 2 555 0100")).function == "Дежурный"


@pytest.mark.parametrize(
    ("contact", "field", "words"),
    [
        (Contact(1, "", "+49 611 555 0100"), "office_hours[0].function", "needs a function"),
        (Contact(1, "x" * 81, "+49 611 555 0100"), "office_hours[0].function", "more than 80"),
        (Contact(1, "a\u202eb", "+49 611 555 0100"), "office_hours[0].function", "do not show"),
        (Contact(1, "Duty \u043efficer", "+49 611 555 0100"), "office_hours[0].function", "several scripts"),
        (Contact(1, "Desk"), "office_hours[0].telephone", "or a mail address"),
        (Contact(1, "Desk", "0611 555 0100"), "office_hours[0].telephone", "country's code"),
        (Contact(1, "Desk", "+49 611"), "office_hours[0].telephone", "has 5 digits"),
        (Contact(1, "Desk", "+4961155501004711"), "office_hours[0].telephone", "has 16 digits"),
        (Contact(1, "Desk", "+49 call me"), "office_hours[0].telephone", "no telephone"),
        (Contact(1, "Desk", "+\u0664\u0669 611 555 0100"), "office_hours[0].telephone", "no telephone"),
        (Contact(1, "Desk", "", "desk@ministry"), "office_hours[0].email", "no mail address"),
        (Contact(1, "Desk", "", "desk ministry.example"), "office_hours[0].email", "no mail address"),
        (Contact(1, "Desk", "", "a@b@ministry.example"), "office_hours[0].email", "no mail address"),
        (Contact(2, "Duty", "", "duty@ministry.example"), "out_of_hours[0].telephone", "needs a telephone"),
    ],
)
def test_what_nobody_could_call_is_refused_at_its_field(contact: Contact, field: str, words: str) -> None:
    error = refused(contact)
    assert error.field == field
    assert words in error.reason


def test_counts_and_languages_are_refused_too() -> None:
    assert refused(*[DESK] * 17).field == "office_hours"
    assert refused(languages=("de", "Deutsch")).field == "languages[1]"
    assert refused(languages=("de",) * 17).field == "languages"
    long = Contact(1, "\u9f98" * 80, "+49 611 555 0100", f"{'x' * 240}@m.example")
    assert refused(*[long] * 16).reason.endswith("bytes of text")
    with pytest.raises(Refused, match="no route 3"):
        profiles.contacts_of([record_pb2.Contact(route=3)])


def test_a_nodes_address_joins_those_of_the_others() -> None:
    moved = FULL.with_address(OTHER, "other.example:1").with_address(NODE, "moved.example:2")
    assert [one.address for one in moved.endpoints] == ["moved.example:2", "other.example:1"]
    assert moved.with_address(OTHER, "").endpoints == (Endpoint(NODE, "moved.example:2"),)
    assert moved.contacts == FULL.contacts
    many = Profile()
    for i in range(limits.PROFILE_ENDPOINTS_MAX + 2):
        many = many.with_address(bytes([i]) * 16, f"node.example:{i + 1}")
    assert len(many.endpoints) == limits.PROFILE_ENDPOINTS_MAX
    assert many.address_of(bytes([limits.PROFILE_ENDPOINTS_MAX + 1]) * 16), "the one that says it is never left out"


def test_the_template_says_what_is_missing_first() -> None:
    with pytest.raises(Refused) as raised:
        forms.read(forms.write(), "x.toml")
    assert raised.value.reason == "x.toml: office_hours[0].function: a contact needs a function"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[[office_hours]]\nfunction = 7\n", "office_hours[0].function"),
        ("[[office_hours]]\nfunctoin = ''\n", "office_hours[0]"),
        ("languages = 'de'\n", "languages"),
        ("names = []\n", ""),
        ("[[office_hours\n", ""),
    ],
)
def test_a_file_that_is_none_is_refused_where_it_is_wrong(text: str, field: str) -> None:
    with pytest.raises(Refused) as raised:
        forms.read(text, "x.toml")
    assert raised.value.field == field
    assert raised.value.reason.startswith("x.toml")


def marked_by(text: str, error: Refused) -> str:
    return marking.marked(text, [(error.field, (error.reason, error.next_step))])


def test_errors_stand_above_the_line_that_they_are_about_and_leave_no_trace() -> None:
    text = forms.write(Profile(contacts=(DESK, DESK, Contact(1, "Third", "12"), DUTY)))
    with pytest.raises(Refused) as raised:
        forms.read(text, "x.toml")
    marked = marked_by(text, raised.value)
    lines = marked.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith(marking.MARK))
    assert lines[place + 2] == 'telephone = "12"'
    assert "country's code" in lines[place]
    assert marking.unmarked(marked) == text
    assert marking.unmarked(marked_by(marked, raised.value)) == text
    assert marked_by(text, Refused("of nothing")).startswith(f"{marking.MARK}of nothing\n")
