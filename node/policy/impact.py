"""Impact: the annex to an impact assessment (GDPR Article 35, LED Article 27) of one node, in words.

A measure counts as on only where the configuration in force says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.policy import reporting
from node.policy.reporting import BUILT_IN, OFF, ON, Document, Facts, Section, is_on, operator

DAY_MS = 86_400_000
PERIODS_DAYS = (30, 90, 365)  # up to now, so that a year has the other two in it


@dataclass(frozen=True, slots=True)
class Counted:
    """How often something happened, in each of the periods."""

    what: str
    source: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds right now and in no configuration."""

    overdue: int = 0  # payloads that are to be erased by now
    unanswered: int = 0  # own withdrawals to which a member has not answered
    holds: int = 0
    holds_to_review: int = 0


@dataclass(frozen=True, slots=True)
class _Risk:
    """What may happen to people, what is done about it, and whether that is on here."""

    what: str
    measure: str
    here: str
    left: str = ""  # what stays the operator's


def begins_ms(now_ms: int) -> Sequence[int]:
    """When each of the periods began."""
    return [now_ms - days * DAY_MS for days in PERIODS_DAYS]


def document(facts: Facts, counted: Sequence[Counted], standing: Standing) -> Document:
    """All of it."""
    return Document(
        f"Annex to the data protection impact assessment ({facts.article('Art. 35', 'Art. 27')})",
        (
            _scope(facts),
            _flows(facts),
            _risks(facts, standing),
            reporting.retention(facts, "Retention"),
            _counts(counted, standing),
        ),
    )


def _scope(facts: Facts) -> Section:
    needed = operator("necessity and proportionality, the views of data subjects, and the decision: they are no data")
    by = f"What the node of {facts.me.name} in {facts.federation!r} does, by the configuration that it runs with."
    return Section("Scope", (by, needed))


def _flows(facts: Facts) -> Section:
    settings = facts.settings
    dialled = settings.peers_address or "nobody dials this node; it dials"
    rows = (
        (
            "members",
            "this node",
            "entries and payloads by gossip",
            f"TLS 1.3, {reporting.amount(len(facts.peers), 'approved peer')}",
        ),
        ("this node", "members", "own entries, and what others may keep", f"TLS 1.3; {dialled}"),
        ("this node", "its stores", "payloads as sealed, an index in clear", "files of this user only"),
        ("own programs", "this node", "look-ups, lists, declarations", f"TLS 1.3, {settings.tools_listen}"),
        (
            "this node",
            "own programs",
            "matches, items and records, by scope",
            reporting.amount(len(facts.callers), "certificate"),
        ),
        ("this node", "its audit log", "who did what, without values", f"{settings.audit_days:,} days"),
        ("this node", "monitoring", "figures, of nobody's content", settings.metrics_listen or "nowhere"),
        (
            "this node",
            "the vault",
            "what is under legal hold, sealed to the custodian",
            "in use" if settings.has_custodian else "not in use: there is no custodian",
        ),
    )
    return Section("Data flows", (), ("from", "to", "what", "how"), rows)


def _risks(facts: Facts, standing: Standing) -> Section:
    found = (*_to_people(facts, standing), *_of_custody(facts, standing), *_of_others(facts))
    return Section(
        "Risks and measures",
        (f"{OFF} is what this node's configuration leaves out. Each risk is to be weighed by people.",),
        ("risk", "measure", "here", "left to people"),
        tuple((one.what, one.measure, one.here, one.left or "-") for one in found),
    )


def _to_people(facts: Facts, standing: Standing) -> tuple[_Risk, ...]:
    settings = facts.settings
    return (
        _Risk(
            "somebody's lawful content is listed: news, evidence, counter-speech share the same bytes",
            "matches are advice, `review` where nothing else is said; opinions and withdrawals reach all members",
            BUILT_IN,
            operator("who reviews before something is removed"),
        ),
        _Risk(
            "what was taken back lives on in copies",
            "withdrawals restrict at once, erase after a cooling time, and are answered by receipts",
            f"{BUILT_IN}; without an answer: {standing.unanswered:,}",
            operator("asking members that keep silent, and copies outside of the node"),
        ),
        _Risk(
            "personal data in texts reaches every member",
            "the border refuses it",
            ON if settings.personal == "refuse" else f"{OFF} for a named audience",
            operator("whether what --allow-personal let through was right: see the counts"),
        ),
        _Risk(
            "an address is found from its digest by trial",
            "no digest of an address stands in the log or a header; answers to what was asked are salted",
            BUILT_IN,
            operator("encryption of the disk under the index in clear"),
        ),
        _Risk(
            "more is matched than was meant",
            "only lists that somebody chose are fetched and matched",
            is_on(condition=not settings.follows_all),
        ),
        _Risk(
            "a picture can be guessed from a perceptual digest",
            "perceptual digests go to members only, and have a clock of their own",
            is_on(condition=any("perceptual" in rule.classes for rule in facts.policy.rules)),
        ),
    )


def _of_custody(facts: Facts, standing: Standing) -> tuple[_Risk, ...]:
    settings = facts.settings
    return (
        _Risk(
            "things are kept longer than they are needed",
            "a policy of this controller's own",
            f"{is_on(condition=facts.policy_is_own)}; overdue: {standing.overdue:,}",
            operator("the grounds of the rules"),
        ),
        _Risk(
            "a restore brings back what was erased",
            "a second erasure journal elsewhere",
            is_on(condition=settings.has_erasures_copy),
            operator("where the copy lies"),
        ),
        _Risk(
            "somebody inside looks up people without a reason",
            "a justification is demanded and noted",
            is_on(condition=bool(settings.justified), words=f" for {', '.join(settings.justified)}"),
            operator("reading the log: `tocsin audit search --operation consultation`"),
        ),
        _Risk(
            "the log is written anew by whoever has the machine",
            "other members witness its root every hour",
            is_on(condition=bool(facts.peers)),
            operator("asking a peer: `tocsin audit anchors`"),
        ),
        _Risk(
            "what is kept as evidence is used",
            "legal holds are sealed to a custodian and leave all stores",
            f"{is_on(condition=settings.has_custodian)}; to review: {standing.holds_to_review:,} of {standing.holds:,}",
        ),
        _Risk(
            "a stolen key destroys every copy",
            "withdrawals cool for an hour, those of very much for a day",
            BUILT_IN,
            operator("calling the member that a mass withdrawal names"),
        ),
    )


def _of_others(facts: Facts) -> tuple[_Risk, ...]:
    third = sum(reporting.is_third(one.country) for one in facts.others)
    is_local = reporting.is_local(facts.settings.tools_listen)
    measured = facts.settings.metrics_listen
    return (
        _Risk(
            "data reaches a country without the Union's protection",
            "members are listed with their countries; peers are approved one by one",
            f"in third countries: {third:,} of {reporting.amount(len(facts.others), 'member')}",
            operator("the basis of each transfer") if third else "",
        ),
        _Risk(
            "another machine poses as an own program",
            "own programs connect from this machine only",
            is_on(condition=is_local),
            "" if is_local else operator("the network between them"),
        ),
        _Risk(
            "figures show what is going on",
            "figures are read on this machine only",
            is_on(condition=not measured or reporting.is_local(measured)),
        ),
        _Risk(
            "the exchange serves other ends than crises",
            "a framework names what a crisis is",
            is_on(condition=bool(facts.frameworks)),
            operator("whether declarations kept to it: `tocsin crisis list`"),
        ),
    )


def _counts(counted: Sequence[Counted], standing: Standing) -> Section:
    periods = tuple(f"{days:,} days" for days in PERIODS_DAYS)
    return Section(
        "Counts of the last periods",
        (
            "Each period ends now. What the audit log has is counted as far back as it goes.",
            f"Under legal hold now: {standing.holds:,}.",
        ),
        ("what", "counted from", *periods),
        tuple((one.what, one.source, *(f"{number:,}" for number in one.numbers)) for one in counted),
    )
