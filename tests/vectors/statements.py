"""Vectors of statements (protos/README.md section 4)."""

from collections.abc import Iterator, Mapping

from tests.vectors import wire
from tests.vectors.people import (
    AUTHORITY,
    CANDIDATE,
    DAY_MS,
    FEDERATION_ID,
    NOW_MS,
    PLATFORM,
    QUORUM_ROWS,
    SECOND,
    Vector,
    header,
    statement_header,
)

HASH = wire.seed("an entry")
OBJECT = wire.seed("object")[:16]
KEY = bytes(wire.signing_key("other").verify_key)
SPARE = wire.signing_key("spare")
SMALL_ORDER = bytes(32)  # a point of order four
IDENTITY_POINT = b"\x01" + bytes(31)
NO_POINT = b"\x02" + bytes(31)
HIGH = b"\xff" * 32  # its y is not below the field's prime

Fields = dict[int, int | bytes]

NAMES = {
    2: ("inception", "inception_signature"),
    4: ("root_key", "next_root"),
    6: ("node_id", "feed_key", "kem_key", "tls_issuer"),
    8: ("feed_id", "seq", "header_hash"),
    10: ("feed_id", "seq", "header_hash"),
    12: ("keys",),
    14: ("member_id",),
    16: ("feed_id", "seq", "header_hash", "reason"),
    32: ("member_id", "feed_key", "node_id", "kem_key", "tls_issuer", "spare_key", "spare_signature"),
    34: ("member_id", "role", "predecessor"),
    36: ("entry",),
    38: ("member_id", "until_ms", "reason"),
    40: ("member_id", "reason", "bounds"),
    42: ("number", "previous", "document", "quorums"),
    44: ("feed_id", "seq", "header_hash"),
    46: ("entry", "positions", "reason"),
    49: ("entry", "restricted_ms", "erased_ms", "ground"),
    51: ("journal_size", "journal_head", "audit_size", "audit_root"),
    53: ("size", "root"),
}

ROWS = b"".join(sorted(wire.seed(f"feed {n}") + n.to_bytes(8, "big") for n in range(12)))
SPARE_FIELDS: Fields = {
    1: AUTHORITY.member_id,
    2: KEY,
    3: wire.seed("new node")[:16],
    4: AUTHORITY.kem_public,
    5: b"DER of a new issuer",
    6: bytes(SPARE.verify_key),
}
SPARE_FIELDS[7] = wire.sign(SPARE, "spare", FEDERATION_ID, b"".join(bytes(SPARE_FIELDS[n]) for n in range(1, 6)))

VALID: list[tuple[str, int, Fields]] = [
    ("accept", 2, {1: AUTHORITY.inception, 2: AUTHORITY.inception_signature}),
    ("rotate", 4, {1: bytes(AUTHORITY.next_root.verify_key), 2: wire.seed("the one after")}),
    ("node", 6, AUTHORITY.node),
    ("retire", 8, {1: AUTHORITY.feed_id, 2: 40, 3: HASH}),
    ("retire-all", 8, {1: AUTHORITY.feed_id}),
    ("settle", 10, {1: AUTHORITY.feed_id, 2: 40, 3: HASH}),
    ("spare", 12, {1: bytes(SPARE.verify_key) + KEY}),
    ("successor", 14, {1: SECOND.member_id}),
    ("leave", 16, {1: AUTHORITY.feed_id, 2: 40, 3: HASH, 4: 1}),
    ("leave-all", 16, {1: AUTHORITY.feed_id}),
    ("open", 32, {1: AUTHORITY.member_id, 2: bytes(AUTHORITY.feed.verify_key)}),
    ("open-spare", 32, SPARE_FIELDS),
    ("endorse", 34, {1: CANDIDATE.member_id, 2: 4}),
    ("endorse-predecessor", 34, {1: CANDIDATE.member_id, 2: 4, 3: PLATFORM.member_id}),
    ("unendorse", 36, {1: HASH}),
    ("suspend", 38, {1: PLATFORM.member_id, 2: NOW_MS + 30 * DAY_MS, 3: 2}),
    ("revoke", 40, {1: PLATFORM.member_id}),
    ("revoke-bounds", 40, {1: PLATFORM.member_id, 2: 1, 3: ROWS}),
    ("amend-first", 42, {1: 1, 3: wire.seed("document")}),
    ("amend-second", 42, {1: 2, 2: HASH, 3: wire.seed("document"), 4: b"".join(QUORUM_ROWS)}),
    ("supersede", 44, {1: AUTHORITY.feed_id, 2: 40, 3: HASH}),
    ("supersede-all", 44, {1: AUTHORITY.feed_id}),
    ("withdraw-entry", 46, {1: HASH, 3: 1}),
    ("withdraw-positions", 46, {1: HASH, 2: b"\x00\x82", 3: 1}),
    ("withdraw-largest", 46, {1: HASH, 2: b"\xff" * 512, 3: 255}),
    ("receipt", 49, {1: HASH, 2: NOW_MS, 3: NOW_MS + 1, 4: 1}),
    ("anchor", 51, {1: 9, 2: HASH, 3: 10, 4: wire.seed("audit")}),
    ("checkpoint", 53, {1: 6, 2: wire.seed("root")}),
]

INVALID: list[tuple[str, str, str, int, Fields]] = [
    ("rotate-small-order", "key-order", "A root key of small order.", 4, {1: SMALL_ORDER, 2: HASH}),
    ("rotate-identity-point", "key-order", "The identity as a root key.", 4, {1: IDENTITY_POINT, 2: HASH}),
    ("rotate-no-point", "key-order", "A root key that is no point.", 4, {1: NO_POINT, 2: HASH}),
    ("rotate-not-canonical", "key-order", "A root key beyond the prime.", 4, {1: HIGH, 2: HASH}),
    ("node-feed-key", "key-order", "A feed key of small order.", 6, {**AUTHORITY.node, 2: IDENTITY_POINT}),
    ("node-kem-zero", "key-order", "An X25519 key that agrees on zero.", 6, {**AUTHORITY.node, 3: bytes(32)}),
    ("node-kem-one", "key-order", "An X25519 key of order one.", 6, {**AUTHORITY.node, 3: IDENTITY_POINT}),
    ("spare-order", "key-order", "One of two spare keys is of small order.", 12, {1: KEY + SMALL_ORDER}),
    ("spare-multiple", "length-multiple", "Spare keys of 33 bytes.", 12, {1: KEY + b"x"}),
    ("spare-nine", "length-max", "Nine spare keys.", 12, {1: KEY * 9}),
    ("open-order", "key-order", "A feed opened with the identity.", 32, {1: HASH, 2: IDENTITY_POINT}),
    ("open-spare-order", "key-order", "A spare key of small order.", 32, {**SPARE_FIELDS, 6: IDENTITY_POINT}),
    ("open-spare-kem", "key-order", "A spare opens with a zero KEM key.", 32, {**SPARE_FIELDS, 4: bytes(32)}),
    *(
        (f"open-whole-{n}", "open-whole", f"A spare's OPEN without field {n}.", 32, {**SPARE_FIELDS, n: b""})
        for n in range(3, 8)
    ),
    ("retire-no-hash", "bound-whole", "A bound without its header hash.", 8, {1: HASH, 2: 40}),
    ("retire-no-seq", "bound-whole", "A header hash without its number.", 8, {1: HASH, 3: HASH}),
    ("leave-no-hash", "bound-whole", "A bound without its header hash.", 16, {1: HASH, 2: 40}),
    ("leave-no-feed", "field-required", "It ends the feed that it is told by.", 16, {4: 1}),
    ("supersede-no-hash", "bound-whole", "A bound without its header hash.", 44, {1: HASH, 2: 40}),
    ("settle-no-hash", "field-required", "A settlement names a branch.", 10, {1: HASH, 2: 40}),
    ("endorse-no-role", "field-required", "An endorsement is for a role.", 34, {1: HASH}),
    ("endorse-role", "number-range", "Role 256.", 34, {1: HASH, 2: 256}),
    ("endorse-short", "length-exact", "A member id of 31 bytes.", 34, {1: HASH[:31], 2: 1}),
    ("suspend-for-ever", "field-required", "A suspension has an end.", 38, {1: HASH}),
    (
        "revoke-bounds-twice",
        "bounds-rising",
        "One feed twice.",
        40,
        {1: HASH, 3: ROWS[:40] + ROWS[:32] + b"\xff" * 8},
    ),
    ("revoke-bounds-falling", "bounds-rising", "The feeds fall.", 40, {1: HASH, 3: ROWS[40:80] + ROWS[:40]}),
    ("revoke-bounds-multiple", "length-multiple", "A row of 39 bytes.", 40, {1: HASH, 3: ROWS[:39]}),
    ("revoke-bounds-most", "length-max", "Thirteen rows.", 40, {1: HASH, 3: ROWS + b"\xff" * 40}),
    ("amend-previous-first", "amend-previous", "Number 1 has no predecessor.", 42, {1: 1, 2: HASH, 3: HASH}),
    ("amend-previous-second", "amend-previous", "Number 2 has one.", 42, {1: 2, 3: HASH}),
    (
        "amend-quorums-falling",
        "quorums-rising",
        "Rows that fall.",
        42,
        {1: 1, 3: HASH, 4: QUORUM_ROWS[1] + QUORUM_ROWS[0]},
    ),
    ("amend-quorums-twice", "quorums-rising", "A row twice.", 42, {1: 1, 3: HASH, 4: QUORUM_ROWS[0] * 2}),
    ("amend-quorums-multiple", "length-multiple", "Four bytes.", 42, {1: 1, 3: HASH, 4: QUORUM_ROWS[0][:4]}),
    ("amend-quorum-count", "quorum-empty", "A quorum of none.", 42, {1: 1, 3: HASH, 4: b"\x05\x00\x00\x01\x01"}),
    ("amend-quorum-roles", "quorum-empty", "Without roles.", 42, {1: 1, 3: HASH, 4: b"\x05\x00\x01\x01\x00"}),
    ("withdraw-nothing", "withdraw-target", "Neither entry nor object.", 46, {3: 1}),
    ("withdraw-loose-positions", "withdraw-target", "Positions of no entry.", 46, {2: b"\x01", 3: 1}),
    ("withdraw-no-reason", "field-required", "A withdrawal has a reason.", 46, {1: HASH}),
    ("withdraw-positions-most", "length-max", "Position 4,096.", 46, {1: HASH, 2: bytes(512) + b"\x01", 3: 1}),
    ("withdraw-bitmap", "bitmap-minimal", "A last byte of zero.", 46, {1: HASH, 2: b"\x01\x00", 3: 1}),
    ("checkpoint-ahead", "checkpoint-size", "A checkpoint over itself.", 53, {1: 7, 2: HASH}),
    ("checkpoint-behind", "checkpoint-size", "Not over the whole feed so far.", 53, {1: 5, 2: HASH}),
]


def vectors() -> Iterator[Vector]:
    """All of this subject."""
    for name, kind, fields in VALID:
        seen = {NAMES[kind][number - 1]: value for number, value in fields.items()}
        yield _vector(f"valid-{name}", f"A statement of kind {kind}.", kind, wire.message(fields), seen)
    for name, expect, about, kind, fields in INVALID:
        yield _vector(name, about, kind, wire.message(fields), expect=expect)
    whole = wire.message({3: 1})
    changes: dict[str, int | bytes] = {"object_id": OBJECT}
    yield _vector("valid-withdraw-object", "The header's object.", 46, whole, {"reason": 1}, changes=changes)
    both, places = wire.message({1: HASH, 3: 1}), wire.message({2: b"\x01", 3: 1})
    yield _vector("withdraw-both", "Entry and object.", 46, both, expect="withdraw-target", changes=changes)
    yield _vector(
        "withdraw-object-positions", "Positions in no entry.", 46, places, expect="withdraw-target", changes=changes
    )
    kept = wire.message({1: HASH, 32: 1})
    yield _vector("valid-unknown-32", "Field 32 is kept and ignored.", 36, kept, {"entry": HASH})
    foreign = wire.message({1: HASH, 64: 1})
    yield _vector("foreign-64", "Field 64: not effective here.", 36, foreign, {"entry": HASH}, understood=False)
    yield _vector("field-unknown", "Field 2 of UNENDORSE.", 36, wire.message({1: HASH, 2: 1}), expect="field-unknown")
    yield _vector("fields-rising", "Twice.", 36, wire.message({1: HASH}) * 2, expect="fields-rising")
    yield _vector("truncated", "Cut short.", 36, wire.message({1: HASH})[:-1], expect="truncated")
    yield _vector("valid-kind-unknown", "Kind 63 is not read here.", 63, b"anything", None)
    yield _vector("valid-kind-unknown-identity", "Nor is kind 30.", 30, b"anything", None)


def _vector(
    name: str,
    about: str,
    kind: int,
    statement: bytes,
    seen: Mapping[str, int | bytes] | None = None,
    *,
    expect: str = "valid",
    understood: bool = True,
    changes: Mapping[str, int | bytes] | None = None,
) -> Vector:
    body = header(statement_header(kind, statement, changes))
    output = {"fields": seen, "understood": understood} if seen else {"fields": None}
    given = {"federation_id": FEDERATION_ID, "header": body}
    return Vector("statement", name, "statement", about, given, expect, output if expect == "valid" else None)
