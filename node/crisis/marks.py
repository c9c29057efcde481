"""Marks as a file and options have them, each scale by a key of its own: TLP, PAP, handling codes, the evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

from node.crisis.words import HANDLING_CODES, INFORMATION, MARKS, PAP, SOURCES, number, word
from node.errors import Refused
from node.v1 import record_pb2


@dataclass(frozen=True, slots=True)
class Marks:
    """What readers may do with it; what is empty is not said."""

    tlp: str = "green"
    pap: str = ""
    handling: Sequence[str] = ()  # codes
    evaluation: str = ""  # of the source and of what it says, as B2


def code_bits(said: record_pb2.Handling) -> list[int]:
    """Europol's codes by bit, rising, also those of a later version."""
    return [bit for bit in range(said.europol_codes.bit_length()) if said.europol_codes >> bit & 1]


def letter(said: Marks) -> record_pb2.Handling:
    """Marks as they go with a record."""
    source = said.evaluation.rstrip("".join(INFORMATION))
    return record_pb2.Handling(
        tlp=number(MARKS, said.tlp),
        pap=number(PAP, said.pap),
        europol_codes=sum(1 << HANDLING_CODES.index(one) for one in set(said.handling)),
        source_evaluation=number(SOURCES, source),
        information_evaluation=number(INFORMATION, said.evaluation.removeprefix(source)),
    )


def read(said: record_pb2.Handling) -> Marks:
    """Marks by their keys; raises Refused for a number that this program does not know: it would be left out."""
    found = Marks(
        tlp=word(MARKS, said.tlp),
        pap=word(PAP, said.pap),
        handling=[HANDLING_CODES[bit] for bit in code_bits(said) if bit < len(HANDLING_CODES)],
        evaluation=word(SOURCES, said.source_evaluation) + word(INFORMATION, said.information_evaluation),
    )
    if letter(found) != said:
        raise Refused(
            "it has a mark of a later version, which this program would leave out",
            next_step="Use the program that marked it, or a newer one.",
            field="handling",
        )
    return found
