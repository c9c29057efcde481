"""Vectors of members: inceptions, cards, charters, identity logs (sections 2.3 and 5.2)."""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from nacl.signing import SigningKey

from tests.vectors import wire
from tests.vectors.people import (
    AUTHORITY,
    CANDIDATE,
    CHARTER,
    FEDERATION_ID,
    FOUNDERS,
    NOW_MS,
    QUORUM_ROWS,
    SECOND,
    Vector,
    charter,
    founder,
    header,
    header_hash,
    signed,
)
from tests.vectors.statements import SPARE_FIELDS

Row = tuple[str, str, str, Mapping[str, object], Mapping[str, object] | None]


def vectors() -> Iterator[Vector]:
    """All of this subject."""
    for kind, rows in (("inception", _inceptions()), ("card", _cards()), ("identity", _identities())):
        for name, expect, about, given, output in rows:
            yield Vector("identity", f"{kind}-{name}", kind, about, given, expect, output)
    for name, expect, about, given, output in _charters():
        yield Vector("charter", name, "charter", about, given, expect, output)


def _inceptions() -> Iterator[Row]:
    fields = CANDIDATE.inception_fields

    def row(name: str, expect: str, about: str, changes: Mapping[int, int | bytes]) -> Row:
        body = wire.message({**fields, **changes})
        signature = wire.sign(CANDIDATE.root, "inception", wire.NO_FEDERATION, body)
        member = {"member_id": wire.digest("inception", wire.NO_FEDERATION, body)}
        output = member if expect == "valid" else None
        return name, expect, about, {"inception": body, "signature": signature}, output

    yield row("valid", "valid", "A platform from the Netherlands.", {})
    yield row("valid-no-country", "valid", "A body of no country.", {6: b""})
    yield row("valid-letters", "valid", "Any script.", {4: "Полиция / Αστυνομία / 警察".encode()})
    yield row("valid-name-longest", "valid", "96 bytes.", {4: "é".encode() * 48})
    yield row("name-longer", "length-max", "97 bytes.", {4: b"a" + "é".encode() * 48})
    yield row("utf-8", "utf-8", "Not UTF-8.", {4: b"Member \xff"})
    yield row("utf-8-overlong", "utf-8", "A slash in two bytes.", {4: b"Member \xc0\xaf"})
    yield row("utf-8-surrogate", "utf-8", "Half a pair.", {4: b"Member \xed\xa0\x80"})
    plain = {
        "blank": " Member",
        "blank-after": "Member\u3000",
        "control": "Mem\nber",
        "delete": "Mem\x7fber",
        "turned": "Mem\u202eber",
        "isolate": "Mem\u2066ber",
        "joiner": "Mem\u200dber",
        "soft-hyphen": "Mem\xadber",
        "byte-order": "Mem\ufeffber",
    }
    for name, text in plain.items():
        yield row(f"name-plain-{name}", "name-plain", "A name must look like itself.", {4: text.encode()})
    for code in (b"nl", b"N1", b"N "):
        name = code.decode().replace(" ", "-blank")
        yield row(f"country-code-{name}", "country-code", "Not two capital letters.", {6: code})
    yield row("country-long", "length-exact", "Three letters.", {6: b"NLD"})
    yield row("country-wide", "country-code", "Two bytes that are one letter.", {6: "É".encode()})
    yield row("no-role", "field-required", "Some role must be asked for.", {5: 0})
    yield row("key-order", "key-order", "A root key of small order.", {1: b"\x01" + bytes(31)})
    other = wire.sign(SECOND.root, "inception", wire.NO_FEDERATION, CANDIDATE.inception)
    given = {"inception": CANDIDATE.inception, "signature": other}
    yield "inception-signed", "inception-signed", "Signed by someone else.", given, None
    for name, purpose, federation_id in (
        ("purpose", "card", wire.NO_FEDERATION),
        ("federation", "inception", FEDERATION_ID),
    ):
        wrong = wire.sign(CANDIDATE.root, purpose, federation_id, CANDIDATE.inception)
        given = {"inception": CANDIDATE.inception, "signature": wrong}
        yield f"inception-signed-{name}", "inception-signed", f"Signed for another {name}.", given, None


def _cards() -> Iterator[Row]:
    fields: dict[int, int | bytes] = {
        1: CANDIDATE.inception,
        2: CANDIDATE.inception_signature,
        3: b"DER of an issuer",
        4: b"node.example.net:7443",
    }

    def row(name: str, expect: str, about: str, changes: Mapping[int, int | bytes], key: SigningKey) -> Row:
        made = {**fields, **changes}
        body = wire.message(made)
        given = {"card": body, "signature": wire.sign(key, "card", wire.NO_FEDERATION, body)}
        output = {"member_id": CANDIDATE.member_id, "address": bytes(made[4]).decode()}
        return name, expect, about, given, output if expect == "valid" else None

    yield row("valid", "valid", "Inception, issuer and address.", {}, CANDIDATE.root)
    yield row("valid-no-address", "valid", "A member nobody can dial.", {4: b""}, CANDIDATE.root)
    yield row("card-signed", "card-signed", "Signed by someone else.", {}, SECOND.root)
    yield row("inception-signed", "inception-signed", "Its inception is not signed.", {2: bytes(64)}, CANDIDATE.root)
    yield row("no-issuer", "field-required", "Without an issuer.", {3: b""}, CANDIDATE.root)
    for name, expect, about, log, key in _rotated_cards():
        given = {"federation_id": FEDERATION_ID, "rotations": log}
        body = wire.message({**fields, 1: AUTHORITY.inception, 2: AUTHORITY.inception_signature})
        given |= {"card": body, "signature": wire.sign(key, "card", wire.NO_FEDERATION, body)}
        output = {"member_id": AUTHORITY.member_id, "address": "node.example.net:7443"}
        yield name, expect, about, given, output if expect == "valid" else None
    yield row("address-longer", "length-max", "256 bytes.", {4: b"a" * 256}, CANDIDATE.root)


def _rotated_cards() -> Iterator[tuple[str, str, str, list[dict[str, bytes]], SigningKey]]:
    """Cards by a later root key, with the rotations that lead to it."""
    first, second, third = AUTHORITY.root, AUTHORITY.next_root, wire.signing_key("the third root")
    commitment = wire.digest("next-root", wire.NO_FEDERATION, bytes(third.verify_key))
    once = {1: bytes(second.verify_key), 2: commitment}
    twice = {1: bytes(third.verify_key), 2: wire.seed("the one after")}
    whole = _begun().add(4, once, second).add(6, AUTHORITY.node, second).add(4, twice, third).entries
    forged = _begun().add(4, once, second).add(4, {**twice, 1: bytes(SECOND.root.verify_key)}, SECOND.root).entries
    unsigned = _begun().add(4, once, first).entries
    yield "valid-rotated", "valid", "By the third key, through two rotations.", [whole[1], whole[3]], third
    yield "rotated-old-key", "card-signed", "By the key before.", [whole[1], whole[3]], second
    yield "rotations-missing", "rotation-committed", "The first rotation is left out.", [whole[3]], third
    yield "rotations-forged", "rotation-committed", "To a key that nobody committed to.", forged[1:], SECOND.root
    yield "rotations-unsigned", "signature", "By the key before it.", unsigned[1:], second
    yield "rotations-other", "card-rotations", "An entry that is no rotation.", whole[1:3], second
    yield "rotations-falling", "card-rotations", "One of them twice.", [whole[1], whole[1]], second


def _charters() -> Iterator[Row]:
    def row(name: str, expect: str, about: str, body: bytes) -> Row:
        output = {
            "federation_id": sha256(body).digest(),
            "founders": [person.member_id for person in FOUNDERS],
            "quorums": b"".join(QUORUM_ROWS),
        }
        return name, expect, about, {"charter": body}, output if expect == "valid" else None

    rows = QUORUM_ROWS
    yield row("valid", "valid", "Five founders.", CHARTER)
    yield row("valid-unknown-field", "valid", "The id is over the bytes, known or not.", CHARTER + wire.field(99, 1))
    yield row("charter-version", "charter-version", "Version 2.", charter(FOUNDERS, {1: 2}))
    yield row("charter-version-none", "charter-version", "No version.", charter(FOUNDERS, {1: 0}))
    yield row("charter-encoding", "charter-encoding", "No message at all.", b"\xff\xff\xff")
    yield row("charter-encoding-cut", "charter-encoding", "Cut short.", CHARTER[:-1])
    yield row("charter-founders-none", "charter-founders", "No founders.", charter([]))
    yield row("charter-order-falling", "charter-order", "The founders fall.", charter(FOUNDERS[::-1]))
    twice = charter([FOUNDERS[0], *FOUNDERS])
    yield row("charter-order-twice", "charter-order", "One founder twice.", twice)
    changed = {
        "quorums-rising": ("The rows fall.", rows[::-1]),
        "quorums-rising-length": ("A row of four bytes.", [*rows[:-1], rows[-1][:4]]),
        "quorum-empty-count": ("A quorum of nobody.", [*rows[:-1], b"\x05\x00\x00\x01\x01"]),
        "quorum-empty-roles": ("A quorum of no role.", [*rows[:-1], b"\x05\x00\x01\x01\x00"]),
        "charter-quorums-amend": ("Nobody could amend.", rows[:-1]),
        "charter-quorums-admit": ("Nobody could admit observers.", rows[:5] + rows[6:]),
    }
    for name, (about, changed_rows) in changed.items():
        rule = "-".join(name.split("-")[:2])
        yield row(name, rule, about, charter(FOUNDERS, {4: b"".join(changed_rows)}))
    forged = b"".join((wire.field(1, 1), wire.field(3, wire.message({1: CANDIDATE.inception, 2: bytes(64)}))))
    yield row("inception-signed", "inception-signed", "A founder who did not sign.", forged + CHARTER)
    large = charter(FOUNDERS, {5: b"#" * (256 << 10)})
    given = {"charter": CHARTER, "followed_by": {"byte": 0x23, "count": (256 << 10) + 1 - len(CHARTER)}}
    assert len(large) > 256 << 10
    yield "charter-size", "charter-size", "One byte more than 256 KiB.", given, None
    many = {"charter": wire.field(1, 1), "founder": founder(CANDIDATE), "founder_count": 65}
    yield "charter-founders-most", "charter-founders", "Sixty-five founders.", many, None


class _Log:
    """An identity log as it grows."""

    def __init__(self) -> None:
        self.entries: list[dict[str, bytes]] = []

    def add(self, kind: int, fields: Mapping[int, int | bytes], key: SigningKey, extra: bytes = b"") -> "_Log":
        previous = header_hash(self.entries[-1]["header"]) if self.entries else b""
        body = header(
            {
                "version": 1,
                "feed_id": AUTHORITY.member_id,
                "seq": len(self.entries) + 1,
                "previous": previous,
                "created_ms": NOW_MS,
                "kind": kind,
                "statement": wire.message(fields),
            }
        )
        self.entries.append(signed(body + extra, key))
        return self


def _begun(key: SigningKey | None = None) -> _Log:
    fields = {1: AUTHORITY.inception, 2: AUTHORITY.inception_signature}
    return _Log().add(2, fields, key or AUTHORITY.root)


def _identities() -> Iterator[Row]:
    def row(name: str, expect: str, about: str, log: _Log, **output: object) -> Row:
        given = {"federation_id": FEDERATION_ID, "entries": log.entries, "opening": wire.message(SPARE_FIELDS)}
        return name, expect, about, given, output if expect == "valid" else None

    first, second = AUTHORITY.root, AUTHORITY.next_root
    rotate: dict[int, int | bytes] = {1: bytes(second.verify_key), 2: wire.seed("the one after")}
    stranger: dict[int, int | bytes] = {1: bytes(SECOND.root.verify_key), 2: wire.seed("the one after")}
    old = bytes(first.verify_key)
    node = {"feed_id": AUTHORITY.feed_id, "feed_key": bytes(AUTHORITY.feed.verify_key)}
    yield row("valid-accept", "valid", "One entry.", _begun(), root_key=old, nodes=[])
    certified = _begun().add(6, AUTHORITY.node, first)
    yield row("valid-node", "valid", "A node certified.", certified, root_key=old, nodes=[node])
    rotated = _begun().add(4, rotate, second).add(6, AUTHORITY.node, second)
    new = rotate[1]
    yield row("valid-rotate", "valid", "The new root key signs its own rotation.", rotated, root_key=new, nodes=[node])
    unknown = _begun().add(30, {1: 1}, first)
    yield row("valid-kind-unknown", "valid", "Kind 30 must be signed too.", unknown, root_key=old, nodes=[])
    foreign = _begun().add(6, AUTHORITY.node, first, wire.field(64, 1))
    yield row("valid-foreign", "valid", "More than is known here.", foreign, root_key=old, nodes=[node])
    yield row(
        "opening",
        "identity-opening",
        "A log that begins with OPEN.",
        _Log().add(32, {1: AUTHORITY.member_id, 2: bytes(AUTHORITY.feed.verify_key)}, first),
    )
    other = _Log().add(2, {1: SECOND.inception, 2: SECOND.inception_signature}, SECOND.root)
    yield row("member", "identity-member", "The feed id is another member's.", other)
    unsigned = _Log().add(2, {1: AUTHORITY.inception, 2: bytes(64)}, first)
    yield row("inception", "inception-signed", "The inception inside is not signed.", unsigned)
    yield row("signature-accept", "signature", "Accepted by someone else.", _begun(SECOND.root))
    forged = _begun().add(6, AUTHORITY.node, SECOND.root)
    yield row("signature-node", "signature", "A node certified by someone else.", forged)
    late = _begun().add(4, rotate, second).add(6, AUTHORITY.node, first)
    yield row("signature-old-root", "signature", "The old root key after a rotation.", late)
    wrong = _begun().add(4, rotate, first)
    yield row("signature-rotate", "signature", "A rotation signed by the old key.", wrong)
    theft = _begun().add(4, stranger, SECOND.root)
    yield row("rotation-committed", "rotation-committed", "To a key not committed to.", theft)
    kinds = _begun().add(36, {1: wire.seed("an entry")}, first)
    yield row("kind", "identity-kind", "A node's statement in an identity log.", kinds)
    spare = _begun().add(12, {1: SPARE_FIELDS[6]}, first)
    yield row(
        "valid-spare",
        "valid",
        "A spare key opens a feed.",
        spare,
        root_key=old,
        nodes=[],
        spares=[SPARE_FIELDS[6]],
        opened=wire.digest("feed", FEDERATION_ID, AUTHORITY.member_id + bytes(SPARE_FIELDS[2])),
    )
