"""What the root signs, here or on a machine without a network: in force whole, and by the right key only."""

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.custody import (
    auditing,
    cards,
    ceremonies,
    charters,
    departing,
    folder,
    identities,
    joining,
    keyring,
    passphrase,
    reopening,
    requests,
)
from node.custody.ceremonies import Ceremony
from node.errors import ConfigError, Refused
from node.exchange import audit, extracts, leaving
from node.exchange.publish import Draft
from node.feed import identity, marks
from node.feed.header import URGENT
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.store import ledger, segments
from node.v1 import header_pb2, identity_pb2
from tests.custody.federations import WORDS, Founder, create
from tests.custody.folders import (
    LATER_MS,
    certified_spares,
    check_signed_once,
    feed_of,
    joined,
    opened,
    root,
    rotate_node,
    rotate_tls,
    rows,
    say,
    signed,
)


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return joined(tmp_path / "acme")


def rotate_root(founder: Founder) -> SigningKey:
    """The next root key takes over; the one after it."""
    after = SigningKey.generate()
    taking_over = root(founder, "next-root.key")
    with opened(founder) as exchange:
        member = identities.own(exchange.trust, exchange.reader.member_id).identity
    made = ceremonies.rotate_root(taking_over(member), bytes(after.verify_key))
    ceremonies.carry_out(founder.config, made, taking_over, LATER_MS)
    return after


def test_the_next_root_key_takes_over_and_the_one_before_signs_nothing_more(alone: Founder) -> None:
    after = rotate_root(alone)
    with pytest.raises(Refused, match="not the root key in force"):
        rotate_node(alone)
    ceremonies.carry_out(alone.config, ceremonies.rotate_node(alone.config), root(alone, "next-root.key"), LATER_MS)
    with opened(alone) as exchange:
        log = identities.own(exchange.trust, exchange.reader.member_id)
        assert log.identity.next_root == identity.next_root_commitment(bytes(after.verify_key))
        assert [one.seq for one in log.identity.rotations] == [3]
    check_signed_once(alone)


def test_a_root_key_that_was_never_committed_to_takes_over_nothing(alone: Founder) -> None:
    thief = SigningKey.generate()
    made = ceremonies.rotate_root(thief, bytes(SigningKey.generate().verify_key))
    before = signed(alone)
    with pytest.raises(Refused, match="committed to another"):
        ceremonies.carry_out(alone.config, made, lambda _: thief, LATER_MS)
    assert signed(alone) == before


def test_a_stolen_feed_key_is_bound_at_the_last_entry_that_was_signed_here(alone: Founder) -> None:
    say(alone, 2)
    old = feed_of(alone)
    made = ceremonies.retire(alone.config, None, None)
    assert [kind for kind, _ in made.acts] == [Kind.NODE, Kind.RETIRE]
    ceremonies.carry_out(alone.config, made, root(alone), LATER_MS)
    assert feed_of(alone) != old
    with opened(alone) as exchange:
        (end,) = exchange.trust.marks.ends
        hashes = {row.seq: row.hash for row in ledger.span(exchange.stores.ledger, old, 1, 9, 9)}
        assert (end.feed_id, end.seq, end.header_hash) == (old, 3, hashes[3])
        assert marks.standing(exchange.trust.marks, old, 3, hashes.get) is Standing.STANDS
        assert marks.standing(exchange.trust.marks, old, 4, hashes.get) is Standing.SUPERSEDED
        assert not exchange.succession(), "the root has ended it"


def test_a_former_feed_is_retired_by_the_journal_that_was_kept(alone: Founder) -> None:
    say(alone, 2)
    old = feed_of(alone)
    rotate_node(alone)
    made = ceremonies.retire(alone.config, old, None)
    assert [kind for kind, _ in made.acts] == [Kind.RETIRE]
    assert header_pb2.Retire.FromString(made.acts[0][1]).seq == 3
    ceremonies.carry_out(alone.config, made, root(alone), LATER_MS)
    with opened(alone) as exchange:
        assert old in {bound.feed_id for bound in exchange.trust.logs[exchange.reader.member_id].identity.retired}


def test_a_feed_is_retired_where_it_is_said_or_not_at_all(alone: Founder) -> None:
    say(alone, 2)
    assert header_pb2.Retire.FromString(ceremonies.retire(alone.config, None, 2).acts[1][1]).seq == 2
    assert not header_pb2.Retire.FromString(ceremonies.retire(alone.config, None, 0).acts[1][1]).header_hash
    with pytest.raises(Refused, match="entry 9 of this feed is not here"):
        ceremonies.retire(alone.config, None, 9)
    with pytest.raises(Refused, match="no feed of this member"):
        ceremonies.retire(alone.config, feed_of(joined(alone.folder.parent / "other")), 1)


def test_a_successor_stands_in_the_log(alone: Founder, tmp_path: Path) -> None:
    other = create(tmp_path / "other").made.card.inception.member_id
    ceremonies.carry_out(alone.config, ceremonies.name_successor(other), root(alone), LATER_MS)
    with opened(alone) as exchange:
        assert identities.own(exchange.trust, exchange.reader.member_id).identity.successor == other


def test_a_next_tls_issuer_is_certified_before_it_is_shown(alone: Founder) -> None:
    shown = folder.read_keys(alone.data).issuer.der
    rotate_tls(alone)
    node = folder.read_keys(alone.data)
    assert node.issuer.der == shown
    assert node.next_issuer is not None
    with opened(alone) as exchange:
        issuers = [one.tls_issuer for one in identities.own(exchange.trust, node.member_id).identity.nodes]
        assert issuers == [shown, node.next_issuer.der]
    ceremonies.finish_tls(alone.config, LATER_MS)
    found = folder.read_keys(alone.data)
    assert (found.issuer.der, found.next_issuer) == (node.next_issuer.der, None)
    assert bytes(found.feed_key) == bytes(node.feed_key)
    with pytest.raises(Refused, match="no next TLS issuer"):
        ceremonies.finish_tls(alone.config, LATER_MS)
    assert not list((alone.data / "node").glob("next-issuer*"))


def test_the_keys_are_told_without_their_secrets(alone: Founder) -> None:
    made = certified_spares(alone, 2)
    reopening.reopen(alone.config, made[0], LATER_MS)
    say(alone)
    found = keyring.read(alone.config)
    assert (found.spares, found.spares_left) == (2, 1)
    states = [(one.use, one.place, one.state) for one in found.keys if one.use == "feed"]
    assert states == [("feed", "this node before", "ended at 1"), ("feed", "this node", "open, 3 entries")]
    node = folder.read_keys(alone.data)
    shown = repr(found)
    for secret in (bytes(node.feed_key), node.kem_key, *node.former_kem_keys):
        assert secret.hex()[:8] not in shown


# ---- Without a network


def asked(founder: Founder, tmp_path: Path, ceremony: Ceremony) -> Path:
    file = tmp_path / "request"
    requests.write(founder.config, ceremony, file, LATER_MS)
    return file


def test_what_was_signed_elsewhere_is_put_in_force(alone: Founder, tmp_path: Path) -> None:
    say(alone, 2)
    old, ceremony = feed_of(alone), ceremonies.rotate_node(alone.config)
    file = asked(alone, tmp_path, ceremony)
    assert ceremony.fresh is not None
    for secret in (bytes(ceremony.fresh.feed_key), ceremony.fresh.kem_key):
        assert secret not in file.read_bytes()
    say(alone, 2)  # the node runs on meanwhile
    key = SigningKey(passphrase.open_file(alone.folder / "root.key", "root", WORDS))
    request = requests.read(file)
    words = requests.describe(request.log, request.acts)
    assert words[0].startswith("Acme Video, ")
    assert bytes(ceremony.fresh.feed_key.verify_key).hex()[:16] in words[1]
    requests.sign(request, key, file)
    requests.take(alone.config, requests.read(file), LATER_MS)
    assert bytes(folder.read_keys(alone.data).feed_key) == bytes(ceremony.fresh.feed_key)
    assert not (alone.data / "proposed").exists()
    say(alone)
    with opened(alone) as exchange:
        assert [(end.feed_id, end.seq) for end in exchange.trust.marks.ends] == [(old, 5)], "all of it stands"
    check_signed_once(alone)


def test_what_is_in_force_is_put_in_force_once(alone: Founder, tmp_path: Path) -> None:
    file = asked(alone, tmp_path, ceremonies.rotate_node(alone.config))
    key = SigningKey(passphrase.open_file(alone.folder / "root.key", "root", WORDS))
    requests.sign(requests.read(file), key, file)
    requests.take(alone.config, requests.read(file), LATER_MS)
    feed, before = feed_of(alone), rows(alone)
    requests.take(alone.config, requests.read(file), LATER_MS)
    assert (feed_of(alone), rows(alone)) == (feed, before)


def test_a_root_key_rotates_elsewhere_too(alone: Founder, tmp_path: Path) -> None:
    file = asked(alone, tmp_path, Ceremony((requests.ROTATION,)))
    key = SigningKey(passphrase.open_file(alone.folder / "next-root.key", "root", WORDS))
    after = SigningKey.generate()
    requests.sign(requests.read(file), key, file, bytes(after.verify_key))
    requests.take(alone.config, requests.read(file), LATER_MS)
    with opened(alone) as exchange:
        member = identities.own(exchange.trust, exchange.reader.member_id).identity
        assert member.root_key == bytes(key.verify_key)
        assert member.next_root == identity.next_root_commitment(bytes(after.verify_key))


def test_another_key_than_the_root_signs_no_request(alone: Founder, tmp_path: Path) -> None:
    file = asked(alone, tmp_path, ceremonies.certify_spares(ceremonies.make_spares(alone.config, 1)))
    with pytest.raises(Refused, match="not the root key in force"):
        requests.sign(requests.read(file), SigningKey.generate(), file)
    with pytest.raises(Refused, match="has not signed this file yet"):
        requests.take(alone.config, requests.read(file), LATER_MS)


def test_a_request_that_was_changed_on_the_way_is_refused(alone: Founder, tmp_path: Path) -> None:
    file = asked(alone, tmp_path, ceremonies.certify_spares(ceremonies.make_spares(alone.config, 1)))
    letter = identity_pb2.IdentityRequest.FromString(file.read_bytes())
    for damage in ("log", "kind", "statement"):
        changed = identity_pb2.IdentityRequest()
        changed.CopyFrom(letter)
        if damage == "log":
            changed.log[1].signature = bytes(64)
        elif damage == "kind":
            changed.acts[0].kind = Kind.ENDORSE
        else:
            changed.acts[0].statement = bytes(33)
        file.write_bytes(changed.SerializeToString())
        with pytest.raises(Refused, match="was changed"):
            requests.read(file)
    file.write_text("hello")
    with pytest.raises(Refused, match="no request"):
        requests.read(file)


def test_what_was_signed_for_an_older_log_is_not_put_in_force(alone: Founder, tmp_path: Path) -> None:
    """The log has grown meanwhile: a second entry at one place would be a fork of the member itself."""
    file = asked(alone, tmp_path, ceremonies.certify_spares(ceremonies.make_spares(alone.config, 1)))
    key = SigningKey(passphrase.open_file(alone.folder / "root.key", "root", WORDS))
    requests.sign(requests.read(file), key, file)
    certified_spares(alone)
    before = rows(alone)
    with pytest.raises(Refused, match="does not follow"):
        requests.take(alone.config, requests.read(file), LATER_MS)
    assert rows(alone) == before
    check_signed_once(alone)


def test_keys_that_do_not_wait_here_any_more_are_not_let_in(alone: Founder, tmp_path: Path) -> None:
    file = asked(alone, tmp_path, ceremonies.rotate_node(alone.config))
    key = SigningKey(passphrase.open_file(alone.folder / "root.key", "root", WORDS))
    requests.sign(requests.read(file), key, file)
    requests.write(alone.config, ceremonies.rotate_node(alone.config), tmp_path / "second", LATER_MS)
    with pytest.raises(Refused, match="does not follow"):
        requests.take(alone.config, requests.read(file), LATER_MS)
    rotate_node(alone)
    with pytest.raises(ConfigError, match="not in this folder any more"):
        requests.take(alone.config, requests.read(file), LATER_MS)


def test_after_a_rotation_the_new_root_key_makes_cards_and_those_by_the_old_one_are_refused(
    alone: Founder, tmp_path: Path
) -> None:
    rotate_root(alone)
    with pytest.raises(Refused, match="not the root key in force"):
        cards.write(alone.config, root(alone), tmp_path / "no.card")
    cards.write(alone.config, root(alone, "next-root.key"), tmp_path / "new.card")
    card = charters.read_card(tmp_path / "new.card")[1]
    assert card.inception == alone.made.card.inception
    assert card.root_key != alone.made.card.root_key
    with opened(alone) as exchange:
        assert exchange.trust.present_card(card) == card
        with pytest.raises(Refused, match="by a root key that was replaced"):
            exchange.trust.present_card(alone.made.card)


# ---- Leaving


def test_whoever_leaves_ends_its_feed_where_it_stands_signs_nothing_more_and_leaves_once(alone: Founder) -> None:
    say(alone, 2)
    made = ceremonies.leave(alone.config)
    assert [kind for kind, _ in made.acts] == [Kind.LEAVE]
    ceremonies.carry_out(alone.config, made, root(alone), LATER_MS)
    with opened(alone) as exchange:
        me, feed_id = exchange.reader.member_id, exchange.author.feed_id
        now = exchange.trust.roster(LATER_MS)
        assert (me in now.seats, now.left[me]) == (False, {feed_id: 3})
        assert exchange.trust.left_ms(me) == LATER_MS
        with pytest.raises(Refused, match="left the federation on 2026-"):
            exchange.publish([Draft(Kind.WITHDRAW, statement=b"")], LATER_MS)
    with pytest.raises(Refused, match="has left already"):
        ceremonies.leave(alone.config)
    check_signed_once(alone)


def test_whoever_has_left_may_still_take_back_its_own_in_a_feed_that_the_root_certifies_afterwards(
    alone: Founder,
) -> None:
    say(alone, 2)
    ceremonies.carry_out(alone.config, ceremonies.leave(alone.config), root(alone), LATER_MS)
    rotate_node(alone)
    with opened(alone) as exchange:
        with pytest.raises(Refused, match="left the federation"):
            exchange.publish([Draft(Kind.ANCHOR, statement=b"\x08\x01")], LATER_MS)
        taken_back = header_pb2.Withdraw(reason=1).SerializeToString(deterministic=True)
        withdrawal = Draft(Kind.WITHDRAW, URGENT, statement=taken_back, object_id=b"o" * 16)
        assert exchange.publish([withdrawal], LATER_MS).entries
        head = ledger.head(exchange.stores.ledger, exchange.author.feed_id)
        assert head is not None
        now = exchange.trust.roster(LATER_MS)
        assert now.seat_of(exchange.reader.member_id, exchange.author.feed_id, head.seq) is None
    check_signed_once(alone)


def test_the_leave_is_signed_where_no_network_is_and_comes_back_in_words(alone: Founder, tmp_path: Path) -> None:
    request = tmp_path / "request"
    requests.write(alone.config, ceremonies.leave(alone.config), request, LATER_MS)
    asked = requests.read(request)
    assert "it leaves the federation, for good" in "\n".join(requests.describe(asked.log, asked.acts))
    requests.sign(asked, root(alone)(asked.log.identity), request)
    for _ in range(2):  # again is the same
        requests.take(alone.config, requests.read(request), LATER_MS)
    with opened(alone) as exchange:
        assert exchange.trust.left_ms(exchange.reader.member_id)


def test_a_node_that_runs_takes_nothing_but_a_leave_behind_what_it_said_last(alone: Founder) -> None:
    say(alone, 1)
    key = SigningKey(passphrase.open_file(alone.folder / "root.key", "root", WORDS))
    early = departing.sign(alone.config, key, LATER_MS)
    say(alone, 1)
    late = departing.sign(alone.config, key, LATER_MS)
    with opened(alone) as exchange:
        with pytest.raises(Refused, match="has said something since"):
            leaving.take(exchange, early, LATER_MS)
        with pytest.raises(Refused, match="only a leave"):
            leaving.take(exchange, [], LATER_MS)
        leaving.take(exchange, late, LATER_MS)
        assert exchange.signing.state == "left"
        with pytest.raises(Refused, match="left already"):
            leaving.take(exchange, late, LATER_MS)
    check_signed_once(alone)


# ---- The audit log


def lines_of(founder: Founder) -> list[audit.Act]:
    """What the audit log of a folder has, but for who read it."""
    federation_id = joining.read_charter(founder.config).federation_id
    found = auditing.read(founder.config, federation_id, "verify", LATER_MS)
    return [one.act for one in extracts.lines(found, federation_id) if one.act.act != "audit read"]


def test_what_the_root_signs_and_what_becomes_of_the_keys_stands_in_the_audit_log(
    alone: Founder, tmp_path: Path
) -> None:
    rotate_node(alone)
    (spare,) = certified_spares(alone)
    ceremonies.carry_out(alone.config, ceremonies.retire(alone.config, None, None), root(alone), LATER_MS)
    requests.write(alone.config, ceremonies.reopen(alone.config), tmp_path / "request", LATER_MS)
    rotate_tls(alone)
    ceremonies.finish_tls(alone.config, LATER_MS)
    reopening.reopen(alone.config, spare, LATER_MS)
    found = lines_of(alone)
    assert [one.act for one in found] == [
        "root signs node",
        "root signs spare",
        "root signs node, retire",
        "ask the root to sign node",
        "root signs node",
        "key rotate tls --finish",
        audit.RESUMED,
        "reopen",
    ]
    assert {one.who for one in found if one.act != audit.RESUMED} == {audit.ADMINISTRATOR}
    with opened(alone) as exchange:
        said = [one.removeprefix("entry:") for act in found for one in act.what if one.startswith("entry:")]
        assert len(ledger.held(exchange.stores.ledger, [HeaderHash(bytes.fromhex(one)) for one in said])) == len(said)


def test_no_secret_is_in_the_audit_log(alone: Founder) -> None:
    (spare,) = certified_spares(alone)
    node = folder.read_keys(alone.data)
    rotate_node(alone)
    reopening.reopen(alone.config, spare, LATER_MS)
    fresh = folder.read_keys(alone.data)
    written = b"".join(path.read_bytes() for path in (alone.data / segments.FOLDER).iterdir())
    for one in (node.feed_key, fresh.feed_key, spare.key):
        assert bytes(one).hex().encode() not in written
    assert node.kem_key.hex().encode() not in written
    assert WORDS.encode() not in written
    assert spare.public.hex().encode() in written, "which spare it was is no secret"


def test_a_log_that_was_changed_keeps_nobody_from_ending_a_stolen_key(alone: Founder) -> None:
    rotate_node(alone)
    path = segments.path_of(alone.data / segments.FOLDER, 1)
    changed = path.read_bytes().replace(b"root signs", b"root sings", 1)
    path.write_bytes(changed)
    before = feed_of(alone)
    ceremonies.carry_out(alone.config, ceremonies.retire(alone.config, None, None), root(alone), LATER_MS)
    assert feed_of(alone) != before
    assert path.read_bytes() == changed, "nothing is written behind what was changed"
