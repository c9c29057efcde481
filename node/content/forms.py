"""The file by which a member writes its profile: read, written with what each key means, and marked with errors."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from node import limits
from node.content import profiles
from node.content.profiles import OFFICE_HOURS, OUT_OF_HOURS, Contact, Profile
from node.errors import Refused

FILE_BYTES_MAX = 64 << 10


class _Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: str = ""
    telephone: str = ""
    email: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    languages: list[str] = []
    office_hours: list[_Contact] = []
    out_of_hours: list[_Contact] = []


def read(text: str, where: str) -> Profile:
    """Contacts and languages of a file; raises Refused, naming the file and the field."""
    try:
        raw: dict[str, Any] = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise Refused(f"{where} is not TOML: {error}", next_step="Mend the line that is named.") from error
    try:
        file = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").removeprefix(".")
        step = "`tocsin profile template` shows every key."
        raise Refused(f"{where}: {field or 'the file'}: {reason}", next_step=step, field=field) from error
    found = Profile(
        contacts=tuple(
            Contact(route, one.function.strip(), one.telephone.strip(), one.email.strip())
            for route, contacts in ((OFFICE_HOURS, file.office_hours), (OUT_OF_HOURS, file.out_of_hours))
            for one in contacts
        ),
        languages=tuple(file.languages),
    )
    try:
        profiles.require_plausible(found)
    except Refused as error:
        reason = f"{where}: {error.field}: {error.reason}"
        raise Refused(reason, next_step=error.next_step, field=error.field) from error
    return found


# ---- Written


def write(profile: Profile | None = None) -> str:
    """The file that says this; of no profile the one to begin with."""
    languages = profile.languages if profile else ("en",)
    contacts = {
        route: (profile.by(route) if profile and profile.contacts else [Contact(route, "")])
        for route in profiles.ROUTES
    }
    return _TEXT.format(
        days=limits.PROFILE_LIFE_MS_MAX // 86_400_000,
        contacts=limits.PROFILE_CONTACTS_MAX,
        languages_max=limits.PROFILE_LANGUAGES_MAX,
        characters=limits.PROFILE_FUNCTION_CHARACTERS_MAX,
        languages=json.dumps(list(languages)),
        office_hours=_tables("office_hours", contacts[OFFICE_HOURS]),
        out_of_hours=_tables("out_of_hours", contacts[OUT_OF_HOURS]),
    )


def _tables(name: str, contacts: Sequence[Contact]) -> str:
    return "\n".join(
        f"[[{name}]]\nfunction = {_quoted(one.function)}\ntelephone = {_quoted(one.telephone)}\n"
        f"email = {_quoted(one.email)}\n"
        for one in contacts
    )


def _quoted(text: str) -> str:
    # JSON's text is TOML's, once characters above U+FFFF are not cut in two.
    return json.dumps(text, ensure_ascii=False)


# ---- Marked


_TEXT = """\
# What this member says of itself to all members of the federation: `tocsin profile set FILE` publishes it.
# Each of them keeps it for up to {days} days after it was last said. So name functions and numbers that a
# desk shares, as "Duty officer", and no person: then nothing here is about anybody, and a new colleague changes
# nothing. The address of the node is added by itself, from node.toml.

# In which languages you can be called, the best one first: "de", "en", "fr-BE". At most {languages_max}.
languages = {languages}

# Whom to call in office hours, first to last. Write the table again for each; at most {contacts} contacts in all.
#   function   as "Situation centre, front desk"; at most {characters} characters
#   telephone  with the country's code, as "+49 611 555 0100"
#   email      as "desk@ministry.example"; one of the two is needed
{office_hours}
# Whom to call at 3 a.m. Here a telephone is needed.
{out_of_hours}"""
