"""By what feeds are let in, and where they end each other: the same in whatever order it is read, and after a start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.exchange import signing
from node.feed import entry, identity, keys, statements
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.pae import Purpose
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import by_root, retire
from tests.exchange.test_identity_fork import OPENED, STRANGER, endorsement, node_of
from tests.exchange.test_log_order import agree, in_orders
from tests.exchange.test_odd_order import take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, Member, federation, seed

Letter = header_pb2.SignedEntry
SPARE = SigningKey(seed("a spare"))
Statement = tuple[int, bytes]


@pytest.fixture(autouse=True)
def _thief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)


@dataclass(frozen=True)
class Feeds:
    """The first feed of a member, and one that is opened later."""

    world: Federation
    member: Member

    @property
    def first(self) -> FeedId:
        return self.member.feed_id(self.world.charter.federation_id)

    @property
    def second(self) -> FeedId:
        federation_id = self.world.charter.federation_id
        return keys.feed_id(federation_id, self.member.member_id, bytes(OPENED.verify_key))

    @property
    def last(self) -> Header:
        """Of the first feed, before anything of a test."""
        federation_id = self.world.charter.federation_id
        headers = [entry.decode(one.header, one.signature, federation_id).header for one in self.world.letters]
        return max((one for one in headers if one.feed_id == self.first), key=lambda one: one.seq)

    def say(self, *said: Statement, behind: Header | None = None) -> list[Entry]:
        """In the first feed behind this, or in the second from its beginning."""
        key, feed_id = (self.member.feed_key, self.first) if behind else (OPENED, self.second)
        made: list[Entry] = []
        for kind, statement in said:
            fields = header_pb2.Header(
                feed_id=feed_id,
                seq=behind.seq + 1 if behind else 1,
                previous=behind.hash if behind else b"",
                created_ms=BASE_MS,
                urgency=1,
                kind=kind,
                statement=statement,
            )
            made.append(entry.create(fields, key, self.world.charter.federation_id))
            behind = made[-1].header
        return made

    def opened(self, *said: Statement, by_spare: bool) -> list[Entry]:
        """The second feed."""
        feed_key, kem_key = bytes(OPENED.verify_key), bytes(OPENED.verify_key)
        letter = header_pb2.Open(member_id=self.member.member_id, feed_key=feed_key)
        if by_spare:
            letter.MergeFrom(header_pb2.Open(node_id=b"n" * 16, kem_key=kem_key, tls_issuer=b"issuer"))
            letter.spare_key = bytes(SPARE.verify_key)
            message = statements.Open(self.member.member_id, feed_key, b"n" * 16, kem_key, b"issuer")
            letter.spare_signature = keys.sign(
                SPARE, Purpose.SPARE, self.world.charter.federation_id, identity.spare_message(message)
            )
        return self.say((Kind.OPEN, letter.SerializeToString()), *said)


@pytest.fixture(name="feeds")
def _feeds() -> Feeds:
    world = federation(25, PLAIN.encode())
    return Feeds(world, world.members[1])


def letters(made: Sequence[Entry]) -> list[Letter]:
    return [Letter(header=one.header.body, signature=one.signature) for one in made]


def supersede(feed_id: FeedId, last: Header | None = None) -> Statement:
    bound = header_pb2.Supersede(feed_id=feed_id)
    if last:
        bound.seq, bound.header_hash = last.seq, last.hash
    return Kind.SUPERSEDE, bound.SerializeToString()


SPARES = (Kind.SPARE, header_pb2.Spare(keys=bytes(SPARE.verify_key)).SerializeToString())


def test_a_stolen_feed_that_its_root_has_retired_ends_no_other(tmp_path: Path, feeds: Feeds) -> None:
    """Whether the thief said so before the root spoke or behind it."""
    last = feeds.last
    log = by_root(feeds.world, feeds.member, node_of(feeds.member), retire(feeds.first, last.seq, last.hash))
    second = feeds.opened(endorsement(), by_spare=False)
    stolen = feeds.say(supersede(feeds.second), behind=last)
    nodes = in_orders(tmp_path, feeds.world, [log, letters(second), letters(stolen)])
    agree(nodes)
    for node in nodes:
        assert node.trust.counts(second[1].header.hash)
        assert MemberId(STRANGER) in node.trust.candidates


def test_a_feed_ends_another_as_long_as_its_root_has_not_ended_it_below(tmp_path: Path, feeds: Feeds) -> None:
    """By an end above what it said, too; and whether or not the other feed was known by then."""
    last, second = feeds.last, feeds.opened(endorsement(), by_spare=True)
    (said,) = feeds.say(supersede(feeds.second, second[0].header), behind=last)
    log = by_root(feeds.world, feeds.member, SPARES, retire(feeds.first, said.header.seq, said.header.hash))
    nodes = in_orders(tmp_path, feeds.world, [log, letters(second), letters([said])])
    agree(nodes)
    for node in nodes:
        assert not node.trust.counts(second[1].header.hash)


def test_of_many_ends_of_a_feed_the_lowest_is_kept(tmp_path: Path, feeds: Feeds) -> None:
    bounds = [
        (Kind.SUPERSEDE, header_pb2.Supersede(feed_id=feeds.second, seq=seq, header_hash=bytes(32)).SerializeToString())
        for seq in (5, 4, 3)
    ]
    ends = feeds.say(*bounds, *reversed(bounds), behind=feeds.last)
    node = node_in(tmp_path / "node", feeds.world, 0)
    take(node, by_root(feeds.world, feeds.member, node_of(feeds.member)))
    take(node, letters(ends))
    assert [(one.feed_id, one.seq) for one in node.trust.marks.ends] == [(feeds.second, 3)]


def test_a_feed_that_a_spare_and_the_root_let_in_is_undone_only_with_both(tmp_path: Path, feeds: Feeds) -> None:
    log = by_root(feeds.world, feeds.member, SPARES, node_of(feeds.member))
    heir = Kind.SUCCESSOR, header_pb2.Successor(member_id=STRANGER).SerializeToString()
    other = by_root(feeds.world, feeds.member, SPARES, heir)[1:]
    second = feeds.opened(endorsement(), by_spare=True)
    nodes = in_orders(tmp_path, feeds.world, [log[:1], log[1:], letters(second), other])
    agree(nodes)
    assert all(node.trust.takes(feeds.second) for node in nodes)


def test_such_a_feed_is_in_doubt_only_by_both(tmp_path: Path, feeds: Feeds) -> None:
    """An entry that is not known lies between the spare and the root's word."""
    log = by_root(feeds.world, feeds.member, SPARES, (18, b"later"), node_of(feeds.member))  # type: ignore[arg-type]
    second = feeds.opened(endorsement(), by_spare=True)
    nodes = in_orders(tmp_path, feeds.world, [log[:1], log[1:], letters(second)])
    agree(nodes)
    assert all(node.trust.counts(second[1].header.hash) for node in nodes)


def test_what_a_log_said_below_a_place_is_what_it_said_then(feeds: Feeds) -> None:
    """A place costs a few numbers: a log is long, and all of its nodes and spares would be kept for each."""
    last = feeds.last
    acts: list[tuple[Kind, bytes]] = [
        SPARES,
        retire(feeds.first, last.seq, last.hash),
        node_of(feeds.member),
        (18, b"later"),  # type: ignore[list-item]
        SPARES,
        (Kind.SUCCESSOR, header_pb2.Successor(member_id=STRANGER).SerializeToString()),
    ]
    federation_id = feeds.world.charter.federation_id
    log_id = identity.log_id(feeds.member.member_id)
    read = [
        one
        for letter in (*feeds.world.letters, *by_root(feeds.world, feeds.member, *acts))
        if (one := entry.decode(letter.header, letter.signature, federation_id)).header.feed_id == log_id
    ]
    found = [identity.begin(read[0], federation_id)]
    for one in read[1:]:
        found.append(identity.follow(found[-1], one, federation_id))
    assert [found[-1].within(one.extent) for one in found] == found
    assert found[-1].within(None) == found[0]
