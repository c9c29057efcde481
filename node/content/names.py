"""Names for people: short references to objects, slugs of members, and what a typed name may mean."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node import limits
from node.errors import Refused
from node.feed import keys

REFERENCE_CHARACTERS_MIN = 4
POSITION_DIGITS_MAX = len(str(limits.ITEMS_MAX))
ID_BYTES = 16
ID_DIGITS_MIN = 8  # of an id, as logs have it
EAST_ASIAN = "CJK"
WRITTEN_TOGETHER = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"})
LIST_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def slug(name: str) -> str:
    """A member's name as it is typed: ``Acme Video`` is ``acme-video``; empty where no letter of it is ASCII's."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def unmistakable(name: str) -> str:
    """A member's name with letters that may pass for others spelled out: beside a Latin letter, all that are not Latin.

    A name of one script throughout is shown as it is; what tells two of those apart is their fingerprint.
    """
    scripts = [_script(character) for character in name]
    shown = "LATIN" if "LATIN" in scripts else next((script for script in scripts if script), "")
    return "".join(
        character if script in ("", shown) else character.encode("unicode_escape").decode()
        for character, script in zip(name, scripts, strict=True)
    )


def _script(character: str) -> str:
    """The script of a letter, by the first word of what Unicode calls it; empty for all that is no letter."""
    if not character.isalpha():
        return ""
    found = unicodedata.name(character, "").partition(" ")[0]
    return EAST_ASIAN if found in WRITTEN_TOGETHER else found


def reference(prefix: str, object_id: bytes, rising: Sequence[bytes]) -> str:
    """The shortest reference that tells an object from all others, whose ids are given rising: ``c-4k7q``."""
    return f"{prefix}-{shortest(object_id, rising)}"


def shortest(id_: bytes, rising: Sequence[bytes]) -> str:
    """The shortest beginning that tells an id from all others, which are given rising: ``4k7q``."""
    at = bisect_left(rising, id_)
    beside = (other for other in rising[max(at - 1, 0) : at + 2] if other != id_)
    shared = max((_shared(id_, other) for other in beside), default=0)
    return keys.readable(id_, min(max(shared + 1, REFERENCE_CHARACTERS_MIN), _characters(id_))).lower()


def owned(member_name: str, member_id: bytes, reference: str) -> str:
    """A reference behind whose it is, where several members call something of theirs alike: ``acme-video/c-4k7q``."""
    return f"{slug(member_name) or member_id.hex()}/{reference}"


def place(typed: str) -> tuple[str, int | None] | None:
    """Record and position of ``7f3k:1042``, ``7f3k`` or ``europol/halle/7f3k:1042``; None for what can be none."""
    record, colon, digits = typed.strip().rpartition("/")[2].partition(":")
    if not colon:
        return (record, None) if record else None
    is_position = digits.isdecimal() and len(digits) <= POSITION_DIGITS_MAX and int(digits) < limits.ITEMS_MAX
    return (record, int(digits)) if record and is_position else None


def begins(reference: str, id_: bytes) -> bool:
    """Whether a reference, without its prefix, is the beginning of an id; or all of it in hex, as in an export."""
    if len(reference) == 2 * len(id_):
        return reference.lower() == id_.hex()
    return 0 < len(reference) <= _characters(id_) and keys.readable(id_, len(reference)) == reference.upper()


def _characters(id_: bytes) -> int:
    return len(id_) * 8 // 5


def _shared(one: bytes, other: bytes) -> int:
    """How many characters the two have in common at the beginning: five bits each."""
    differing = int.from_bytes(one) ^ int.from_bytes(other)
    return (len(one) * 8 - differing.bit_length()) // 5


class Several(Refused):
    """What was typed may mean several things."""


@dataclass(frozen=True, slots=True)
class Called:
    """What something is called. ``titles`` are its owner's words, and may be the names of something else."""

    id: bytes
    names: Sequence[str]
    titles: Sequence[str] = ()

    def rank(self, wanted: str) -> int | None:
        """How well it is named by this: 0 by its id, then a name, then a title or a beginning; None: it is not."""
        id_, named, titled = self.id.hex(), *([one.lower() for one in each] for each in (self.names, self.titles))
        begins_id = len(wanted) >= ID_DIGITS_MIN and id_.startswith(wanted)
        ranks = (
            wanted == id_,
            wanted in named,
            wanted in titled or begins_id or any(one.startswith(wanted) for one in named),
            any(one.startswith(wanted) for one in titled),
        )
        return ranks.index(True) if wanted and True in ranks else None


def closest(typed: str, what: str, every: Sequence[Called]) -> list[int]:
    """The places of what was meant: the best named, which may be several by one id.

    Raises Refused for none, and for several ids that are named alike: no title keeps a name from what has it.
    """
    wanted = typed.strip().lower()
    ranks = {place: rank for place, one in enumerate(every) if (rank := one.rank(wanted)) is not None}
    if not ranks:
        known = ", ".join(sorted(one.names[0] for one in every if one.names)[:8])
        raise Refused(f"there is no {what} {typed!r}", next_step=f"There is {known or 'none yet'}.", field=what)
    found = [place for place, rank in ranks.items() if rank == min(ranks.values())]
    ids = {every[place].id: every[place] for place in found}
    if len(ids) > 1:
        are_alike = len({one.names[0] for one in ids.values()}) < len(ids)  # then the reference tells which is which
        several = ", ".join(sorted(one.names[:2][-1] if are_alike else one.names[0] for one in ids.values())[:8])
        raise Several(f"{typed!r} may be any of {len(ids)}: {several}", next_step="Type more of it.", field=what)
    return found


def resolve(typed: str, what: str, named: Mapping[bytes, Sequence[str]]) -> bytes:
    """The one object that was meant, by a name, a reference, an id, or the beginning of one of them.

    ``named`` has every object's names. Raises Refused for none and for several.
    """
    every = [Called(id_, names) for id_, names in named.items()]
    return every[closest(typed, what, every)[0]].id
