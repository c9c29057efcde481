"""Invites: a candidate joins by the file of a member, and by nothing that the charter does not prove."""

from pathlib import Path

import pytest

from node.custody import charters, folder, invites, joining
from node.errors import Refused
from node.exchange import membership, vouching
from node.exchange.exchange import Exchange
from node.feed import identity
from node.feed.identity import Inception, Role
from node.feed.keys import MemberId
from node.store import ledger, peers
from node.v1 import header_pb2, membership_pb2
from tests.custody.federations import NOBODY, NOW_MS, Founder, charter_of, create, small

ADDRESS = "node.sponsor.example:7443"


def started(founder: Founder, charter_file: bytes) -> Exchange:
    exchange = joining.open_exchange(founder.config, folder.read_keys(founder.data), charters.decode(charter_file)[1])
    exchange.start(NOW_MS)
    return exchange


@pytest.fixture(name="sponsor")
def _sponsor(tmp_path: Path) -> Founder:
    return create(tmp_path / "sponsor", "Ministry", Role.AUTHORITY, "FR")


@pytest.fixture(name="acme")
def _acme(tmp_path: Path) -> Founder:
    return create(tmp_path / "acme")


@pytest.fixture(name="charter_file")
def _charter_file(sponsor: Founder) -> bytes:
    made = charter_of((sponsor,), small())
    joining.join(sponsor.config, made, sponsor.unlock, NOW_MS)
    return made


@pytest.fixture(name="letter")
def _letter(sponsor: Founder, acme: Founder, charter_file: bytes) -> membership_pb2.Invite:
    exchange = started(sponsor, charter_file)
    candidate = acme.made.card.inception
    me = exchange.reader.member_id
    exchange.publish([vouching.endorsement(exchange.trust, me, candidate, NOW_MS)], NOW_MS)
    entries = vouching.introduction(exchange.stores, exchange.trust, me, MemberId(candidate.member_id))
    joining.close_exchange(exchange)
    return membership_pb2.Invite(
        charter_file=charter_file,
        inception=candidate.body,
        inception_signature=candidate.signature,
        sponsor=me,
        address=ADDRESS,
        entries=entries,
    )


def read(letter: membership_pb2.Invite) -> invites.Invite:
    return invites.decode(letter.SerializeToString())


def test_a_candidate_joins_with_its_sponsor_as_first_peer_and_nothing_is_signed_twice(
    acme: Founder, charter_file: bytes, letter: membership_pb2.Invite
) -> None:
    assert invites.is_one(letter.SerializeToString())
    assert not invites.is_one(charter_file)
    invite = read(letter)
    joined = joining.join_invited(acme.config, invite, acme.unlock, NOW_MS)
    assert joined.signed == ("accept", "node", "open")
    assert joining.join_invited(acme.config, invite, NOBODY, NOW_MS).signed == ()
    exchange = started(acme, charter_file)
    assert joining.is_complete(exchange)
    place = membership.place(exchange.trust, exchange.reader.member_id, NOW_MS)
    assert (place.state, len(place.admission.voices), place.admission.needed.count) == ("candidate", 1, 3)
    (peer,) = peers.every(exchange.stores.ledger)
    assert (peer.member_id, peer.address, peer.state) == (letter.sponsor, ADDRESS, "approved")
    joining.close_exchange(exchange)


def test_a_lost_ledger_is_made_again_from_the_invite_and_the_journal(
    acme: Founder, charter_file: bytes, letter: membership_pb2.Invite
) -> None:
    joining.join_invited(acme.config, read(letter), acme.unlock, NOW_MS)
    for path in acme.data.glob("*.db*"):
        path.unlink()
    assert joining.join_invited(acme.config, read(letter), NOBODY, NOW_MS).signed == ()
    exchange = started(acme, charter_file)
    head = ledger.head(exchange.stores.ledger, exchange.author.feed_id)
    assert head is not None
    assert head.seq == 1
    joining.close_exchange(exchange)


def test_a_later_decision_about_the_sponsor_stands(
    acme: Founder, charter_file: bytes, letter: membership_pb2.Invite
) -> None:
    joining.join_invited(acme.config, read(letter), acme.unlock, NOW_MS)
    exchange = started(acme, charter_file)
    (peer,) = peers.every(exchange.stores.ledger)
    blocked = peers.Peer(peer.member_id, peer.address, peer.tls_issuer, peers.BLOCKED, peer.added_ms)
    exchange.keep_peers([blocked])
    joining.close_exchange(exchange)
    joining.join_invited(acme.config, read(letter), NOBODY, NOW_MS)
    exchange = started(acme, charter_file)
    assert peers.every(exchange.stores.ledger) == [blocked]
    joining.close_exchange(exchange)


def test_an_invite_for_another_member_is_refused(tmp_path: Path, letter: membership_pb2.Invite) -> None:
    other = create(tmp_path / "other", "Other Video")
    with pytest.raises(Refused, match="the invite is for Acme Video"):
        joining.join_invited(other.config, read(letter), NOBODY, NOW_MS)
    assert not list(other.data.glob("*.db"))


def test_a_candidate_sponsors_nobody(acme: Founder, charter_file: bytes, letter: membership_pb2.Invite) -> None:
    joining.join_invited(acme.config, read(letter), acme.unlock, NOW_MS)
    exchange = started(acme, charter_file)
    rows = ledger.span(exchange.stores.ledger, identity.log_id(exchange.reader.member_id), 1, 9, 9)
    own = [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]
    joining.close_exchange(exchange)
    letter.entries.extend(own)
    assert read(letter).sponsor.name == "Ministry"
    letter.sponsor = acme.made.card.inception.member_id
    with pytest.raises(Refused, match="does not show that its sponsor is a member"):
        read(letter)


def test_what_the_charter_does_not_prove_is_refused(
    tmp_path: Path, letter: membership_pb2.Invite, acme: Founder
) -> None:
    def changed(**fields: object) -> membership_pb2.Invite:
        made = membership_pb2.Invite.FromString(letter.SerializeToString())
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    with pytest.raises(Refused, match="does not show that its sponsor is a member"):
        read(changed(sponsor=acme.made.card.inception.member_id))
    with pytest.raises(Refused, match="was changed"):
        read(changed(inception_signature=bytes(64)))
    with pytest.raises(Refused, match="no charter or was changed"):
        read(changed(charter_file=b"\x0a\x01x"))
    with pytest.raises(Refused, match="address"):
        read(changed(address="no address"))
    stranger: Inception = create(tmp_path / "stranger", "Stranger").made.card.inception
    with pytest.raises(Refused, match="does not show that Stranger was endorsed"):
        read(changed(inception=stranger.body, inception_signature=stranger.signature))
    forged = changed()
    forged.entries[0].signature = bytes(64)
    with pytest.raises(Refused, match="was changed"):
        read(forged)
