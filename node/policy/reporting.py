"""Reporting: what is said of a node's processing, as values, and what it is said by.

What the node cannot know stands as a mark for people to fill in: a report that guessed would be signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from node.feed.identity import Role
from node.policy import policies
from node.policy.retention import Policy

ON, OFF = "on", "OFF"
BUILT_IN = "built in"  # no setting turns it off
UNION = "EU"
# Of the European Economic Area: a transfer to the others is one to a third country.
EEA = frozenset(
    (  # noqa: SIM905 - thirty quotes would hide the codes
        "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
    ).split()
)


class Law(StrEnum):
    """Which one a controller answers to, as far as its role says it."""

    GDPR = "GDPR"
    LED = "LED"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, and a table where there are rows."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One that takes part."""

    name: str
    role: int
    country: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A program or a person of the own member that was given a certificate, and what it may do."""

    name: str
    scopes: tuple[str, ...]
    ends_ms: int
    is_person: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the configuration in force, what a measure depends on."""

    peers_address: str = ""  # empty: nobody dials us
    tools_listen: str = ""
    metrics_listen: str = ""
    follows_all: bool = False
    personal: str = "refuse"
    has_erasures_copy: bool = False
    audit_days: int = 0
    justified: tuple[str, ...] = ()
    has_custodian: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is made of: the same facts make the same report."""

    federation: str
    me: Member
    policy: Policy
    policy_is_own: bool = True  # false: the one that came with the program
    settings: Settings = Settings()
    contacts: tuple[str, ...] = ()
    others: tuple[Member, ...] = ()
    peers: tuple[str, ...] = ()  # members that are connected directly, by this node's administrator's word
    frameworks: tuple[str, ...] = ()
    callers: tuple[Caller, ...] = ()

    @property
    def law(self) -> Law:
        """By the role: authorities and Europol act to prevent and detect crime."""
        return Law.LED if self.me.role in (Role.AUTHORITY, Role.EUROPOL) else Law.GDPR

    def article(self, gdpr: str, led: str) -> str:
        """The article that binds this controller."""
        return f"{self.law} {led if self.law is Law.LED else gdpr}"


def operator(words: str) -> str:
    """What is for people to fill in, and why the node cannot."""
    return f"[operator: {words}]"


def amount(count: int, what: str) -> str:
    """How many, as people say it: "1 member", "2 members"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def is_third(country: str) -> bool:
    """Whether what goes there leaves the European Economic Area."""
    return bool(country) and country != UNION and country not in EEA


def is_local(address: str) -> bool:
    """Whether only this machine reaches it."""
    return address.rpartition(":")[0] in ("127.0.0.1", "[::1]", "localhost")


def retention(facts: Facts, heading: str) -> Section:
    """Until when things are kept: the rules in force, with their grounds."""
    source = "this controller's own" if facts.policy_is_own else "as it comes with the program"
    return Section(
        heading,
        (
            (
                f"The policy {facts.policy.name!r} ({facts.policy.id.hex()}), {source}. The first rule that fits "
                "decides; what its originator allows, or the end of its crisis and the grace behind it, may come "
                "earlier. What is due is erased by itself: key, content and index."
            ),
            (
                f"The audit log keeps a line for {facts.settings.audit_days:,} days. Headers (who signed what sort of "
                "entry, when, and how large it was; no content) and statements of governance stay."
            ),
        ),
        ("rule", "class", "where", "keep", "clock", "ground"),
        tuple(
            (
                str(rule.number),
                policies.class_words(rule),
                policies.condition_words(rule) or "-",
                policies.keep_words(rule),
                policies.clock_words(rule) or "-",
                rule.ground,
            )
            for rule in facts.policy.rules
        ),
    )


_BUILT_IN = (
    "TLS 1.3 to members and to own programs, both sides by certificates of pinned issuers",
    "every record encrypted under a key of its own; erasing the key erases the record",
    "folder and key files closed to other users, checked at each start",
    "calls refused unless the certificate has the scope for them",
)


def measures(facts: Facts) -> Sequence[tuple[str, str, str]]:
    """Each technical measure, whether it is on here, and what that depends on."""
    return (*((words, BUILT_IN, "-") for words in _BUILT_IN), *_of_data(facts), *_of_access(facts.settings))


def is_on(*, condition: bool, words: str = "") -> str:
    """How a measure stands, with more words where it is on."""
    return f"{ON}{words}" if condition else OFF


def _of_data(facts: Facts) -> Sequence[tuple[str, str, str]]:
    settings, witnesses = facts.settings, len(facts.peers)
    disk = operator("say whether it is on; the node does not see below its files")
    refuses = settings.personal == "refuse"
    return (
        ("encryption of the disk that the index in clear lies on", disk, "the machine"),
        (
            "personal data in own texts refused at the border",
            ON if refuses else f"{OFF} for a named audience",
            f'border.personal = "{settings.personal}"',
        ),
        (
            "only chosen lists fetched",
            is_on(condition=not settings.follows_all),
            f'lists.follow = "{"all" if settings.follows_all else "chosen"}"',
        ),
        (
            "retention by a policy that this controller decided on",
            is_on(condition=facts.policy_is_own),
            "data/policy.toml",
        ),
        (
            "a second erasure journal, so that a restore brings nothing back",
            is_on(condition=settings.has_erasures_copy),
            "erasures.copy",
        ),
        (
            "a log of consultation, disclosure and erasure, chained line by line",
            BUILT_IN,
            f"audit.keep_days = {settings.audit_days}",
        ),
        (
            "the log's root witnessed by other members every hour",
            is_on(condition=witnesses > 0),
            amount(witnesses, "approved peer"),
        ),
    )


def _of_access(settings: Settings) -> Sequence[tuple[str, str, str]]:
    reached = settings.metrics_listen and not is_local(settings.metrics_listen)
    return (
        (
            "a justification demanded",
            is_on(condition=bool(settings.justified), words=f" for {', '.join(settings.justified)}"),
            "audit.justify",
        ),
        (
            "a custodian apart from the administrator for legal holds",
            is_on(condition=settings.has_custodian),
            "custodian.pub",
        ),
        (
            "own programs only from this machine",
            is_on(condition=is_local(settings.tools_listen)),
            f"tools.listen = {settings.tools_listen}",
        ),
        (
            "figures for monitoring closed to other machines",
            is_on(condition=not reached),
            f"metrics.listen = {settings.metrics_listen or 'nowhere'}",
        ),
    )
