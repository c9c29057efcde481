"""The file by which a crisis is declared or updated: read, and written with what each key means."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from node.crisis import events, frameworks, marks, spelling
from node.crisis.frameworks import Framework
from node.crisis.marks import Marks
from node.crisis.words import ANSWERS, LEVELS, number, word
from node.errors import Refused
from node.v1 import record_pb2

FILE_BYTES_MAX = 64 << 10
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_EVALUATION = re.compile("[ABCDX]?[1-4]?")
_LINE = re.compile(r"line \d+")
_SOME_CRITERION = "criteria[...]"

Level = Literal["", "low", "moderate", "high"]
Answer = Literal["", "yes", "no", "unknown"]
Status = Literal["", "ongoing", "over"]
Tlp = Literal["clear", "green", "amber", "amber+strict", "red"]
Pap = Literal["", "clear", "green", "amber", "red"]
HandlingCode = Literal["H0", "H1", "H2", "H3"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class _Lead(_Part, frozen=True):
    function: str = ""
    telephone: str = ""
    email: str = ""


class _Criterion(_Part, frozen=True):
    answer: Answer = ""
    confidence: Level = ""
    ground: str = ""


class Form(_Part, frozen=True):
    """The whole file. ``lasts`` is as 48h, from the start on; ``ends`` takes its place.

    A mark whose key is not there is as it is, which is another thing than an empty one.
    """

    title: str = ""
    framework: str = ""
    version: str = ""  # of the framework; empty: the newest in force
    kind: str = ""
    places: list[str] = []
    place_name: str = ""
    began: datetime | None = None
    status: Status = ""
    harm: Level = ""
    virality: Level = ""
    summary: str = ""
    measures: list[str] = []
    keywords: list[str] = []
    languages: list[str] = []
    legal_basis: str = ""
    reference: str = ""
    starts: datetime | None = None
    lasts: str = ""
    ends: datetime | None = None
    tlp: Tlp | UnsetType = UNSET
    pap: Pap | UnsetType = UNSET
    handling: list[HandlingCode] | UnsetType = UNSET
    evaluation: str | UnsetType = UNSET  # of the source and of what it says, as B2
    to: list[str] = []  # roles, and members by name; empty: all members
    deputies: list[str] = []  # members, by name
    lead: _Lead = _Lead()
    criteria: dict[Annotated[str, msgspec.Meta(max_length=64)], _Criterion] = {}


OPTIONS = (  # what else a form is filled in by, by key
    *("title", "framework", "kind", "places", "place_name", "began", "status", "harm", "virality", "summary"),
    *("measures", "keywords", "languages", "legal_basis", "reference", "starts", "to"),
)
MARKS = tuple(one.name for one in fields(Marks))


def with_answers(form: Form, answers: Mapping[str, Mapping[str, str]], lead: Mapping[str, str]) -> Form:
    """The same with some criteria answered, and with the desk to call: by the keys of their tables."""
    criteria = dict(form.criteria)
    for name, said in answers.items():
        criteria[name] = msgspec.structs.replace(criteria.get(name, _Criterion()), **said)
    return msgspec.structs.replace(form, criteria=criteria, lead=msgspec.structs.replace(form.lead, **lead))


def with_marks(form: Form, before: record_pb2.Handling | None) -> Form:
    """The same, marked as what it is about where the file says nothing of that; None: as what begins with it."""
    said = {key for key in MARKS if getattr(form, key) is not UNSET}
    if said == set(MARKS):
        return form
    had = asdict(marks.read(before) if before else Marks())
    return msgspec.structs.replace(form, **{key: value for key, value in had.items() if key not in said})


# ---- Read


def read(text: str, where: str, *, is_json: bool = False) -> Form:
    """What a file says; raises Refused, naming the file and the key."""
    if len(text.encode()) > FILE_BYTES_MAX:
        raise Refused(f"{where} has more than {FILE_BYTES_MAX:,} bytes", next_step="Shorten it.")
    try:
        form = msgspec.json.decode(text, type=Form) if is_json else msgspec.toml.decode(text, type=Form)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        field = _named(place.rstrip("`").removeprefix("."), text, is_json=is_json)
        unknown, keys = spelling.unknown_key(reason), _keys(field)
        if unknown:
            field, reason = f"{field}.{unknown}".removeprefix("."), "there is no such key"
        step = spelling.step(field, unknown, keys)
        raise Refused(f"{where}: {field or 'the file'}: {reason}", next_step=step, field=field) from error
    except msgspec.DecodeError as error:
        kind = "JSON" if is_json else "TOML"
        line = _LINE.search(str(error))
        step = "Mend the line that is named."
        raise Refused(f"{where} is not {kind}: {error}", next_step=step, field=line[0] if line else "") from error
    for key, time in (("began", form.began), ("starts", form.starts), ("ends", form.ends)):
        if time is not None and time.tzinfo is None:
            raise Refused(
                f"{where}: {key}: a time without its zone",
                next_step="Write it as 2026-11-25T03:10:00+01:00, or with Z.",
                field=key,
            )
    if form.lasts and not _DURATION.fullmatch(form.lasts):
        raise Refused(
            f"{where}: lasts: {form.lasts!r} is no time", next_step="Write it as 30m, 48h or 2d.", field="lasts"
        )
    if form.evaluation is not UNSET and not _EVALUATION.fullmatch(form.evaluation):
        raise Refused(
            f"{where}: evaluation: {form.evaluation!r} is none",
            next_step="Write it as B2: the source A, B, C, D or X, and what it says 1 to 4.",
            field="evaluation",
        )
    return form


def _keys(table: str) -> Sequence[str]:
    """Those of a table of the file."""
    kind = _Lead if table == "lead" else _Criterion if table.startswith("criteria.") else Form
    return kind.__struct_fields__


def _named(place: str, text: str, *, is_json: bool) -> str:
    """The place with the criterion's name, which the reader leaves out."""
    if not place.startswith(_SOME_CRITERION):
        return place
    raw = msgspec.json.decode(text) if is_json else msgspec.toml.decode(text)
    for name, one in raw["criteria"].items():
        try:
            msgspec.convert(one, _Criterion)
        except msgspec.ValidationError:
            return f"criteria.{name}{place.removeprefix(_SOME_CRITERION)}"
    return "criteria"


def letter(form: Form, now_ms: int, deputies: Sequence[bytes] = ()) -> record_pb2.Crisis:
    """The crisis that a file declares. ``deputies``: the ids of those it names."""
    starts_ms = _ms(form.starts)
    return record_pb2.Crisis(
        framework=record_pb2.Reference(name=form.framework, version=form.version) if form.framework else None,
        title=form.title,
        summary=form.summary,
        event=record_pb2.Event(
            kind=form.kind,
            places=form.places,
            place_name=form.place_name,
            began_ms=_ms(form.began),
            time_zone=events.zone(form.began) if form.began else "",
            ongoing=form.status == events.ONGOING,
            over=form.status == events.OVER,
        ),
        criteria=[
            record_pb2.Criterion(
                name=name,
                answer=number(ANSWERS, one.answer),
                confidence=number(LEVELS, one.confidence),
                ground=one.ground,
            )
            for name, one in form.criteria.items()
            if one.answer
        ],
        harm=number(LEVELS, form.harm),
        virality=number(LEVELS, form.virality),
        measures=form.measures,
        keywords=form.keywords,
        languages=form.languages,
        legal_basis=form.legal_basis,
        reference=form.reference,
        lead=record_pb2.Contact(**msgspec.to_builtins(form.lead)) if form.lead != _Lead() else None,
        starts_ms=starts_ms,
        ends_ms=_ms(form.ends) or ((starts_ms or now_ms) + _duration_ms(form.lasts) if form.lasts else 0),
        deputies=deputies,
    )


def handling(form: Form) -> record_pb2.Handling:
    """What readers may do with it."""
    said = with_marks(form, None)
    return marks.letter(Marks(**{key: getattr(said, key) for key in MARKS}))


def _ms(time: datetime | None) -> int:
    return int(time.timestamp() * 1000) if time else 0


def _duration_ms(text: str) -> int:
    found = _DURATION.fullmatch(text)
    assert found is not None  # noqa: S101 - it was read
    return int(found[1]) * _UNIT_MS[found[2]]


def faults(form: Form, framework: Framework | None, now_ms: int, *, is_alert: bool = False) -> list[tuple[str, str]]:
    """What keeps it from being declared, as far as the file alone says that: keys, and what is wrong with each."""
    found = [] if form.title.strip() else [("title", "title is missing: what happened, in a few words")]
    if not form.framework and not is_alert:
        found.append(("framework", "framework is missing: `tocsin framework list` has them"))
    if not form.places:
        found.append(("places", "places are missing: where it happened, as DE or DE-ST"))
    if not (form.lasts or form.ends):
        found.append(("lasts", "lasts is missing: for how long, as 48h"))
    if form.ends and _ms(form.ends) <= now_ms:
        found.append(("ends", "ends is over already"))
    if form.starts and form.ends and form.ends <= form.starts:
        found.append(("ends", "ends before it starts"))
    if framework is None or is_alert:
        return found
    said = letter(form, now_ms)
    found += frameworks.unknown(framework, said)
    return [*found, *((one.key, one.words) for one in frameworks.lacking(framework, said))]


# ---- Written


def write(
    crisis: record_pb2.Crisis,
    framework: Framework | None = None,
    *,
    handling: record_pb2.Handling | None = None,
    deputies: Sequence[str] = (),
    to: Sequence[str] = (),
    lasts: str = "",
) -> str:
    """The file that says this, each key with what it means, and every criterion in the framework's words.

    ``handling``: None for what a file that does not say it means. Raises Refused for one of a later version.
    """
    event = crisis.event
    values: Mapping[str, object] = {
        "framework": crisis.framework.name,
        "version": crisis.framework.version,
        "title": crisis.title,
        "kind": event.kind,
        "places": list(event.places),
        "place_name": event.place_name,
        "status": events.status(event),
        "harm": word(LEVELS, crisis.harm),
        "virality": word(LEVELS, crisis.virality),
        "summary": crisis.summary,
        "measures": list(crisis.measures),
        "keywords": list(crisis.keywords),
        "languages": list(crisis.languages),
        "legal_basis": crisis.legal_basis,
        "reference": crisis.reference,
        **asdict(marks.read(handling) if handling else Marks()),
        "deputies": list(deputies),
        "to": list(to),
        "function": crisis.lead.function,
        "telephone": crisis.lead.telephone,
        "email": crisis.lead.email,
    }
    text = _TEXT.format(
        **{key: json.dumps(value, ensure_ascii=False) for key, value in values.items()},
        began=_time("began", event.began_ms, event.time_zone),
        starts=_time("starts", crisis.starts_ms),
        lasts=_time("ends", crisis.ends_ms) if crisis.ends_ms else f'lasts = "{lasts or _lasts(framework)}"',
        readers="those alone who stand behind `to`" if to else "all members",
        wants=f" {framework.name} asks for {', '.join(framework.required)}."
        if framework and framework.required
        else "",
    )
    return text + "".join(_criteria(crisis, framework))


def _criteria(crisis: record_pb2.Crisis, framework: Framework | None) -> Iterator[str]:
    said = {one.name: one for one in crisis.criteria}
    for one in framework.criteria if framework else []:
        found = said.get(one.name, record_pb2.Criterion())
        must = {"yes": " It has to be yes.", "answered": " It has to be answered.", "open": ""}[one.must]
        yield (
            f"\n# {one.wording}{must}\n[criteria.{one.name}]\n"
            f'answer = "{word(ANSWERS, found.answer)}"\n'
            f'confidence = "{word(LEVELS, found.confidence)}"\n'
            f"ground = {json.dumps(found.ground, ensure_ascii=False)}\n"
        )


def _lasts(framework: Framework | None) -> str:
    return f"{framework.duration.default_hours if framework else 48}h"


def _time(key: str, time_ms: int, zone: str = "") -> str:
    if not time_ms:
        return f"# {key} = 2026-11-25T03:10:00+01:00"
    return f"{key} = {events.zoned(time_ms, zone).isoformat(timespec='seconds')}"


_TEXT = """\
# A crisis as it goes to {readers}. What is left empty is not said; a line behind # is not read.
# Name no persons: no suspects, no victims, no accounts, no numbers but those of a desk.{wants}

# What happened, in a few words.
title = {title}
# The rules it is declared under: `tocsin framework list`; their version, or else the newest in force.
framework = {framework}
version = {version}

# As "shooting", "bombing", "vehicle attack".
kind = {kind}
# Countries or regions, as "DE" or "DE-ST".
places = {places}
# The town, as it is written there.
place_name = {place_name}
# When it began, with its zone.
{began}
# ongoing or over.
status = {status}

# low, moderate or high: how grave it is, and how fast it spreads.
harm = {harm}
virality = {virality}
summary = {summary}

# What others are asked for, as "look for copies", "report back". All of it is voluntary.
measures = {measures}
# Words that its copies are found by.
keywords = {keywords}
# Of what is shared, as "de".
languages = {languages}
# On what ground it is shared, and its number in the own files.
legal_basis = {legal_basis}
reference = {reference}

# From when on it holds, where that is not at once.
{starts}
# How long it lasts, as 48h; or, in its place, ends = a time. It ends then by itself.
{lasts}
# Who may read it: roles or members, as "authority"; empty: all members. It cannot be changed later.
to = {to}
# Marks: each says something else, and the strictest wins. Only clear and green, without H2 and H3, are for all members.
# A line that is taken out leaves that mark as it is.
# Who may be told: clear, green, amber, amber+strict or red.
tlp = {tlp}
# What may be done with it, where that is less: clear, green (act), amber (look, but so that those watched do not see
# it) or red (nothing that can be noticed from outside).
pap = {pap}
# Europol's handling codes: "H0" (only against crime), "H1" (not in court), "H2" (passed on to nobody without asking
# you), "H3" (what else the summary says).
handling = {handling}
# How reliable the source is, and how sure what it says: A to D or X, and 1 to 4, as "B2".
evaluation = {evaluation}
# Members that may update, extend and end it too, by name.
deputies = {deputies}

# Whom to call about it: a desk, no person.
[lead]
function = {function}
telephone = {telephone}
email = {email}
"""
