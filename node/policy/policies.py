"""Policies as they are written: a TOML file, one rule a line, and what may be wrong with it."""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from node.errors import ConfigError
from node.feed.identity import Role
from node.policy.retention import (
    OF_ITEMS,
    After,
    Begins,
    Class,
    Crisis,
    Decision,
    Facts,
    Keep,
    Minimum,
    Policy,
    Review,
    Rule,
    Won,
)

BYTES_MAX = 64 << 10
RULES_MAX = 64
FRAMEWORKS_MAX = 16  # named in one policy: each is one more case to look at
NAME_CHARACTERS_MAX = 64
GROUND_CHARACTERS_MAX = 200
HOUR_MS = 3_600_000
UNITS_MS = {"h": HOUR_MS, "d": 24 * HOUR_MS, "month": 730 * HOUR_MS, "months": 730 * HOUR_MS, "y": 8760 * HOUR_MS}
YEARS_MAX = 10
ROLES = {role: role.name.lower() for role in Role}
ANY = "any"
SHIPPED = {"authority": "authority", "europol": "europol"}  # by role; all others have the platforms'

# What this program's own records allow, where their author names nothing else: configs/README.md says it too.
CEILINGS_MS = dict.fromkeys((*OF_ITEMS, Class.LIST), 180 * UNITS_MS["d"])
FORMAT_MAX_MS = 5 * 366 * UNITS_MS["d"]

_TIME = re.compile(r"([0-9]{1,6}) ?(h|d|months?|y)")
_RULE_LINE = re.compile(r"\s*(\{|rules\s*=\s*\[\s*\{|\[\[\s*rules\s*\]\])")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class _Minimum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A legal minimum as it is written."""

    keep: str
    ground: str
    authority: str
    after: Begins = Begins.RECEIVED


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"classes": "class"}):
    """A rule as it is written."""

    classes: str | list[str]
    ground: str
    keep: str
    role: str | list[str] = ANY
    framework: str | list[str] = ANY
    crisis: str | list[str] = ANY
    review: str | list[str] = ANY
    exercise: bool | None = None
    after: After = After.RECEIVED
    grace: str = ""
    longest: str = ""
    minimum: _Minimum | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    rules: list[dict[str, Any]]


def shipped_name(role: int) -> str:
    """Which of the policies that come with the program is for a role."""
    return SHIPPED.get(ROLES[Role(role)] if role in set(Role) else "", "platform")


def decode(text: bytes, path: Path | str) -> Policy:
    """Read a policy; raises ConfigError naming the file, the line, the key and what is wrong with it."""
    if len(text) > BYTES_MAX:
        raise _wrong(str(path), f"a policy has at most {BYTES_MAX:,} bytes")
    try:
        read = msgspec.toml.decode(text, type=_File)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise _wrong(str(path), f"{place.strip('`.') or 'file'}: {reason}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = _AT_LINE.search(str(error))
        line = found[1] if found else len(text.splitlines())
        raise _wrong(f"{path}:{line}", f"no TOML: {error}") from error
    if not read.name.isprintable() or not 0 < len(read.name.strip()) <= NAME_CHARACTERS_MAX:
        raise _wrong(str(path), f"name: needs 1 to {NAME_CHARACTERS_MAX} characters that can be seen")
    if not 0 < len(read.rules) <= RULES_MAX:
        raise _wrong(str(path), f"rules: needs 1 to {RULES_MAX} of them, has {len(read.rules)}")
    lines = [number for number, line in enumerate(text.decode().splitlines(), 1) if _RULE_LINE.match(line)]
    if len(lines) != len(read.rules):
        raise _wrong(str(path), "rules: each begins a line of its own")
    rules = tuple(_rule(*one, path) for one in zip(range(1, len(lines) + 1), lines, read.rules, strict=True))
    if not rules[-1].is_catch_all:
        raise _wrong(f"{path}:{lines[-1]}", 'the last rule must fit everything: class = "any", and no condition')
    if len({name for rule in rules for name in rule.frameworks}) > FRAMEWORKS_MAX:
        raise _wrong(str(path), f"rules: name at most {FRAMEWORKS_MAX} frameworks")
    return Policy(read.name.strip(), rules, text)


def _rule(number: int, line: int, raw: dict[str, Any], path: Path | str) -> Rule:
    where = f"{path}:{line}"
    try:
        read = msgspec.convert(raw, _Line)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        raise _wrong(where, f"rules[{number}]{'.' if place else ''}{place.rstrip('`')}: {reason}") from error
    try:
        return _settled(number, line, read)
    except ValueError as error:
        raise _wrong(where, f"rules[{number}].{error}") from error


def _settled(number: int, line: int, read: _Line) -> Rule:
    named = read.keep in set(Keep)
    rule = Rule(
        number=number,
        line=line,
        ground=_words("ground", read.ground, "why it is kept so long"),
        classes=_names("class", read.classes, [one.value for one in Class]),
        roles=_names("role", read.role, list(ROLES.values())),
        frameworks=_names("framework", read.framework),
        crises=_names("crisis", read.crisis, [one.value for one in Crisis]),
        reviews=_names("review", read.review, [one.value for one in Review]),
        exercise=read.exercise,
        keep=Keep(read.keep) if named else _time("keep", read.keep),
        after=read.after,
        grace_ms=_time("grace", read.grace) if read.grace else None,
        longest_ms=_time("longest", read.longest) if read.longest else None,
        minimum=_minimum(read.minimum) if read.minimum else None,
    )
    if rule.longest_ms is None and (rule.keep is Keep.AS_ITEM or (rule.after is After.CRISIS_END and not named)):
        raise ValueError("longest: is needed here: the clock may never start")
    if rule.keep is Keep.AS_ITEM and rule.classes != {Class.OPINION}:
        raise ValueError(f'keep: "{Keep.AS_ITEM}" is for the class opinion alone')
    if named and read.after is not After.RECEIVED:
        raise ValueError(f'after: means nothing beside keep = "{read.keep}"')
    if rule.minimum and (rule.exercise or Class.SEALED in rule.classes):
        what = "a drill is under no duty" if rule.exercise else "what is not readable here cannot be held"
        raise ValueError(f"minimum: {what}")
    return rule


def _minimum(read: _Minimum) -> Minimum:
    keep_ms = _time("minimum.keep", read.keep)
    if not keep_ms:
        raise ValueError("minimum.keep: nothing is kept for no time")
    ground = _words("minimum.ground", read.ground, "which law has it kept")
    return Minimum(keep_ms, ground, _words("minimum.authority", read.authority, "for whom it is kept"), read.after)


def _words(key: str, written: str, what: str) -> str:
    if not written.isprintable() or not 0 < len(written.strip()) <= GROUND_CHARACTERS_MAX:
        raise ValueError(f"{key}: needs 1 to {GROUND_CHARACTERS_MAX} characters: {what}")
    return written.strip()


def _names(key: str, written: str | list[str], known: Sequence[str] = ()) -> frozenset[str]:
    found = [written] if isinstance(written, str) else written
    if found == [ANY]:
        return frozenset()
    wrong = next((one for one in found if known and one not in known), None)
    if wrong is not None or not found:
        raise ValueError(f"{key}: {wrong!r} is none of {', '.join((*known, ANY))}")
    return frozenset(found)


def _time(key: str, written: str) -> int:
    found = _TIME.fullmatch(written.strip())
    value = int(found[1]) * UNITS_MS[found[2]] if found else -1
    if not 0 <= value <= YEARS_MAX * UNITS_MS["y"]:
        values = f', or "{Keep.AS_AUTHORED}"' if key == "keep" else ""
        raise ValueError(f'{key}: {written!r} is no time, as "48 h", "30 d", "6 months" or "3 y"{values}')
    return value


def _wrong(where: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{where}: {reason}", next_step="configs/README.md explains every key; `tocsin policy show` has one that holds."
    )


# ---- What holds, and is not what was meant


def warnings(policy: Policy) -> list[tuple[int, str]]:
    """What somebody should look at, with the line: rules that decide nothing, and times that others bound."""
    reached = _reached(policy)
    found = [
        (rule.line, f"{class_words(rule)}: never reached: the rules above take all that it is about")
        for rule in policy.rules
        if rule.number not in reached
    ]
    return sorted([*found, *(one for rule in policy.rules for one in _bounded(rule))])


def _reached(policy: Policy) -> set[int]:
    """The rules that are the first to fit some case; each condition's cases are few."""
    frameworks = ("", *sorted({name for rule in policy.rules for name in rule.frameworks}), "\0 any other")
    found: set[int] = set()
    for class_, role, crisis, review, exercise, framework in product(
        Class, ("", *ROLES.values()), Crisis, Review, (False, True), frameworks
    ):
        if framework and crisis is Crisis.NONE:
            continue
        facts = Facts(class_, 0, 0, 0, role, crisis, None, framework, review, None, exercise)
        found.add(next(rule.number for rule in policy.rules if rule.fits(facts)))
    return found


def _bounded(rule: Rule) -> Iterator[tuple[int, str]]:
    """Where a time is written that something else is always before."""
    classes = sorted(rule.classes) or list(Class)
    ceiling_ms = max(CEILINGS_MS.get(Class(one), FORMAT_MAX_MS) for one in classes)
    if isinstance(rule.keep, int) and rule.keep > ceiling_ms:
        words = f"keep {time_words(rule.keep)} is over the originators' ceiling ({time_words(ceiling_ms)})"
        yield rule.line, f"{class_words(rule)}: {words}: the ceiling wins, unless they name a later end"
    if isinstance(rule.keep, int) and rule.longest_ms is not None and rule.longest_ms < rule.keep:
        words = f"longest {time_words(rule.longest_ms)} is less than keep {time_words(rule.keep)}"
        yield rule.line, f"{class_words(rule)}: {words}: longest wins"


# ---- In words


def class_words(rule: Rule) -> str:
    """What a rule is about."""
    return ", ".join(one for one in Class if one in rule.classes) or ANY


def condition_words(rule: Rule) -> str:
    """Under which conditions; empty for none."""
    found = [
        f"{name} {' or '.join(sorted(said))}"
        for name, said in (
            ("of", rule.roles),
            ("under", rule.frameworks),
            ("crisis", rule.crises),
            ("", rule.reviews),
        )
        if said
    ]
    if rule.exercise is not None:
        found.append("exercise" if rule.exercise else "no exercise")
    return ", ".join(one.strip() for one in found)


def keep_words(rule: Rule) -> str:
    """How long."""
    return rule.keep.value if isinstance(rule.keep, Keep) else time_words(rule.keep)


def clock_words(rule: Rule) -> str:
    """From when on, and what else bounds it."""
    found = [] if isinstance(rule.keep, Keep) else [rule.after.value]
    found += [f"crisis end + {time_words(rule.grace_ms)}"] if rule.grace_ms is not None else []
    found += [f"longest {time_words(rule.longest_ms)}"] if rule.longest_ms is not None else []
    return ", ".join(found)


def minimum_words(rule: Rule) -> str:
    """What the law has kept by it, for how long and for whom; empty for nothing."""
    if rule.minimum is None:
        return ""
    begins = "receiving" if rule.minimum.after is Begins.RECEIVED else "erasing"
    return f"{begins} + {time_words(rule.minimum.keep_ms)}, for {rule.minimum.authority}: {rule.minimum.ground}"


def decision_words(policy: Policy, decision: Decision) -> str:
    """What decided: ``crisis end + 30 d (rule 4), shorter than the ceiling``."""
    rule = policy.rules[decision.rule - 1]
    numbered = f"(rule {rule.number})"
    match decision.won:
        case Won.CEILING:
            return f"what its author allows {numbered}"
        case Won.CRISIS_END:
            by_rule = isinstance(rule.keep, int) and rule.after is After.CRISIS_END
            both = [one for one in ((rule.keep if by_rule else None), rule.grace_ms) if isinstance(one, int)]
            said = f"crisis end + {time_words(min(both))}"
        case Won.LONGEST:
            said = f"received + {time_words(rule.longest_ms or 0)}, the longest"
        case Won.RULE:
            start = "received" if rule.after is After.CRISIS_END else rule.after.value
            said = keep_words(rule) if isinstance(rule.keep, Keep) else f"{start} + {time_words(rule.keep)}"
    return f"{said} {numbered}, shorter than the ceiling"


def time_words(time_ms: int) -> str:
    """A time as it is written in a policy: in the largest unit that has no rest."""
    for unit in ("y", "months", "d"):
        if time_ms and time_ms % UNITS_MS[unit] == 0:
            return f"{time_ms // UNITS_MS[unit]} {unit if time_ms > UNITS_MS[unit] or unit != 'months' else 'month'}"
    return f"{time_ms // HOUR_MS} h"
