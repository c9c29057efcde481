"""Documents: the texts that amendments and rules name by their SHA-256, as far as they are here and decide something.

A text travels as a record for all members, whose object id is the beginning of its hash. What is in force,
the rules and the frameworks they name, is also kept in the ledger itself, for it outlives the records that
brought it. Frameworks that come with the program are always here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from node import limits
from node.content import names
from node.crisis import frameworks
from node.crisis.frameworks import Framework
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed.amendment import Rules
from node.feed.header import NORMAL
from node.feed.keys import ObjectId
from node.feed.kinds import Kind
from node.policy import border, effect, entitling, parameters
from node.policy.parameters import Parameters
from node.store import index, ledger
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import charter_pb2, record_pb2

MEDIA_TYPE = "application/toml"
NEXT_MAX = 16  # texts that are kept at hand before they are in force
DAY_MS = 86_400_000
AGAIN_MS = 365 * DAY_MS  # so long before its last record ends a text is said again
TURN_MS = 7 * DAY_MS  # between one signer and the next, so that one of them is enough

_KEPT = "rules"  # in the ledger: the text in force
_FRAMEWORK = "framework "  # in the ledger, with its hash: the document of one that the rules name


def object_id(hash_: bytes) -> ObjectId:
    """What the record of a text is called, so that its header says which text it is."""
    return ObjectId(hash_[: names.ID_BYTES])


def draft(text: bytes, name: str, version: str, now_ms: int) -> Draft:
    """A text as a record for all members, for as long as a record can last."""
    record = record_pb2.Record(
        kind=Kind.DOCUMENT,
        object_id=object_id(sha256(text).digest()),
        handling=record_pb2.Handling(tlp=border.GREEN),
        document=record_pb2.Document(name=name, version=version, media_type=MEDIA_TYPE, content=text),
    )
    return Draft(
        Kind.DOCUMENT,
        NORMAL,
        record=record.SerializeToString(deterministic=True),
        object_id=record.object_id,
        expires_ms=now_ms + limits.LIFE_MS_MAX,
    )


# ---- What is in force


def in_force(trust: Trust, now_ms: int) -> dict[bytes, Draft]:
    """The texts that are in force and travel, each as a record for all members, by hash."""
    rules, text = trust.rules, text_of(trust, trust.rules)
    found = {}
    if rules.number and text is not None:
        found[rules.document] = draft(text, trust.charter.name, str(rules.number), now_ms)
    for hash_ in framework_hashes(trust):
        document = trust.documents.get(hash_)
        read = frameworks.read(document) if document is not None else None
        if document is not None and read is not None:
            found[hash_] = draft(document, read.name, read.version, now_ms)
    return found


def text_of(trust: Trust, rules: Rules) -> bytes | None:
    """The text that some rules name: the charter's own, or an amendment's if it is at hand."""
    return trust.documents.get(rules.document) if rules.number else trust.charter.document


def rules_in_force(trust: Trust) -> Parameters | None:
    """What the text in force says; None where it has not come yet, or cannot be read by this program."""
    text = text_of(trust, trust.rules)
    return effect.read(text) if text is not None else None


def state(trust: Trust) -> str:
    """How the rules in force are here: charter (never amended), amended, waiting for their text, or unreadable."""
    if text_of(trust, trust.rules) is None:
        return "waiting"
    if rules_in_force(trust) is None:
        return "unreadable"
    return "amended" if trust.rules.number else "charter"


def lacking(trust: Trust) -> list[bytes]:
    """Hashes of texts that decide something, or soon may, and are not at hand."""
    return [hash_ for hash_ in (*_named(trust), *framework_hashes(trust)) if hash_ not in trust.documents]


def _named(trust: Trust) -> list[bytes]:
    """Of the rules in force, and of what may follow them: when that is complete, its text must be at hand."""
    if not trust.facts.amendments:
        return []
    present = trust.rules
    following = (one.rules for one in trust.amendments() if one.amended.previous == present.hash)
    hashes = [present.document, *(rules.document for rules in following)]
    return [hash_ for hash_ in dict.fromkeys(hashes) if hash_][: NEXT_MAX + 1]


# ---- Frameworks


@dataclass(frozen=True, slots=True)
class Under:
    """What a crisis is declared under: its framework, if it has a document, or why nothing under it has effect."""

    framework: Framework | None = None
    obstacle: str = ""


def framework_hashes(trust: Trust) -> list[bytes]:
    """Of the documents that the rules in force name and that do not come with the program."""
    rules = rules_in_force(trust)
    named = [bytes.fromhex(one.sha256) for one in rules.frameworks if one.sha256] if rules else []
    return [hash_ for hash_ in dict.fromkeys(named) if frameworks.shipped_text(hash_) is None]


def framework_text(trust: Trust, hash_: bytes) -> bytes | None:
    """The document of a framework, if it is at hand."""
    return frameworks.shipped_text(hash_) or trust.documents.get(hash_)


def meant(trust: Trust, rules: Parameters | None, named: record_pb2.Reference) -> parameters.Framework | None:
    """Which of those in the rules is meant; where version and hash are left open, the newest to declare under."""
    found = [
        one
        for one in (rules.frameworks if rules else [])
        if one.name == named.name and named.version in ("", one.version) and named.sha256.hex() in ("", one.sha256)
    ]
    return max(
        found,
        key=lambda one: (not under(trust, rules, _reference(one)).obstacle, frameworks.age(one.version)),
        default=None,
    )


def _reference(one: parameters.Framework) -> record_pb2.Reference:
    return record_pb2.Reference(name=one.name, version=one.version, sha256=bytes.fromhex(one.sha256))


def under(trust: Trust, rules: Parameters | None, named: record_pb2.Reference) -> Under:
    """The framework that a crisis names, as the rules in force have it."""
    if rules is None:
        return Under(obstacle=effect.UNREAD)
    if not any(_is_named(one, named) for one in rules.frameworks):
        version = f" {named.version}" if any(one.name == named.name for one in rules.frameworks) else ""
        return Under(obstacle=f"the rules in force have no framework {named.name}{version}")
    if not named.sha256:
        return Under()
    text = framework_text(trust, named.sha256)
    if text is None:
        return Under(obstacle=f"the document of framework {named.name} has not come yet")
    found = frameworks.read(text)
    if found is None:
        return Under(obstacle=f"framework {named.name} is of a later version than this program can read")
    if found.status == frameworks.RETIRED:
        return Under(obstacle=f"framework {named.name} is retired: nothing is declared under it any more")
    return Under(found)


def _is_named(one: parameters.Framework, named: record_pb2.Reference) -> bool:
    return (one.name, one.sha256) == (named.name, named.sha256.hex()) and named.version in ("", one.version)


def under_of(trust: Trust, rules: Parameters | None, crisis: record_pb2.Crisis, *, is_alert: bool) -> Under:
    """What a declaration, an alert or an update is under: an early warning may come before a framework."""
    if is_alert and not crisis.framework.name:
        return Under()
    return under(trust, rules, crisis.framework)


def every_framework(trust: Trust, rules: Parameters | None) -> list[charter_pb2.FrameworkView]:
    """Those that the rules name, and those that come with the program, by name and version; with their documents."""
    named = {(one.name, one.version, bytes.fromhex(one.sha256)) for one in rules.frameworks} if rules else set()
    shipped = {(one.framework.name, one.framework.version, one.sha256) for one in frameworks.shipped()}
    every = sorted(named | shipped, key=lambda one: (one[0], frameworks.age(one[1]), one[2]))
    views = [framework_view(trust, *one, is_named=one in named) for one in every]
    told = pitfalls(trust, rules) if rules else {}
    for view in views:
        view.notices.extend(told.get((view.name, view.version, view.sha256), ()))
    return views


def pitfalls(trust: Trust, rules: Parameters) -> dict[tuple[str, str, bytes], list[str]]:
    """What to know of each framework that some rules name, a sentence each, by name, version and hash."""
    found = {}
    for one in rules.frameworks:
        hash_ = bytes.fromhex(one.sha256)
        text = framework_text(trust, hash_) if hash_ else None
        document = frameworks.read(text) if text is not None else None
        lines = entitling.pitfalls(one, document, rules.rights)
        found[one.name, one.version, hash_] = [f"{line}." for line in lines]
    return found


def framework_view(trust: Trust, name: str, version: str, hash_: bytes, *, is_named: bool) -> charter_pb2.FrameworkView:
    """One framework as people see it."""
    text = framework_text(trust, hash_) if hash_ else None
    found = frameworks.read(text) if text is not None else None
    if not is_named:
        state = "not named"
    elif hash_ and text is None:
        state = "waiting"
    elif hash_ and found is None:
        state = "unreadable"
    else:
        state = found.status if found else "in force"
    return charter_pb2.FrameworkView(
        name=name,
        version=version,
        sha256=hash_,
        state=state,
        title=found.title if found else "",
        words=frameworks.words(found) if found else [],
        text=text or b"",
    )


# ---- Where the texts come from


def find(stores: Stores, hash_: bytes) -> bytes | None:
    """A text among the records that have come; what only claims to be it is passed over."""
    return next((text for text, _ in _records(stores, hash_)), None)


def come(stores: Stores, hashes: Iterable[bytes]) -> list[bytes]:
    """Those of some texts of which a record has come."""
    return [text for hash_ in hashes if (text := find(stores, hash_)) is not None]


def last_until_ms(stores: Stores, hash_: bytes) -> int:
    """When the last record that has the text ends; 0 where none is here."""
    return max((record.expires_ms for _, record in _records(stores, hash_)), default=0)


def is_to_be_said_again(until_ms: int, turn: int, now_ms: int) -> bool:
    """Whether a signer, by its place among all of them, says the text anew, so that whoever joins later finds it."""
    return now_ms + AGAIN_MS - turn * TURN_MS > until_ms


def _records(stores: Stores, hash_: bytes) -> Iterator[tuple[bytes, Record]]:
    for record in index.of_any_owner(stores.index, object_id(hash_), Kind.DOCUMENT):
        text = record_pb2.Record.FromString(record.content).document.content
        if len(text) <= limits.DOCUMENT_BYTES_MAX and sha256(text).digest() == hash_:
            yield text, record


def load(stores: Stores, trust: Trust) -> Trust:
    """What is in force as it was kept, and whatever has come since."""
    kept = ledger.read_meta(stores.ledger, _KEPT)
    trust = _learn(trust, [kept] if kept is not None else [])
    named = (ledger.read_meta(stores.ledger, _FRAMEWORK + hash_.hex()) for hash_ in framework_hashes(trust))
    trust = _learn(trust, [text for text in named if text is not None])
    trust = keep(stores, trust, [])
    while texts := come(stores, lacking(trust)):
        trust = keep(stores, trust, texts)  # rules that have come name further texts
    return trust


def keep(stores: Stores, trust: Trust, texts: Sequence[bytes]) -> Trust:
    """Have these texts at hand, and those in force for good."""
    trust = _learn(trust, texts)
    kept = (ledger.read_meta(stores.ledger, _FRAMEWORK + hash_.hex()) for hash_ in lacking(trust))
    trust = _learn(trust, [text for text in kept if text is not None])  # let go while the rules waited for their text
    text = text_of(trust, trust.rules)
    in_force = {_KEPT: text} if trust.rules.number and text is not None else {}
    for hash_ in framework_hashes(trust):
        if hash_ in trust.documents:
            in_force[_FRAMEWORK + hash_.hex()] = trust.documents[hash_]
    new = {key: text for key, text in in_force.items() if text != ledger.read_meta(stores.ledger, key)}
    for key, text in new.items():
        ledger.write_meta(stores.ledger, key, text)
    if new:
        stores.commit("ledger")
    return trust


def _learn(trust: Trust, texts: Sequence[bytes]) -> Trust:
    """Those that decide something, and no others."""
    found = {**trust.documents, **{sha256(text).digest(): text for text in texts}}
    trust = replace(trust, documents={hash_: found[hash_] for hash_ in _named(trust) if hash_ in found})
    named = {hash_: found[hash_] for hash_ in framework_hashes(trust) if hash_ in found}  # by the rules just learnt
    return replace(trust, documents={**trust.documents, **named})
