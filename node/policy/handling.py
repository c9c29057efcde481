"""Marks of what is shared, as people write them: TLP, PAP, Europol's handling codes, and the evaluation."""

from node.crisis import words as keys
from node.crisis.marks import code_bits
from node.crisis.words import word
from node.v1 import record_pb2

TLP = ("not marked", *(f"TLP:{one.upper()}" for one in keys.MARKS))
PAP = ("", *(f"PAP:{one.upper()}" for one in keys.PAP))

_UNKNOWN = "of a later version: as the strictest"
_TLP = {  # CLEAR and GREEN are for all members, and explain themselves
    3: "for its readers' organisations and whom they serve, as far as they need it",
    4: "for its readers' organisations alone",
    5: "for its readers themselves, and nobody else",
}
_CODES = (
    "only to prevent and combat crime",
    "not in court without its author's permission",
    "passed on to nobody without its author's permission",
    "what else restricts its use stands in the summary",
)
_PAP = (
    "no limit on what is done with it",
    "what is done with it may be noticed",
    "only looked up, by ways that those watched do not see",
    "nothing that can be noticed from outside",
)
_SOURCES = ("reliable", "mostly reliable", "mostly not reliable", "not reliable", "of unknown reliability")
_INFORMATION = (
    "not in doubt",
    "known to the source itself",
    "not known to the source itself, but confirmed by others",
    "neither known to the source itself nor confirmed",
)


def words(handling: record_pb2.Handling) -> str:
    """A mark as people write it; a number that this program does not know counts as the strictest."""
    labels = (_tlp(handling), *(f"H{bit}" for bit in code_bits(handling)), _pap(handling), _evaluation(handling))
    return ", ".join(filter(None, labels))


def meanings(handling: record_pb2.Handling) -> list[str]:
    """What each of its marks lets readers do, and how far it is to be believed."""
    found = (
        (_tlp(handling), _TLP.get(min(handling.tlp, len(TLP) - 1), "")),
        *((f"H{bit}", _CODES[bit] if bit < len(_CODES) else _UNKNOWN) for bit in code_bits(handling)),
        (_pap(handling), word(_PAP, min(handling.pap, len(_PAP)))),
        (f"source {word(keys.SOURCES, handling.source_evaluation)}", word(_SOURCES, handling.source_evaluation)),
        (f"information {handling.information_evaluation}", word(_INFORMATION, handling.information_evaluation)),
    )
    return [f"{label}: {meaning}" for label, meaning in found if meaning]


def _tlp(handling: record_pb2.Handling) -> str:
    return TLP[min(handling.tlp, len(TLP) - 1)]


def _pap(handling: record_pb2.Handling) -> str:
    return PAP[min(handling.pap, len(PAP) - 1)]


def _evaluation(handling: record_pb2.Handling) -> str:
    source, information = handling.source_evaluation, handling.information_evaluation
    said = [
        word(keys.SOURCES, source) or "?" * bool(source),
        word(keys.INFORMATION, information) or "?" * bool(information),
    ]
    return f"evaluation {''.join(said)}" if any(said) else ""
