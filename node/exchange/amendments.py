"""Amendments: how far each is, what signing one means, and the statement that all its signers sign alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from node import limits
from node.content import names
from node.errors import Refused
from node.exchange import documents
from node.exchange.consult import View
from node.exchange.publish import Draft
from node.feed import amendment, entry, quorum
from node.feed.amendment import Proposal, Rules
from node.feed.facts import Amended
from node.feed.header import NORMAL
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.feed.quorum import Act, Quorums
from node.policy import effect, parameters, wording
from node.policy.wording import People
from node.store import ledger
from node.store.stores import Stores
from node.v1 import charter_pb2, header_pb2

WHO = "the members"
_EDIT = "Edit what `tocsin charter show --text` prints."


class State(StrEnum):
    """How an amendment stands to the rules in force."""

    IN_FORCE = "in force"
    REPLACED = "replaced"
    BEATEN = "beaten"
    PROPOSED = "proposed"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Meant:
    """What somebody wants to sign: the statement, its hash, and what it makes of the rules."""

    statement: bytes
    hash: bytes
    rules: Rules
    text: bytes

    def drafts(self, name: str, now_ms: int, *, has_text: bool) -> list[Draft]:
        """As entries of our own; the text first, if nobody has said it."""
        signature = Draft(Kind.AMEND, NORMAL, statement=self.statement)
        return (
            [signature] if has_text else [documents.draft(self.text, name, str(self.rules.number), now_ms), signature]
        )


# ---- How far they are


@dataclass(frozen=True, slots=True)
class History:
    """Every amendment, by number and hash, and where they led: made once for all that are looked at."""

    every: Sequence[Proposal]
    present: Rules
    path: frozenset[bytes]  # by hash, those that led to what is in force
    hashes: Sequence[bytes]  # rising

    def state(self, one: Proposal) -> State:
        """Where an amendment stands."""
        if one.rules.hash in self.path:
            return State.IN_FORCE if one.rules.hash == self.present.hash else State.REPLACED
        if one.complete or (one.amended.previous and one.amended.previous not in self.path):
            return State.BEATEN
        return State.PROPOSED if one.amended.previous == self.present.hash else State.OVERTAKEN

    def reference(self, hash_: bytes) -> str:
        """What people call an amendment."""
        return names.shortest(hash_, self.hashes)

    def find(self, hash_: bytes) -> Proposal | None:
        """An amendment by its hash."""
        return next((one for one in self.every if one.rules.hash == hash_), None)


def history(seen: View) -> History:
    """All that members signed."""
    return _history(seen.trust.amendments(), seen.trust.rules)


def _history(every: Sequence[Proposal], present: Rules) -> History:
    by_hash = {one.rules.hash: one for one in every}
    path, hash_ = set[bytes](), present.hash
    while hash_:
        path.add(hash_)
        hash_ = by_hash[hash_].amended.previous
    return History(every, present, frozenset(path), sorted(by_hash))


def signed_ms(stores: Stores, seen: View) -> dict[tuple[bytes, MemberId], int]:
    """When each amendment was signed by whom, by their own clocks."""
    found: dict[tuple[bytes, MemberId], int] = {}
    for row in ledger.statements_of(stores.ledger, Kind.AMEND):
        feed = seen.trust.feeds.get(row.feed_id)
        if feed is not None:
            header = entry.decode(row.body, row.signature, seen.trust.federation_id).header
            hash_ = amendment.amendment_hash(seen.trust.federation_id, header.statement)
            found.setdefault((hash_, feed.member_id), header.created_ms)
    return found


def views(
    seen: View, signed: Mapping[tuple[bytes, MemberId], int], texts: Mapping[bytes, bytes]
) -> list[charter_pb2.AmendmentView]:
    """Every amendment as people see it; ``texts`` are those that are here."""
    whole = history(seen)
    return [_view(one, whole, seen, signed, texts) for one in whole.every]


def _view(
    one: Proposal,
    whole: History,
    seen: View,
    signed: Mapping[tuple[bytes, MemberId], int],
    texts: Mapping[bytes, bytes],
) -> charter_pb2.AmendmentView:
    open_ = not one.complete
    return charter_pb2.AmendmentView(
        number=one.rules.number,
        hash=one.rules.hash,
        reference=whole.reference(one.rules.hash),
        previous=one.amended.previous,
        document=one.rules.document,
        state=whole.state(one),
        signatures=[
            charter_pb2.AmendmentSignature(
                member_id=member_id,
                name=seen.trust.name_of(member_id),
                signed_ms=signed.get((one.rules.hash, member_id), 0),
                counts=member_id in one.counted,
            )
            for member_id in sorted(one.signers, key=lambda who: (signed.get((one.rules.hash, who), 0), who))
        ],
        count=one.needed.count,
        countries=one.needed.countries,
        roles=sorted(one.needed.roles),
        missing=max(one.needed.count - len(one.counted), 0),
        missing_countries=max(one.needed.countries - one.countries, 0),
        may_sign=_may_sign(one, seen) if open_ else [],
        text_here=one.rules.document in texts,
    )


def unsigned(seen: View, meant: Meant) -> charter_pb2.AmendmentView:
    """One that nobody has signed yet."""
    present = seen.trust.rules
    amended = Amended(MemberId(b""), meant.rules.number, present.hash, meant.hash, b"", meant.rules.document)
    nobody: frozenset[MemberId] = frozenset()
    needed = present.quorums[Act.AMEND, 0]
    one = Proposal(meant.rules, amended, needed, nobody, nobody, 0, complete=False)
    whole = _history([*seen.trust.amendments(), one], present)
    return _view(one, whole, seen, {}, {meant.rules.document: meant.text})


def signers(seen: View) -> list[MemberId]:
    """Who signed what is in force, rising: under the charter itself its founders."""
    present = seen.trust.rules.hash
    if not present:
        return sorted(one.member_id for one in seen.trust.charter.founders)
    found = history(seen).find(present)
    return sorted(found.signers) if found else []


def _may_sign(one: Proposal, seen: View) -> list[str]:
    seats = seen.roster.seats.items()
    entitled = [id_ for id_, seat in seats if seat.role in one.needed.roles and not seat.suspended]
    return sorted(seen.trust.name_of(id_) for id_ in entitled if id_ not in one.signers)


# ---- Signing one


def require_entitled(seen: View, me: MemberId) -> None:
    """Raise Refused where this member's signature would not count."""
    seat = seen.roster.seats.get(me)
    needed = seen.trust.rules.quorums[Act.AMEND, 0]
    if not seen.roster.in_force:
        reason = "the charter is not in force yet"
    elif seat is None:
        reason = "this node's member is not a member of the federation now"
    elif seat.suspended:
        reason = f"{seat.name} is suspended"
    elif seat.role not in needed.roles:
        signer = parameters.role_name(seat.role, article=True)
        reason = f"amending takes {wording.words(needed)}: the signature of {signer} does not count"
    else:
        return
    raise Refused(reason, next_step="`tocsin charter show` says who may amend.")


def meant_by_text(seen: View, text: bytes) -> Meant:
    """The amendment that makes this text the one in force; raises Refused for what cannot be one."""
    said = _read(text)
    present, before = seen.trust.rules, seen.trust.charter
    if said.name != before.name:
        raise Refused(f"the name is {before.name!r} for good", next_step="Put it back.", field="name")
    if said.rows[Act.ACCEPT, 0] != present.quorums[Act.ACCEPT, 0]:
        raise Refused(
            "quorums.accept is of the charter alone, which was accepted already",
            next_step="Put it back as it was.",
            field="quorums.accept",
        )
    changed = {key: needed for key, needed in said.rows.items() if present.quorums.get(key) != needed}
    document = sha256(text).digest()
    if not changed and document == (present.document or sha256(before.document).digest()):
        raise Refused("the text is the one in force: nothing changes", next_step=_EDIT)
    return _meant(seen, present, document, quorum.encode(changed), text)


def _read(text: bytes) -> parameters.Parameters:
    if len(text) > limits.DOCUMENT_BYTES_MAX:
        raise Refused(f"more than {limits.DOCUMENT_BYTES_MAX:,} bytes of text", next_step="Shorten it.", field="text")
    return parameters.decode(text, "the text")


def named(seen: View, typed: str) -> Proposal:
    """The amendment that was meant; raises Refused for none and for several.

    A digit or two are a number, never the beginning of a reference: a signature cannot be taken back.
    """
    whole = history(seen)
    numbered = len(typed) < names.REFERENCE_CHARACTERS_MIN and typed.isdecimal()
    called = {
        one.rules.hash: (*([] if numbered else [whole.reference(one.rules.hash)]), *_numbers(one, whole))
        for one in whole.every
    }
    hash_ = names.resolve(typed, "amendment", called)
    return next(one for one in whole.every if one.rules.hash == hash_)


def _numbers(one: Proposal, whole: History) -> list[str]:
    """Whoever types a number means what is in force or proposed, not what lost against it."""
    return [] if whole.state(one) in (State.BEATEN, State.OVERTAKEN) else [str(one.rules.number)]


def meant_by_proposal(seen: View, one: Proposal, text: bytes | None, *, force: bool) -> Meant:
    """What others signed, to be signed here too; raises Refused where that has no effect, or another than it says."""
    whole = history(seen)
    called = f"amendment {one.rules.number} ({whole.reference(one.rules.hash)})"
    before = whole.find(one.amended.previous)
    match whole.state(one):
        case State.IN_FORCE | State.REPLACED:
            raise Refused(f"{called} has come into force already", next_step="`tocsin charter history` has all.")
        case State.BEATEN:
            raise Refused(f"{called} lost against another one", next_step="Propose its text anew.")
        case State.OVERTAKEN if not force or not _would_win(one, whole):
            raise Refused(
                f"another amendment {one.rules.number} is in force",
                next_step="Propose its text anew, to follow what is in force; or --force, where its hash is the "
                "smaller: complete, it undoes what came into force instead of it.",
            )
    if text is None:
        raise Refused(f"the text of {called} has not come yet", next_step="Connect to more peers, and try again.")
    followed = before.rules if before else Rules(seen.trust.charter.quorums)
    meant = _meant(seen, followed, one.rules.document, one.amended.quorums, text)
    if meant.hash != one.rules.hash:
        raise Refused(f"{called} has parts that this program does not know", next_step="Use a newer version.")
    said = _read(text)
    if said.rows != {key: one.rules.quorums.get(key) for key in said.rows} or said.name != seen.trust.charter.name:
        raise Refused(
            f"{called} does not do what its text says: its quorums or its name are others",
            next_step="Do not sign it, and ask who proposed it why.",
        )
    return meant


def _would_win(one: Proposal, whole: History) -> bool:
    """Whether it beats the one of its number that led to what is in force."""
    return all(
        one.rules.hash < other.rules.hash
        for other in whole.every
        if other.rules.hash in whole.path and other.rules.number == one.rules.number
    )


def _meant(seen: View, before: Rules, document: bytes, rows: bytes, text: bytes) -> Meant:
    letter = header_pb2.Amend(number=before.number + 1, previous=before.hash, document=document, quorums=rows)
    statement = letter.SerializeToString(deterministic=True)
    hash_ = amendment.amendment_hash(seen.trust.federation_id, statement)
    quorums = {**before.quorums, **quorum.decode(rows)}
    return Meant(statement, hash_, Rules(quorums, document, letter.number, hash_), text)


# ---- What it would do


def people(seen: View) -> People:
    """Those whose acts count now."""
    return [((seat.role,), seat.country) for seat in seen.roster.seats.values() if not seat.suspended]


def words(seen: View, rules: Rules, text: bytes | None) -> list[str]:
    """Some rules in words."""
    return wording.describe(rules.quorums, effect.read(text) if text is not None else None, people(seen), WHO)


def warnings(seen: View, meant: Meant, me: MemberId) -> list[str]:
    """What to know before signing."""
    whole = history(seen)
    others = [
        f"This member has also signed {whole.reference(one.rules.hash)} with the same number: "
        "if both become complete, the smaller hash wins."
        for one in whole.every
        if one.rules.number == meant.rules.number and one.rules.hash != meant.hash and me in one.signers
    ]
    return [*others, *(f"{line}." for line in locked(seen, meant.rules.quorums))]


def locked(seen: View, quorums: Quorums) -> list[str]:
    """Changed quorums that the present members cannot meet."""
    present = seen.trust.rules.quorums
    return [
        f"{wording.act_words(*key)} would need {wording.words(needed)}, which the present members are not"
        for key, needed in sorted(quorums.items())
        if present.get(key) != needed and not quorum.is_met(needed, people(seen))
    ]


def require_open(seen: View, meant: Meant) -> None:
    """Raise Refused where nobody could do any more what a changed quorum asks for."""
    found = locked(seen, meant.rules.quorums)
    if found:
        raise Refused(
            "; ".join(found),
            next_step="Lower count or countries, or add roles; or give --force if that is meant.",
            field="quorums",
        )
