"""What is told of a list of another member's."""

from hashlib import sha256

import pytest

from node.content import hashes
from node.exchange import opinions
from node.exchange.holdings import Part
from node.exchange.restricting import Restriction
from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.runtime import following
from node.store.index import Record
from node.v1 import record_pb2


@pytest.mark.parametrize(
    ("advice", "told"), [("block", "block"), ("ignore", "ignore"), ("", "review"), ("=1", "review")]
)
def test_an_export_has_a_review_for_advice_that_nobody_here_knows(advice: str, told: str) -> None:
    said = record_pb2.Record(items=record_pb2.Items(kind="sha256", advice=advice, digests=sha256(b"1").digest()))
    row = Record(
        hash=HeaderHash(bytes(32)),
        feed_id=FeedId(bytes(32)),
        seq=2,
        member_id=MemberId(bytes(32)),
        object_id=ObjectId(bytes(16)),
        kind=Kind.ITEMS,
        exercise=False,
        created_ms=1,
        expires_ms=2,
        received_ms=1,
        items=1,
        content=b"",
    )
    part = Part(1, row, said, hashes.SHA256, Restriction())
    assert following._list_record(part, said, hashes.SHA256, opinions.NOBODY).advice == told
