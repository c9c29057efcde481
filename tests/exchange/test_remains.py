"""What remains of a payload that went, or is over: a header against which no guess can be checked, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from node.exchange import residue
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.residue import Residue
from node.feed import entry, pae, payload
from node.feed.header import NORMAL, Header
from node.feed.kinds import Kind
from node.feed.pae import FederationId, Purpose
from node.runtime import growth
from node.store import payloads, stores
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.v1 import record_pb2
from tests.exchange.test_erase import digests_draft, shows_none, sweep
from tests.exchange.test_keeping import settle
from tests.exchange.test_odd_order import ENDS_MS, Letter, hash_of, said, without
from tests.exchange.test_standing import standing_values
from tests.simulator.members import BASE_MS

FRESH = {"body", "hash", "seq", "previous", "payload_id", "payload_root", "box_hash", "key_commit"}


@pytest.fixture(autouse=True)
def _chance(author: Exchange) -> None:
    author.author = replace(author.author, randomness=Random(1).randbytes)


def secret(text: str) -> Draft:
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.DECLARATION, object_id=b"c" * 16)
    record.crisis.title = text
    return Draft(Kind.DECLARATION, NORMAL, record=record.SerializeToString(), object_id=b"c" * 16, expires_ms=ENDS_MS)


def headers_of(author: Exchange, letters: Sequence[Letter]) -> list[Header]:
    federation_id = author.trust.federation_id
    return [entry.decode(one.header, one.signature, federation_id).header for one in letters]


def take_at(node: Exchange, now_ms: int, *letters: Letter) -> None:
    checked = node.verify(node.unseen(letters))
    assert checked.fault is None
    node.admit(checked, now_ms)
    settle(node)


def test_a_header_of_few_possible_contents_does_not_say_which_it_is(author: Exchange) -> None:
    drafts = [secret(text) for text in ("level=3", "level=3", "level=4")]
    first, again, other = headers_of(author, said(author, *drafts))
    assert _differences(first, again) == FRESH, "the same content looks as another does"
    assert _differences(first, other) == FRESH
    for text in (drafts[0].record, b"level=3"):
        assert not any(hash_ in first.body for hash_ in _hashes(author.trust.federation_id, text))


def _differences(one: Header, other: Header) -> set[str]:
    return {name for name in Header.__slots__ if getattr(one, name) != getattr(other, name)}


def _hashes(federation_id: FederationId, text: bytes) -> list[bytes]:
    """All that somebody who guessed the content could compute of it without its key."""
    padded = (len(text).to_bytes(4) + text).ljust(payload.bucket_bytes(4 + len(text)), b"\x00")
    return [
        hash_
        for guess in (text, padded)
        for hash_ in (
            sha256(guess).digest(),
            payload.root(guess),
            *(pae.digest(purpose, federation_id, guess) for purpose in Purpose),
        )
    ]


def test_a_key_to_which_its_header_does_not_commit_opens_nothing(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one ciphertext could be made to say one thing to one reader and another to the next."""
    commit = payload.commit
    monkeypatch.setattr(payload, "commit", lambda federation_id, _: commit(federation_id, bytes(32)))
    (letter,) = said(author, digests_draft())
    monkeypatch.undo()
    take_at(node, BASE_MS, letter)
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) is not State.PRESENT
    assert not standing_values(node)


@pytest.mark.parametrize("knows", [True, False], ids=["header known", "header unknown"])
@pytest.mark.parametrize("parts", [("payload",), ()], ids=["box", "box and payload"])
def test_who_comes_late_with_what_is_over_brings_nothing_back(
    tmp_path: Path, node: Exchange, author: Exchange, knows: bool, parts: tuple[str, ...]
) -> None:
    (letter,) = said(author, digests_draft())
    hash_, key = hash_of(node, letter), letter.box[1:]
    if knows:
        take_at(node, BASE_MS, without(letter, "box", "payload"))
    take_at(node, ENDS_MS, without(letter, *parts))
    assert not standing_values(node)
    assert payloads.box(node.stores.keys, hash_) is None
    assert not payloads.has_chunks(node.stores.ledger, hash_)
    assert shows_none(tmp_path / "node", key, letter.payload[40:104])
    assert [one.reason for one in sweep(node, ENDS_MS)] == [Reason.EXPIRY]
    take_at(node, ENDS_MS, letter)
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED


def test_a_chunk_that_was_under_way_at_its_end_is_not_kept(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, digests_draft())
    hash_ = hash_of(node, letter)
    take_at(node, BASE_MS, without(letter, "payload"))
    frame = author.serve_chunk(hash_, 0, BASE_MS)
    assert frame is not None
    assert node.keep_chunk(frame.chunk, ENDS_MS)
    assert not payloads.has_chunks(node.stores.ledger, hash_)
    assert node.keep_chunk(frame.chunk, ENDS_MS - 1)
    assert payloads.has_chunks(node.stores.ledger, hash_)


def test_that_files_are_to_be_written_anew_is_remembered_over_a_stop(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, digests_draft())
    take_at(node, BASE_MS, letter)
    assert not Residue(node.stores).is_there
    node.begin_erasing([Erasure(hash_of(node, letter), BASE_MS, Reason.REQUEST)])
    assert Residue(node.stores).is_there
    node.residue.forget()
    assert not Residue(node.stores).is_there


def test_a_large_ledger_is_written_anew_at_the_next_start(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    (letter,) = said(author, digests_draft())
    take_at(node, BASE_MS, letter)
    monkeypatch.setattr(residue, "COMPACTED_BYTES_MAX", 0)
    written: list[str] = []
    compact = stores.compact

    def noted(file: sa.Connection, *, whole: bool = True) -> bool:
        if whole:
            written.extend(name for name in ("ledger", "keys") if getattr(node.stores, name) is file)
        return compact(file, whole=whole)

    monkeypatch.setattr(stores, "compact", noted)
    node.begin_erasing([Erasure(hash_of(node, letter), BASE_MS, Reason.REQUEST)])
    assert node.residue.compact()
    node.residue.forget()
    assert (written, node.residue.is_there) == (["keys"], False)
    node.start(BASE_MS)
    assert written == ["keys", "ledger"]
    node.start(BASE_MS)
    assert written == ["keys", "ledger"], "once is enough"


@pytest.mark.parametrize("positions", [b"", b"\x03"], ids=["whole", "part"])
@pytest.mark.parametrize("is_here", [True, False], ids=["out of an old copy", "from a peer"])
def test_what_was_erased_and_comes_again_leaves_the_files_to_be_written_anew(
    node: Exchange, author: Exchange, positions: bytes, is_here: bool
) -> None:
    (letter,) = said(author, digests_draft())
    if is_here:
        take_at(node, BASE_MS, letter)
    node.erasures.append([Erasure(hash_of(node, letter), BASE_MS, Reason.REQUEST, positions)])
    node.start(BASE_MS)
    assert node.residue.is_there == is_here
    take_at(node, BASE_MS, letter)
    assert node.residue.is_there
    node.residue.forget()
    node.start(BASE_MS)
    assert not node.residue.is_there, "nothing was left to do"


@pytest.mark.parametrize("positions", [b"", b"\x03"], ids=["whole", "part"])
def test_what_the_journal_says_is_erased_is_passed_on_without_its_payload_by_a_node_that_lost_its_stores(
    node: Exchange, author: Exchange, positions: bytes
) -> None:
    first, second = said(author, digests_draft(), secret("here"))
    node.erasures.append([Erasure(hash_of(node, first), BASE_MS, Reason.REQUEST, positions)])
    checked = node.verify(node.unseen([first, second]))
    admitted = node.admit(checked, BASE_MS, author.reader.member_id)
    fresh = growth.committed(node, admitted, checked, author.reader.member_id).fresh
    passed = {one.letter.header: bool(one.letter.payload or one.letter.box) for one in fresh}
    assert passed == {first.header: False, second.header: True}
