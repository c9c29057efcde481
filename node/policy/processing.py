"""Processing: the record of processing activities (GDPR Article 30, LED Article 24) of one node, in words."""

from collections.abc import Iterable

from node.feed.identity import Role
from node.policy import parameters, reporting
from node.policy.reporting import Document, Facts, Law, Member, Section, operator
from node.policy.retention import Class
from node.v1 import protection_pb2, record_pb2

# What each class is, what it is processed for, and the field of a record that says how personal it is.
_CLASSES = {
    Class.ALERT: ("early warnings", "to be ready before a crisis is declared", "crisis"),
    Class.DECLARATION: ("crises, and what is said of them", "to act together in a crisis", "crisis"),
    Class.LIST: ("what lists there are", "to choose which to follow", "list"),
    Class.URL: ("addresses of content", "to find content that was listed, for review", "items.values"),
    Class.CRYPTOGRAPHIC: ("digests of files", "to find copies of files that were listed, for review", "items.digests"),
    Class.PERCEPTUAL: ("digests of pictures and films", "to find what is alike, for review", "items.digests"),
    Class.ITEMS: ("items of other kinds", "to find content that was listed, for review", "items.values"),
    Class.OPINION: ("what members think of items", "accuracy: to correct what was listed wrongly", "opinion"),
    Class.REFERRAL: ("notices to one platform", "to tell a platform of content, voluntarily", "referral"),
    Class.DOCUMENT: ("rules and vocabularies", "to know what was agreed", "document"),
    Class.PROFILE: ("functions and how they are reached", "to call the right desk of a member", "profile"),
    Class.SEALED: ("what only others can read", "to pass it on to its readers", ""),
    Class.OTHER: ("records of later versions", "to pass them on", ""),
}
_PERSONAL: dict[int, str] = {
    protection_pb2.DATA_CLASS_P0: "none",
    protection_pb2.DATA_CLASS_P1: "pseudonymous",
    protection_pb2.DATA_CLASS_P2: "direct: addresses with names, contacts",
}


def document(facts: Facts) -> Document:
    """All of it."""
    record = "Record of processing activities"
    return Document(
        f"{record} ({facts.article('Art. 30', 'Art. 24')})",
        (
            _controller(facts),
            _purposes(facts),
            _frameworks(facts),
            _subjects(),
            _members(facts),
            _callers(facts),
            _transfers(facts),
            _partners(facts),
            reporting.retention(facts, "Time limits for erasure"),
            _security(facts),
            _decisions(facts),
        ),
    )


def _controller(facts: Facts) -> Section:
    me = facts.me
    contacts = facts.contacts or (
        operator(
            "how the controller is reached. Its profile in the federation has no contacts; `tocsin profile edit` says "
            "them to all members"
        ),
    )
    supervisor = " and Regulation (EU) 2018/1725, chapter IX; the EDPS supervises" if me.role == Role.EUROPOL else ""
    return Section(
        "Controller",
        (
            (
                f"{me.name}, {parameters.role_name(me.role, article=True)} of the federation {facts.federation!r}"
                f"{f', {me.country}' if me.country else ''}."
            ),
            f"Taken from the role: {_law_words(facts.law)}{supervisor}.",
            operator("confirm that law; which one binds the controller is not for a program to decide"),
            *contacts,
            operator("the address of the controller, and name and contact of its data protection officer"),
        ),
    )


def _law_words(law: Law) -> str:
    return {
        Law.GDPR: "Regulation (EU) 2016/679 (GDPR)",
        Law.LED: "the law that transposes Directive (EU) 2016/680 (LED)",
    }[law]


def _purposes(facts: Facts) -> Section:
    return Section(
        "Purposes and categories of data",
        (
            (
                "The node exchanges crisis declarations and lists of indicators of terrorist and violent extremist "
                "content. It holds digests, addresses and texts, and never the content itself."
            ),
            operator(
                f"the legal basis of each purpose ({facts.article('Art. 6, 9 and 10', 'Art. 8 and 10')}): it follows "
                "from the controller's tasks, which are not in the configuration"
            ),
        ),
        ("class", "what it is", "purpose", "personal data"),
        tuple((str(class_), what, why, _how_personal(field)) for class_, (what, why, field) in _CLASSES.items()),
    )


def _how_personal(field: str) -> str:
    """By what stands beside the field in record.proto."""
    found, place = protection_pb2.DATA_CLASS_UNSPECIFIED, record_pb2.Record.DESCRIPTOR
    for name in field.split(".") if field else ():
        described = place.fields_by_name[name]
        found = described.GetOptions().Extensions[protection_pb2.data_class]
        place = described.message_type or place
    return _PERSONAL.get(found) or "not known here"


def _frameworks(facts: Facts) -> Section:
    said = facts.frameworks or (operator("under which rules crises are declared: the rules in force name none"),)
    return Section("Frameworks that crises are declared under", tuple(f"{one}." for one in said))


def _subjects() -> Section:
    return Section(
        "Categories of data subjects",
        (
            (
                "People whose accounts, addresses or files an item points to; people at the desks that members name in "
                "their profiles; people of the controller who use the node, in its audit log."
            ),
            "No field of a record is made for suspects or victims, and IP addresses are refused in own records.",
        ),
    )


def _members(facts: Facts) -> Section:
    return Section(
        "Recipients: members of the federation",
        (
            (
                "What is for all members may be kept and passed on by each of these. Sealed records go to the readers "
                "that they name."
            ),
            f"Connected directly: {', '.join(facts.peers) or 'none is approved'}.",
        ),
        ("member", "role", "country"),
        tuple((one.name, parameters.role_name(one.role), one.country or "-") for one in facts.others),
    )


def _callers(facts: Facts) -> Section:
    said = (
        (
            "Certificates that were issued here and have not ended. Whoever may open the node's socket may do "
            "everything."
        ),
        operator("who reads what these programs pass on; the node does not see it"),
    )
    rows = tuple((one.name, "person" if one.is_person else "program", ", ".join(one.scopes)) for one in facts.callers)
    return Section("Recipients: own programs and people", said, ("name", "is", "scopes"), rows)


def _transfers(facts: Facts) -> Section:
    third = sorted({one.country for one in facts.others if reporting.is_third(one.country)})
    words = f"{len(third):,} third countries" if len(third) != 1 else "one third country"
    return Section(
        "Transfers to third countries",
        (f"Members are in {words}.",),
        ("country", "members", "basis"),
        tuple((country, _names(facts.others, country), _basis(facts, country)) for country in _countries(facts)),
    )


def _countries(facts: Facts) -> list[str]:
    return sorted({one.country for one in facts.others})


def _names(members: Iterable[Member], country: str) -> str:
    return ", ".join(one.name for one in members if one.country == country)


def _basis(facts: Facts, country: str) -> str:
    if not country:
        return operator("where this member is established: its card names no country")
    if reporting.is_third(country):
        return operator(
            f"adequacy decision, safeguards or derogation ({facts.article('ch. V', 'ch. V, Art. 39 where private')}): "
            "no member says it in the exchange"
        )
    return "within the European Economic Area"


def _partners(facts: Facts) -> Section:
    return Section(
        "Joint controllers",
        (
            (
                f"Each of the {len(facts.others) + 1:,} members decides for itself what it publishes, follows and "
                f"keeps. What they agreed on is the charter of {facts.federation!r}: `tocsin charter show`."
            ),
            operator(
                f"whether that makes them joint controllers ({facts.article('Art. 26', 'Art. 21')}), and where their "
                "arrangement is: it is no part of the charter"
            ),
        ),
    )


def _security(facts: Facts) -> Section:
    return Section(
        "Security measures",
        (operator(f"organisational measures ({facts.article('Art. 32', 'Art. 29')}): the node sees none of them"),),
        ("measure", "here", "by"),
        tuple(reporting.measures(facts)),
    )


def _decisions(facts: Facts) -> Section:
    said = "The node decides nothing about a person and removes nothing anywhere: what it says is advice, for review."
    filled = operator("what in-house programs do with a match, and who looks at it before")
    return Section(f"Profiling and automated decisions ({facts.article('Art. 22', 'Art. 11')})", (said, filled))
