"""Which places count, what is told of them, and which questions cannot be."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node import limits
from node.content import hashes
from node.content.hashes import MD5, PDQ, SSDEEP, URL
from node.errors import Refused
from node.exchange import consult, matching, standing
from node.exchange.consult import View
from node.feed.keys import FeedId, HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.policy import effect
from node.policy.following import Choice, Follows, State
from node.store import digests, index, ledger, restrictions, stores
from node.store.index import Record
from node.store.restrictions import Replacement, Withdrawal
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Member, federation

LIST, OTHER_LIST = ObjectId(b"l" * 16), ObjectId(b"m" * 16)
ENDS_MS = BASE_MS + 86_400_000
WORLD = federation(25)
FRAME = f"0,100,{'0f' * 32},0.000"
FIRST, SECOND = WORLD.members[:2]


class Lists:
    """An index that is filled by hand, as the projection leaves it."""

    def __init__(self, folder: Path) -> None:
        self.stores: Stores = stores.open_folder(folder)
        ledger.write_meta(self.stores.ledger, "store_id", bytes(16))
        self.stores.commit("ledger")
        self._reader = stores.open_to_read(folder)
        charter = replace(WORLD.trust.charter, document=PLAIN.encode())
        self.trust = replace(WORLD.trust, charter=charter)
        self.now_ms = BASE_MS
        self.follows = Follows(WORLD.members[24].member_id)
        self._count = 0

    @property
    def seen(self) -> View:
        return consult.view(self.trust, self.follows, self.now_ms)

    def head(self, author: Member, object_id: ObjectId, letter: record_pb2.HashList) -> None:
        self._put(
            author,
            record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.LIST, object_id=object_id, list=letter),
            0,
            exercise=False,
        )

    def items(
        self,
        author: Member,
        letter: record_pb2.Items,
        values: Sequence[bytes | str],
        *,
        object_id: ObjectId = LIST,
        crisis_id: bytes = b"",
        exercise: bool = False,
        name: HeaderHash | None = None,
    ) -> HeaderHash:
        record = record_pb2.Record(
            kind=Kind.ITEMS,
            object_id=object_id,
            items=letter,
            crisis_id=crisis_id,
            handling=record_pb2.Handling(tlp=2),
        )
        hash_, number = self._put(author, record, len(values), exercise=exercise, name=name)
        kind, packed = hashes.KINDS[letter.kind], b"".join(map(hashes.key, values))
        # Also of a drill, as if it stood among all others: then it matches nothing either.
        digests.put(self.stores.digests, kind.number, kind.key_bytes, number, packed, 0, len(values), exercise=False)
        return hash_

    def _put(
        self,
        author: Member,
        record: record_pb2.Record,
        items: int,
        *,
        exercise: bool,
        name: HeaderHash | None = None,
    ) -> tuple[HeaderHash, int]:
        self._count += 1
        row = Record(
            hash=name or HeaderHash(sha256(b"entry %d" % self._count).digest()),
            feed_id=feed_of(author),
            seq=self._count + 1,
            member_id=author.member_id,
            object_id=ObjectId(record.object_id),
            kind=record.kind,
            exercise=exercise,
            created_ms=BASE_MS,
            expires_ms=ENDS_MS,
            received_ms=BASE_MS,
            items=items,
            content=record.SerializeToString(),
        )
        return row.hash, index.put_record(self.stores.index, row, shown=True)

    def look_up(self, kind: str, *values: bytes | str) -> Sequence[tools_pb2.Match]:
        return self.answer(kind, *values).matches

    def answer(self, kind: str, *values: bytes | str) -> tools_pb2.LookUpResponse:
        return matching.look_up(self.reader, self.seen, matching.ask(question(kind, *values)))

    @property
    def reader(self) -> Stores:
        """Everything that was written, as look-ups see it."""
        self.stores.commit("digests")
        self.stores.commit("index")
        return self._reader

    def close(self) -> None:
        self._reader.close()
        self.stores.close()

    def withdraw(self, author: Member, target: bytes, *positions: int) -> None:
        self._count += 1
        bits = sum(1 << position for position in positions).to_bytes(2, "little") if positions else b""
        hash_ = HeaderHash(sha256(b"entry %d" % self._count).digest())
        said = Withdrawal(hash_, target, author.member_id, feed_of(author), self._count + 1, BASE_MS, 4, bits)
        restrictions.withdraw(self.stores.index, said)


def feed_of(author: Member) -> FeedId:
    return author.feed_id(WORLD.charter.federation_id)


def question(kind: str, *values: bytes | str) -> tools_pb2.LookUpRequest:
    return tools_pb2.LookUpRequest(
        kind=kind,
        values=[one for one in values if isinstance(one, bytes)],
        texts=[one for one in values if isinstance(one, str)],
    )


def digest(number: int) -> bytes:
    return sha256(number.to_bytes(8)).digest()


@pytest.fixture(name="lists")
def _lists(tmp_path: Path) -> Iterator[Lists]:
    made = Lists(tmp_path)
    yield made
    made.close()


def sha256_items() -> record_pb2.Items:
    return record_pb2.Items(kind="sha256", labels=["attack-footage"], advice="block")


# ---- What is told


def test_a_match_says_all_that_is_known_of_it(lists: Lists) -> None:
    lists.head(FIRST, LIST, record_pb2.HashList(name="halle"))
    entry = lists.items(FIRST, sha256_items(), [digest(i) for i in range(9)], crisis_id=b"c" * 16)
    (match,) = lists.look_up("sha256", digest(99), digest(7))
    assert match == tools_pb2.Match(
        index=1,
        entry=entry,
        position=7,
        member_id=FIRST.member_id,
        member_name="Member 0",
        list_id=LIST,
        list="member-0/halle",
        labels=["attack-footage"],
        advice="block",
        expires_ms=ENDS_MS,
        crisis_id=b"c" * 16,
        crisis=match.crisis,
        item=match.item,
        sources=1,
        handling=record_pb2.Handling(tlp=2),
    )
    assert match.crisis.startswith("c-")
    assert len(match.crisis) == len("c-4k7q")
    assert match.item.startswith("member-0/halle/")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (MD5, [bytes(16), b"\xff" * 16]),
        (PDQ, [bytes(32), b"\xff" * 32]),
        (SSDEEP, ["3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", "3::"]),
        (URL, ["https://t.example/a", "https://t.example/A"]),
        (hashes.VPDQ, [FRAME, f"{FRAME};1{FRAME}"]),
    ],
)
def test_values_of_every_kind_are_found_where_they_stand(
    lists: Lists, kind: hashes.HashKind, values: list[bytes | str]
) -> None:
    lists.items(FIRST, record_pb2.Items(kind=kind.name), values)
    found = lists.look_up(kind.name, values[1], values[0], values[1])
    assert [(one.index, one.position) for one in found] == [(0, 1), (1, 0), (2, 1)]


@pytest.mark.parametrize("kind", [hashes.VPDQ, hashes.TMK, SSDEEP, URL])
def test_what_is_of_no_form_of_its_kind_matches_nothing_and_leaves_its_neighbours_alone(
    lists: Lists, kind: hashes.HashKind
) -> None:
    """A member may list it; nobody can ask for it."""
    right = {"vpdq": FRAME, "tmk": "VE1LMQ==", "ssdeep": "3::", "url": "https://t.example/a"}[kind.name]
    lists.items(FIRST, record_pb2.Items(kind=kind.name), ["!", right, "\x1b[2Jjane.doe@example.org"])
    assert [one.position for one in lists.look_up(kind.name, right)] == [1]
    with pytest.raises(Refused, match="needs"):
        lists.look_up(kind.name, "\x1b[2Jjane.doe@example.org")


def test_a_value_of_one_kind_matches_none_of_another(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    assert lists.look_up("pdq", digest(1)) == []


def test_each_member_that_lists_a_value_is_one_source(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1), digest(2)])
    lists.items(FIRST, sha256_items(), [digest(1)], object_id=OTHER_LIST)
    lists.items(SECOND, sha256_items(), [digest(1)])
    lists.items(WORLD.members[2], sha256_items(), [digest(1)], exercise=True)
    found = lists.look_up("sha256", digest(2), digest(1))
    assert [(one.index, one.sources) for one in found] == [(0, 1), (1, 2), (1, 2), (1, 2)]


def test_whoever_lists_a_value_in_very_many_records_hides_nobody(lists: Lists) -> None:
    for _ in range(matching.PLACES_OF_MEMBER_MAX + 5):
        lists.items(FIRST, sha256_items(), [digest(1)])
    lists.items(SECOND, sha256_items(), [digest(1)])
    found = lists.look_up("sha256", digest(1))
    assert [one.member_id for one in found].count(FIRST.member_id) == matching.PLACES_OF_MEMBER_MAX
    assert found[-1].member_id == SECOND.member_id


def test_records_that_begin_alike_have_longer_references(lists: Lists) -> None:
    lists.head(FIRST, LIST, record_pb2.HashList(name="halle"))
    alike = [HeaderHash(b"\x01" * 31 + bytes([last])) for last in (1, 2, 128)]
    for i, name in enumerate(alike):
        lists.items(FIRST, sha256_items(), [digest(i)], name=name)
    items = [lists.look_up("sha256", digest(i))[0].item for i in range(3)]
    assert not any(one != other and one.split(":")[0] in other for one in items for other in items)


def test_a_quality_is_told_where_it_is_known_and_bad_ones_match_nothing(lists: Lists) -> None:
    values = [digest(i) for i in range(4)]
    letter = record_pb2.Items(kind="pdq", qualities=bytes([49, 50, 100, 255]))
    lists.head(FIRST, LIST, record_pb2.HashList(name="pictures", quality_floor=50))
    lists.items(FIRST, letter, values)
    found = lists.look_up("pdq", *values)
    assert [(one.index, one.quality if one.HasField("quality") else None) for one in found] == [
        (1, 50),
        (2, 100),
        (3, None),
    ]
    lists.head(SECOND, OTHER_LIST, record_pb2.HashList(name="all of them"))
    lists.items(SECOND, letter, values, object_id=OTHER_LIST)
    low = lists.look_up("pdq", values[0])
    assert [(one.list, one.quality, one.sources) for one in low] == [("member-1/all of them", 49, 1)]


def test_what_may_be_exempt_is_for_review_and_says_as_what(lists: Lists) -> None:
    lists.items(FIRST, record_pb2.Items(kind="sha256", advice="block", exemptions=["news"]), [digest(0)])
    lists.items(FIRST, record_pb2.Items(kind="sha256", advice="block", exemptions=["none-known"]), [digest(1)])
    first, second = lists.look_up("sha256", digest(0), digest(1))
    assert (first.advice, first.reason, list(first.exemptions)) == ("review", "may also be news", ["news"])
    assert (second.advice, second.reason, list(second.exemptions)) == ("block", "", [])


def test_advice_that_nobody_here_knows_is_a_review(lists: Lists) -> None:
    for number, advice in enumerate(("monitor", "", "delete", "block\x1b[1G  no match")):
        lists.items(FIRST, record_pb2.Items(kind="sha256", advice=advice), [digest(number)])
    found = lists.look_up("sha256", *map(digest, range(4)))
    assert [one.advice for one in found] == ["monitor", "review", "review", "review"]


def test_what_a_list_is_called_is_one_line_that_can_be_typed(lists: Lists) -> None:
    lists.head(FIRST, LIST, record_pb2.HashList(name="a\x1b[2K\n`tocsin leave`"))
    lists.items(FIRST, sha256_items(), [digest(1)])
    (match,) = lists.look_up("sha256", digest(1))
    assert match.list == r"member-0/a\x1b[2K\n`tocsin leave`"
    assert match.item.startswith(f"{match.list}/")


def test_what_its_author_may_not_publish_is_for_review(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    lists.trust = replace(lists.trust, charter=WORLD.trust.charter)
    (match,) = lists.look_up("sha256", digest(1))
    assert (match.advice, match.reason) == ("review", effect.UNREAD)


def test_what_stands_on_a_forked_feed_is_for_review(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    lists.trust = replace(lists.trust, marks=Marks(forks=frozenset({(feed_of(FIRST), 2)})))
    (match,) = lists.look_up("sha256", digest(1))
    assert (match.advice, match.reason) == ("review", standing.CONTESTED)


# ---- What counts


def test_drills_and_what_is_past_its_end_match_nothing(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)], exercise=True)
    lists.items(FIRST, sha256_items(), [digest(2)])
    lists.now_ms = ENDS_MS - 1
    assert [one.index for one in lists.look_up("sha256", digest(1), digest(2))] == [1]
    lists.now_ms = ENDS_MS
    assert lists.look_up("sha256", digest(1), digest(2)) == []


def test_what_stands_above_the_end_of_its_feed_matches_nothing(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    ended = Bound(feed_of(FIRST), 1, HeaderHash(b"h" * 32))
    lists.trust = replace(lists.trust, marks=Marks(ends=frozenset({ended})))
    assert lists.look_up("sha256", digest(1)) == []


def test_items_that_their_author_took_back_match_nothing(lists: Lists) -> None:
    values = [digest(i) for i in range(12)]
    entry = lists.items(FIRST, sha256_items(), values)
    lists.withdraw(FIRST, entry, 0, 9)
    assert [one.index for one in lists.look_up("sha256", *values)] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    lists.withdraw(FIRST, entry)
    assert lists.look_up("sha256", *values) == []


def test_a_list_that_its_author_took_back_matches_nothing_and_anothers_word_changes_nothing(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    lists.withdraw(SECOND, LIST)
    assert len(lists.look_up("sha256", digest(1))) == 1
    lists.withdraw(FIRST, LIST)
    assert lists.look_up("sha256", digest(1)) == []


def test_a_record_that_another_took_the_place_of_is_no_second_match(lists: Lists) -> None:
    before = lists.items(FIRST, sha256_items(), [digest(1), digest(2)])
    after = lists.items(FIRST, sha256_items(), [digest(2)])
    said = Replacement(after, before, FIRST.member_id, LIST, feed_of(FIRST), 3)
    restrictions.replace(lists.stores.index, [said])
    assert [(one.entry, one.position) for one in lists.look_up("sha256", digest(1), digest(2))] == [(after, 0)]


@pytest.mark.parametrize("state", [State.OFFERED, State.PREVIEWED, State.DROPPED])
def test_a_list_that_is_not_followed_matches_nothing_and_is_no_source(lists: Lists, state: State) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    lists.items(SECOND, sha256_items(), [digest(1)])
    lists.follows = replace(lists.follows, choices={(FIRST.member_id, LIST): Choice(state)})
    (match,) = lists.look_up("sha256", digest(1))
    assert (match.member_id, match.sources) == (SECOND.member_id, 1)


def test_a_record_that_is_not_whole_yet_matches_nothing(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    lists.stores.index.exec_driver_sql("UPDATE record SET shown = 0")
    assert lists.look_up("sha256", digest(1)) == []


# ---- What cannot be asked


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        (question("sha-256", digest(1)), "kind", "there is no kind 'sha-256'"),
        (question("sha256", digest(1), b"short"), "values", "value 1: sha256 has 32 bytes, got 5"),
        (question("sha256", digest(1), "text"), "texts", "sha256 has 32 bytes and no texts"),
        (question("url", digest(1)), "values", "url is a text"),
        (question("url", "https://a.example/", "nothing"), "texts", "text 1: url needs scheme://host"),
        (question("ssdeep", "3::,film.mp4"), "texts", "text 0 is not in the one form of ssdeep"),
        (question("md5", *[bytes(16)] * 1001), "values", "1001 values at a time; at most 1000"),
        (question("url", *["https://a.example/"] * 1001), "values", "1001 values at a time; at most 1000"),
    ],
)
def test_a_question_that_cannot_be_is_refused_at_its_field(
    asked: tools_pb2.LookUpRequest, field: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        matching.ask(asked)
    assert refused.value.field == field
    assert refused.value.next_step


def test_as_many_as_are_allowed_are_answered_and_none_is(lists: Lists) -> None:
    values = [digest(i) for i in range(limits.VALUES_PER_LOOK_UP_MAX)]
    lists.items(FIRST, sha256_items(), values)
    assert [one.position for one in lists.look_up("sha256", *values)] == list(range(1000))
    assert lists.look_up("sha256") == []


def test_a_list_whose_head_has_not_come_is_named_by_its_id(lists: Lists) -> None:
    lists.items(FIRST, sha256_items(), [digest(1)])
    (match,) = lists.look_up("sha256", digest(1))
    assert match.list == f"member-0/{LIST.hex()}"
