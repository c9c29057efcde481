"""What is wrong with a TOML file that somebody edits, written above the lines that it is about, and taken out again."""

import re
from collections.abc import Mapping, Sequence

MARK = "# >>> "  # before what is wrong with the line below

_ARRAY = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]")
_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+?)\s*=")
_LINE = re.compile(r"line (\d+)")
_LAST = re.compile(r"(\.[^.\[\]]+|\[\d+\])$")

Notes = Sequence[tuple[str, Sequence[str]]]  # a field, as languages[1], lead.email or line 7, and what is wrong there


def marked(text: str, notes: Notes) -> str:
    """The text with each note above the line that it is about, or at the top where that is not written."""
    lines = unmarked(text).splitlines()
    places = _places(lines)
    above: dict[int, list[str]] = {}
    for field, words in notes:
        written = [f"{MARK}{line}" for one in words for line in one.splitlines() if line]
        above.setdefault(_place(places, field, len(lines)), []).extend(written)
    return "".join(f"{line}\n" for i in range(len(lines) + 1) for line in (*above.get(i, ()), *lines[i : i + 1]))


def unmarked(text: str) -> str:
    """The text without such marks."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(MARK))


def _places(lines: Sequence[str]) -> dict[str, int]:
    """Where each key and each table of the file stands."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for i, line in enumerate(lines):
        if array := _ARRAY.match(line):
            name = _bare(array[1])
            counts[name] = counts.get(name, -1) + 1
            table = f"{name}[{counts[name]}]"
            found.setdefault(table, i)
        elif one := _TABLE.match(line):
            table = _bare(one[1])
            found.setdefault(table, i)
        elif key := _KEY.match(line):
            found.setdefault(f"{table}.{_bare(key[1])}".removeprefix("."), i)
    return found


def _bare(name: str) -> str:
    return re.sub(r"[\"'\s]", "", name)


def _place(places: Mapping[str, int], field: str, lines: int) -> int:
    """Where a field stands; where it is not written, what it would stand in; 0 where that is not either."""
    if numbered := _LINE.fullmatch(field):
        return min(max(int(numbered[1]) - 1, 0), lines)
    while field not in places:
        shorter = _LAST.sub("", field)
        if shorter == field:
            return 0
        field = shorter
    return places[field]
