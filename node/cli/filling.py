"""What a crisis is to say: filled in by options, by a file, or in an editor that opens again on what is wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import calling, clock, countries, editing, frameworks, marks, readers, roster, rules
from node.cli.calling import Place
from node.cli.editing import Page
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.crisis.forms import Form
    from node.v1 import record_pb2, tools_pb2

Said = TypeVar("Said")

EDITED = "the declaration"  # what it is called while it is no file
_KEYS = {  # of the file, for fields of the letter
    "audience": "to",
    "ends_ms": "lasts",
    "criteria": "framework",
    "handling": "tlp",
    "handling.pap": "pap",
    "handling.europol_codes": "handling",
}


# ---- Options and files


def form(said: dict[str, Any], begun: "tools_pb2.CrisisView | None") -> "Form":
    """What the file and the options say, the options first."""
    import msgspec

    from node.crisis import forms

    file: Path | None = said["file"]
    if file is not None:
        found = read(file)
    elif begun is not None:
        found = forms.read(forms.write(begun.crisis, handling=begun.handling), "the alert")
        # An alert ends sooner than what it becomes, and its framework may have a later version by now.
        found = msgspec.structs.replace(found, ends=None, lasts="", version="")
    else:
        found = forms.Form()
    found = forms.with_marks(found, begun.handling if begun else None)
    kept = {name: said[name] for name in forms.OPTIONS if said.get(name)}
    for name in ("places", "measures", "keywords", "languages", "to"):
        if name in kept:
            kept[name] = list(kept[name])
    if "framework" in kept:
        kept["framework"], _, kept["version"] = kept["framework"].partition("@")
    found = msgspec.structs.replace(found, **{**kept, **marks.given(said)})
    lead = {name: said[f"lead_{name}"] for name in ("function", "telephone", "email") if said.get(f"lead_{name}")}
    return forms.with_answers(found, said["criteria"], lead)


def read(file: Path) -> "Form":
    """What a file says, TOML or JSON; raises Refused, naming the file and the key."""
    from node.crisis import forms
    from node.custody import files

    text = files.read_public(file, forms.FILE_BYTES_MAX).decode("utf-8", "replace")
    return forms.read(text, str(file), is_json=file.suffix == ".json")


def require_complete(place: Place, file: Path, form: "Form", ends_ms: int, *, is_alert: bool) -> None:
    """Raise Refused where something is missing in a file, or is wrong, naming it and each key."""
    found = _faults(place, form, ends_ms, is_alert=is_alert)
    if found:
        fields = "; ".join(f"{field}: {words}" for field, words in found)
        step = "`tocsin crisis declare --file FILE --edit` opens it with a mark at each."
        raise Refused(f"{file}: {fields}", next_step=step, field=found[0][0])


def _faults(place: Place, form: "Form", ends_ms: int, *, is_alert: bool) -> list[tuple[str, str]]:
    import msgspec

    from node.crisis import forms

    view = frameworks.named(place, form.framework, form.version) if form.framework else None
    if ends_ms:
        form = msgspec.structs.replace(form, ends=clock.date(ends_ms))
    form, _ = lasting(place, form, ends_ms, is_alert=is_alert)
    found = forms.faults(form, frameworks.document(view), clock.now_ms(), is_alert=is_alert)
    found += [("places", f"{code}: {fault}") for code in form.places if (fault := countries.fault(code))]
    if form.framework and view is None:
        called = f"{form.framework} {form.version}".strip()
        found.append(("framework", f"no framework {called} is in force: `tocsin framework list`"))
    return found


def lasting(place: Place, form: "Form", ends_ms: int, *, is_alert: bool) -> "tuple[Form, str]":
    """The same with an end; and whose default it is, its framework's or else that of the rules, if nobody said one."""
    import msgspec

    from node.policy import effect

    if is_alert or ends_ms or form.ends or form.lasts or not form.framework:
        return form, ""
    known = frameworks.document_of(place, form.framework, form.version)
    said = effect.read(rules.in_force(place, text=True).text)
    if known is None and said is None:
        return form, ""
    hours = [known.duration.default_hours] if known else []
    hours += [said.crisis.longest_hours if known else said.crisis.default_hours] if said else []
    whose = f"{min(hours)} h, the default of {known.name if known else 'the rules'}"
    return msgspec.structs.replace(form, lasts=f"{min(hours)}h"), whose


def letter(
    place: Place, form: "Form", ends_ms: int, begun: "tools_pb2.CrisisView | None", *, is_alert: bool
) -> "tuple[record_pb2.Crisis, record_pb2.Handling]":
    """The crisis that this says, and its mark; raises a usage error where something is missing."""
    from node.crisis import forms

    deputies = [member_id(place, name) for name in form.deputies]
    found = forms.letter(form, clock.now_ms(), deputies)
    found.ends_ms = ends_ms or found.ends_ms
    if begun is not None:
        found.linked.append(begun.object_id)
    missing = [
        name
        for name, is_there in (
            ("--framework", bool(found.framework.name) or is_alert),
            ("--title", bool(found.title.split())),
            ("--place", bool(found.event.places)),
        )
        if not is_there
    ]
    if missing:
        them = "them" if len(missing) > 1 else "it"
        known = f" In force: {', '.join(frameworks.in_force(place))}." if "--framework" in missing else ""
        raise click.UsageError(f"{' and '.join(missing)} missing: give {them}, or --file, or --edit.{known}")
    for code in found.event.places:
        if fault := countries.fault(code):
            raise click.UsageError(f"{code}: {fault}")
    if not found.ends_ms:
        raise click.UsageError("A crisis has an end: --for 48h, or --until 2026-11-25T03:10.")
    return found, forms.handling(form)


def require_marks(handling: "record_pb2.Handling", letter: "record_pb2.Crisis", *, for_all: bool) -> None:
    """Raise Refused as the node would, before anybody is asked whether it is meant."""
    from node.policy import border

    border.require_mark(handling, for_all=for_all)
    border.require_summary(handling, letter.summary)


def audience(place: Place, form: "Form", begun: "tools_pb2.CrisisView | None") -> "record_pb2.Audience | None":
    """Whom it is for; None for all members. What was for some alone is for all only where somebody says so."""
    from node.feed.identity import Role
    from node.v1 import record_pb2

    if begun is not None and begun.audience and not form.to:
        raise Refused(
            f"{begun.reference} is for {begun.audience} alone, and what becomes of it would be for all members",
            next_step=f"Say whom it is for: --to ROLE or --to MEMBER, or --to {readers.EVERYONE} if all may read it.",
            field="to",
        )
    if not form.to or form.to == [readers.EVERYONE]:
        return None
    roles = {role.name.lower(): int(role) for role in Role}
    asked = [readers.role_key(one) for one in form.to]
    members = [name for name, one in zip(form.to, asked, strict=True) if one not in roles]
    return record_pb2.Audience(
        roles=sorted({roles[one] for one in asked if one in roles}),
        member_ids=sorted({member_id(place, name) for name in members}),
    )


def member_id(place: Place, name: str) -> bytes:
    """The member of this name."""
    from node.v1 import membership_pb2

    async def look(node: "Client") -> bytes:
        found = await node.membership.GetMember(membership_pb2.GetMemberRequest(member=name))
        return found.standing.member.member_id

    return calling.ask(place, look)


# ---- In an editor


def text(place: Place, form: "Form", ends_ms: int) -> str:
    """What an editor opens with: what was said so far, and every question of the framework."""
    import msgspec

    from node.crisis import forms

    form = msgspec.structs.replace(form, framework=form.framework or frameworks.only(place))
    known = frameworks.document_of(place, form.framework, form.version) if form.framework else None
    found = forms.letter(form, clock.now_ms())
    found.ends_ms = ends_ms or found.ends_ms
    return forms.write(found, known, handling=forms.handling(form), deputies=form.deputies, to=form.to)


def said(
    place: Place,
    page: Page,
    say: "Callable[[Form], Said]",
    go_on: str,
    before: "tools_pb2.CrisisView | None",
    *,
    is_alert: bool,
) -> "Said":
    """What came of what was written, once the node takes it; ``go_on``: the command that goes on with FILE, if not.

    ``before``: what it is about; None: nothing that there is.
    """
    with editing.kept(page, go_on):
        while True:
            form = edited(place, page, before.handling if before else None, is_alert=is_alert)
            try:
                return say(form)
            except Refused as error:
                again(page, error)


def edited(place: Place, page: Page, marked: "record_pb2.Handling | None", *, is_alert: bool) -> "Form":
    """The form that was saved; what is wrong stands above its line when the editor opens again."""
    from node.crisis import forms

    editing.require_terminal("--file takes what `tocsin crisis template` printed.")
    while True:
        if not editing.opened(page):
            raise Refused("it was not saved, so nothing was said", next_step="Save it in the editor.")
        try:
            found = forms.with_marks(forms.read(page.saved, EDITED), marked)
            faults = _faults(place, found, 0, is_alert=is_alert)
        except Refused as error:
            again(page, error)
            continue
        if not faults:
            return found
        for field, words in faults:
            editing.tell(f"{field}: {words}")
        if _lacks_questions(place, found, page.saved):
            page.saved = text(place, found, 0)
        refused = Refused(f"{EDITED}: {faults[0][1]}", next_step="Nothing was said.", field=faults[0][0])
        editing.mark(page, refused, [(field, (words,)) for field, words in faults])


def again(page: Page, error: Refused) -> None:
    """Show what is wrong at its line, if somebody wants to mend it; raises the error where nobody does."""
    editing.tell(error.reason)
    editing.mark(page, error, [(_key(error.field, page.saved), (error.reason, error.next_step))])


def _lacks_questions(place: Place, form: "Form", saved: str) -> bool:
    """Whether the file was begun before its framework was named, so that it does not ask all of its questions."""
    known = frameworks.document_of(place, form.framework, form.version) if form.framework else None
    return known is not None and any(f"[criteria.{one.name}]" not in saved for one in known.criteria)


def _key(field: str, saved: str) -> str:
    """Where a field of the letter stands in the file."""
    bare = field.removeprefix("crisis.").removeprefix("event.")
    found = _KEYS.get(bare, bare)
    return "ends" if found == "lasts" and not _has(saved, "lasts") else found


def _has(saved: str, key: str) -> bool:
    return any(line.split("=")[0].strip() == key for line in saved.splitlines())


def text_of(place: Place, found: "tools_pb2.CrisisView", handling: "record_pb2.Handling") -> str:
    """What a crisis says now, under a mark, as a file that can be edited."""
    from node.crisis import forms

    names = [one.name for one in calling.ask(place, roster.members) if one.member_id in found.crisis.deputies]
    under = found.crisis.framework
    known = frameworks.document_of(place, under.name, under.version) if under.name else None
    return forms.write(as_it_is(found), known, handling=handling, deputies=names, to=readers.named(place, found))


def as_it_is(found: "tools_pb2.CrisisView") -> "record_pb2.Crisis":
    """What a crisis says now, to the end that it has now."""
    from node.v1 import record_pb2

    said = record_pb2.Crisis()
    said.CopyFrom(found.crisis)
    said.ends_ms = found.ends_ms
    return said


def anew(
    place: Place, found: "tools_pb2.CrisisView", file: Path | None, given: dict[str, Any]
) -> "tuple[record_pb2.Crisis, record_pb2.Handling]":
    """What a file says of a crisis, or else what it says now; and its mark, with what was ``given`` of that."""
    import msgspec

    from node.crisis import forms

    if file is None:
        return as_it_is(found), marks.changed(found.handling, given)
    form = forms.with_marks(read(file), found.handling)
    return updated(place, found, msgspec.structs.replace(form, **given))


def updated(
    place: Place, found: "tools_pb2.CrisisView", form: "Form"
) -> "tuple[record_pb2.Crisis, record_pb2.Handling]":
    """What a crisis is to say from now on; and its mark."""
    if form.to and not readers.are_the_same(found, audience(place, form, None)):
        raise Refused(
            "who may read a crisis is said when it is declared",
            next_step="Leave `to` as it was; for others declare another one.",
            field="to",
        )
    made, handling = letter(place, form, 0, None, is_alert=found.alert)
    before = as_it_is(found)
    if made.ends_ms // 1000 == before.ends_ms // 1000:  # a file has no parts of seconds
        made.ends_ms = before.ends_ms
    if made.starts_ms // 1000 == before.starts_ms // 1000:
        made.starts_ms = before.starts_ms
    made.linked.extend(found.crisis.linked)
    if found.crisis.HasField("pointer"):
        made.pointer.CopyFrom(found.crisis.pointer)
    under = found.crisis.framework
    if made.framework.name == under.name and made.framework.version in ("", under.version):
        made.framework.CopyFrom(found.crisis.framework)  # of the version that it was declared under
    return made, handling


def words(file: Path | None, error: Refused) -> Refused:
    """The same with the file's name, where what is wrong stands in one."""
    if file is None or not error.field or str(file) in error.reason:
        return error
    key = _key(error.field, "lasts =")
    return Refused(f"{file}: {key}: {error.reason}", next_step=error.next_step, field=key)


def pointer(places: Sequence[str], channel: str | None, number: str) -> "record_pb2.Pointer":
    """That authorities were told of a threat to life, now."""
    from node.crisis import events
    from node.v1 import record_pb2

    for one in places:
        if fault := countries.fault(one):
            raise click.UsageError(f"{one}: {fault}")
    if not places or not channel:
        raise click.UsageError("Whose authority was told, and by which channel? --told DE --channel PERCI.")
    return record_pb2.Pointer(
        places=places,
        channel=channel,
        reference=number,
        told_ms=clock.now_ms(),
        time_zone=events.zone(clock.now().astimezone()),
    )
