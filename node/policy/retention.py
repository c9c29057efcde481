"""Retention: until when one record is kept here. Rules in order; the first that fits decides.

What is kept ends at the earliest of three: what its originator allows, what the rule says, and the end
of its crisis and the grace behind it. So a policy shortens, and no policy can lengthen. Nothing here
depends on when it is asked: a due time changes only where something new is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256

from node.content import hashes
from node.feed.kinds import Kind

NEVER_MS = 1 << 62
ID_BYTES = 8
CAUSE_BYTES = ID_BYTES + 3


class Class(StrEnum):
    """What a record is, as a policy sees it."""

    ALERT = "alert"
    DECLARATION = "declaration"  # and everything said of a crisis
    LIST = "list"  # its description
    URL = "url"
    CRYPTOGRAPHIC = "cryptographic"
    PERCEPTUAL = "perceptual"  # whatever finds what is only alike
    ITEMS = "items"  # of any other kind: keywords, and kinds of later versions
    OPINION = "opinion"
    REFERRAL = "referral"
    DOCUMENT = "document"
    PROFILE = "profile"
    SEALED = "sealed"  # not readable here: kept for peers
    OTHER = "other"


class Crisis(StrEnum):
    """Whether a record belongs to a crisis. That it is over is no state here: ``after = "crisis-end"`` says that."""

    NONE = "none"
    UNKNOWN = "unknown"  # it names one that nobody declared, as far as is known here
    DECLARED = "declared"


class Review(StrEnum):
    """Whether anybody has said what a record of items is for."""

    UNCATEGORISED = "uncategorised"  # another member's, with neither label nor crisis
    CATEGORISED = "categorised"
    REVIEWED = "reviewed"  # our own, or one that our own member agreed with


class After(StrEnum):
    """When the clock of a rule starts."""

    RECEIVED = "received"
    CREATED = "created"
    CRISIS_END = "crisis-end"
    REVIEW = "review"


class Keep(StrEnum):
    """What stands in the place of a time."""

    AS_AUTHORED = "as its author allows"
    AS_ITEM = "as the item"


class Begins(StrEnum):
    """When a legal minimum begins to count."""

    RECEIVED = "received"
    ERASED = "erased"  # when it leaves the exchange, whoever has it erased


class Won(IntEnum):
    """Which bound came first; numbers stand in the erasure journal."""

    CEILING = 1  # the originator's
    RULE = 2
    CRISIS_END = 3  # and the grace behind it
    LONGEST = 4  # of the rule, where its clock has not started, or starts late


_CLASS_OF_KIND = {
    Kind.ALERT: Class.ALERT,
    Kind.DECLARATION: Class.DECLARATION,
    Kind.CRISIS_ACT: Class.DECLARATION,
    Kind.ACKNOWLEDGEMENT: Class.DECLARATION,
    Kind.LIST: Class.LIST,
    Kind.OPINION: Class.OPINION,
    Kind.REFERRAL: Class.REFERRAL,
    Kind.REFERRAL_ACT: Class.REFERRAL,
    Kind.DOCUMENT: Class.DOCUMENT,
    Kind.PROFILE: Class.PROFILE,
    Kind.SEALED: Class.SEALED,
}
OF_ITEMS = (Class.URL, Class.CRYPTOGRAPHIC, Class.PERCEPTUAL, Class.ITEMS)


@dataclass(frozen=True, slots=True)
class Minimum:
    """How long the law has something kept, whoever has it erased: sealed and unused, so it bounds no deadline."""

    keep_ms: int
    ground: str
    authority: str
    after: Begins = Begins.RECEIVED


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. Conditions that are empty fit everything. Times in milliseconds; None: no bound of this sort."""

    number: int  # from 1
    line: int  # of the file
    ground: str
    classes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    frameworks: frozenset[str] = frozenset()
    crises: frozenset[str] = frozenset()
    reviews: frozenset[str] = frozenset()
    exercise: bool | None = None
    keep: "int | Keep" = Keep.AS_AUTHORED
    after: After = After.RECEIVED
    grace_ms: int | None = None
    longest_ms: int | None = None
    minimum: Minimum | None = None

    @property
    def is_catch_all(self) -> bool:
        """Whether it fits everything."""
        return self.exercise is None and not any((self.classes, self.roles, self.frameworks, self.crises, self.reviews))

    def fits(self, facts: "Facts") -> bool:
        """Whether it is about this."""
        return (
            (not self.classes or facts.class_ in self.classes)
            and (not self.roles or facts.role in self.roles)
            and (not self.frameworks or facts.framework in self.frameworks)
            and (not self.crises or facts.crisis in self.crises)
            and (not self.reviews or facts.review in self.reviews)
            and self.exercise in (None, facts.exercise)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one participant. ``text`` is the file as it was read; the last rule fits everything."""

    name: str
    rules: tuple[Rule, ...]
    text: bytes = b""

    @property
    def id(self) -> bytes:
        """What tells it from others."""
        return sha256(self.text).digest()[:ID_BYTES]

    @property
    def counts_from_creation(self) -> bool:
        """Whether something may be due before it was ever here."""
        return any(rule.after is After.CREATED for rule in self.rules)

    @property
    def has_minimum(self) -> bool:
        """Whether the law has anything kept, by any of its rules."""
        return any(rule.minimum for rule in self.rules)


# Of a node that nobody gave a policy: simulated ones, and a folder before it has joined.
AS_AUTHORED = Policy("as authored", (Rule(1, 0, "the originator's ceiling"),))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a policy may ask of a record."""

    class_: Class
    ceiling_ms: int
    created_ms: int
    received_ms: int
    role: str = ""  # of its originator
    crisis: Crisis = Crisis.NONE
    crisis_end_ms: int | None = None
    framework: str = ""  # that its crisis was declared under
    review: Review = Review.CATEGORISED
    reviewed_ms: int | None = None
    exercise: bool = False
    item_due_ms: int | None = None  # of the record of items that it is an opinion about


@dataclass(frozen=True, slots=True)
class Decision:
    """Until when, by which rule, and which bound came first."""

    due_ms: int
    rule: int
    won: Won


@dataclass(frozen=True, slots=True)
class Required:
    """Until when something that is erased has to be held, and by which rule's minimum."""

    rule: int
    minimum: Minimum
    end_ms: int


def class_of(kind: int, items_kind: str = "") -> Class:
    """The class of a record by its kind, and by that of its items."""
    if kind != Kind.ITEMS:
        return _CLASS_OF_KIND.get(Kind(kind), Class.OTHER) if kind in Kind.__members__.values() else Class.OTHER
    found = hashes.KINDS.get(items_kind)
    if found is None:
        return Class.ITEMS
    if found is hashes.URL:
        return Class.URL
    return Class.CRYPTOGRAPHIC if found.of_file else Class.PERCEPTUAL


def decide(policy: Policy, facts: Facts) -> Decision:
    """Until when this is kept. Never longer than its originator allows."""
    rule = next(rule for rule in policy.rules if rule.fits(facts))
    due_ms, won = min(_bounds(rule, facts), key=lambda bound: bound[0])  # of equal ones the first
    return Decision(due_ms, rule.number, won)


def required(policy: Policy, facts: Facts, erased_ms: int) -> Required | None:
    """Until when the law has this held if it is erased then; None where it need not be. A drill is under no duty."""
    rule = next(rule for rule in policy.rules if rule.fits(facts))
    if rule.minimum is None or facts.exercise:
        return None
    begins_ms = erased_ms if rule.minimum.after is Begins.ERASED else facts.received_ms
    end_ms = begins_ms + rule.minimum.keep_ms
    return Required(rule.number, rule.minimum, end_ms) if end_ms > erased_ms else None


def _bounds(rule: Rule, facts: Facts) -> Iterator[tuple[int, Won]]:
    yield facts.ceiling_ms, Won.CEILING
    yield from _clock(rule, facts)
    if rule.grace_ms is not None and facts.crisis_end_ms is not None:
        yield facts.crisis_end_ms + rule.grace_ms, Won.CRISIS_END
    if rule.longest_ms is not None:
        yield facts.received_ms + rule.longest_ms, Won.LONGEST


def _clock(rule: Rule, facts: Facts) -> Iterator[tuple[int, Won]]:
    """What the rule's own clock says; nothing where it has not started: then `longest` bounds it."""
    match rule.keep:
        case Keep.AS_AUTHORED:
            return
        case Keep.AS_ITEM:
            if facts.item_due_ms is not None:
                yield facts.item_due_ms, Won.RULE
            return
        case keep_ms:
            pass
    match rule.after:
        case After.CRISIS_END if facts.crisis is not Crisis.NONE:
            if facts.crisis_end_ms is not None:
                yield facts.crisis_end_ms + keep_ms, Won.CRISIS_END
        case After.CREATED:  # whoever dates ahead keeps nothing longer by it
            yield min(facts.created_ms, facts.received_ms) + keep_ms, Won.RULE
        case After.REVIEW if facts.reviewed_ms is not None:
            yield facts.reviewed_ms + keep_ms, Won.RULE
        case _:  # also where there is no crisis to end, and where nobody has reviewed it
            yield facts.received_ms + keep_ms, Won.RULE


# ---- Why something was erased, in the erasure journal


@dataclass(frozen=True, slots=True)
class Cause:
    """By which policy, by which rule of it, and which bound came first."""

    policy_id: bytes
    rule: int
    won: Won

    @property
    def encoded(self) -> bytes:
        """As it stands in the journal."""
        return self.policy_id + self.rule.to_bytes(2) + bytes([self.won])


def decode_cause(data: bytes) -> Cause | None:
    """The cause in a line of the journal; None where it is none."""
    try:
        return Cause(data[:ID_BYTES], int.from_bytes(data[ID_BYTES:-1]), Won(data[-1]))
    except (IndexError, ValueError):
        return None
