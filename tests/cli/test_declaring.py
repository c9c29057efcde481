"""What whoever declares, updates or extends has before its eyes when it confirms, and what a file has of its marks."""

from collections.abc import Sequence

import click
import msgspec
import pytest
from click.testing import CliRunner

from node.cli import asking, calling, crises, declaring, filling, proposing
from node.cli import frameworks as governed
from node.cli.calling import Place
from node.cli.crisis import crisis
from node.cli.facts import Proposal
from node.crisis import forms, frameworks
from node.crisis.frameworks import Framework
from node.crisis.words import MARKS
from node.errors import Refused
from node.feed.identity import Role
from node.feed.pae import FederationId
from node.v1 import admin_pb2, record_pb2, tools_pb2

GREEN = record_pb2.Handling(tlp=2)
TITLE = 'name = "x"\nversion = "1"\ntitle = "X"\n[declare]\nroles = ["authority"]\n'
LONE = frameworks.decode(TITLE.encode(), "a test")
SIGNED = frameworks.decode(
    f'{TITLE}[cosign]\ncount = 2\ncountries = 2\nroles = ["authority", "europol"]\n'.encode(), "a test"
)
COSIGNERS = "2 of authority or europol from 2 countries"
HERE = Place(FederationId(b""))  # where nobody is asked


def members(*roles: Role, state: str = "member") -> list[admin_pb2.MemberView]:
    return [
        admin_pb2.MemberView(member_id=bytes([at]) * 32, name=f"{state} {at}", role=role, state=state)
        for at, role in enumerate(roles)
    ]


# ---- What it begins with


@pytest.mark.parametrize(
    ("found", "exercise", "words"),
    [
        ({"alert": True}, False, ""),
        ({"alert": True, "exercise": True}, True, ""),
        ({"alert": True, "exercise": True}, False, ""),
        ({"alert": True}, True, "c-4k7q is no exercise"),
        ({}, False, "c-4k7q is no alert"),
    ],
)
def test_a_declaration_begins_with_an_alert_and_no_drill_with_what_is_real(
    found: dict[str, bool], exercise: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = tools_pb2.CrisisView(reference="c-4k7q", **found)  # type: ignore[arg-type]
    monkeypatch.setattr(crises, "named", lambda *_: view)
    if not words:
        assert crises.alert(HERE, "c-4k7q", exercise=exercise) is view
        return
    with pytest.raises(Refused, match=words):
        crises.alert(HERE, "c-4k7q", exercise=exercise)


# ---- What follows from a declaration


@pytest.mark.parametrize(
    ("under", "words"),
    [
        (SIGNED, f"It is proposed, and active once {COSIGNERS} have co-signed it."),
        (LONE, "Nobody has to co-sign it: it is in effect wherever it comes."),
        (None, "Nobody has to co-sign it: it is in effect wherever it comes."),
    ],
)
def test_whoever_declares_is_told_whether_it_is_active_at_once_or_who_has_to_co_sign(
    under: Framework | None, words: str
) -> None:
    assert governed.consequence(under) == words


def test_whoever_declares_is_told_how_many_read_it_and_for_some_alone_who_those_are() -> None:
    known = [
        *members(Role.AUTHORITY, Role.PLATFORM, Role.AUTHORITY),
        *members(Role.AUTHORITY, state="suspended"),
        *members(Role.AUTHORITY, state="revoked"),
        *members(Role.AUTHORITY, state="candidate"),
    ]
    assert declaring.whom(known, None) == "all members (4)"
    authorities = record_pb2.Audience(roles=[Role.AUTHORITY])
    assert declaring.whom(known, authorities) == "3 members alone (member 0, member 2, suspended 0)"
    known[0].own = True
    assert declaring.whom(known, authorities) == "2 members alone (member 2, suspended 0)"
    with pytest.raises(Refused, match="nobody else would read it"):
        declaring.whom(known[:1], authorities)
    one = record_pb2.Audience(member_ids=[bytes([1]) * 32])
    assert declaring.whom(known, one) == "1 member alone (member 1)"
    many = members(*[Role.AUTHORITY] * (declaring.NAMED_MAX + 2))
    assert declaring.whom(many, authorities).endswith(f"member {declaring.NAMED_MAX - 1} and 2 more)")


def test_one_has_and_two_have_co_signed() -> None:
    lone = frameworks.decode(f'{TITLE}[cosign]\ncount = 1\nroles = ["authority"]\n'.encode(), "a test")
    assert frameworks.cosigned(lone) == "1 of authority has co-signed"
    assert frameworks.cosigned(SIGNED) == f"{COSIGNERS} have co-signed"


def test_what_was_refused_is_not_said_to_end_at_the_end_that_it_would_have_had() -> None:
    found = tools_pb2.CrisisView(reference="c-4k7q", crisis=record_pb2.Crisis(title="Shooting"), ends_ms=1)
    found.state, found.reason = "rejected", "refused by those who were asked to co-sign it"
    assert crises.line(found) == f"c-4k7q  Shooting  rejected: {found.reason}"
    found.state = "active"
    assert crises.line(found).startswith("c-4k7q  Shooting  active, ends 1970-")


def test_the_only_framework_in_force_is_taken_and_of_several_none_but_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calling, "ask", lambda *_: ["eu-ocrf", "eu-ocrf"])  # two versions
    assert governed.only(HERE) == "eu-ocrf"
    monkeypatch.setattr(calling, "ask", lambda *_: ["gifct-pci", "eu-ocrf"])
    assert governed.only(HERE) == ""
    with pytest.raises(click.UsageError) as refused:
        filling.letter(HERE, forms.Form(title="Shooting"), 1, None, is_alert=False)
    assert refused.value.message == (
        "--framework and --place missing: give them, or --file, or --edit. In force: eu-ocrf, gifct-pci."
    )


# ---- What follows from an update or an extension


@pytest.mark.parametrize(
    ("harm", "ends_ms", "under", "waits_for"),
    [
        (3, 1, SIGNED, [COSIGNERS]),
        (2, 2, SIGNED, [COSIGNERS]),
        (2, 1, SIGNED, []),  # other words alone
        (3, 2, LONE, []),
        (3, 2, None, []),
    ],
)
def test_whoever_changes_a_crisis_is_told_where_that_waits_for_co_signatures(
    harm: int, ends_ms: int, under: Framework | None, waits_for: Sequence[str]
) -> None:
    found = tools_pb2.CrisisView(crisis=record_pb2.Crisis(title="Shooting", harm=2), handling=GREEN, ends_ms=1)
    after = Proposal(record_pb2.Crisis(title="Attack", harm=harm), GREEN, ends_ms)
    words = [f"co-signatures: {one}; until then it stays as it is" for one in waits_for]
    assert proposing.needs(found, after, under) == [("needs", one) for one in words]


def test_whoever_proposes_something_is_told_that_it_takes_the_place_of_what_waits() -> None:
    found = tools_pb2.CrisisView(crisis=record_pb2.Crisis(title="Shooting", harm=2), handling=GREEN, ends_ms=1)
    found.proposal, found.cosignatures_needed, found.proposed_ends_ms = b"e" * 32, 1, 2
    found.acts.add(entry=b"e" * 32, act=record_pb2.CrisisAct(extend=record_pb2.Extend(ends_ms=2)))
    harm = Proposal(record_pb2.Crisis(title="Shooting", harm=3), GREEN, 1)
    assert ("instead of", proposing.REPLACED) in proposing.needs(found, harm, SIGNED)
    words = Proposal(record_pb2.Crisis(title="Attack", harm=2), GREEN, 1)
    assert not proposing.needs(found, words, SIGNED), "it waits on"


# ---- Its marks


@pytest.mark.parametrize("tlp", range(1, len(MARKS) + 1))
def test_what_a_crisis_says_as_a_file_keeps_its_mark_when_it_is_said_again(
    tlp: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "ask", lambda *_: [])
    under = record_pb2.Reference(name="x", version="1", sha256=b"s" * 32)
    said = record_pb2.Crisis(framework=under, title="Shooting", ends_ms=1_800_000_000_000)
    said.event.places.append("DE-ST")
    mark = record_pb2.Handling(tlp=tlp, pap=3, europol_codes=0b110)
    found = tools_pb2.CrisisView(crisis=said, ends_ms=said.ends_ms, handling=mark)
    text = filling.text_of(HERE, found, mark)
    assert filling.updated(HERE, found, forms.read(text, "the file")) == (said, mark)


# ---- For whom it is


def test_a_crisis_for_some_as_a_file_is_for_the_same_when_it_is_said_again_and_for_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = [
        *members(Role.AUTHORITY, Role.PLATFORM),
        admin_pb2.MemberView(member_id=b"e" * 32, name="Europol", role=Role.EUROPOL),  # a role is called the same
        *(admin_pb2.MemberView(member_id=id_ * 32, name="Twin", role=Role.PLATFORM) for id_ in (b"t", b"u")),
    ]
    ids = {**{one.name: one.member_id for one in known}, **{one.member_id.hex(): one.member_id for one in known}}
    monkeypatch.setattr(calling, "ask", lambda *_: known)
    monkeypatch.setattr(filling, "member_id", lambda _, name: ids[name])
    under = record_pb2.Reference(name="x", version="1", sha256=b"s" * 32)
    said = record_pb2.Crisis(framework=under, title="Shooting", ends_ms=1_800_000_000_000)
    said.event.places.append("DE")
    named = [bytes(32), b"e" * 32, b"t" * 32]
    found = tools_pb2.CrisisView(
        member_id=bytes(32),
        crisis=said,
        ends_ms=said.ends_ms,
        handling=record_pb2.Handling(tlp=3),
        audience="every authority and others",
        readers=record_pb2.Audience(roles=[Role.AUTHORITY], member_ids=named),
        alert=True,
    )
    text = filling.text_of(HERE, found, found.handling)
    assert text.startswith("# A crisis as it goes to those alone who stand behind `to`.")
    form = forms.read(text, "the file")
    assert form.to == ["authority", (b"e" * 32).hex(), (b"t" * 32).hex(), "member 0"]
    assert filling.audience(HERE, form, None) == found.readers
    again = msgspec.structs.replace(form, to=form.to[:-1])  # its owner reads it anyhow
    for one in (form, again):
        assert filling.updated(HERE, found, one) == (said, found.handling)
    for to in (["all"], ["authority"], [*form.to, "member 1"]):
        with pytest.raises(Refused, match="is said when it is declared"):
            filling.updated(HERE, found, msgspec.structs.replace(form, to=to))


@pytest.mark.parametrize(
    ("typed", "question"),
    [
        (("cosign", "c-1", "--without-code"), "Co-sign c-1, Shooting, for Ministry A and Ministry B alone?"),
        (("refuse", "c-1", "--text", "No"), "Refuse to co-sign c-1, Shooting, before Ministry A and Ministry B alone?"),
        (("hand-over", "c-1", "{b}"), "Hand over c-1, Shooting, to {b}, for Ministry A and Ministry B alone?"),
        (("end", "c-1"), "End c-1, Shooting, now, for Ministry A and Ministry B alone?"),
        (("review", "c-1"), "Put c-1, Shooting, under review for Ministry A and Ministry B alone?"),
        (
            ("point", "c-1", "--told", "DE", "--channel", "PERCI"),
            "Point Ministry A and Ministry B alone to an imminent threat to life?",
        ),
    ],
)
def test_whoever_is_asked_about_a_crisis_for_some_sees_for_whom_it_is(
    typed: Sequence[str], question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tools_pb2.CrisisView(
        reference="c-1", crisis=record_pb2.Crisis(title="Shooting"), audience="Ministry A and Ministry B"
    )
    asked: list[str] = []

    def confirm(words: str, *, yes: bool) -> None:
        asked.append(words)
        raise Refused("no", next_step="Nothing.")

    monkeypatch.setattr(calling, "find", lambda _: HERE)
    monkeypatch.setattr(crises, "named", lambda *_: few)
    monkeypatch.setattr(filling, "member_id", lambda *_: b"b" * 32)
    monkeypatch.setattr(proposing, "show", lambda *_: None)
    monkeypatch.setattr(asking, "confirm", confirm)
    CliRunner().invoke(crisis, typed)
    assert asked == [question]
