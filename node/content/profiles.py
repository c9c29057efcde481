"""Profiles: what a member says of itself, as a value, as a letter, and how it shows where it cannot be.

The author checks that a contact is plausible; a reader only that all is within bounds, and shows the rest
with whatever might deceive spelled out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from node import limits
from node.content import addresses, names
from node.errors import Refused
from node.v1 import record_pb2

OFFICE_HOURS, OUT_OF_HOURS = 1, 2
ROUTES = {OFFICE_HOURS: "office_hours", OUT_OF_HOURS: "out_of_hours"}  # as the file calls them
NODE_ID_BYTES = 16
TELEPHONE_DIGITS = range(7, 16)  # E.164, with the country's code

_TELEPHONE = re.compile(r"\+[1-9][0-9 ()./-]*[0-9)](?: ?(?:ext\.?|x) ?[0-9]{1,6})?")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{{2,}}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node of the member is dialled."""

    node_id: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A function, never a person's name, and how it is reached. ``route`` is one of ROUTES."""

    route: int
    function: str
    telephone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """All of it. ``checked_ms``: when somebody last said that the contacts are right; 0: nobody did."""

    endpoints: tuple[Endpoint, ...] = ()
    contacts: tuple[Contact, ...] = ()
    languages: tuple[str, ...] = ()
    checked_ms: int = 0

    def by(self, route: int) -> list[Contact]:
        """The contacts of one route, in their member's order."""
        return [one for one in self.contacts if one.route == route]

    def address_of(self, node_id: bytes) -> str:
        """Where this node of the member is dialled; empty: it is not."""
        return next((one.address for one in self.endpoints if one.node_id == node_id), "")

    def with_address(self, node_id: bytes, address: str) -> "Profile":
        """The same, with this node dialled there, or nowhere."""
        others = [one for one in self.endpoints if one.node_id != node_id]
        own = [Endpoint(node_id, address)] if address else []
        kept = [*own, *others][: limits.PROFILE_ENDPOINTS_MAX]
        return replace(self, endpoints=tuple(sorted(kept, key=lambda one: one.node_id)))


# ---- As a letter


def decode(letter: record_pb2.Profile) -> Profile:
    """What a letter says; raises ValueError where it is beyond a bound. What is not understood of it is left out."""
    fault = next(_beyond(letter), "")
    if fault:
        raise ValueError(fault)
    return Profile(
        endpoints=tuple(
            Endpoint(one.node_id, one.address)
            for one in letter.endpoints
            if len(one.node_id) == NODE_ID_BYTES and not addresses.fault(one.address)
        ),
        contacts=tuple(
            Contact(one.route, one.function, one.telephone, one.email)
            for one in letter.contacts
            if one.route in ROUTES and one.function and (one.telephone or one.email)
        ),
        languages=tuple(one for one in letter.languages if _LANGUAGE.fullmatch(one)),
        checked_ms=max(letter.checked_ms, 0),
    )


def _beyond(letter: record_pb2.Profile) -> Iterator[str]:
    counts = (
        ("endpoints", len(letter.endpoints), limits.PROFILE_ENDPOINTS_MAX),
        ("contacts", len(letter.contacts), limits.PROFILE_CONTACTS_MAX),
        ("languages", len(letter.languages), limits.PROFILE_LANGUAGES_MAX),
        ("bytes", letter.ByteSize(), limits.PROFILE_BYTES_MAX),
    )
    for what, count, most in counts:
        if count > most:
            yield f"more than {most:,} {what}"
    for contact in letter.contacts:
        for text, most in (
            (contact.function, limits.PROFILE_FUNCTION_CHARACTERS_MAX),
            (contact.telephone, limits.PROFILE_TELEPHONE_CHARACTERS_MAX),
            (contact.email, limits.PROFILE_EMAIL_CHARACTERS_MAX),
        ):
            if len(text) > most:
                yield f"a text of more than {most} characters"


def encode(profile: Profile) -> record_pb2.Profile:
    """The letter that says it."""
    return record_pb2.Profile(
        endpoints=[record_pb2.Endpoint(node_id=one.node_id, address=one.address) for one in profile.endpoints],
        contacts=[
            record_pb2.Contact(route=one.route, function=one.function, telephone=one.telephone, email=one.email)
            for one in profile.contacts
        ],
        languages=profile.languages,
        checked_ms=profile.checked_ms,
    )


def shown(contact: Contact) -> Contact:
    """As it may stand before a person: letters that pass for others are spelled out, as in a member's name."""
    telephone, email = (_ascii(text) for text in (contact.telephone, contact.email))
    return replace(contact, function=printable(names.unmistakable(contact.function)), telephone=telephone, email=email)


def _ascii(text: str) -> str:
    """What is dialled or typed has no other letters."""
    return printable(text.encode("ascii", "backslashreplace").decode())


def printable(text: str) -> str:
    """What would steer a terminal, or turn the line around, spelled out."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


# ---- At the author


def require_plausible(profile: Profile) -> None:
    """Raise Refused, naming the field as the file has it, for what nobody could call or write to."""
    for field, reason, next_step in _implausible(profile):
        raise Refused(reason, next_step=next_step, field=field)


def _implausible(profile: Profile) -> Iterator[tuple[str, str, str]]:
    if len(profile.contacts) > limits.PROFILE_CONTACTS_MAX:
        most = limits.PROFILE_CONTACTS_MAX
        yield "office_hours", f"more than {most} contacts", "Name those who are to be called first."
    if len(profile.languages) > limits.PROFILE_LANGUAGES_MAX:
        yield "languages", f"more than {limits.PROFILE_LANGUAGES_MAX} languages", "Name those you can be called in."
    for i, language in enumerate(profile.languages):
        if not _LANGUAGE.fullmatch(language) or len(language) > limits.PROFILE_LANGUAGE_CHARACTERS_MAX:
            yield f"languages[{i}]", f"{language!r} is no language", 'Write it as "de", "en" or "fr-BE".'
    for route, name in ROUTES.items():
        for i, contact in enumerate(profile.by(route)):
            for key, reason, next_step in _faults(contact):
                yield f"{name}[{i}].{key}", reason, next_step
    if encode(profile).ByteSize() > limits.PROFILE_BYTES_MAX:
        yield "office_hours", f"more than {limits.PROFILE_BYTES_MAX:,} bytes of text", "Name fewer contacts."


def _faults(contact: Contact) -> Iterator[tuple[str, str, str]]:
    """The key, what is wrong with it, and what to do."""
    function, most = contact.function, limits.PROFILE_FUNCTION_CHARACTERS_MAX
    if not function.strip():
        yield "function", "a contact needs a function", 'As "Duty officer"; no person\'s name.'
    elif len(function) > most:
        yield "function", f"more than {most} characters", "Shorten it."
    elif not function.isprintable():
        yield "function", f"{printable(function)!r} has characters that do not show", "Write it anew."
    elif names.unmistakable(function) != function:
        words = f"{function!r} mixes letters of several scripts: others see {names.unmistakable(function)}"
        yield "function", words, "Use letters of one script."
    telephone = contact.telephone
    if telephone and (fault := _telephone_fault(telephone)):
        yield "telephone", f"{printable(telephone)!r} {fault}", 'Write it as "+49 611 555 0100".'
    email = contact.email
    if email and (not _EMAIL.fullmatch(email) or len(email) > limits.PROFILE_EMAIL_CHARACTERS_MAX):
        yield "email", f"{printable(email)!r} is no mail address", 'Write it as "desk@ministry.example".'
    if contact.route == OUT_OF_HOURS and not telephone:
        yield "telephone", "an out-of-hours contact needs a telephone", "Nobody reads mail at 3 a.m."
    if not telephone and not email:
        yield "telephone", "a contact needs a telephone or a mail address", "Give one of them, or both."


def _telephone_fault(text: str) -> str:
    if not text.startswith("+"):
        return "has no country's code"
    digits = sum(one.isdigit() for one in re.split(r"[ex]", text)[0])
    if not _TELEPHONE.fullmatch(text) or len(text) > limits.PROFILE_TELEPHONE_CHARACTERS_MAX:
        return "is no telephone number"
    if digits not in TELEPHONE_DIGITS:
        return f"has {digits} digits; a number has {TELEPHONE_DIGITS[0]} to {TELEPHONE_DIGITS[-1]}"
    return ""


def contacts_of(letters: Sequence[record_pb2.Contact]) -> tuple[Contact, ...]:
    """Contacts as somebody asks to publish them; raises Refused for a route that there is not."""
    for one in letters:
        if one.route not in ROUTES:
            raise Refused(
                f"there is no route {one.route}", next_step="1 is office hours, 2 out of hours.", field="contacts"
            )
    return tuple(Contact(one.route, one.function, one.telephone, one.email) for one in letters)
