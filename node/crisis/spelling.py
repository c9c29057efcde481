"""What could stand in a file in the place of what does not belong there."""

import difflib
import re
from collections.abc import Mapping, Sequence

from node.crisis.words import ANSWERS, HANDLING_CODES, LEVELS, MARKS, PAP, STATUSES

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_WORDS: Mapping[str, Sequence[str]] = {
    "harm": LEVELS,
    "virality": LEVELS,
    "confidence": LEVELS,
    "answer": ANSWERS,
    "status": STATUSES,
    "tlp": MARKS,
    "pap": PAP,
    "handling": HANDLING_CODES,
}


def unknown_key(reason: str) -> str:
    """The key that the reader of a file complains of; empty where it complains of something else."""
    found = _UNKNOWN.fullmatch(reason)
    return found[1] if found else ""


def step(field: str, unknown: str, keys: Sequence[str]) -> str:
    """What to write at a place that is wrong; ``unknown``: its key, where none is called so; ``keys``: those there."""
    if unknown:
        near = difflib.get_close_matches(unknown, keys, 1)
        return f"Did you mean {near[0]}?" if near else f"Here can be {', '.join(keys)}."
    words = _WORDS.get(field.rpartition(".")[2].partition("[")[0])
    return f"Write one of {', '.join(words)}." if words else "`tocsin crisis template` shows every key."
