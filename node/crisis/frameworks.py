"""Frameworks: the rules a crisis is declared under, read from their documents. Which there are is data.

A document is named by its SHA-256 in the rules of a federation; one that is not here decides nothing, and
nothing under it has effect.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Annotated, Literal

import msgspec

from node import limits
from node.crisis.words import ANSWERS, LEVELS
from node.errors import Refused
from node.feed.identity import Role
from node.feed.quorum import Quorum
from node.v1 import record_pb2

HOURS_MAX = 24 * 366
CRITERIA_MAX = 32
SENTENCES_MAX = 32
YES = 1
RETIRED = "retired"

_DIGITS = re.compile(r"(\d+)")

RoleName = Literal["authority", "europol", "industry_body", "platform", "observer"]
FieldName = Literal[
    "summary",
    "event.kind",
    "event.place_name",
    "event.began",
    "measures",
    "keywords",
    "languages",
    "legal_basis",
    "lead",
    "harm",
    "virality",
]

_Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_Sentence = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
_Hours = Annotated[int, msgspec.Meta(ge=1, le=HOURS_MAX)]
_Few = Annotated[int, msgspec.Meta(ge=0, le=64)]
_Roles = Annotated[list[RoleName], msgspec.Meta(min_length=1, max_length=8)]
_Row = Annotated[list[_Word], msgspec.Meta(min_length=len(LEVELS), max_length=len(LEVELS))]


_OPTIONS: dict[FieldName, str] = {  # of the commands
    "summary": "--summary",
    "event.kind": "--kind",
    "event.place_name": "--town",
    "event.began": "--began",
    "measures": "--measure",
    "keywords": "--keyword",
    "languages": "--language",
    "legal_basis": "--legal-basis",
    "lead": "--lead",
    "harm": "--harm",
    "virality": "--virality",
}


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the text."""


class Declaring(_Part, frozen=True):
    """Who may declare; who may warn of what may become a crisis."""

    roles: _Roles
    alert: _Roles = msgspec.field(default_factory=lambda: ["authority", "europol", "industry_body", "platform"])


class Cosigning(_Part, frozen=True):
    """How many others must sign the same proposal before it is active. None: it is active as it is declared."""

    count: _Few = 0
    countries: _Few = 0
    roles: list[RoleName] = []

    @property
    def quorum(self) -> Quorum | None:
        """As feeds have it; None where nobody has to co-sign."""
        roles = frozenset(int(Role[name.upper()]) for name in self.roles)
        return Quorum(self.count, self.countries, roles) if self.count else None


class Lasting(_Part, frozen=True):
    """How long a crisis lasts by itself, and at most."""

    default_hours: _Hours = 48
    longest_hours: _Hours = 336


class Criterion(_Part, frozen=True):
    """One question, and whether its answer is asked for, and has to be yes."""

    name: _Word
    wording: _Sentence
    must: Literal["yes", "answered", "open"] = "answered"


class Matrix(_Part, frozen=True):
    """What harm and virality make together: a row for each level of harm, a column for each of virality."""

    low: _Row
    moderate: _Row
    high: _Row
    declared_at: Annotated[list[_Word], msgspec.Meta(min_length=1, max_length=9)]

    def level(self, harm: int, virality: int) -> str:
        """The word where the two meet; empty where one of them is not stated."""
        known = range(1, len(LEVELS) + 1)
        return str(getattr(self, LEVELS[harm - 1])[virality - 1]) if harm in known and virality in known else ""


class Review(_Part, frozen=True):
    """What is owed after the end."""

    within_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    duties: Annotated[list[_Sentence], msgspec.Meta(max_length=SENTENCES_MAX)] = []


class Framework(_Part, frozen=True):
    """The whole document."""

    name: _Word
    version: _Word
    title: _Sentence
    declare: Declaring
    status: Literal["in force", "retired"] = "in force"
    about: str = ""
    cosign: Cosigning = Cosigning()
    duration: Lasting = Lasting()
    required: list[FieldName] = []
    criteria: Annotated[list[Criterion], msgspec.Meta(max_length=CRITERIA_MAX)] = []
    matrix: Matrix | None = None
    review: Review = Review()


@dataclass(frozen=True, slots=True)
class Document:
    """A framework, the bytes it was read from, and their SHA-256."""

    framework: Framework
    text: bytes
    sha256: bytes


# ---- Reading


def decode(text: bytes, source: str) -> Framework:
    """Read the document; raises Refused naming the key and what is wrong with it."""
    if len(text) > limits.DOCUMENT_BYTES_MAX:
        raise _wrong(source, f"more than {limits.DOCUMENT_BYTES_MAX:,} bytes")
    try:
        read = msgspec.toml.decode(text, type=Framework)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(source, str(error)) from error
    if read.duration.default_hours > read.duration.longest_hours:
        raise _wrong(source, f"duration.default_hours is more than the longest, {read.duration.longest_hours}")
    if read.cosign.count and not read.cosign.roles:
        raise _wrong(source, "cosign.roles names nobody who could co-sign")
    if read.cosign.countries > read.cosign.count:
        raise _wrong(source, f"{read.cosign.count} co-signatures cannot come from {read.cosign.countries} countries")
    if len({one.name for one in read.criteria}) < len(read.criteria):
        raise _wrong(source, "two criteria have the same name")
    if read.matrix and not _words(read.matrix) >= set(read.matrix.declared_at):
        raise _wrong(source, "matrix.declared_at names a level that stands nowhere in the matrix")
    return read


def _words(matrix: Matrix) -> set[str]:
    return {*matrix.low, *matrix.moderate, *matrix.high}


def _wrong(source: str, reason: str) -> Refused:
    return Refused(
        f"{source}: {reason}",
        next_step="`tocsin framework show --text eu-ocrf` prints one with every key; a newer version may know more.",
        field="framework",
    )


@lru_cache(maxsize=32)
def read(text: bytes) -> Framework | None:
    """What a document says; None where this program cannot read it."""
    try:
        return decode(text, "the framework")
    except Refused:
        return None


@lru_cache(maxsize=1)
def shipped() -> tuple[Document, ...]:
    """Those that come with the program, by name and version."""
    files = (one for one in (resources.files("node.crisis") / "shipped").iterdir() if one.name.endswith(".toml"))
    texts = ((one.name, one.read_bytes()) for one in files)
    found = [Document(decode(text, name), text, sha256(text).digest()) for name, text in texts]
    return tuple(sorted(found, key=lambda one: (one.framework.name, one.framework.version)))


def shipped_text(hash_: bytes) -> bytes | None:
    """The document with this hash, if it comes with the program."""
    return next((one.text for one in shipped() if one.sha256 == hash_), None)


def age(version: str) -> tuple[str | int, ...]:
    """By which the versions of a framework are ordered, the newest last: "2026-10" behind "2026-9"."""
    return tuple(int(part) if number % 2 else part for number, part in enumerate(_DIGITS.split(version)))


# ---- What it asks of a declaration


def shortcomings(framework: Framework, crisis: record_pb2.Crisis) -> list[str]:
    """What is missing of what the framework asks for, a sentence each; none: it may be declared."""
    return [one.words for one in lacking(framework, crisis)]


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is missing, by its key in the file by which a crisis is declared and by its option.

    ``option``: empty for what is there, and keeps it from being declared.
    """

    key: str
    words: str
    option: str = ""


def lacking(framework: Framework, crisis: record_pb2.Crisis) -> list[Lack]:
    """The same, each with where it is said."""
    found = [
        Lack(name.removeprefix("event."), f"{name} is missing", _OPTIONS[name])
        for name in framework.required
        if not _is_filled(crisis, name)
    ]
    answers = {one.name: one.answer for one in crisis.criteria}
    for number, criterion in enumerate(framework.criteria, 1):
        answer, named = answers.get(criterion.name, 0), f"criterion {number} ({criterion.name})"
        if criterion.must != "open" and answer not in range(1, len(ANSWERS) + 1):
            found.append(Lack(f"criteria.{criterion.name}", f"{named} is missing", "--criterion NAME=ANSWER"))
        elif criterion.must == "yes" and answer != YES:
            words = f"{named} has to be yes, it is {ANSWERS[answer - 1]}"
            found.append(Lack(f"criteria.{criterion.name}", words))
    if framework.matrix:
        level = framework.matrix.level(crisis.harm, crisis.virality)
        if not level:
            found.append(Lack("harm", "harm and virality are missing", "--harm, --virality"))
        elif level not in framework.matrix.declared_at:
            asked = " or ".join(framework.matrix.declared_at)
            found.append(Lack("harm", f"harm and virality make {level}, it is declared at {asked}"))
    return found


def unknown(framework: Framework, crisis: record_pb2.Crisis) -> list[tuple[str, str]]:
    """Answers to what the framework does not ask: their keys in the file, and what is wrong with each."""
    asked = [one.name for one in framework.criteria]
    words = f"it asks {', '.join(asked) or 'nothing'}"
    return [
        (f"criteria.{one.name}", f"{framework.name} asks nothing that is called {one.name}; {words}")
        for one in crisis.criteria
        if one.name not in asked
    ]


def remedy(lacks: Sequence[Lack]) -> str:
    """What to do about what is missing; where an answer keeps it from being declared, not to give another one."""
    if not all(one.option for one in lacks):
        return "Under this framework it cannot be declared as it is; `tocsin crisis alert` can warn of it."
    return f"Fill it in with --edit, or give {', '.join(dict.fromkeys(one.option for one in lacks))}."


def _is_filled(crisis: record_pb2.Crisis, name: FieldName) -> bool:
    match name:
        case "event.kind":
            return bool(crisis.event.kind.strip())
        case "event.place_name":
            return bool(crisis.event.place_name.strip())
        case "event.began":
            return crisis.event.began_ms > 0 and bool(crisis.event.time_zone)
        case "lead":
            return bool(crisis.lead.telephone or crisis.lead.email or crisis.lead.function)
        case "harm" | "virality":
            return getattr(crisis, name) in range(1, len(LEVELS) + 1)
        case "measures" | "keywords" | "languages":
            return len(getattr(crisis, name)) > 0
        case _:
            return bool(getattr(crisis, name).strip())


# ---- In words


def words(framework: Framework) -> list[str]:
    """What it says, a sentence each."""
    cosign, duration = framework.cosign, framework.duration
    found = [framework.about] if framework.about else []
    found += [f"May declare: {_roles(framework.declare.roles)}.", f"May warn: {_roles(framework.declare.alert)}."]
    if cosign.count:
        found.append(f"Active once {cosigned(framework)} it.")
    else:
        found.append("Active as soon as it is declared.")
    found.append(
        f"Ends by itself after {duration.default_hours} h if nothing else is said, {duration.longest_hours} h at most."
    )
    if framework.required:
        found.append(f"Asks for {', '.join(framework.required)}.")
    musts = {"yes": " Has to be yes.", "answered": "", "open": " May be left open."}
    found += [
        f"Criterion {number}, {one.name}: {one.wording}{musts[one.must]}"
        for number, one in enumerate(framework.criteria, 1)
    ]
    if framework.matrix:
        found.append(f"Harm and virality together have to make {' or '.join(framework.matrix.declared_at)}.")
    found += [f"Within {framework.review.within_days} days after its end: {one}" for one in framework.review.duties]
    return found


def cosigners(framework: Framework) -> str:
    """How many of whom have to co-sign."""
    asked = framework.cosign
    countries = f" from {asked.countries} countries" if asked.countries > 1 else ""
    return f"{asked.count} of {_roles(asked.roles)}{countries}"


def cosigned(framework: Framework) -> str:
    """How many of whom have to have co-signed, with the verb."""
    return f"{cosigners(framework)} {'has' if framework.cosign.count == 1 else 'have'} co-signed"


def _roles(names: Sequence[str]) -> str:
    return " or ".join(name.replace("_", " ") for name in names) or "nobody"
