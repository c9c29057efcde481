"""What simulated members say: every kind that this version writes, and some that it does not know."""

from random import Random

from node import limits
from node.exchange.publish import Draft
from node.feed.header import BULK, NORMAL, SEALED_RELAY, URGENT
from node.feed.kinds import Kind
from node.v1 import header_pb2, record_pb2
from tests.simulator.members import FRAMEWORK, Federation, SeededWrapping

DAY_MS = 86_400_000
UNKNOWN_ODD, UNKNOWN_EVEN = 61, 62


def draft(random: Random, federation: Federation, now_ms: int, published: list[bytes]) -> list[Draft]:
    """The next thing that somebody says; digests of its items are added to `published`."""
    roll = random.random()
    ends_ms = now_ms + random.randint(1, 30) * DAY_MS
    if roll < 0.35:
        return [_crisis(random, ends_ms, exercise=random.random() < 0.2)]
    if roll < 0.55:
        return [_items(random, ends_ms, published, random.randint(2, 40), NORMAL)]
    if roll < 0.60:
        return [_items(random, ends_ms, published, 520, BULK)]  # too large to go inline
    if roll < 0.70:
        return [_document(random, ends_ms, random.choice((17_000, 70_000))) for _ in range(random.randint(1, 2))]
    if roll < 0.80:
        return [_sealed(random, federation, ends_ms)]
    if roll < 0.90:
        withdraw = header_pb2.Withdraw(reason=1).SerializeToString()
        return [Draft(Kind.WITHDRAW, URGENT, withdraw, object_id=random.randbytes(16))]
    kind = random.choice((UNKNOWN_ODD, UNKNOWN_EVEN))
    return [Draft(kind, NORMAL, random.randbytes(random.randint(1, 600)))]


def _crisis(random: Random, ends_ms: int, *, exercise: bool) -> Draft:
    object_id = random.randbytes(16)
    crisis = record_pb2.Crisis(framework=FRAMEWORK, title="simulated", harm=3, virality=3, ends_ms=ends_ms)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.DECLARATION,
        object_id=object_id,
        exercise=exercise,
        crisis=crisis,
    )
    return Draft(
        Kind.DECLARATION, URGENT, record=_bytes(record), object_id=object_id, exercise=exercise, expires_ms=ends_ms
    )


def _items(random: Random, ends_ms: int, published: list[bytes], count: int, urgency: int) -> Draft:
    object_id = random.randbytes(16)
    digests = [random.randbytes(32) for _ in range(count)]
    published.append(digests[0])
    packed = b"".join(sorted(digests)[: limits.ITEMS_MAX])
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.ITEMS,
        object_id=object_id,
        items=record_pb2.Items(kind="sha256", digests=packed),
    )
    return Draft(Kind.ITEMS, urgency, record=_bytes(record), object_id=object_id, expires_ms=ends_ms)


def _document(random: Random, ends_ms: int, size: int) -> Draft:
    object_id = random.randbytes(16)
    document = record_pb2.Document(name="simulated", content=random.randbytes(size))
    record = record_pb2.Record(kind=Kind.DOCUMENT, object_id=object_id, document=document)
    return Draft(Kind.DOCUMENT, BULK, record=_bytes(record), object_id=object_id, expires_ms=ends_ms)


def _sealed(random: Random, federation: Federation, ends_ms: int) -> Draft:
    readers = random.sample(federation.members, 3)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.OPINION,
        object_id=random.randbytes(16),
        opinion=record_pb2.Opinion(note="for three"),
    )
    return Draft(
        Kind.OPINION,
        NORMAL,
        record=_bytes(record),
        expires_ms=ends_ms,
        carriage=SEALED_RELAY,
        readers=tuple(SeededWrapping.public(reader.kem) for reader in readers),
    )


def _bytes(record: record_pb2.Record) -> bytes:
    return record.SerializeToString(deterministic=True)
