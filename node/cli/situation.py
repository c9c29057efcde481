"""How a crisis stands, in lines: what looking at one and watching it have alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from node.cli import acknowledging, items, printing
from node.content import personal
from node.crisis.states import OVER
from node.crisis.words import EXERCISE, IMMINENT, NOT_VERIFIED, STANCES, word

if TYPE_CHECKING:
    from node.crisis.wording import Manner
    from node.v1 import record_pb2, tools_pb2

Row = tuple[str, ...]
MEMBERS = ("member", "takes part", "will", "delivered", "seen", "routes tried")
NUMBERS = ("delivered", "seen", "routes tried")
_BY_ITSELF = 3  # of these, what is known where nobody is told who has it
ITS_OWN = "its own"  # to whom nothing had to be delivered


def said(one: "tools_pb2.CrisisActView", found: "tools_pb2.CrisisView") -> str:
    """Who says what of a crisis, and why it has no effect, if so."""
    why = f" ({one.obstacle})" if one.obstacle else ""
    return printing.plain(f"{one.member_name}: {marked(one, found)}{why}")


def marked(one: "tools_pb2.CrisisActView", found: "tools_pb2.CrisisView") -> str:
    """What somebody says of a crisis, with its mark where that is not the crisis's own."""
    from node.policy import handling

    mark = f" [{handling.words(one.handling)}]" if one.handling != found.handling else ""
    return f"{act(one.act)}{mark}"


def act(said: "record_pb2.CrisisAct") -> str:
    """What somebody says: without the IP addresses in it."""
    from node.crisis import wording

    return wording.act(said, manner())


def manner() -> "Manner":
    """Times are local, and IP addresses masked."""
    from node.crisis.wording import Manner

    return Manner(printing.moment, personal.mask)


def first(found: "tools_pb2.CrisisView") -> list[str]:
    """What is read before all else: threats to life, and that nobody here called."""
    from node.crisis import wording

    lines = [
        f"{EXERCISE + ' ' if found.exercise else ''}{IMMINENT}: {wording.pointer(one.pointer, manner())}"
        f" (says {one.member_name})"
        for one in reversed(found.pointers if found.state not in OVER else ())
    ]
    if found.unverified:
        lines.append(
            f"{NOT_VERIFIED}: {found.unverified}. Call its owner, and give what you hear to `tocsin crisis verify "
            f"{found.reference} --code CODE`"
        )
    return [printing.plain(one) for one in lines]


def verified(found: "tools_pb2.CrisisView") -> str:
    """Who called here, and when."""
    return f"by {found.verified_by}, {printing.moment(found.verified_ms)}" if found.verified_ms else ""


def cosigned(found: "tools_pb2.CrisisView") -> str:
    """How many, of how many, and by whom."""
    names = ", ".join(found.cosigned_by)
    if not found.cosignatures_needed:
        return names
    return f"{len(found.cosigned_by)} of {found.cosignatures_needed}{f': {names}' if names else ''}"


def disputes(found: "tools_pb2.CrisisView") -> list[str]:
    """Each member that is against it, and why. It is advice."""
    return [
        f"by {one.member_name}: {one.what}{f', {personal.mask(one.text)}' if one.text else ''}"
        for one in found.disputes
    ]


# ---- Clocks


def duration(time_ms: int) -> str:
    """How long, as it is read at a glance."""
    minutes, seconds = divmod(time_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def order(one: "tools_pb2.OrderView") -> str:
    """One removal order's clock."""
    late = one.left_ms < 0
    span = duration(abs(one.left_ms))
    channel = f", by {one.channel}" if one.channel else ""
    match one.state:
        case "running":
            clock = f"{f'LATE by {span}' if late else f'{span} left'}, due {printing.moment(one.due_ms)}"
        case "paused":
            why = f": {personal.mask(one.ground)}" if one.ground else ""
            left = f"LATE by {span}" if late else f"{span} left"
            clock = f"paused since {printing.moment(one.since_ms)}, {left}{why}"
        case _:
            clock = f"done {printing.moment(one.since_ms)}, {f'late by {span}' if late else 'in time'}"
    return f"{one.reference}, {one.member_name}: {clock} (of {one.hours} h{channel})"


def list_(one: "tools_pb2.CrisisListView") -> str:
    """One list that belongs to it."""
    return f"{one.name}: {items.counted(one.items, 'item')}, {one.following}, changed {printing.moment(one.updated_ms)}"


# ---- Members


def members(found: "tools_pb2.CrisisView", reached: "tools_pb2.ListAcknowledgementsResponse") -> list[Row]:
    """A line for each: whether it takes part, and how far the declaration came there."""
    heard = {one.member_id: one for one in reached.members}
    names = {one.member_id: one.member_name for one in found.participation}
    names |= {one.member_id: one.member_name for one in reached.members}
    parts = {one.member_id: one for one in found.participation}
    return [
        _member(names[one], parts.get(one), heard.get(one), is_owner=one == found.member_id)
        for one in sorted(names, key=lambda one: (names[one], one))
    ]


def columns(found: "tools_pb2.CrisisView") -> Sequence[str]:
    """What is known of each."""
    return MEMBERS[:_BY_ITSELF] if found.audience else MEMBERS


def _member(
    name: str,
    part: "tools_pb2.ParticipationView | None",
    heard: "tools_pb2.AcknowledgementView | None",
    *,
    is_owner: bool,
) -> Row:
    stance = word(STANCES, part.stance) if part else ""
    if heard is None:
        stages = [ITS_OWN if is_owner else "-", "-"]
    else:
        stages = [
            acknowledging.span(getattr(heard, stage).after_ms) if heard.HasField(stage) else "-"
            for stage in ("delivered", "seen")
        ]
    will = ", ".join(personal.mask(one) for one in part.measures) if part else ""
    return (name, stance or "no answer", will, *stages, str(heard.route or "-") if heard else "-")


def taking_part(found: "tools_pb2.CrisisView") -> str:
    """How many say what."""
    stances = [one.stance for one in found.participation]
    counts = [(stances.count(number), name) for number, name in enumerate(STANCES, 1)]
    told = [f"{count} {name}" for count, name in counts if count]
    return ", ".join([*told, f"{stances.count(0)} no answer"]) if stances else ""


def facts(found: "tools_pb2.CrisisView") -> Sequence[tuple[str, str]]:
    """What both say of it, field by field."""
    return [
        ("why", found.reason),
        *(("contested", one) for one in found.contested if one not in found.reason),
        *(("disputed", one) for one in disputes(found)),
        ("by", found.member_name),
        ("led by", found.lead_name if found.lead_id != found.member_id else ""),
        ("verified", verified(found)),
        ("co-signed", cosigned(found)),
        ("refused", ", ".join(found.refused_by)),
        ("proposed end", printing.moment(found.proposed_ends_ms) if found.proposed_ends_ms else ""),
        *(("owed", f"by {printing.day(found.duties_ms)}: {one}") for one in found.duties),
    ]


def reached(found: "tools_pb2.ListAcknowledgementsResponse") -> dict[str, object]:
    """Whom it has reached, for programs that have the crisis beside it."""
    return {name: value for name, value in printing.fields_of(found).items() if name != "crisis"}
