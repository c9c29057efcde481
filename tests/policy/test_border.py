"""What of our own records may be said at all, by the classes that stand in record.proto."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from node.content.personal import What
from node.errors import Refused
from node.feed.kinds import Kind
from node.policy import border
from node.policy.border import Border, Reach
from node.v1 import protection_pb2, record_pb2

SENTENCE = "Das Video wurde um 14:05 Uhr hochgeladen von {} aus."
IP, TELEPHONE, EMAIL, ACCOUNT = "203.0.113.77", "+49 30 901820", "a.b@example.org", "@konto_1"
TO_SOME = Reach(for_all=False, carriage=3)


def every_field() -> Iterator[FieldDescriptor]:
    for message in record_pb2.DESCRIPTOR.message_types_by_name.values():
        yield from message.fields


def class_of(field: FieldDescriptor) -> int:
    found: int = field.GetOptions().Extensions[protection_pb2.data_class]
    return found


def most_personal(message: Descriptor) -> int:
    return max(class_of(field) for field in message.fields)


@pytest.mark.parametrize("field", list(every_field()), ids=lambda field: field.full_name)
def test_every_field_of_a_record_says_how_personal_it_is(field: FieldDescriptor) -> None:
    assert protection_pb2.DATA_CLASS_P0 <= class_of(field) <= protection_pb2.DATA_CLASS_P2
    if field.message_type and not field.message_type.GetOptions().map_entry:
        assert class_of(field) == most_personal(field.message_type)
    holds = field.GetOptions().Extensions[protection_pb2.holds]
    assert holds in {"", border.URL, *(what.field for what in What)}
    assert not holds or field.type == FieldDescriptor.TYPE_STRING


def crisis(**fields: object) -> record_pb2.Record:
    return record_pb2.Record(crisis=record_pb2.Crisis(**fields))  # type: ignore[arg-type]


def refusal(record: record_pb2.Record, border_: Border | None = None, reach: Reach | None = None) -> Refused | None:
    try:
        border.check(record, border_ or Border(), reach or Reach())
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (crisis(title=SENTENCE.format(IP)), "title"),
        (crisis(summary=SENTENCE.format(IP)), "summary"),
        (crisis(event=record_pb2.Event(place_name=IP)), "event.place_name"),
        (crisis(criteria=[record_pb2.Criterion(), record_pb2.Criterion(ground=IP)]), "criteria[2].ground"),
        (crisis(lead=record_pb2.Contact(function=f"Lage {TELEPHONE}")), "lead.function"),
        (crisis(lead=record_pb2.Contact(telephone=IP)), "lead.telephone"),
        (crisis(lead=record_pb2.Contact(email=TELEPHONE)), "lead.email"),
        (crisis(keywords=["Erika Mustermann"]), "keywords"),
        (record_pb2.Record(crisis_act=record_pb2.CrisisAct(end=record_pb2.Note(text=IP))), "end.text"),
        (record_pb2.Record(crisis_act=record_pb2.CrisisAct(update=record_pb2.Crisis(title=IP))), "update.title"),
        (
            record_pb2.Record(crisis_act=record_pb2.CrisisAct(situation=record_pb2.Situation(counts={EMAIL: 1}))),
            "situation.counts",
        ),
        (record_pb2.Record(list=record_pb2.HashList(labels=["attack", ACCOUNT])), "labels"),
        (record_pb2.Record(items=record_pb2.Items(values=[f"https://{IP}/"])), "values"),
        (record_pb2.Record(opinion=record_pb2.Opinion(note=EMAIL)), "note"),
        (record_pb2.Record(referral=record_pb2.Referral(locators=["https://t.me/kanal_name"])), "locators"),
    ],
)
def test_what_is_more_personal_than_its_field_is_refused_there(record: record_pb2.Record, field: str) -> None:
    refused = refusal(record)
    assert refused is not None
    assert refused.field == field
    assert refused.next_step
    assert not {IP, TELEPHONE, EMAIL, ACCOUNT, "Mustermann"} & set(str(refused).split())


def test_the_refusal_names_the_characters_and_the_next_step_and_not_what_stands_there() -> None:
    refused = refusal(crisis(summary=SENTENCE.format(IP)))
    assert str(refused) == (
        "summary: character 46 to 57 is an IP address\n  Remove it, or say it through SIENA or your own legal channel."
    )
    assert SENTENCE.format(IP)[45:57] == IP


def test_a_field_that_is_made_for_it_may_hold_it() -> None:
    contact = record_pb2.Contact(route=1, function="Lagezentrum", telephone=TELEPHONE, email=EMAIL)
    assert refusal(crisis(title="Anschlag", lead=contact)) is None
    endpoint = record_pb2.Endpoint(address=f"{IP}:7443")
    assert refusal(record_pb2.Record(profile=record_pb2.Profile(endpoints=[endpoint], contacts=[contact]))) is None
    assert refusal(record_pb2.Record(items=record_pb2.Items(kind="url", values=["https://v.example.org/1"]))) is None


@pytest.mark.parametrize(
    ("policy", "reach", "passes"),
    [
        ("refuse", Reach(), False),
        ("refuse", TO_SOME, False),
        ("audience", Reach(), False),
        ("audience", Reach(for_all=False, carriage=2), False),
        ("audience", Reach(for_all=True, carriage=3), False),
        ("audience", TO_SOME, True),
        ("refuse", Reach(reason="a hotline for the public"), True),
    ],
)
def test_what_names_a_person_goes_to_named_readers_directly_or_on_somebodys_word(
    policy: border.Personal, reach: Reach, passes: bool
) -> None:
    for record in (
        crisis(summary=f"Hinweise: {TELEPHONE}"),
        crisis(summary=ACCOUNT),
        crisis(keywords=["Erika Mustermann"]),
        record_pb2.Record(referral=record_pb2.Referral(locators=["https://t.me/kanal_name"])),
    ):
        assert (refusal(record, Border(policy), reach) is None) is passes


@pytest.mark.parametrize("reach", [TO_SOME, Reach(reason="it is nobody's")])
def test_addresses_of_machines_and_logins_go_to_nobody_on_nobodys_word(reach: Reach) -> None:
    for text in (IP, "https://max:geheim@files.example.org/"):
        for record in (crisis(summary=text), record_pb2.Record(items=record_pb2.Items(values=[f"https://{IP}/"]))):
            assert refusal(record, Border("audience"), reach) is not None


def test_national_telephone_numbers_are_those_of_the_own_country() -> None:
    assert refusal(crisis(summary="Hinweise: 030 901820"), Border(countries=("FR",))) is None
    assert refusal(crisis(summary="Hinweise: 030 901820"), Border(countries=("DE",))) is not None


# ---- Marks


@pytest.mark.parametrize(
    ("handling", "level"),
    [
        ({}, 0),
        ({"europol_codes": 1, "pap": 1}, 0),
        ({"tlp": 1}, border.CLEAR),
        ({"tlp": 2, "pap": 1}, border.GREEN),
        ({"tlp": 1, "pap": 2}, border.GREEN),
        ({"tlp": 1, "europol_codes": 0b0001}, border.GREEN),
        ({"tlp": 2, "europol_codes": 0b0011}, border.GREEN),
        ({"tlp": 2, "pap": 3}, border.AMBER),
        ({"tlp": 3}, border.AMBER),
        ({"tlp": 2, "europol_codes": 0b0101}, border.AMBER_STRICT),
        ({"tlp": 4, "pap": 1}, border.AMBER_STRICT),
        ({"tlp": 2, "europol_codes": 0b1000}, border.RED),
        ({"tlp": 1, "pap": 4}, border.RED),
        ({"tlp": 5}, border.RED),
        ({"tlp": 6}, border.RED),
        ({"tlp": 1, "pap": 5}, border.RED),
        ({"tlp": 1, "europol_codes": 0b10000}, border.RED),
    ],
)
def test_the_strictest_of_the_scales_wins_and_what_is_not_known_is_the_strictest(
    handling: dict[str, int], level: int
) -> None:
    said = record_pb2.Handling(**handling)
    assert border.strictness(said) == level
    if level in border.FOR_ALL:
        border.require_mark(said)
    else:
        with pytest.raises(Refused) as refused:
            border.require_mark(said)
        assert refused.value.field.startswith("handling")
    if level:
        border.require_mark(said, for_all=False)
    else:
        with pytest.raises(Refused, match="not marked"):
            border.require_mark(said, for_all=False)


@pytest.mark.parametrize(
    ("handling", "field"),
    [
        ({}, "handling"),
        ({"tlp": 3, "pap": 4}, "handling"),
        ({"tlp": 2, "europol_codes": 0b0110, "pap": 4}, "handling.europol_codes"),
        ({"tlp": 1, "europol_codes": 0b0011, "pap": 3}, "handling.pap"),
    ],
)
def test_the_refusal_names_the_scale_that_says_less(handling: dict[str, int], field: str) -> None:
    with pytest.raises(Refused) as refused:
        border.require_mark(record_pb2.Handling(**handling))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "needs"),
    [(Kind.DECLARATION, True), (Kind.ITEMS, True), (Kind.OPINION, True), (Kind.PROFILE, False), (Kind.DOCUMENT, False)],
)
def test_a_mark_is_wanted_of_every_kind_that_does_not_say_itself_for_whom_it_is(kind: Kind, needs: bool) -> None:
    assert border.is_marked(record_pb2.Record(kind=kind)) is not needs
    assert border.is_marked(record_pb2.Record(kind=kind, handling=record_pb2.Handling(tlp=2)))
    assert border.is_marked(record_pb2.Record(kind=max(Kind) + 1))  # of a later version, which knows


@pytest.mark.parametrize(
    ("audience", "for_all", "passes"),
    [
        (None, True, True),
        (None, False, True),
        (record_pb2.Audience(), True, False),
        (record_pb2.Audience(), False, False),
        (record_pb2.Audience(roles=[1]), True, False),
        (record_pb2.Audience(member_ids=[b"m" * 32]), True, False),
        (record_pb2.Audience(roles=[1]), False, True),
    ],
)
def test_an_audience_is_not_empty_and_not_readable_by_all(
    audience: record_pb2.Audience | None, for_all: bool, passes: bool
) -> None:
    record = record_pb2.Record(audience=audience)
    if passes:
        border.require_audience(record, for_all=for_all)
    else:
        with pytest.raises(Refused) as refused:
            border.require_audience(record, for_all=for_all)
        assert refused.value.field == "audience"
