"""Crises against whoever would have one, end one or sign one in somebody else's name: as nodes read them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node.cli import crises as printed
from node.content import names
from node.crisis import frameworks
from node.crisis.states import State
from node.errors import Refused
from node.exchange import (
    consult,
    crises,
    declaring,
    documents,
    drafts,
    endings,
    lifecycles,
    opining,
    participating,
    project,
    publish,
)
from node.exchange.consult import View
from node.exchange.crises import Crisis
from node.exchange.declaring import Speaker
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import entry
from node.feed.header import URGENT
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.policy import following
from node.policy.following import Choice, List
from node.store import index, ledger
from node.v1 import header_pb2, record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import by_root, retire
from tests.exchange.test_membership import revoke
from tests.exchange.test_odd_order import hash_of, said, take, without
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

HOUR_MS = 3_600_000
NOW_MS = BASE_MS + 1000
ENDS_MS = BASE_MS + 24 * HOUR_MS
KEPT_MS = BASE_MS + 90 * 24 * HOUR_MS
X, Y = ObjectId(b"x" * 16), ObjectId(b"y" * 16)
PLATFORM = 12  # members from 10 on are platforms
Letter = header_pb2.SignedEntry


def document(name: str, roles: str, *, count: int = 0, by: str = "authority", must: str = "yes") -> bytes:
    """A framework that no code mentions."""
    cosign = f'[cosign]\ncount = {count}\nroles = ["{by}"]\n' if count else ""
    return (
        f'name = "{name}"\nversion = "1"\ntitle = "A framework"\n'
        f'[declare]\nroles = ["{roles}"]\nalert = ["platform", "authority"]\n'
        f"{cosign}[duration]\ndefault_hours = 24\nlongest_hours = 96\n"
        f'[[criteria]]\nname = "grave"\nwording = "It is."\nmust = "{must}"\n'
    ).encode()


def reference(text: bytes) -> record_pb2.Reference:
    """As a declaration names it."""
    read = frameworks.decode(text, "a test")
    return record_pb2.Reference(name=read.name, version=read.version, sha256=sha256(text).digest())


PAIR = document("pair", "authority", count=1)
LONE = document("lone", "authority")
POLICE = document("police", "europol")
SIGNED_BY_POLICE = document("signed-by-police", "authority", count=1, by="europol")


def rules(*texts: bytes) -> bytes:
    named = [reference(text) for text in texts]
    rows = "".join(
        f'[[frameworks]]\nname = "{one.name}"\nversion = "{one.version}"\nsha256 = "{one.sha256.hex()}"\n'
        for one in named
    )
    return re.sub(r"\[\[frameworks\]\]\n.*\n.*\n", rows, PLAIN).encode()


class Stage:
    """Some members' nodes, what each of them said, and one that hears all of it."""

    def __init__(self, folder: Path, world: Federation) -> None:
        self.folder, self.world = folder, world
        self.speakers: dict[int | str, Exchange] = {}
        self.letters: list[Letter] = []
        self.reader = node_in(folder / "reader", world, 24)
        for text in (PAIR, LONE, POLICE, SIGNED_BY_POLICE):
            self.say(9, documents.draft(text, "a framework", "1", BASE_MS))

    def speaker(self, who: int | str) -> Exchange:
        if isinstance(who, int) and who not in self.speakers:
            self.speakers[who] = node_in(self.folder / f"speaker {who}", self.world, who)
        return self.speakers[who]

    def say(self, who: int | str, draft: Draft, now_ms: int = BASE_MS, *, heard: bool = True) -> HeaderHash:
        """One entry of a member, whatever its own node would have thought of it."""
        (letter,) = said(self.speaker(who), draft, now_ms=now_ms)
        self.letters.append(letter)
        if heard:
            self.hear(letter)
        return hash_of(self.reader, letter)

    def hear(self, *letters: Letter, now_ms: int = BASE_MS) -> None:
        take(self.reader, letters)
        self.reader.mature(now_ms)

    def seen(self, now_ms: int = NOW_MS, node: Exchange | None = None) -> View:
        node = node or self.reader
        while node.project():
            pass
        node.load_documents()
        return consult.view(node.trust, node.follows, now_ms)

    def view(self, number: int, object_id: ObjectId = X, now_ms: int = NOW_MS) -> tools_pb2.CrisisView:
        """What one member declared by this id, as it is shown."""
        found = crises.shown(self.reader.stores, self.seen(now_ms), self.id_of(number), object_id)
        assert found is not None
        every = crises.every(self.reader.stores, self.seen(now_ms), "", exercises=True)
        (same,) = [one for one in every if one.entry == found.entry]
        assert (same.state, same.reason, same.ends_ms, same.cosigned_by) == (
            found.state, found.reason, found.ends_ms, found.cosigned_by,
        )  # fmt: skip
        return found

    def state(self, number: int, object_id: ObjectId = X, now_ms: int = NOW_MS) -> str:
        return self.view(number, object_id, now_ms).state

    def crisis(self, number: int) -> Crisis:
        found = crises.one(self.reader.stores, self.seen(), self.id_of(number), X)
        assert found
        return found

    def id_of(self, number: int) -> MemberId:
        return self.world.members[number].member_id

    def ends_ms(self, *, exercise: bool = False) -> int:
        """By which what belongs to it is kept; 0 where nobody declared it."""
        trust = self.seen().trust
        return endings.known(self.reader.stores, trust, X, exercise=exercise).end_ms or 0


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, rules(PAIR, LONE, POLICE, SIGNED_BY_POLICE))


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, world: Federation) -> Stage:
    return Stage(tmp_path, world)


def crisis(
    text: bytes = PAIR, *, title: str = "Shooting", ends_ms: int = ENDS_MS, starts_ms: int = 0, answer: int = 1
) -> record_pb2.Crisis:
    return record_pb2.Crisis(
        framework=reference(text),
        title=title,
        starts_ms=starts_ms,
        ends_ms=ends_ms,
        criteria=[record_pb2.Criterion(name="grave", answer=answer)],
    )


def declare(
    what: record_pb2.Crisis | None = None,
    *,
    deputies: Sequence[bytes] = (),
    linked: Sequence[bytes] = (),
    object_id: ObjectId = X,
    kind: Kind = Kind.DECLARATION,
    exercise: bool = False,
) -> Draft:
    made = record_pb2.Crisis()
    made.CopyFrom(what or crisis())
    made.deputies.extend(deputies)
    made.linked.extend(linked)
    return _draft(record_pb2.Record(kind=kind, object_id=object_id, exercise=exercise, crisis=made))


def act(*entries: bytes, object_id: ObjectId = X, exercise: bool = False, **verb: object) -> Draft:
    said_ = record_pb2.CrisisAct(entry=entries[0], known=entries[1:], **verb)  # type: ignore[arg-type]
    return _draft(record_pb2.Record(kind=Kind.CRISIS_ACT, object_id=object_id, exercise=exercise, crisis_act=said_))


def _draft(record: record_pb2.Record) -> Draft:
    record.handling.tlp = 2
    return Draft(
        Kind(record.kind),
        URGENT,
        record=record.SerializeToString(),
        object_id=record.object_id,
        exercise=record.exercise,
        expires_ms=KEPT_MS,
    )


def cosign(about: bytes, *, object_id: ObjectId = X, exercise: bool = False) -> Draft:
    return act(about, object_id=object_id, exercise=exercise, cosign=record_pb2.Cosign())


def end(*entries: bytes, exercise: bool = False) -> Draft:
    return act(*entries, exercise=exercise, end=record_pb2.Note())


def extend(*entries: bytes, ends_ms: int = ENDS_MS + HOUR_MS) -> Draft:
    return act(*entries, extend=record_pb2.Extend(ends_ms=ends_ms))


def update(*entries: bytes, what: record_pb2.Crisis) -> Draft:
    return act(*entries, update=what)


# ---- Said again, and by whom it is not


def test_what_is_said_is_of_its_author_however_often_and_by_whomever_it_is_sent_again(stage: Stage) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    before = stage.view(1)
    assert (before.state, list(before.cosigned_by)) == (State.ACTIVE, ["Member 2"])
    stage.hear(*stage.letters, *reversed(stage.letters))
    assert stage.view(1) == before
    thief = stage.speaker(3)
    for letter in stage.letters[-2:]:  # as an entry of its own, with the payload and the key of another's
        resigned = _resigned(thief, letter, stage.world.members[3].feed_key)
        take(thief, [resigned])
        stage.hear(resigned)
    assert stage.view(1) == before
    assert not [one for one in crises.every(stage.reader.stores, stage.seen(), "", exercises=True)
                if one.member_name == "Member 3"]  # fmt: skip


def _resigned(thief: Exchange, letter: Letter, key: object) -> Letter:
    fields = header_pb2.Header.FromString(letter.header)
    head = ledger.head(thief.stores.ledger, thief.author.feed_id)
    assert head
    fields.feed_id, fields.seq, fields.previous = head.feed_id, head.seq + 1, head.hash
    made = entry.create(fields, key, thief.trust.federation_id)  # type: ignore[arg-type]
    return Letter(header=made.header.body, signature=made.signature, box=letter.box, payload=letter.payload)


@pytest.mark.parametrize(
    ("text", "author", "reason"),
    [
        (PAIR, PLATFORM, "a platform may not declare"),
        (POLICE, 1, "an authority may not declare under police"),
    ],
)
def test_whose_role_may_not_declare_is_shown_and_has_no_effect_whoever_co_signs(
    stage: Stage, text: bytes, author: int, reason: str
) -> None:
    declared = stage.say(author, declare(crisis(text)))
    stage.say(2, cosign(declared))
    found = stage.view(author)
    assert (found.state, found.reason, found.cosignatures_needed) == (State.PROPOSED, reason, 0)


@pytest.mark.parametrize(("text", "author"), [(PAIR, PLATFORM), (SIGNED_BY_POLICE, 2)])
def test_a_co_signature_of_a_role_that_is_not_asked_for_counts_for_nothing(
    stage: Stage, text: bytes, author: int
) -> None:
    declared = stage.say(1, declare(crisis(text)))
    stage.say(author, cosign(declared))
    assert stage.state(1) == State.PROPOSED


def test_nobody_co_signs_what_it_proposed_itself(stage: Stage) -> None:
    declared = stage.say(1, declare(deputies=[stage.id_of(3)]))
    stage.say(1, cosign(declared))
    assert stage.state(1) == State.PROPOSED
    stage.say(2, cosign(declared))
    assert stage.state(1) == State.ACTIVE
    over = stage.say(1, act(declared, hand_over=record_pb2.HandOver(member_id=stage.id_of(4))))
    longer = stage.say(4, extend(over))
    for number in (4, 1):  # who leads it now, and who owns it
        stage.say(number, cosign(longer))
    assert (stage.view(1).ends_ms, list(stage.view(1).cosigned_by)) == (ENDS_MS, [])
    with pytest.raises(Refused, match="proposal of our own"):
        declaring.answering(
            stage.crisis(1), record_pb2.CrisisAct(cosign=record_pb2.Cosign()), _speaker(stage, 4), stage.seen()
        )
    longest = stage.say(3, extend(longer, ends_ms=ENDS_MS + 2 * HOUR_MS))
    stage.say(3, cosign(longest))
    assert stage.view(1).ends_ms == ENDS_MS
    stage.say(4, cosign(longest))
    assert stage.view(1).ends_ms == ENDS_MS + 2 * HOUR_MS


def test_a_call_is_said_of_a_co_signature_by_the_code_alone_and_never_turns_a_refusal_into_one(stage: Stage) -> None:
    stage.say(1, declare())
    found, by = stage.crisis(1), _speaker(stage, 2)
    claims = record_pb2.CrisisAct(cosign=record_pb2.Cosign(code_verified=True))
    seen = stage.seen()
    assert not declaring.answering(found, claims, by, seen).cosign.code_verified
    assert declaring.answering(found, claims, by, seen, heard=True).cosign.code_verified
    refusal = record_pb2.CrisisAct(refuse=record_pb2.Refuse(ground="no"))
    assert declaring.answering(found, refusal, by, seen, heard=True).WhichOneof("act") == "refuse"


def test_what_a_person_was_not_shown_is_not_answered_for_it(stage: Stage) -> None:
    declared = stage.say(1, declare())
    shown, by = stage.view(1).proposal, _speaker(stage, 2)
    answer = record_pb2.CrisisAct(entry=shown, cosign=record_pb2.Cosign())
    assert declaring.answering(stage.crisis(1), answer, by, stage.seen()).entry == declared
    stage.say(2, cosign(declared))
    stage.say(1, update(declared, what=crisis(ends_ms=ENDS_MS + HOUR_MS)))
    for said_ in (answer, record_pb2.CrisisAct(entry=shown, refuse=record_pb2.Refuse(ground="no"))):
        with pytest.raises(Refused, match="something else is proposed now") as refused:
            declaring.answering(stage.crisis(1), said_, by, stage.seen())
        assert refused.value.field == "entry"
    answer.ClearField("entry")
    assert declaring.answering(stage.crisis(1), answer, by, stage.seen()).entry == stage.view(1).proposal


@pytest.mark.parametrize("scale", ["tlp", "europol_codes", "pap", "source_evaluation", "information_evaluation"])
def test_another_mark_of_any_scale_needs_new_co_signatures_and_until_then_the_one_that_was_signed_holds(
    stage: Stage, scale: str
) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    anew = stage.say(1, marked(update(declared, what=crisis()), **{scale: 1}))
    found = stage.view(1)
    assert (found.state, found.cosignatures_needed, list(found.cosigned_by)) == (State.ACTIVE, 1, [])
    assert found.handling == record_pb2.Handling(tlp=2)
    stage.say(2, cosign(anew))
    assert stage.view(1).handling == record_pb2.Handling(**{"tlp": 2, scale: 1})


def test_of_a_proposal_that_waits_no_more_it_is_said_what_became_of_it(stage: Stage) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    extended = stage.say(1, extend(declared))
    marked_ = stage.say(1, marked(update(declared, extended, what=crisis()), pap=2))
    assert _obstacles(stage) == {extended: crises.REPLACED, marked_: "waits for co-signatures: 0 of 1"}
    stage.say(2, act(marked_, refuse=record_pb2.Refuse(ground="no")))
    assert _obstacles(stage) == {extended: crises.REPLACED, marked_: crises.REFUSED}


def _obstacles(stage: Stage) -> dict[HeaderHash, str]:
    """Of what its owner said."""
    return {HeaderHash(one.entry): one.obstacle for one in stage.view(1).acts if one.member_id == stage.id_of(1)}


def test_what_is_said_of_a_crisis_is_marked_as_that_is_by_then_unless_it_is_said_otherwise(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(LONE)))
    stage.say(1, marked(update(declared, what=crisis(LONE)), europol_codes=2, pap=2))
    found, by, seen = stage.crisis(1), _speaker(stage, 2), stage.seen()
    said_ = declaring.speaking(found, record_pb2.CrisisAct(comment=record_pb2.Note(text="seen")), by, seen)
    for handling in (None, record_pb2.Handling(tlp=1)):
        draft = declaring.act_draft(found, said_, handling, by, seen)
        held = handling or record_pb2.Handling(tlp=2, europol_codes=2, pap=2)
        assert record_pb2.Record.FromString(draft.record).handling == held


def test_a_mark_for_fewer_than_read_it_keeps_nobody_from_ending_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = stage.say(1, marked(declare(crisis(LONE), deputies=[stage.id_of(3)]), tlp=1))
    with monkeypatch.context() as lenient:
        lenient.setattr(publish, "_require_readers", lambda _: None)  # a node that signs what ours would not
        stage.say(3, marked(update(declared, what=crisis(LONE)), tlp=5))
    found = stage.crisis(1)
    assert found.handling.tlp == 5
    draft = declaring.end(found, "over", _speaker(stage, 1), stage.seen())
    assert record_pb2.Record.FromString(draft.record).handling.tlp == 1


@pytest.mark.parametrize("scales", [{"tlp": 3}, {"pap": 3}, {"europol_codes": 4}, {"europol_codes": 16}])
def test_what_was_declared_to_all_under_a_mark_for_fewer_is_disputed_refused_judged_and_ended_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, scales: dict[str, int]
) -> None:
    with monkeypatch.context() as lenient:
        lenient.setattr(publish, "_require_readers", lambda _: None)  # a node that signs what ours would not
        stage.say(1, marked(declare(), **scales))
    found, seen, by = stage.crisis(1), stage.seen(), _speaker(stage, 2)
    dispute = record_pb2.CrisisAct(dispute=record_pb2.Note(text="nothing happened"))
    refusal = record_pb2.CrisisAct(refuse=record_pb2.Refuse(ground="nothing happened"))
    for draft in (
        declaring.act_draft(found, declaring.speaking(found, dispute, by, seen), None, by, seen),
        declaring.act_draft(found, declaring.answering(found, refusal, by, seen), None, by, seen),
        declaring.end(found, "over", _speaker(stage, 1), seen),
    ):
        assert record_pb2.Record.FromString(draft.record).handling == record_pb2.Handling(tlp=2)
    assert opining.is_for_all(found.record)


def marked(draft: Draft, **scales: int) -> Draft:
    """The same under other marks."""
    record = record_pb2.Record.FromString(draft.record)
    for scale, number in scales.items():
        setattr(record.handling, scale, number)
    return replace(draft, record=record.SerializeToString())


def _speaker(stage: Stage, number: int) -> Speaker:
    seen = stage.seen()
    return Speaker(stage.id_of(number), seen.roster.seats[stage.id_of(number)], NOW_MS)


def test_whoever_goes_on_in_the_owners_place_is_no_other_who_could_co_sign(stage: Stage) -> None:
    heir = header_pb2.Successor(member_id=stage.id_of(5)).SerializeToString()
    stage.hear(*by_root(stage.world, stage.world.members[1], (Kind.SUCCESSOR, heir)))
    declared = stage.say(1, declare())
    stage.say(5, cosign(declared))
    assert stage.state(1) == State.PROPOSED
    answer, found = record_pb2.CrisisAct(cosign=record_pb2.Cosign()), stage.crisis(1)
    with pytest.raises(Refused, match="a proposal of our own"):
        declaring.answering(found, answer, _speaker(stage, 5), stage.seen())
    ends = record_pb2.CrisisAct(end=record_pb2.Note(text="over"))
    assert declaring.leading(stage.crisis(1), ends, _speaker(stage, 5), stage.seen()).entry == declared
    stage.say(5, end(declared))
    assert stage.state(1) == State.ENDED


def test_whoever_goes_on_in_the_owners_place_leads_what_was_handed_over_to_it_too(stage: Stage) -> None:
    heir = header_pb2.Successor(member_id=stage.id_of(5)).SerializeToString()
    stage.hear(*by_root(stage.world, stage.world.members[1], (Kind.SUCCESSOR, heir)))
    declared = stage.say(1, declare(crisis(LONE)))
    over = stage.say(1, act(declared, hand_over=record_pb2.HandOver(member_id=stage.id_of(5))))
    ends = record_pb2.CrisisAct(end=record_pb2.Note(text="over"))
    assert list(declaring.leading(stage.crisis(1), ends, _speaker(stage, 5), stage.seen()).known) == [over]
    stage.say(5, end(over))
    assert stage.state(1) == State.ENDED


def test_whoever_takes_back_what_it_said_undoes_nothing_that_others_said_since(stage: Stage) -> None:
    """Also once it is erased: else a deputy that was dismissed could have a crisis go on that has been ended."""
    declared = stage.say(1, declare(crisis(LONE), deputies=[stage.id_of(3)]))
    longer = stage.say(3, extend(declared))
    calmer = stage.say(3, act(declared, longer, de_escalate=record_pb2.Note()))
    over = stage.say(1, _led(stage, 1, record_pb2.CrisisAct(hand_over=record_pb2.HandOver(member_id=stage.id_of(4)))))
    stage.say(4, _led(stage, 4, record_pb2.CrisisAct(end=record_pb2.Note(text="over"))))
    assert (stage.state(1), stage.view(1).lead_name) == (State.ENDED, "Member 4")
    for taken_back in (calmer, longer):
        stage.say(3, drafts.withdrawal(taken_back, 0, 1))
        assert (stage.state(1), stage.view(1).lead_name) == (State.ENDED, "Member 4")
    for gone in (calmer, longer):
        number = project.hide(stage.reader.stores, gone)
        assert number is not None
        project.forget(stage.reader.stores, number, stage.reader.keep)
    assert (stage.state(1), stage.view(1).lead_name) == (State.ENDED, "Member 4")
    stage.say(1, drafts.withdrawal(over, 0, 1))
    assert stage.state(1) == State.ACTIVE, "what nobody handed over was ended by nobody who leads it"


def _led(stage: Stage, number: int, said_: record_pb2.CrisisAct) -> Draft:
    """An act as the node of who leads makes it."""
    made = declaring.leading(stage.crisis(1), said_, _speaker(stage, number), stage.seen())
    return _draft(record_pb2.Record(kind=Kind.CRISIS_ACT, object_id=X, crisis_act=made))


def test_deputies_of_an_update_that_waits_are_who_may_speak_and_the_others_are_told_so(stage: Stage) -> None:
    declared = stage.say(1, declare(deputies=[stage.id_of(3)]))
    stage.say(2, cosign(declared))
    waits = stage.say(1, update(declared, what=crisis(ends_ms=ENDS_MS + HOUR_MS)))
    assert stage.view(1).cosignatures_needed == 1
    ends = record_pb2.CrisisAct(end=record_pb2.Note(text="over"))
    with pytest.raises(Refused, match="it is led by"):
        declaring.leading(stage.crisis(1), ends, _speaker(stage, 3), stage.seen())
    stage.say(3, end(waits))
    assert stage.state(1) == State.ACTIVE


def test_nobody_is_told_that_it_lasts_longer_than_readers_will_have_it(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(LONE)))
    start_ms = NOW_MS + 90 * HOUR_MS
    stage.say(1, update(declared, what=crisis(LONE, starts_ms=start_ms)))
    latest_ms = BASE_MS + 96 * HOUR_MS
    longer = record_pb2.CrisisAct(extend=record_pb2.Extend(ends_ms=latest_ms + 1))
    anew = record_pb2.CrisisAct(update=crisis(LONE, starts_ms=start_ms, ends_ms=latest_ms + 1))
    for said_ in (longer, anew):
        with pytest.raises(Refused, match="95 more hours at most"):
            declaring.leading(stage.crisis(1), said_, _speaker(stage, 1), stage.seen())
    longer.extend.ends_ms = latest_ms
    stage.say(
        1, act(declaring.leading(stage.crisis(1), longer, _speaker(stage, 1), stage.seen()).entry, extend=longer.extend)
    )
    assert stage.view(1).ends_ms == latest_ms


@pytest.mark.parametrize("before", [True, False])
def test_who_is_suspended_co_signs_nothing_while_it_is_and_what_it_said_counts_again_afterwards(
    stage: Stage, before: bool
) -> None:
    """Nothing tells what was signed before from what was dated back."""
    declared = stage.say(1, declare())
    if before:
        stage.say(2, cosign(declared))
        assert stage.state(1) == State.ACTIVE
    suspend = header_pb2.Suspend(member_id=stage.id_of(2), until_ms=BASE_MS + HOUR_MS).SerializeToString()
    for number in (3, 4, 5):
        stage.say(number, Draft(Kind.SUSPEND, URGENT, statement=suspend))
    if not before:
        stage.say(2, cosign(declared))
    assert stage.state(1) == State.PROPOSED
    assert stage.state(1, now_ms=BASE_MS + HOUR_MS) == State.ACTIVE


@pytest.mark.parametrize("before", [True, False])
def test_what_a_removed_member_signed_before_stands_and_nothing_after(stage: Stage, before: bool) -> None:
    declared = stage.say(1, declare())
    if before:
        stage.say(2, cosign(declared))
    for number in (3, 4, 5):
        node = stage.speaker(number)
        take(node, stage.letters)
        held = ledger.head(node.stores.ledger, node.author.feed_id)
        revoke(node, stage.id_of(2))
        assert held
        stage.hear(*_above(node, held.seq))
    if not before:
        stage.say(2, cosign(declared))
    assert stage.state(1) == (State.ACTIVE if before else State.PROPOSED)


def _above(node: Exchange, seq: int) -> list[Letter]:
    rows = ledger.span(node.stores.ledger, node.author.feed_id, seq + 1, 999, 999)
    return [Letter(header=row.body, signature=row.signature) for row in rows]


def test_above_the_end_of_a_key_that_was_retired_nothing_is_declared_signed_or_ended(stage: Stage) -> None:
    declared = stage.say(1, declare())
    member = stage.world.members[2]
    feed_id = stage.speaker(2).author.feed_id
    head = ledger.head(stage.speaker(2).stores.ledger, feed_id)
    assert head
    stage.hear(*by_root(stage.world, member, retire(feed_id, head.seq, head.hash)))
    stage.say(2, cosign(declared))
    assert stage.state(1) == State.PROPOSED
    stage.say(2, declare(crisis(LONE), object_id=Y))
    found = stage.view(2, Y)
    assert found.state == State.PROPOSED
    assert found.reason.startswith("superseded")


# ---- Dated otherwise


def test_a_co_signature_that_is_dated_ahead_counts_when_its_time_has_come_or_never(stage: Stage) -> None:
    declared = stage.say(1, declare())
    for hours in (30, 1):
        stage.say(2, cosign(declared), BASE_MS + hours * HOUR_MS)
        assert stage.state(1) == State.PROPOSED
    stage.reader.mature(BASE_MS + 23 * HOUR_MS)
    assert stage.state(1, now_ms=BASE_MS + 23 * HOUR_MS) == State.ACTIVE
    other = stage.say(1, declare(object_id=Y))
    stage.say(3, cosign(other, object_id=Y), BASE_MS + 30 * HOUR_MS)
    stage.reader.mature(BASE_MS + 23 * HOUR_MS)
    assert stage.state(1, Y, now_ms=BASE_MS + 23 * HOUR_MS) == State.PROPOSED


def test_whoever_dates_a_declaration_back_or_its_start_ahead_has_it_no_longer(stage: Stage) -> None:
    far_ms = BASE_MS + 3000 * HOUR_MS
    stage.say(1, declare(crisis(LONE, ends_ms=far_ms)), BASE_MS - 95 * HOUR_MS)
    assert (stage.state(1), stage.view(1).ends_ms) == (State.ACTIVE, BASE_MS + HOUR_MS)
    stage.say(2, declare(crisis(LONE, starts_ms=BASE_MS + 500 * HOUR_MS, ends_ms=far_ms)))
    assert (stage.state(2), stage.view(2).reason) == (State.PROPOSED, "has not begun yet")
    assert stage.view(2).ends_ms == BASE_MS + 596 * HOUR_MS
    stage.say(3, declare(crisis(LONE, starts_ms=2**63 - 1, ends_ms=2**63 - 1)))
    assert stage.state(3) == State.EXPIRED, "no entry could have such an end"
    assert stage.ends_ms() == BASE_MS + 596 * HOUR_MS
    stage.say(4, declare(crisis(LONE, starts_ms=-(2**63), ends_ms=-(2**63))))
    assert stage.state(4) == State.EXPIRED


def test_no_co_signature_revives_what_was_over_when_it_was_given(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(ends_ms=BASE_MS + HOUR_MS)))
    stage.say(2, cosign(declared))
    longer = stage.say(1, extend(declared))
    later_ms = BASE_MS + 2 * HOUR_MS
    assert stage.state(1, now_ms=later_ms) == State.EXPIRED
    stage.say(3, cosign(longer), BASE_MS + HOUR_MS)
    stage.reader.mature(later_ms)
    assert stage.state(1, now_ms=later_ms) == State.EXPIRED
    stage.say(4, cosign(longer), BASE_MS + HOUR_MS - 1)
    stage.reader.mature(later_ms)
    assert stage.state(1, now_ms=later_ms) == State.ACTIVE


def test_an_alert_warns_for_three_days_at_most_and_whoever_may_warn_may_say_more_of_it(stage: Stage) -> None:
    free = record_pb2.Crisis(title="Reports", ends_ms=ENDS_MS)
    warned = stage.say(PLATFORM, declare(free, kind=Kind.ALERT))
    longer = stage.say(PLATFORM, extend(warned, ends_ms=BASE_MS + 999 * HOUR_MS))
    assert (stage.state(PLATFORM), stage.view(PLATFORM).ends_ms) == (State.ALERT, BASE_MS + 72 * HOUR_MS)
    free.title = "Reports of a shooting"
    stage.say(PLATFORM, update(longer, what=free))
    assert stage.view(PLATFORM).crisis.title == free.title


# ---- Drills and the real thing


@pytest.mark.parametrize("exercise", [True, False])
def test_no_act_makes_a_drill_of_a_crisis_or_a_crisis_of_a_drill(stage: Stage, exercise: bool) -> None:
    declared = stage.say(1, declare(exercise=exercise))
    stage.say(2, cosign(declared, exercise=not exercise))
    stage.say(1, end(declared, exercise=not exercise))
    found = stage.view(1)
    assert (found.state, found.exercise, len(found.acts)) == (State.PROPOSED, exercise, 0)
    assert [stage.ends_ms(exercise=exercise), stage.ends_ms(exercise=not exercise)] == [ENDS_MS, 0]
    stage.say(1, declare(exercise=not exercise), BASE_MS + 1)  # the same again, and the other
    every = crises.every(stage.reader.stores, stage.seen(), exercises=True)
    assert sorted((one.exercise, len(one.acts)) for one in every) == [(False, 0), (True, 0)]
    assert [one.exercise for one in crises.every(stage.reader.stores, stage.seen(), exercises=False)] == [False]


def list_draft(*, exercise: bool) -> Draft:
    letter = record_pb2.HashList(name="list", kinds=["sha256"])
    record = record_pb2.Record(
        kind=Kind.LIST, object_id=(b"d" if exercise else b"r") * 16, crisis_id=X, exercise=exercise, list=letter
    )
    return _draft(record)


@pytest.mark.parametrize("exercise", [True, False])
def test_who_takes_part_follows_no_list_of_a_drill_for_a_crisis_and_none_of_a_crisis_for_a_drill(
    stage: Stage, exercise: bool
) -> None:
    for real in (True, False):
        stage.say(3, list_draft(exercise=real))
    declared = stage.say(1, declare(crisis(LONE), exercise=exercise))
    stage.say(24, act(declared, exercise=exercise, participation=record_pb2.Participation(stance=1)))
    seen = stage.seen()
    seen = replace(seen, follows=replace(seen.follows, everything=False))
    found = [object_id[:1] for _, object_id in participating.to_keep_up(stage.reader.stores, seen)]
    assert found == [b"d" if exercise else b"r"]


def test_taking_part_no_more_lets_go_what_was_followed_by_it_and_what_was_decided_by_hand_stays(stage: Stage) -> None:
    for number in range(5):
        letter = record_pb2.HashList(name=f"list {number}", kinds=["sha256"])
        record = record_pb2.Record(kind=Kind.LIST, object_id=bytes([number]) * 16, crisis_id=X, list=letter)
        stage.say(3, _draft(record))
    stage.say(1, declare(crisis(LONE)))
    decided = [
        participating.BY_CRISIS,
        participating.NO_MORE,
        Choice(following.State.FOLLOWED),
        Choice(following.State.DROPPED),
    ]
    choices = {(stage.id_of(3), ObjectId(bytes([i]) * 16)): choice for i, choice in enumerate(decided)}
    seen = stage.seen()
    seen = replace(seen, follows=replace(seen.follows, everything=False, choices=choices))
    reader = stage.reader.stores

    def numbers(found: list[List]) -> list[int]:
        return sorted(object_id[0] for _, object_id in found)

    assert numbers(participating.to_let_go(reader, seen, X, exercise=False)) == [0]
    assert numbers(participating.to_follow(reader, seen, X, exercise=False)) == [1, 4]
    seen = replace(seen, follows=replace(seen.follows, everything=True))
    assert numbers(participating.to_follow(reader, seen, X, exercise=False)) == [1], "the rest is followed already"


# ---- A co-signature is of one proposal


def test_a_co_signature_counts_for_no_other_crisis_owner_or_version(stage: Stage) -> None:
    declared = stage.say(1, declare())
    stage.say(1, declare(object_id=Y))
    stage.say(4, declare())
    stage.say(2, cosign(declared, object_id=Y))
    assert [stage.state(1), stage.state(1, Y), stage.state(4)] == [State.PROPOSED] * 3
    stage.say(2, cosign(declared))
    assert [stage.state(1), stage.state(1, Y), stage.state(4)] == [State.ACTIVE, State.PROPOSED, State.PROPOSED]
    sly = crisis(starts_ms=BASE_MS - HOUR_MS)
    changed = stage.say(1, update(declared, what=sly))
    stage.say(3, cosign(declared))
    found = stage.view(1)
    assert (found.proposal, list(found.cosigned_by), found.crisis.starts_ms) == (changed, [], 0)
    stage.say(3, cosign(changed))
    assert stage.view(1).crisis.starts_ms == BASE_MS - HOUR_MS


def test_no_update_leads_into_a_framework_that_asks_for_nobody_or_that_its_author_may_not_declare_under(
    stage: Stage,
) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    lone = stage.say(1, update(declared, what=crisis(LONE, ends_ms=ENDS_MS + HOUR_MS)))
    found = stage.view(1)
    assert (found.crisis.framework.name, found.ends_ms, found.cosignatures_needed) == ("pair", ENDS_MS, 1)
    police = stage.say(1, update(lone, what=crisis(POLICE)))
    stage.say(2, cosign(police))
    assert stage.view(1).crisis.framework.name == "pair"
    stage.say(2, cosign(lone))
    assert (stage.view(1).crisis.framework.name, stage.view(1).ends_ms) == ("lone", ENDS_MS + HOUR_MS)


# ---- One id, several owners


def test_who_takes_an_id_early_has_a_crisis_of_its_own_and_no_act_crosses_over(stage: Stage) -> None:
    early = stage.say(4, declare(deputies=[stage.id_of(1)]))
    declared = stage.say(1, declare(title_of("The real one")), BASE_MS + 1)
    stage.say(2, cosign(declared))
    assert [stage.state(4), stage.state(1)] == [State.PROPOSED, State.ACTIVE]
    stage.say(4, end(declared))
    stage.say(4, drafts.object_withdrawal(X, 1))
    assert [stage.state(4), stage.state(1)] == [State.WITHDRAWN, State.ACTIVE]
    assert early != declared


def test_no_act_moves_a_crisis_that_is_gone_before_all_have_it(stage: Stage) -> None:
    """Each node sweeps when it gets to it: till then some would count it and some would not."""
    declared = stage.say(1, declare(crisis(LONE)))
    stage.say(1, replace(end(declared), expires_ms=KEPT_MS - 1))
    found = stage.view(1)
    assert (found.state, [one.obstacle for one in found.acts]) == (State.ACTIVE, [crises.NOT_COUNTING])
    assert stage.ends_ms() == ENDS_MS
    stage.say(1, end(declared))
    assert stage.state(1) == State.ENDED


def test_whoever_declares_without_end_keeps_nobody_waiting_and_hides_nothing_that_was_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycles, "HEADS_MAX", 4)
    stage.say(1, declare(crisis(LONE)))
    ids = [ObjectId(bytes([number]) * 16) for number in range(6)]
    for object_id in ids:
        stage.say(1, declare(crisis(LONE, title="flood"), object_id=object_id), BASE_MS - 5)
    stage.say(2, declare(crisis(LONE)))
    stage.say(1, declare(crisis(LONE), kind=Kind.ALERT, object_id=Y))
    every = crises.every(stage.reader.stores, stage.seen(), exercises=True)
    of_first = [one.object_id for one in every if one.member_name == "Member 1"]
    assert sorted(of_first) == sorted([X, ids[0], *ids[-2:], Y])
    assert [one.object_id for one in every if one.member_name == "Member 2"] == [X]
    assert crises.meant(stage.reader.stores, stage.seen(), ids[2].hex()).object_id == ids[2]
    assert lifecycles.unread_heads(stage.reader.stores) == {stage.id_of(1): 3}


def test_whoever_says_very_much_of_a_crisis_is_read_at_either_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycles, "SAID_MAX", 4)
    declared = stage.say(1, declare(crisis(LONE)))
    for number in range(6):
        stage.say(3, act(declared, comment=record_pb2.Note(text=str(number))), BASE_MS + number)
    stage.say(2, act(declared, comment=record_pb2.Note(text="other")), BASE_MS + 3)
    said_of_it = [one.act.comment.text for one in stage.view(1).acts]
    assert said_of_it == ["0", "1", "other", "4", "5"]


def test_whoever_speaks_of_very_many_crises_keeps_nobody_waiting_and_is_read_about_each(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycles, "SAID_OF_ALL_MAX", 12)
    declared = stage.say(1, declare(crisis(LONE)))
    ids = [ObjectId(bytes([number]) * 16) for number in range(2)]
    floods = {object_id: stage.say(1, declare(crisis(LONE), object_id=object_id)) for object_id in ids}
    for number in range(4):
        for object_id, flood in floods.items():
            stage.say(1, act(flood, object_id=object_id, de_escalate=record_pb2.Note(text=str(number))))
    stage.say(1, extend(declared))
    for number in range(4):
        stage.say(1, act(declared, comment=record_pb2.Note(text=str(number))))
    stage.say(2, act(declared, comment=record_pb2.Note(text="other")))
    stage.say(1, end(declared))

    def read() -> dict[ObjectId, list[str]]:
        found: dict[ObjectId, list[str]] = {}
        for one in lifecycles.said_of_all(stage.reader.stores, [X, *ids]):
            said_ = lifecycles.act_of(one)
            text = said_.de_escalate.text or said_.comment.text or lifecycles.verb_of(one)
            found.setdefault(one.object_id, []).append(text)
        return {object_id: sorted(texts) for object_id, texts in found.items()}

    seen = stage.seen()
    outermost = ["0", "3"]
    assert read() == {ids[0]: outermost, ids[1]: outermost, X: ["0", "1", "2", "3", "end", "extend", "other"]}
    assert lifecycles.unread_acts(stage.reader.stores) == {stage.id_of(1): 4}
    every = crises.every(stage.reader.stores, seen, exercises=True)
    assert {one.object_id: one.state for one in every}[X] == State.ENDED
    for whole in (X, *ids):
        acts = crises.meant(stage.reader.stores, seen, whole.hex()).acts
        assert len(acts) == (7 if whole == X else 4), "by its whole id it is read whole"
    monkeypatch.setattr(lifecycles, "SAID_OF_ALL_MAX", 4)
    assert read() == {ids[0]: ["0"], ids[1]: ["0"], X: ["0", "3", "end", "extend", "other"]}, (
        "at either end of its feed"
    )


def test_acts_about_ids_that_nobody_declared_hide_no_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycles, "SAID_OF_ALL_MAX", 6)
    declared = stage.say(1, declare(crisis(LONE)))
    longer = stage.say(1, extend(declared))
    for number in range(4):
        stage.say(1, act(declared, object_id=ObjectId(bytes([number]) * 16), end=record_pb2.Note()))
    ended = stage.say(1, end(declared, longer))
    stage.say(1, act(declared, longer, ended, review=record_pb2.Note()))
    for number in range(4, 8):
        stage.say(1, act(declared, object_id=ObjectId(bytes([number]) * 16), end=record_pb2.Note()))
    assert stage.state(1) == State.UNDER_REVIEW
    assert lifecycles.unread_acts(stage.reader.stores) == {}, "nor are they missed"


def test_a_deputy_of_one_who_took_the_same_id_ends_that_one_and_not_its_own(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(LONE)))
    trap = stage.say(4, declare(crisis(LONE), deputies=[stage.id_of(1)]))
    longer = stage.say(4, extend(trap))
    stage.say(1, end(longer))
    assert [stage.state(4), stage.state(1)] == [State.ENDED, State.ACTIVE]
    assert not stage.view(1).acts
    assert stage.ends_ms() == ENDS_MS
    stage.say(1, end(declared))
    assert stage.state(1) == State.ENDED


def title_of(title: str) -> record_pb2.Crisis:
    return crisis(title=title)


def test_of_several_that_share_an_id_none_is_taken_for_another(stage: Stage) -> None:
    stage.say(1, declare())
    stage.say(PLATFORM, declare(), BASE_MS + 1)
    seen = stage.seen()
    named = stage.view(1).reference
    for typed in (named, X.hex(), "shooting"):
        with pytest.raises(names.Several, match=f"member-1/{named}, member-12/{named}"):
            crises.meant(stage.reader.stores, seen, typed)
    assert crises.meant(stage.reader.stores, seen, f"member-1/{named}").member_id == stage.id_of(1)
    own = replace(seen, follows=replace(seen.follows, me=stage.id_of(PLATFORM)))
    assert crises.meant(stage.reader.stores, own, named).member_id == stage.id_of(PLATFORM)


@pytest.mark.parametrize("object_id", [X, Y])
def test_no_title_keeps_a_name_from_the_crisis_that_has_it(stage: Stage, object_id: ObjectId) -> None:
    stage.say(1, declare())
    reference = stage.view(1).reference
    typed = [f"member-1/{reference}", *([reference, X.hex()] if object_id == Y else [])]
    for number, title in enumerate([*typed, reference[:-1]]):
        stage.say(PLATFORM + number, declare(title_of(title), object_id=object_id), BASE_MS + 1)
    seen = stage.seen()
    for one in typed:
        assert crises.meant(stage.reader.stores, seen, one).member_id == stage.id_of(1)
    if object_id == Y:
        with pytest.raises(names.Several):
            crises.meant(stage.reader.stores, seen, reference[:-1])


def test_who_takes_part_in_one_follows_nothing_for_another_by_the_same_id(stage: Stage) -> None:
    stage.say(3, list_draft(exercise=False))
    declared = stage.say(1, declare(crisis(LONE)))
    stage.say(4, declare(crisis(LONE)))
    joined = stage.say(24, act(declared, participation=record_pb2.Participation(stance=1)))
    stage.say(1, end(declared))
    assert joined
    assert [stage.state(1), stage.state(4)] == [State.ENDED, State.ACTIVE]
    seen = stage.seen()
    seen = replace(seen, follows=replace(seen.follows, everything=False))
    assert participating.to_keep_up(stage.reader.stores, seen) == []


# ---- Handed over


def test_it_is_handed_over_to_any_member_without_asking_and_to_nobody_else(stage: Stage) -> None:
    """It gives power and no duty: it ends by itself, whoever leads it, and its owner can withdraw it."""
    declared = stage.say(1, declare(crisis(LONE)))
    nowhere = stage.say(1, act(declared, hand_over=record_pb2.HandOver(member_id=b"?" * 32)))
    found = stage.view(1)
    assert (found.lead_name, found.acts[0].obstacle[:9]) == ("Member 1", "no effect")
    over = stage.say(1, act(nowhere, hand_over=record_pb2.HandOver(member_id=stage.id_of(PLATFORM))))
    assert stage.view(1).lead_name == "Member 12"
    stage.say(PLATFORM, extend(over))  # it leads, and may still do no more than a platform may
    assert stage.view(1).ends_ms == ENDS_MS
    stage.say(1, drafts.object_withdrawal(X, 1))
    assert stage.state(1) == State.WITHDRAWN


# ---- What passes for something else


@pytest.mark.parametrize("field", ["title", "place_name"])
def test_letters_that_pass_for_others_are_refused_of_us_and_spelled_out_of_others(stage: Stage, field: str) -> None:
    faked = "P\N{CYRILLIC SMALL LETTER A}ris"
    what = crisis(LONE)
    if field == "title":
        what.title = faked
    else:
        what.event.place_name = faked
    with pytest.raises(Refused, match=r"P\\u0430ris"):
        declaring.check_content(what)
    stage.say(1, declare(what))
    found = stage.view(1)
    shown = printed.title(found) if field == "title" else printed.places(found)
    assert shown == r"P\u0430ris"


def test_a_halted_payload_and_one_that_has_not_come_move_nothing(stage: Stage) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared), heard=False)
    stage.hear(without(stage.letters[-1], "payload"))
    assert stage.state(1) == State.PROPOSED
    stage.hear(stage.letters[-1])
    assert stage.state(1) == State.ACTIVE
    assert len(list(index.of_any_owner(stage.reader.stores.index, X, Kind.CRISIS_ACT))) == 1
