"""Vocabulary: the words that the rules have for what lists are, and what follows from what their publishers say.

Where the rules have no words for a thing, any will do, and it may be left out. It is the author's node that asks for
them: words that only later or earlier rules had are no fault of what is here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from node.errors import Refused
from node.policy.opinions import advised, lowered

if TYPE_CHECKING:  # a command line that prints a list needs no rules
    from node.policy.parameters import Parameters
    from node.v1 import record_pb2, tools_pb2

NONE_KNOWN = "none-known"
WORDS_SHOWN_MAX = 8
WORD_CHARACTERS_MAX = 64

Letter: TypeAlias = "record_pb2.Items | record_pb2.HashList"

_AMENDED = "The charter's quorum amends the words."


# ---- What is said


def labels(rules: "Parameters | None") -> Sequence[str]:
    """What items may be."""
    return sorted(rules.vocabularies.get("labels", ())) if rules else []


def exemptions(rules: "Parameters | None") -> Sequence[str]:
    """What the same content may also be."""
    words = rules.vocabularies.get("exemptions", ()) if rules else ()
    return [*sorted({*words} - {NONE_KNOWN}), NONE_KNOWN] if words else []


def check_list(draft: "tools_pb2.ListDraft", rules: "Parameters | None", *, in_crisis: bool) -> None:
    """Raise Refused, naming the field, where a list is not said in the words of the rules (TCO Article 1(3))."""
    _check_words(draft.labels, labels(rules), "labels", "label")
    _check_words(draft.exemptions, exemptions(rules), "exemptions", "exemption")
    if labels(rules) and not (draft.ground.strip() or in_crisis):
        raise Refused(
            f"nothing says why what is in {draft.name} is what its labels say",
            next_step="Say it with --ground, without naming persons; or name the crisis with --crisis.",
            field="ground",
        )
    others = {*draft.exemptions} - {NONE_KNOWN}
    if NONE_KNOWN in draft.exemptions and others:
        raise Refused(
            f"{NONE_KNOWN} and {len(others)} more exemptions",
            next_step="Leave out the one or the others.",
            field="exemptions",
        )


def check_label(label: str, rules: "Parameters | None") -> None:
    """Raise Refused for a label that is none of the rules' words."""
    words = labels(rules)
    if words and label not in words:
        raise _unknown(label, words, "label", "label")


def _check_words(said: Sequence[str], words: Sequence[str], field: str, name: str) -> None:
    if words and not said:
        raise Refused(f"no {name} is given", next_step=_use(words, name), field=field)
    for word in said:
        if words and word not in words:
            raise _unknown(word, words, field, name)


def _unknown(word: str, words: Sequence[str], field: str, name: str) -> Refused:
    return Refused(f"the rules have no {name} {word!r}", next_step=f"{_use(words, name)} {_AMENDED}", field=field)


def _use(words: Sequence[str], name: str) -> str:
    return f"Give --{name} with one of {', '.join(words)}."


# ---- What follows


def exempting(letter: Letter) -> list[str]:
    """What the same content may also be, as its publisher says."""
    words = [one[:WORD_CHARACTERS_MAX] for one in letter.exemptions if one != NONE_KNOWN]
    return words[:WORDS_SHOWN_MAX]


def advice_of(letter: Letter) -> str:
    """What its publisher advises: a review at most of what may be exempt."""
    return lowered(letter.advice) if exempting(letter) else advised(letter.advice)


def reason_of(letter: Letter) -> str:
    """Why it advises no more than a review; empty where that is not for what may be exempt."""
    words = exempting(letter)
    return f"may also be {' or '.join(words)}" if words else ""
