"""What somebody said of a crisis, on one line: for people who watch, and for the log."""

from collections.abc import Callable
from dataclasses import dataclass

from node.crisis.words import CLOCKS, IMMINENT, LEVELS, REASONS, STANCES, word
from node.v1 import record_pb2

_NOTES = {
    "de_escalate": "de-escalates",
    "end": "ends it",
    "review": "puts it under review",
    "close": "closes it",
    "withdraw": "takes it back",
    "comment": "says",
    "dispute": "DISPUTES it",
    "agree": "does not dispute it",
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How times are written, and what becomes of what somebody else wrote; empty: it is left out."""

    moment: Callable[[int], str]
    text: Callable[[str], str]


def act(said: record_pb2.CrisisAct, manner: Manner) -> str:
    """What an act says."""
    verb = str(said.WhichOneof("act") or "")
    match verb:
        case "cosign":
            return "co-signed" + (", after a call" if said.cosign.code_verified else ", nobody was called")
        case "refuse":
            return _with("refused to co-sign", said.refuse.ground, manner)
        case "update":
            reason = word(REASONS, said.reason)
            return _with(f"corrects it ({reason}) to" if reason else "updates it to", said.update.title, manner)
        case "extend":
            return _with(f"extends it to {manner.moment(said.extend.ends_ms)}", said.extend.ground, manner)
        case "hand_over":
            return "hands it over"
        case "participation":
            stance = word(STANCES, said.participation.stance) or "says how it takes part"
            return _with(stance, ", ".join(said.participation.measures), manner)
        case "situation":
            counted = sorted(said.situation.counts.items())
            counts = manner.text(", ".join(f"{name} {count:,}" for name, count in counted))
            return _with("reports", said.situation.text, manner) + (f" ({counts})" if counts else "")
        case "pointer":
            return f"{IMMINENT}: {pointer(said.pointer, manner)}"
        case "order":
            return _order(said.order, manner)
        case "link":
            return "links it to another about the same event"
        case _ if verb in _NOTES:
            return _with(_NOTES[verb], getattr(said, verb).text, manner)
    return "says something that this version does not know"


def _with(words: str, text: str, manner: Manner) -> str:
    written = manner.text(text)
    return f"{words}: {written}" if written else words


def pointer(said: record_pb2.Pointer, manner: Manner) -> str:
    """Who was told of an imminent threat to life, where and when."""
    channel, number = manner.text(said.channel), manner.text(said.reference)
    told = f" at {manner.moment(said.told_ms)}" if said.told_ms else ""
    places = manner.text(", ".join(said.places)) or "an authority"
    verb = "were" if len(said.places) > 1 else "was"
    return f"{places} {verb} told{f' by {channel}' if channel else ''}{f', number {number}' if number else ''}{told}"


def _order(said: record_pb2.Order, manner: Manner) -> str:
    number, channel = manner.text(said.reference), manner.text(said.channel)
    clock = word(CLOCKS, said.state) or "of a state that this version does not know"
    since = f" since {manner.moment(said.at_ms)}" if said.at_ms else ""
    hours = f" of {said.hours} h" if said.hours and said.received_ms else ""
    named = f"removal order{f' {number}' if number else ''}{f' by {channel}' if channel else ''}"
    return _with(f"{named}: clock{hours} {clock}{since}", said.ground, manner)


def crisis(said: record_pb2.Crisis, manner: Manner) -> str:
    """What is declared, or warned of, beyond its title: what decides whether somebody gets up."""
    place = manner.text(said.event.place_name)
    levels = [f"{name} {word(LEVELS, number)}" for name, number in (("harm", said.harm), ("virality", said.virality))]
    parts = [*said.event.places, place, *(one for one in levels if not one.endswith(" "))]
    return ", ".join(one for one in parts if one)
