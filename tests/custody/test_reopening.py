"""Opening a feed anew: never resumed, ended where it is known to go, and one spare for one feed."""

import shutil
from pathlib import Path

import pytest

from node.custody import ceremonies, folder, joining, renewal, reopening, spares
from node.custody.passphrase import MINIMAL
from node.errors import ConfigError, Refused
from node.exchange import succession
from node.feed import marks
from node.feed.header import URGENT
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.store import ledger
from node.v1 import header_pb2
from tests.custody.federations import NOBODY, NOW_MS, WORDS, Founder, charter_of, create, small
from tests.custody.folders import (
    LATER_MS,
    certified_spares,
    check_signed_once,
    feed_of,
    joined,
    journals,
    opened,
    root,
    rotate_node,
    rows,
    say,
    signed,
)


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return joined(tmp_path / "acme")


def test_a_feed_opened_by_a_spare_goes_on_and_ends_the_one_before_at_its_head(alone: Founder) -> None:
    (spare,) = certified_spares(alone)
    say(alone, 3)
    old, old_key = feed_of(alone), (alone.data / folder.FEED_KEY).read_text()
    reopening.reopen(alone.config, spare, LATER_MS)
    assert feed_of(alone) != old
    say(alone)
    assert [one.kind for one in signed(alone) if one.feed_id == feed_of(alone)] == [
        Kind.OPEN,
        Kind.SUPERSEDE,
        Kind.ANCHOR,
    ]
    with opened(alone) as exchange:
        (end,) = exchange.trust.marks.ends
        head = ledger.head(exchange.stores.ledger, old)
        assert head is not None
        assert (end.feed_id, end.seq, end.header_hash) == (old, head.seq, head.hash)
        assert head.seq == 4
        hashes = {row.seq: row.hash for row in ledger.span(exchange.stores.ledger, old, 1, 4, 4)}
        assert marks.standing(exchange.trust.marks, old, 4, hashes.get) is Standing.STANDS
        assert marks.standing(exchange.trust.marks, old, 5, hashes.get) is Standing.SUPERSEDED
    check_signed_once(alone)
    assert not any(old_key.strip() in path.read_text(errors="replace") for path in alone.data.rglob("*.key"))
    assert old.hex() in {path.name for path in journals(alone)}, "what was signed is kept as evidence"
    folder.check_modes(alone.data)


def test_one_spare_opens_one_feed(alone: Founder) -> None:
    (spare,) = certified_spares(alone)
    reopening.reopen(alone.config, spare, LATER_MS)
    feed = feed_of(alone)
    reopening.reopen(alone.config, spare, LATER_MS)
    assert feed_of(alone) == feed, "the same call again is the end of the first"
    say(alone)
    with pytest.raises(Refused, match="opened a feed already"):
        reopening.reopen(alone.config, spare, LATER_MS)
    assert feed_of(alone) == feed


def test_a_spare_that_the_root_did_not_certify_opens_nothing(alone: Founder, tmp_path: Path) -> None:
    feed = feed_of(alone)
    (spare,) = ceremonies.make_spares(alone.config, 1)
    with pytest.raises(Refused, match="did not certify"):
        reopening.reopen(alone.config, spare, LATER_MS)
    (foreign,) = certified_spares(joined(tmp_path / "other"))
    with pytest.raises(Refused, match="this spare is of"):
        reopening.reopen(alone.config, foreign, LATER_MS)
    assert feed_of(alone) == feed


def test_a_lost_signing_folder_is_opened_anew(alone: Founder) -> None:
    (spare,) = certified_spares(alone)
    say(alone, 2)
    old = feed_of(alone)
    shutil.rmtree(alone.data / "sign")
    with pytest.raises(ConfigError):
        folder.read_keys(alone.data)
    reopening.reopen(alone.config, spare, LATER_MS)
    say(alone)
    with opened(alone) as exchange:
        assert {end.feed_id: end.seq for end in exchange.trust.marks.ends} == {old: 3}


def test_the_end_is_where_a_peer_has_shown_it(alone: Founder, tmp_path: Path) -> None:
    """A copy of the folder from before knows less than what a peer has: the echo counts."""
    (spare,) = certified_spares(alone)
    say(alone)
    old = feed_of(alone)
    copy = Founder(tmp_path / "copy", alone.made)
    shutil.copytree(alone.folder, copy.folder)
    say(alone, 3)
    *_, last = (row for row in rows(alone) if row.feed_id == old)
    echo = header_pb2.SignedEntry(header=last.body, signature=last.signature).SerializeToString()
    with opened(copy) as exchange:
        ledger.write_meta(exchange.stores.ledger, succession.ECHO, echo)
        exchange.stores.commit("ledger")
    reopening.reopen(copy.config, spare, LATER_MS)
    say(copy)
    with opened(copy) as exchange:
        assert [(end.seq, end.header_hash) for end in exchange.trust.marks.ends] == [(5, last.hash)]


def test_an_entry_that_is_kept_above_a_gap_counts_for_the_end(alone: Founder, tmp_path: Path) -> None:
    (spare,) = certified_spares(alone)
    copy = Founder(tmp_path / "copy", alone.made)
    shutil.copytree(alone.folder, copy.folder)
    say(alone, 3, URGENT)
    *_, last = (row for row in rows(alone) if row.feed_id == feed_of(alone))
    with opened(copy) as exchange:
        letter = header_pb2.SignedEntry(header=last.body, signature=last.signature)
        exchange.admit(exchange.verify([letter]), LATER_MS)
        assert len(ledger.ahead(exchange.stores.ledger, last.feed_id)) == 1
    reopening.reopen(copy.config, spare, LATER_MS)
    with opened(copy) as exchange:
        (draft,) = exchange.succession()
        assert header_pb2.Supersede.FromString(draft.statement).seq == 4


def test_an_echo_that_our_feed_did_not_sign_moves_no_end(alone: Founder) -> None:
    (spare,) = certified_spares(alone)
    say(alone)
    row = next(row for row in rows(alone) if row.feed_id == feed_of(alone) and row.seq == 2)
    higher = header_pb2.Header.FromString(row.body)
    higher.seq = 9
    forged = header_pb2.SignedEntry(header=higher.SerializeToString(deterministic=True), signature=row.signature)
    with opened(alone) as exchange:
        ledger.write_meta(exchange.stores.ledger, succession.ECHO, forged.SerializeToString())
        exchange.stores.commit("ledger")
    reopening.reopen(alone.config, spare, LATER_MS)
    with opened(alone) as exchange:
        (draft,) = exchange.succession()
        assert header_pb2.Supersede.FromString(draft.statement).seq == 2


def test_what_was_sealed_to_a_former_key_is_still_read(alone: Founder) -> None:
    before = folder.read_keys(alone.data).kem_key
    rotate_node(alone)
    node = folder.read_keys(alone.data)
    assert node.kem_key != before
    assert node.former_kem_keys == (before,)
    with opened(alone) as exchange:
        assert exchange.reader.private_keys == (node.kem_key, before)


def test_a_rotated_node_is_certified_under_its_new_keys(alone: Founder) -> None:
    say(alone, 2)
    old = feed_of(alone)
    rotate_node(alone)
    say(alone)
    node = folder.read_keys(alone.data)
    with opened(alone) as exchange:
        *_, certificate = exchange.trust.logs[node.member_id].identity.nodes
        assert (certificate.feed_key, certificate.kem_key) == (bytes(node.feed_key.verify_key), node.kem_public)
        assert [(end.feed_id, end.seq) for end in exchange.trust.marks.ends] == [(old, 3)]
        assert not exchange.succession(), "said once"
    check_signed_once(alone)


def test_a_feed_that_was_ended_ends_no_other(alone: Founder, tmp_path: Path) -> None:
    """A clone that was left running says nothing more about the feeds before it."""
    rotate_node(alone)
    clone = Founder(tmp_path / "clone", alone.made)
    shutil.copytree(alone.folder, clone.folder)
    ceremonies.carry_out(alone.config, ceremonies.retire(alone.config, None, None), root(alone), LATER_MS)
    letters = [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows(alone)]
    with opened(clone) as exchange:
        assert exchange.succession(), "until it hears that it was ended"
        exchange.admit(exchange.verify(letters), LATER_MS)
        assert not exchange.succession()


def test_a_lost_ledger_comes_back_from_the_new_journal_too(alone: Founder) -> None:
    rotate_node(alone)
    say(alone)
    before = {row.hash for row in rows(alone)}
    data = (alone.data / folder.CHARTER).read_bytes()
    for path in alone.data.glob("*.db*"):
        path.unlink()
    assert joining.join(alone.config, data, NOBODY, LATER_MS).signed == ()
    assert {row.hash for row in rows(alone)} < before, "all but the old feed, which the peers have"
    assert {row.feed_id for row in rows(alone)} == {feed_of(alone), folder.read_member(alone.data)}


def test_a_spare_file_is_read_back_and_opens_for_nobody_else(alone: Founder, tmp_path: Path) -> None:
    (made,) = ceremonies.make_spares(alone.config, 1)
    spares.seal(tmp_path / "spare", made, WORDS, MINIMAL)
    found = spares.read(tmp_path / "spare", WORDS)
    assert (found.member_id, found.public, found.issuer.der) == (made.member_id, made.public, made.issuer.der)
    assert bytes(made.key).hex() not in (tmp_path / "spare").read_text()
    with pytest.raises(Refused, match="does not open"):
        spares.read(tmp_path / "spare", "incorrect horse battery")


def test_opening_anew_is_told_before(alone: Founder) -> None:
    say(alone, 2)
    (former,) = reopening.prospect(alone.config, LATER_MS)
    assert (former.feed_id, former.seq) == (feed_of(alone), 3)


def test_nothing_is_opened_anew_before_a_member_has_joined(tmp_path: Path) -> None:
    founder = create(tmp_path / "acme")
    with pytest.raises(ConfigError, match="has not joined"):
        ceremonies.carry_out(founder.config, ceremonies.rotate_node(founder.config), root(founder), NOW_MS)
    (founder.data / folder.CHARTER).write_bytes(charter_of((founder,), small()))
    (founder.data / folder.CHARTER).chmod(0o600)
    with pytest.raises(ConfigError, match="identity log"):
        ceremonies.carry_out(founder.config, ceremonies.rotate_node(founder.config), root(founder), NOW_MS)


def test_a_running_node_keeps_its_keys(alone: Founder) -> None:
    with renewal.held(alone.data), pytest.raises(ConfigError, match="in use by process"):
        ceremonies.rotate_node(alone.config)
