"""Joining: five founders make a federation, and nothing is ever signed twice."""

import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.custody import charters, files, folder, host, joining, passphrase
from node.errors import ConfigError, Refused
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.identity import Inception
from node.feed.kinds import Kind
from node.store import ledger
from node.store.journal import FileJournal
from node.v1 import header_pb2
from tests.custody.dying import Dying, running
from tests.custody.federations import NOBODY, NOW_MS, Founder, charter_of, create, five, small
from tests.store import disks


def started(founder: Founder, charter_file: bytes) -> Exchange:
    exchange = joining.open_exchange(founder.config, folder.read_keys(founder.data), charters.decode(charter_file)[1])
    exchange.start(NOW_MS)
    return exchange


def letters(exchange: Exchange) -> list[header_pb2.SignedEntry]:
    rows = ledger.statements(exchange.stores.ledger)
    return [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]


def signed(data: Path) -> list[header_pb2.Header]:
    journal = FileJournal(data / folder.JOURNAL)
    journal.close()
    return [header_pb2.Header.FromString(header) for header, _ in journal.lines()]


def check_joined(founder: Founder, charter_file: bytes) -> list[bytes]:
    """Each thing was signed once and is in the ledger; their hashes."""
    made = signed(founder.data)
    assert [header.kind for header in made] == [Kind.ACCEPT, Kind.NODE, Kind.OPEN]
    assert max(Counter((header.feed_id, header.seq) for header in made).values()) == 1
    exchange = started(founder, charter_file)
    try:
        assert joining.is_complete(exchange)
        assert len(letters(exchange)) == 3
        return [row.hash for row in ledger.statements(exchange.stores.ledger)]
    finally:
        joining.close_exchange(exchange)


def test_five_founders_make_a_federation(tmp_path: Path) -> None:
    founders = five(tmp_path)
    data = charter_of(founders)
    said: list[header_pb2.SignedEntry] = []
    for founder in founders:
        joined = joining.join(founder.config, data, founder.unlock, NOW_MS)
        assert joined.signed == ("accept", "node", "open")
        assert joined.inception == founder.made.card.inception
        folder.check_modes(founder.data)
        exchange = started(founder, data)
        said += letters(exchange)
        joining.close_exchange(exchange)
    exchange = started(founders[0], data)
    assert not exchange.trust.roster(NOW_MS).in_force
    checked = exchange.verify(said)
    assert checked.fault is None
    assert checked.unknown == ()
    exchange.admit(checked, NOW_MS)
    roster = exchange.trust.roster(NOW_MS)
    assert roster.in_force
    assert {seat.name for seat in roster.seats.values()} == {founder.made.card.inception.name for founder in founders}
    for founder in founders:
        node = folder.read_keys(founder.data)
        (certificate,) = exchange.trust.logs[node.member_id].identity.nodes
        assert certificate.tls_issuer == founder.made.card.tls_issuer
        assert (certificate.node_id, certificate.kem_key) == (node.node_id, node.kem_public)
    joining.close_exchange(exchange)


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return create(tmp_path / "acme")


def test_joining_twice_signs_nothing_and_asks_for_no_key(alone: Founder) -> None:
    data = charter_of((alone,), small())
    joining.join(alone.config, data, alone.unlock, NOW_MS)
    before = check_joined(alone, data)
    assert joining.join(alone.config, data, NOBODY, NOW_MS + 60_000).signed == ()
    assert check_joined(alone, data) == before


def test_a_lost_ledger_comes_back_from_the_journal_without_a_new_signature(alone: Founder) -> None:
    data = charter_of((alone,), small())
    joining.join(alone.config, data, alone.unlock, NOW_MS)
    before = check_joined(alone, data)
    for path in alone.data.glob("*.db*"):
        path.unlink()
    (alone.data / folder.CHARTER).unlink()
    assert joining.join(alone.config, data, NOBODY, NOW_MS + 60_000).signed == ()
    assert check_joined(alone, data) == before


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_place_whose_signature_the_disk_did_not_keep_is_signed_once_whether_it_comes_back_or_not(
    alone: Founder, comes_back: bool
) -> None:
    data = charter_of((alone,), small())
    joining.join(alone.config, data, alone.unlock, NOW_MS)
    exchange = started(alone, data)
    anchors = [
        Draft(Kind.ANCHOR, statement=header_pb2.Anchor(journal_size=size).SerializeToString()) for size in (1, 2)
    ]
    calls = ("fsync", "ftruncate") if comes_back else ("fsync",)
    with disks.failing(*calls), pytest.raises(OSError, match="Input/output"):
        exchange.publish(anchors[:1], NOW_MS)
    if comes_back:
        joining.close_exchange(exchange)
        exchange = started(alone, data)
    exchange.publish(anchors[1:], NOW_MS)
    joining.close_exchange(exchange)
    made = signed(alone.data)
    assert len({(header.feed_id, header.seq) for header in made}) == len(made)
    assert [one.statement for one in made[3:]] == [one.statement for one in (anchors if comes_back else anchors[1:])]
    joining.close_exchange(started(alone, data))


def test_a_wrong_passphrase_signs_nothing_and_binds_to_nothing(alone: Founder) -> None:
    data = charter_of((alone,), small())

    def wrong(_: Inception) -> SigningKey:
        return SigningKey(passphrase.open_file(alone.folder / "root.key", "root", "incorrect horse"))

    with pytest.raises(Refused, match="does not open"):
        joining.join(alone.config, data, wrong, NOW_MS)
    assert signed(alone.data) == []
    assert not joining.has_charter(alone.config)
    other = charter_of((alone,), small().replace("Example federation", "Another federation"))
    assert joining.join(alone.config, other, alone.unlock, NOW_MS).signed


def test_another_root_key_signs_nothing(alone: Founder) -> None:
    data = charter_of((alone,), small())

    def next_root(_: Inception) -> SigningKey:
        return SigningKey(passphrase.open_file(alone.folder / "next-root.key", "root", "correct horse battery staple"))

    with pytest.raises(Refused, match="not the root key of Acme Video"):
        joining.join(alone.config, data, next_root, NOW_MS)
    assert signed(alone.data) == []


def test_who_is_not_in_the_charter_is_refused_with_the_next_step(alone: Founder, tmp_path: Path) -> None:
    data = charter_of((create(tmp_path / "other", "Other Video"),), small())
    with pytest.raises(Refused, match=r"is not in the charter of Example federation \(Other Video\)") as caught:
        joining.join(alone.config, data, NOBODY, NOW_MS)
    assert alone.made.fingerprint in caught.value.reason
    assert "Send your card" in caught.value.next_step
    assert not list(alone.data.glob("*.db"))


def test_a_folder_of_one_federation_does_not_join_another(alone: Founder) -> None:
    data = charter_of((alone,), small())
    other = charter_of((alone,), small().replace("Example federation", "Another federation"))
    joining.join(alone.config, data, alone.unlock, NOW_MS)
    before = check_joined(alone, data)
    with pytest.raises(Refused, match=r"belongs to Example federation .* and cannot join Another federation"):
        joining.join(alone.config, other, NOBODY, NOW_MS)
    assert check_joined(alone, data) == before
    # Not even where the charter is gone: the stores know it, and so does what was signed.
    (alone.data / folder.CHARTER).unlink()
    with pytest.raises(ConfigError, match="those of another federation"):
        joining.join(alone.config, other, alone.unlock, NOW_MS)
    for path in alone.data.glob("*.db*"):
        path.unlink()
    with pytest.raises(ConfigError, match="does not fit the charter"):
        joining.join(alone.config, other, alone.unlock, NOW_MS)
    assert len(signed(alone.data)) == 3


def test_a_folder_in_use_is_left_alone(alone: Founder) -> None:
    data = charter_of((alone,), small())
    with files.locked(alone.data), pytest.raises(ConfigError, match="in use by process"):
        joining.join(alone.config, data, NOBODY, NOW_MS)
    assert not list(alone.data.glob("*.db"))


def test_a_changed_charter_is_refused_before_anything_is_made(alone: Founder) -> None:
    data = bytearray(charter_of((alone,), small()))
    data[-5] ^= 1
    with pytest.raises(Refused, match="was changed"):
        joining.join(alone.config, bytes(data), NOBODY, NOW_MS)
    assert not list(alone.data.glob("*.db"))


def test_a_folder_that_joined_nothing_says_so(alone: Founder) -> None:
    with pytest.raises(ConfigError, match="has not joined a federation") as caught:
        joining.read_charter(alone.config)
    assert "tocsin join" in caught.value.next_step


def test_a_store_has_an_id_of_its_own_that_stays(alone: Founder) -> None:
    data = charter_of((alone,), small())
    ids = []
    for _ in range(2):
        exchange = started(alone, data)
        ids.append(ledger.read_meta(exchange.stores.ledger, "store_id"))
        joining.close_exchange(exchange)
    assert ids[0] == ids[1]
    assert ids[0] is not None
    assert len(ids[0]) == joining.STORE_ID_BYTES
    assert any(ids[0])


# ---- Dying in the middle.


@pytest.fixture
def dying() -> Iterator[Dying]:
    with running() as found:
        yield found


@pytest.mark.parametrize("event", ["c_call", "c_return"], ids=["before the step", "after it"])
def test_a_join_that_died_at_any_step_is_finished_by_the_next(tmp_path: Path, dying: Dying, event: str) -> None:
    fresh, charter = create(tmp_path / "fresh"), tmp_path / "charter.tocsin"
    data = charter_of((fresh,), small())
    charter.write_bytes(data)
    signed_before: list[int] = []
    for step in count(1):
        founder = Founder(tmp_path / str(step), fresh.made)
        shutil.copytree(fresh.folder, founder.folder)
        host.write(founder.data)  # as if it had been made here
        if not dying.die("join", founder.folder, charter, step, event):
            break
        kept, asked = signed(founder.data), list[Inception]()

        def unlock(inception: Inception, founder: Founder = founder, asked: list[Inception] = asked) -> SigningKey:
            asked.append(inception)
            return founder.unlock(inception)

        joining.join(founder.config, data, unlock, NOW_MS + 60_000)
        check_joined(founder, data)
        assert signed(founder.data)[: len(kept)] == kept
        assert bool(asked) == (len(kept) < 2), "the root signs again only what it never signed"
        signed_before.append(len(kept))
        shutil.rmtree(founder.folder)
    assert set(signed_before) == {0, 2, 3}, "it died before, between and behind the signatures"
