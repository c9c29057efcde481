"""Subjects: what is held is found in whatever state it is, and says why and until when."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node.content import hashes
from node.content.hashes import Item
from node.errors import Refused
from node.exchange import consult, publish, replies, subjects
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.subjects import Found, Here
from node.feed.header import BULK, NORMAL, URGENT
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.policy.following import Follows
from node.store import peers, restrictions, stores
from node.store.vault import Covered, Ground, Hold
from node.v1 import accountability_pb2, header_pb2, record_pb2
from tests.exchange.test_odd_order import Letter, hash_of, said
from tests.exchange.test_quarantine import QUARANTINED, SOURCE, set_aside
from tests.simulator.members import BASE_MS

DAY_MS = 86_400_000
ENDS_MS = BASE_MS + 300 * DAY_MS
CRISIS, LIST = b"c" * 16, b"l" * 16
DIGEST = sha256(b"upload").digest()
ASKED = [Item(hashes.SHA256, DIGEST)]
ADDRESS = "https://video.example/watch?v=1"
BY_ADDRESS = [Item(hashes.URL, ADDRESS)]
HELD = Hold(b"h" * 16, BASE_MS, "dpo", "AG", "12", Ground.COURT_ORDER, BASE_MS + 1, BASE_MS + 2, b"k" * 32, ())


def items_draft(
    *, exercise: bool = False, marked: bool = True, crisis_id: bytes = b"", replaces: Sequence[HeaderHash] = ()
) -> Draft:
    record = record_pb2.Record(
        kind=Kind.ITEMS, object_id=LIST, exercise=exercise, crisis_id=crisis_id, replaces=replaces
    )
    if marked:
        record.handling.tlp = 2
    record.items.kind = "sha256"
    record.items.digests = b"".join(sorted([DIGEST, sha256(b"other").digest()]))
    return _draft(record, Kind.ITEMS, BULK)


def url_draft() -> Draft:
    record = record_pb2.Record(kind=Kind.ITEMS, object_id=LIST, handling=record_pb2.Handling(tlp=1))
    record.items.kind = "url"
    record.items.values.append(ADDRESS)
    return _draft(record, Kind.ITEMS, BULK)


def crisis_draft(summary: str = "") -> Draft:
    crisis = record_pb2.Crisis(title="Shooting", summary=summary, legal_basis="Police Act 12", ends_ms=ENDS_MS)
    crisis.framework.name = "eu-ocrf"
    record = record_pb2.Record(kind=Kind.DECLARATION, object_id=CRISIS, crisis=crisis)
    record.handling.tlp = 2
    return _draft(record, Kind.DECLARATION, NORMAL)


def _draft(record: record_pb2.Record, kind: Kind, urgency: int) -> Draft:
    content = record.SerializeToString(deterministic=True)
    return Draft(
        kind, urgency, record=content, object_id=record.object_id, expires_ms=ENDS_MS, exercise=record.exercise
    )


def take(node: Exchange, letters: Sequence[Letter], source: bytes | None = None) -> None:
    node.admit(node.verify(node.unseen(letters)), BASE_MS, source)  # type: ignore[arg-type]
    while node.project():
        pass


def quarantine(node: Exchange) -> None:
    peers.put(node.stores.ledger, QUARANTINED)
    node.stores.commit("ledger")


def places(
    node: Exchange, folder: Path, asked: Sequence[Item] = ASKED, *, now_ms: int = BASE_MS, holds: subjects.Holds = ()
) -> list[accountability_pb2.HeldPlace]:
    """Beside the writer, as the node looks."""
    node.stores.commit("ledger")
    opened = stores.open_to_read(folder)
    try:
        seen = consult.view(node.trust, node.follows, now_ms)
        here = Here(seen, node.keep, subjects.aside(opened), holds)
        found = [*subjects.items(opened, asked), *subjects.texts(opened, asked, 0)[0]]
        found += subjects.beside(opened, asked, node.keep, node.reader, 0)[0]
        told = [subjects.place(opened, here, one) for one in found]
        return [one[0] for one in told if one is not None]
    finally:
        opened.close()


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "node"


def test_an_item_in_use_says_whose_it_is_why_it_is_kept_and_until_when(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    take(node, said(author, crisis_draft(), items_draft(crisis_id=CRISIS)))
    (one,) = places(node, folder)
    assert one.states == [subjects.IN_USE]
    assert (one.member_id, one.value_kind, one.audience, one.handling) == (
        author.reader.member_id,
        "sha256",
        "all members",
        "TLP:GREEN",
    )
    assert (one.crisis, one.framework, one.legal_basis) == ("Shooting", "eu-ocrf", "Police Act 12")
    assert one.keeping.due_ms
    assert one.keeping.ground
    assert one.item.endswith(f":{one.position}")


def test_what_nothing_here_has_is_not_found(node: Exchange, author: Exchange, folder: Path) -> None:
    take(node, said(author, items_draft()))
    assert places(node, folder, [Item(hashes.SHA256, bytes(32))]) == []
    assert places(node, folder, [Item(hashes.PDQ, DIGEST)]) == []


def test_what_its_author_took_back_is_found_until_it_is_erased(node: Exchange, author: Exchange, folder: Path) -> None:
    letters = said(author, items_draft())
    take(node, letters)
    said_back = header_pb2.Withdraw(entry=hash_of(node, letters[0]), reason=1).SerializeToString(deterministic=True)
    take(node, said(author, Draft(Kind.WITHDRAW, URGENT, statement=said_back)))
    (one,) = places(node, folder)
    assert one.states[0].startswith("restricted: withdrawn by its author")


def test_what_is_over_and_not_erased_yet_says_so(node: Exchange, author: Exchange, folder: Path) -> None:
    take(node, said(author, items_draft()))
    assert places(node, folder, now_ms=ENDS_MS - 1)[0].states == [subjects.IN_USE]
    assert "over, and to be erased" in places(node, folder, now_ms=ENDS_MS)[0].states


@pytest.mark.parametrize("came_before", [True, False])
def test_what_is_in_quarantine_is_found(node: Exchange, author: Exchange, folder: Path, *, came_before: bool) -> None:
    if not came_before:
        quarantine(node)
    take(node, said(author, items_draft()), SOURCE)
    if came_before:
        set_aside(node)
    (one,) = places(node, folder)
    assert one.states[0].startswith("set aside")


def test_a_drill_is_found_and_stands_apart(node: Exchange, author: Exchange, folder: Path) -> None:
    take(node, said(author, items_draft(exercise=True)))
    found = places(node, folder)
    assert [one.exercise for one in found] == [True]
    made = replies.document(accountability_pb2.SearchSubjectResponse(places=found), str)
    assert replies.NOT_FOUND in made.sections[0].paragraphs
    assert made.sections[1].heading.endswith("(of a drill)")


def test_what_came_without_a_mark_is_found(
    node: Exchange, author: Exchange, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_require_readers", lambda _: None)  # a node that signs what ours would not
    take(node, said(author, items_draft(marked=False)))
    (one,) = places(node, folder)
    assert any("did not say" in state for state in one.states)


def test_what_is_still_here_of_a_list_that_nobody_follows_any_more_is_found(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    take(node, said(author, items_draft()))
    node.follows = Follows(node.reader.member_id, everything=False)
    (one,) = places(node, folder)
    assert "not matched: its list is not followed here" in one.states


def test_an_address_is_found_as_an_item_and_in_a_text(node: Exchange, author: Exchange, folder: Path) -> None:
    take(node, said(author, url_draft(), crisis_draft(f"first seen at {ADDRESS}, since removed")))
    item, text = places(node, folder, BY_ADDRESS)
    assert item.HasField("position")
    assert (text.field, text.HasField("position")) == ("crisis.summary", False)


def test_who_received_a_record_whose_place_was_taken_is_asked_for_too(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    """The log names what was erased since; a list that is published anew must not lose its recipients."""
    before: list[HeaderHash] = []
    for _ in range(3):
        letters = said(author, items_draft(replaces=before[-1:]))
        take(node, letters)
        before.append(hash_of(node, letters[0]))
    assert restrictions.former(node.stores.index, before[2], subjects.FORMER_MAX) == sorted(before[:2])
    assert restrictions.former(node.stores.index, before[2], 1) == sorted(before[:2])[:1]
    assert restrictions.former(node.stores.index, before[0], 1) == []


def test_a_hold_on_other_items_of_the_record_is_named_and_what_it_holds_is_not_searched(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    letters = said(author, items_draft())
    take(node, letters)
    made = replace(HELD, covers=(Covered(HeaderHash(hash_of(node, letters[0])), 2),))
    assert list(places(node, folder, holds=[(made, "h-4k7q")])[0].holds) == ["h-4k7q"]
    seen = consult.view(node.trust, node.follows, BASE_MS)
    opened = stores.open_to_read(folder)
    try:
        blind = subjects.unsearched(opened, Here(seen, node.keep, frozenset(), [(made, "h-4k7q")]), ASKED)
    finally:
        opened.close()
    assert "tocsin hold open h-4k7q" in blind[0]


def test_what_is_noted_of_a_search_says_nothing_to_whoever_lacks_the_salt(node: Exchange) -> None:
    noted = {
        subjects.commitment(item, salt, node.trust.federation_id)
        for item in (*ASKED, *BY_ADDRESS, Item(hashes.PDQ, DIGEST))
        for salt in (b"s" * 16, b"t" * 16)
    }
    assert len(noted) == 6
    assert sha256(DIGEST).digest() not in noted


def test_a_value_that_its_kind_cannot_be_is_refused() -> None:
    with pytest.raises(Refused):
        subjects.values([accountability_pb2.SubjectValue(kind="sha256", value=b"short")])
    with pytest.raises(Refused):
        subjects.values([])
    with pytest.raises(Refused):
        subjects.values([accountability_pb2.SubjectValue(kind="md5", value=bytes(16))] * (subjects.VALUES_MAX + 1))


def test_a_page_that_is_full_goes_on_behind_it(node: Exchange, author: Exchange, folder: Path) -> None:
    quarantine(node)
    take(node, said(author, *(items_draft() for _ in range(3))), SOURCE)
    opened = stores.open_to_read(folder)
    try:
        found: list[Found] = []
        after, pages = 0, 0
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(subjects, "OPENED_PER_PAGE", 1)
            while after >= 0:
                page, after = subjects.beside(opened, ASKED, node.keep, node.reader, after)
                found, pages = found + page, pages + 1
        assert (len(found), pages) == (3, 4)
    finally:
        opened.close()


def test_no_answer_claims_that_nothing_is_held() -> None:
    """An item under legal hold is here, and no search can see it."""
    said_ = accountability_pb2.SearchSubjectResponse(unsearched=["h-4k7q: 1 item under legal hold"])
    made = replies.document(said_, str)
    assert replies.NOT_FOUND in made.sections[0].paragraphs
    assert "not held" not in " ".join(one for section in made.sections for one in section.paragraphs)
    assert made.sections[1].paragraphs == tuple(said_.unsearched)
