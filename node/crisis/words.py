"""Words for what stands as a number on the wire, and those that are read first. A prompt needs them: light."""

from collections.abc import Sequence

LEVELS = ("low", "moderate", "high")  # of harm, virality and confidence, by number, from 1
ANSWERS = ("yes", "no", "unknown")  # to a criterion, by number, from 1
MARKS = ("clear", "green", "amber", "amber+strict", "red")  # of TLP, by number, from 1; the first two for all members
PAP = ("clear", "green", "amber", "red")  # what may be done with it, by number, from 1
HANDLING_CODES = ("H0", "H1", "H2", "H3")  # Europol's, by bit
SOURCES = ("A", "B", "C", "D", "X")  # how reliable a source is, by number, from 1
INFORMATION = ("1", "2", "3", "4")  # how sure what it says is, by number
STATUSES = ("ongoing", "over")  # of what happened
STANCES = ("joined", "observing", "declined", "left")  # by number, from 1
CLOCKS = ("running", "paused", "done")  # of a removal order, by number, from 1
REASONS = (  # of a withdrawal or a correction, by number, from 1: protos/README.md section 4
    "mistake",
    "false-positive",
    "out-of-scope",
    "outdated",
    "replaced",
    "person-at-risk",
    "court-order",
    "rights-request",
    "appeal-upheld",
    "legal",
)
EXERCISE = "EXERCISE"
IMMINENT = "IMMINENT THREAT TO LIFE"
NOT_VERIFIED = "NOT VERIFIED"


def word(words: Sequence[str], number: int) -> str:
    """The word for a number; empty for none."""
    return words[number - 1] if 0 < number <= len(words) else ""


def number(words: Sequence[str], word: str) -> int:
    """The number of a word; 0 for the empty one."""
    return words.index(word) + 1 if word else 0
