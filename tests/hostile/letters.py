"""What peers say to each other, as bytes (protos/README.md sections 3 and 8); imports nothing of ``node``."""

from collections.abc import Iterable, Sequence

from tests.vectors import wire

Read = dict[int, list[int | bytes]]

FIXED = {1: 8, 5: 4}  # wire types of a fixed width

# Bodies of a Frame.
HELLO, ECHO, ENTRIES, DIGEST, HEADS, WANT, FORK, BYE = range(1, 9)
WANT_PAYLOAD, CHUNK, CHUNK_ACK, ABSENT, HAVE = range(16, 21)


def read(data: bytes) -> Read:
    """All fields of a message, each with its values in their order."""
    found: Read = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | bytes
        if tag & 7 in FIXED:
            size = FIXED[tag & 7]
            value, at = data[at : at + size], at + size
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            value, at = _varint(data, at)
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def octets(found: Read, number: int) -> bytes:
    """The one value of a field of bytes; absent is empty."""
    value = found.get(number, [b""])[-1]
    assert isinstance(value, bytes)
    return value


def several(found: Read, number: int) -> list[bytes]:
    """All values of a field of bytes."""
    return [value for value in found.get(number, ()) if isinstance(value, bytes)]


def count(found: Read, number: int) -> int:
    """The one value of a field of numbers; absent is zero."""
    value = found.get(number, [0])[-1]
    assert isinstance(value, int)
    return value


def repeated(number: int, values: Iterable[bytes]) -> bytes:
    """A field that may stand several times."""
    return b"".join(wire.field(number, value) for value in values)


# ---- Frames


def frame(body: int, content: bytes) -> bytes:
    """A Frame in the message of its stream, which has the same form in both directions and on both streams."""
    return wire.field(1, wire.field(body, content))


def opened(message: bytes) -> tuple[int, Read]:
    """The body of what was heard, and its fields."""
    found = read(octets(read(message), 1))
    ((body, (content,)),) = found.items()
    assert isinstance(content, bytes)
    return body, read(content)


def entries(letters: Iterable[bytes], lane: int = 1) -> bytes:
    """Entries, pushed."""
    return frame(ENTRIES, repeated(1, letters) + wire.message({2: lane}))


def signed(body: bytes, signature: bytes, box: bytes = b"", payload: bytes = b"") -> bytes:
    """A SignedEntry."""
    return wire.message({1: body, 2: signature, 3: box, 4: payload})


def row(feed_id: bytes, seq: int, hash_: bytes = b"", *, floor: int = 1, forked: int = 0, more: bytes = b"") -> bytes:
    """A claim about a feed, and whatever else stands in it."""
    return wire.message({1: feed_id, 2: seq, 3: hash_, 4: floor, 5: forked}) + more


def heads(rows: Iterable[bytes], *, whole: bool = True, last: bool = True, more: bytes = b"") -> bytes:
    """A page of rows, in rising order of their feeds, and whatever else stands in it."""
    return frame(HEADS, repeated(1, sorted(rows)) + wire.message({2: int(whole), 3: int(last)}) + more)


def digest(hash_: bytes, *, answer: bool = False) -> bytes:
    """A hash over all rows."""
    return frame(DIGEST, wire.message({1: hash_, 2: 1, 3: int(answer)}))


def want(ranges: Iterable[tuple[bytes, int, int]] = (), single: Iterable[bytes] = ()) -> bytes:
    """Ask for ranges of feeds, and for entries by hash."""
    parts = [wire.message({1: feed_id, 2: first, 3: last}) for feed_id, first, last in ranges]
    return frame(WANT, repeated(1, parts) + repeated(2, single))


def fork(one: bytes, other: bytes) -> bytes:
    """A ForkProof, or what looks like one."""
    return frame(FORK, wire.message({1: one, 2: other}))


def want_payload(entry: bytes, first: int = 0) -> bytes:
    """Ask for chunks."""
    return frame(WANT_PAYLOAD, wire.message({1: entry, 2: first}))


def chunk(entry: bytes, number: int, data: bytes, path: Sequence[bytes] = ()) -> bytes:
    """One piece of a payload."""
    return frame(CHUNK, wire.message({1: entry, 2: number, 3: data}) + repeated(4, path))


def chunk_ack(entry: bytes, number: int) -> bytes:
    """That a piece is durable."""
    return frame(CHUNK_ACK, wire.message({1: entry, 2: number}))


def have(entries: Iterable[bytes], *, ask: bool = False) -> bytes:
    """That payloads are here."""
    return frame(HAVE, repeated(1, entries) + wire.message({2: int(ask)}))
