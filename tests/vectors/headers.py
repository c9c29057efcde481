"""Vectors of headers, bytes and rules (protos/README.md section 3)."""

from collections.abc import Iterator, Mapping

from tests.vectors import wire
from tests.vectors.people import (
    AUTHORITY,
    DAY_MS,
    FEDERATION_ID,
    HEADER_NUMBERS,
    NOW_MS,
    Vector,
    header,
    header_hash,
    statement_header,
)

UNENDORSE = wire.message({1: wire.seed("an endorsement")})
STATEMENT = statement_header(36, UNENDORSE)
OPEN_STATEMENT = wire.message({1: AUTHORITY.member_id, 2: bytes(AUTHORITY.feed.verify_key)})
PAYLOAD: dict[str, int | bytes] = {
    "version": 1,
    "feed_id": AUTHORITY.feed_id,
    "seq": 8,
    "previous": wire.seed("previous"),
    "created_ms": NOW_MS,
    "expires_ms": NOW_MS + 30 * DAY_MS,
    "kind": 82,
    "object_id": wire.seed("object")[:16],
    "payload_id": wire.seed("payload")[:16],
    "payload_size": 256 + 16,
    "payload_root": wire.seed("root"),
    "box_hash": wire.seed("box"),
    "key_commit": wire.seed("commitment"),
}
SEALED = {
    **{name: value for name, value in PAYLOAD.items() if name != "object_id"},
    "kind": 64,
    "carriage": 1,
}


def vectors() -> Iterator[Vector]:
    """All of this subject."""
    for name, about, fields, tail in _valid():
        body = header(fields) + tail
        seen = {key: value for key, value in fields.items() if value}
        output = {"header_hash": header_hash(body), "fields": seen, "understood": not name.startswith("foreign")}
        yield _vector(name, about, body, "valid", output)
    for name, expect, about, body in (*_encodings(), *_values()):
        yield _vector(name, about, body, expect)
    for name, expect, about, fields in _rules():
        yield _vector(name, about, header(fields), expect)


def _vector(name: str, about: str, body: bytes, expect: str, output: Mapping[str, object] | None = None) -> Vector:
    return Vector("header", name, "header", about, {"federation_id": FEDERATION_ID, "header": body}, expect, output)


def _valid() -> Iterator[tuple[str, str, Mapping[str, int | bytes], bytes]]:
    plain = b""
    yield "valid-statement", "A statement kind in the middle of a feed.", STATEMENT, plain
    opening = statement_header(32, OPEN_STATEMENT)
    yield "valid-opening", "The first entry of a node feed has no predecessor.", opening, plain
    yield "valid-payload", "A declaration for all members.", PAYLOAD, plain
    yield "valid-sealed", "A sealed entry shows neither kind nor object.", SEALED, plain
    tagged = {**SEALED, "audience_tag": wire.seed("tag")[:16]}
    yield "valid-sealed-tag", "A sealed entry may carry an audience tag.", tagged, plain
    drill = {**PAYLOAD, "exercise": 1}
    yield "valid-exercise", "The exercise flag stands in the header.", drill, plain
    bulk = {**PAYLOAD, "kind": 98, "urgency": 3}
    yield "valid-bulk", "Urgency 3 is bulk.", bulk, plain
    strict = {**SEALED, "carriage": 255}
    yield "valid-carriage-unknown", "An unknown carriage is kept and treated as 3.", strict, plain
    odd, even = {**PAYLOAD, "kind": 65535}, {**PAYLOAD, "kind": 65534}
    yield "valid-kind-unknown-odd", "An odd unknown kind is stored and ignored.", odd, plain
    yield "valid-kind-unknown-even", "An even unknown kind is stored all the same.", even, plain
    least, most = {**PAYLOAD, "expires_ms": NOW_MS + 1}, {**PAYLOAD, "expires_ms": NOW_MS + 1830 * DAY_MS}
    yield "valid-expiry-least", "The shortest life is one millisecond.", least, plain
    yield "valid-expiry-most", "The longest life is 5 times 366 days.", most, plain
    largest = {**PAYLOAD, "payload_size": 15 * 2**20 + 241 * 16}
    yield "valid-payload-largest", "The largest bucket below 16 MiB of ciphertext.", largest, plain
    last = {**STATEMENT, "seq": 2**40}
    yield "valid-seq-most", "The last sequence number there is.", last, plain
    long = {**STATEMENT, "statement": wire.seed("long") * 20}
    yield "valid-statement-most", "A header does not look into its statement of 640 bytes.", long, plain
    unknown = wire.field(32, 1) + wire.field(63, b"kept")
    yield "valid-unknown-32-63", "Fields 32 to 63 are kept and ignored.", STATEMENT, unknown
    fixed = wire.tag(40, 1) + bytes(range(1, 9)) + wire.tag(41, 5) + bytes(range(1, 5))
    yield "valid-unknown-fixed", "An unknown field may be of a fixed width.", STATEMENT, fixed
    zero = wire.tag(40, 5) + bytes(4)
    yield "valid-unknown-fixed-zero", "A fixed width has no rule about zero.", STATEMENT, zero
    yield "foreign-64", "Field 64 makes the entry not effective here.", STATEMENT, wire.field(64, 1)
    highest = wire.field(2**29 - 1, b"x")
    yield "foreign-highest", "The highest field number protobuf has.", STATEMENT, highest


def _join(fields: Mapping[str, int | bytes], replaced: Mapping[str, bytes]) -> bytes:
    """A header in which some fields are written as given."""
    return b"".join(
        replaced.get(name, wire.field(HEADER_NUMBERS[name], value) if value else b"")
        for name, value in sorted(fields.items(), key=lambda item: HEADER_NUMBERS[item[0]])
    )


def _encodings() -> Iterator[tuple[str, str, str, bytes]]:
    body = header(STATEMENT)
    yield "empty", "field-required", "Nothing at all.", b""
    twice = _join(STATEMENT, {"seq": wire.field(3, 7) * 2})
    yield "fields-rising-twice", "fields-rising", "A field stands twice.", twice
    swapped = wire.field(2, AUTHORITY.feed_id) + wire.field(1, 1) + header({**STATEMENT, "version": 0, "feed_id": b""})
    yield "fields-rising-swapped", "fields-rising", "Field 2 before field 1.", swapped
    yield "fields-rising-zero", "fields-rising", "Field number 0.", wire.field(0, 1) + body
    beyond = body + wire.field(2**29, 1)
    yield "fields-rising-beyond", "fields-rising", "A field number protobuf does not have.", beyond
    unknown = body + wire.field(32, 1) * 2
    yield "fields-rising-unknown", "fields-rising", "An unknown field stands twice.", unknown
    minimal = {
        "value": _join(STATEMENT, {"seq": wire.tag(3, 0) + wire.varint(7, 1)}),
        "tag": _join(STATEMENT, {"seq": wire.varint(3 << 3, 1) + wire.varint(7)}),
        "length": _join(STATEMENT, {"feed_id": wire.tag(2, 2) + wire.varint(32, 2) + AUTHORITY.feed_id}),
        "unknown": body + wire.tag(32, 0) + wire.varint(1, 3),
    }
    for name, wrong in minimal.items():
        yield f"varint-minimal-{name}", "varint-minimal", f"Needless zero groups in a {name}.", wrong
    beyond = _join(STATEMENT, {"created_ms": wire.tag(5, 0) + wire.varint(2**64)})
    yield "varint-size-bits", "varint-size", "A number of 65 bits.", beyond
    eleven = _join(STATEMENT, {"created_ms": wire.tag(5, 0) + b"\xff" * 10 + b"\x01"})
    yield "varint-size-bytes", "varint-size", "A number of eleven bytes.", eleven
    group = wire.tag(32, 3) + wire.field(1, 1) + wire.tag(32, 4)
    yield "wire-type-group", "wire-type", "A group, even in an unknown field.", body + group
    yield "wire-type-group-end", "wire-type", "The end of a group.", body + wire.tag(33, 4)
    yield "wire-type-six", "wire-type", "A wire type that protobuf does not have.", body + wire.tag(32, 6)
    typed = _join(STATEMENT, {"seq": wire.field(3, b"\x07")})
    yield "wire-type-bytes", "wire-type", "Bytes where a number belongs.", typed
    fixed = _join(STATEMENT, {"seq": wire.tag(3, 1) + b"\x07" + bytes(7)})
    yield "wire-type-fixed", "wire-type", "A fixed width where a varint belongs.", fixed
    for number in (19, 20, 31):
        extra = body + wire.field(number, 1)
        yield f"field-unknown-{number}", "field-unknown", f"Field {number} is below 32 and not there.", extra
    yield "truncated-value", "truncated", "The last value is cut short.", body[:-1]
    yield "truncated-tag", "truncated", "The last byte says that the number goes on.", body + b"\x80"
    yield "truncated-number", "truncated", "A tag without its value.", body + wire.tag(32, 0)
    yield "truncated-fixed", "truncated", "Seven bytes of eight.", body + wire.tag(32, 1) + b"\x01" * 7
    huge = body + wire.tag(32, 2) + wire.varint(2**63)
    yield "truncated-huge", "truncated", "A length far beyond the end.", huge
    yield "trailing-zero", "fields-rising", "A zero byte after the last field.", body + b"\x00"
    yield (
        "default-absent-number",
        "default-absent",
        "A zero written out.",
        _join({**STATEMENT, "urgency": 0}, {"urgency": wire.field(7, 0)}),
    )
    yield (
        "default-absent-bytes",
        "default-absent",
        "Empty bytes written out.",
        _join({**STATEMENT, "object_id": b""}, {"object_id": wire.field(11, b"")}),
    )
    unknown = body + wire.field(32, 0)
    yield "default-absent-unknown", "default-absent", "A zero in an unknown field.", unknown
    over = body + wire.field(32, bytes(1024 - len(body)))
    yield "header-size", "header-size", "More than 1,024 bytes.", over


def _values() -> Iterator[tuple[str, str, str, bytes]]:
    for name in ("version", "feed_id", "seq", "created_ms", "kind"):
        without = header({**STATEMENT, name: 0})
        yield f"field-required-{name}", "field-required", f"Without {name}.", without
    numbers = {
        "version": 2,
        "seq": 2**40 + 1,
        "created_ms": 2**48,
        "urgency": 4,
        "kind": 65536,
        "exercise": 2,
    }
    for name, value in numbers.items():
        wrong = header({**STATEMENT, name: value})
        yield f"number-range-{name}", "number-range", f"{name} is one too large.", wrong
    for name, value in {"expires_ms": 2**48, "carriage": 256, "payload_size": 2**24 + 1}.items():
        wrong = header({**SEALED, name: value})
        yield f"number-range-{name}", "number-range", f"{name} is one too large.", wrong
    full = {**SEALED, "object_id": bytes(15) + b"\x01", "audience_tag": wire.seed("tag")[:16]}
    octets = {name: value for name, value in full.items() if isinstance(value, bytes)}
    for name, given in octets.items():
        for size, wrong_size in (("short", given[:-1]), ("long", given + b"\x01")):
            about = f"{name} is one byte too {size}."
            yield f"length-exact-{name}-{size}", "length-exact", about, header({**full, name: wrong_size})
    long = header({**STATEMENT, "statement": wire.seed("long") * 20 + b"x"})
    yield "length-max-statement", "length-max", "A statement of 641 bytes.", long


def _rules() -> Iterator[tuple[str, str, str, Mapping[str, int | bytes]]]:
    opening = statement_header(32, OPEN_STATEMENT)
    rows: list[tuple[str, str, str, Mapping[str, int | bytes]]] = [
        ("previous-place-missing", "previous-place", "No predecessor at seq 7.", {**STATEMENT, "previous": b""}),
        (
            "previous-place-first",
            "previous-place",
            "A predecessor at seq 1.",
            {**opening, "previous": wire.seed("previous")},
        ),
        ("urgency-known", "urgency-known", "Urgency 2 is for relays.", {**STATEMENT, "urgency": 2}),
        (
            "opening-first-late",
            "opening-first",
            "OPEN at seq 7.",
            {**STATEMENT, "kind": 32, "statement": OPEN_STATEMENT},
        ),
        ("opening-first-accept", "opening-first", "ACCEPT at seq 7.", {**STATEMENT, "kind": 2}),
        (
            "opening-first-other",
            "opening-first",
            "Another kind at seq 1.",
            {**STATEMENT, "seq": 1, "previous": b""},
        ),
        (
            "opening-first-payload",
            "opening-first",
            "A payload at seq 1.",
            {**PAYLOAD, "seq": 1, "previous": b""},
        ),
        (
            "statement-required",
            "statement-required",
            "A statement kind with nothing said.",
            {**STATEMENT, "statement": b""},
        ),
        (
            "payload-alone",
            "payload-alone",
            "A statement beside a payload kind.",
            {**PAYLOAD, "statement": UNENDORSE},
        ),
        ("carriage-sealed-clear", "carriage-sealed", "SEALED with carriage 0.", {**SEALED, "carriage": 0}),
        ("carriage-sealed-open", "carriage-sealed", "A kind in clear with carriage 1.", {**PAYLOAD, "carriage": 1}),
        (
            "sealed-object",
            "sealed-object",
            "A sealed entry that shows its object.",
            {**SEALED, "object_id": wire.seed("object")[:16]},
        ),
        (
            "tag-sealed",
            "tag-sealed",
            "An audience tag where all members are the audience.",
            {**PAYLOAD, "audience_tag": wire.seed("tag")[:16]},
        ),
        ("expiry-range-equal", "expiry-range", "Expired when made.", {**PAYLOAD, "expires_ms": NOW_MS}),
        ("expiry-range-before", "expiry-range", "Expired before it was made.", {**PAYLOAD, "expires_ms": 1}),
        (
            "expiry-range-late",
            "expiry-range",
            "One millisecond more than five years.",
            {**PAYLOAD, "expires_ms": NOW_MS + 1830 * DAY_MS + 1},
        ),
    ]
    yield from rows
    extras = ("expires_ms", "payload_id", "payload_size", "payload_root", "box_hash", "key_commit")
    for name in extras:
        about = f"{name} beside a statement kind."
        yield f"statement-alone-{name}", "statement-alone", about, {**STATEMENT, name: PAYLOAD[name]}
        yield f"payload-whole-{name}", "payload-whole", f"A payload kind without {name}.", {**PAYLOAD, name: 0}
    yield (
        "statement-alone-carriage",
        "statement-alone",
        "A carriage beside a statement kind.",
        {
            **STATEMENT,
            "carriage": 1,
        },
    )
    yield (
        "statement-alone-audience_tag",
        "statement-alone",
        "A tag beside a statement kind.",
        {
            **STATEMENT,
            "audience_tag": wire.seed("tag")[:16],
        },
    )
    for size in (1, 16, 271, 273, 256, 65536, 65569, 2**24):
        about = f"No padded record gives {size} bytes of ciphertext."
        yield f"payload-bucket-{size}", "payload-bucket", about, {**PAYLOAD, "payload_size": size}
