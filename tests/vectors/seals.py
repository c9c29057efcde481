"""Vectors of encodings, payloads, trees and key boxes (sections 2.1 and 6)."""

from collections.abc import Iterator
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from tests.vectors import wire
from tests.vectors.people import AUTHORITY, EUROPOL, FEDERATION_ID, INDUSTRY, SECOND, Vector

KEY = wire.seed("content key")
PAYLOAD_ID = wire.seed("payload")[:16]
PURPOSES = (
    "inception", "card", "next-root", "feed", "header", "spare", "box",
    "key", "payload", "remainder", "amendment", "heads", "journal", "audit",
)  # fmt: skip


def vectors() -> Iterator[Vector]:
    """All of this subject."""
    for purpose in PURPOSES:
        yield _pae(purpose, f"The encoding for {purpose}.", purpose, FEDERATION_ID, b"data of " + purpose.encode())
    yield _pae("empty", "No data.", "header", wire.NO_FEDERATION, b"")
    yield from _payloads()
    yield from _boxes()


def _pae(name: str, about: str, purpose: str, federation_id: bytes, data: bytes) -> Vector:
    encoded = wire.pae(purpose, federation_id, data)
    given = {"purpose": purpose, "federation_id": federation_id, "data": data}
    output = {"encoded": encoded, "sha256": sha256(encoded).digest()}
    return Vector("pae", name, "pae", about, given, "valid", output)


def _context(carriage: int = 1, exercise: int = 0) -> bytes:
    return wire.payload_context(FEDERATION_ID, AUTHORITY.member_id, carriage, exercise, PAYLOAD_ID)


def _payload(name: str, about: str, ciphertext: bytes, expect: str, plaintext: bytes = b"", key: bytes = KEY) -> Vector:
    given = {
        "federation_id": FEDERATION_ID,
        "member_id": AUTHORITY.member_id,
        "carriage": 1,
        "exercise": 0,
        "payload_id": PAYLOAD_ID,
        "key": key,
        "ciphertext": ciphertext,
    }
    output = {
        "plaintext": plaintext,
        "payload_size": len(ciphertext),
        "payload_root": wire.payload_root(ciphertext),
        "key_commit": wire.digest("key", FEDERATION_ID, KEY),
        "associated": _context(),
    }
    return Vector("payload", name, "payload", about, given, expect, output if expect == "valid" else None)


def _payloads() -> Iterator[Vector]:
    for size in (0, 1, 252, 253, 500):
        plaintext = (wire.seed("plain") * 16)[:size]
        ciphertext = wire.stream(KEY, _context(), wire.pad(plaintext))
        yield _payload(f"valid-{size}", f"A record of {size} bytes.", ciphertext, "valid", plaintext)
    whole = wire.stream(KEY, _context(), wire.pad(b"record"))
    plaintext = (wire.seed("plain") * 2048)[: 65536 - 4]
    two = wire.stream(KEY, _context(), wire.pad(plaintext))
    yield _payload("valid-two-chunks", "The smallest payload of two chunks.", two, "valid", plaintext)
    swapped = wire.stream(KEY, _context(carriage=2), wire.pad(b"record"))
    drill = wire.stream(KEY, _context(exercise=1), wire.pad(b"record"))
    other = wire.payload_context(FEDERATION_ID, SECOND.member_id, 1, 0, PAYLOAD_ID)
    tags = {
        "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
        "short": whole[:15],
        "cut": whole[:-1],
        "carriage": swapped,
        "exercise": drill,
        "author": wire.stream(KEY, other, wire.pad(b"record")),
        "key": wire.stream(wire.seed("other key"), _context(), wire.pad(b"record")),
        "more": whole + wire.stream(KEY, _context(), wire.pad(b"more")),
    }
    for name, ciphertext in tags.items():
        yield _payload(f"payload-tag-{name}", "It does not open.", ciphertext, "payload-tag")
    paddings = {
        "none": b"\x00\x00\x00\x06record",
        "not-zero": wire.pad(b"record")[:-1] + b"\x01",
        "too-long": wire.pad(b"record") + bytes(32),
        "length-beyond": b"\x00\x00\x01\x00" + bytes(252),
        "no-length": b"\x00\x00",
    }
    for name, padded in paddings.items():
        ciphertext = wire.stream(KEY, _context(), padded)
        yield _payload(f"payload-padding-{name}", "Opened, and padded wrongly.", ciphertext, "payload-padding")
    yield _payload("payload-key-short", "AES takes 16 bytes too.", bytes(272), "payload-key", key=KEY[:16])
    yield _payload("payload-padding-empty", "No chunk at all.", b"", "payload-padding")
    sizes = [1, 4, 255, 256, 257, 288, 289, 511, 512, 513, 575, 576, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1]
    output = {"buckets": [wire.bucket(size) for size in sizes]}
    yield Vector("payload", "buckets", "buckets", "Sizes and their buckets.", {"sizes": sizes}, "valid", output)
    for count in (1, 2, 3, 5, 8, 13):
        leaves = [wire.seed(f"leaf {number}") for number in range(count)]
        about = f"A tree of {count} leaves."
        yield Vector(
            "payload", f"tree-{count}", "tree", about, {"leaves": leaves}, "valid", {"root": wire.tree(leaves)}
        )


def _boxes() -> Iterator[Vector]:
    yield _box("valid-clear", "The key in clear.", b"\x00" + KEY, KEY, KEY)
    people = (AUTHORITY, EUROPOL, INDUSTRY)
    wraps = [
        wire.hpke_wrap(
            KEY,
            X25519PublicKey.from_public_bytes(person.kem_public),
            _context(),
            wire.exchange_key(f"ephemeral {person.label}"),
        )
        for person in people
    ]
    decoy = wire.hpke_wrap(
        bytes(32), wire.exchange_key("nobody").public_key(), _context(), wire.exchange_key("ephemeral decoy")
    )
    single, four = b"\x01" + wraps[0], b"\x01" + wraps[1] + decoy + wraps[0] + wraps[2]
    yield _box("valid-single", "One reader.", single, KEY, None)
    yield _box("valid-four", "Three readers and a decoy.", four, KEY, None)
    zero = b"\x01" + bytes(32) + wraps[0][32:]
    yield _box("valid-point-zero", "An encapsulated key of small order opens for nobody.", zero, None, None)
    yield _box("valid-decoy", "A decoy opens for nobody.", b"\x01" + decoy, None, None)
    yield _box("valid-type-epoch", "Type 2 is kept unopened.", b"\x02" + KEY, None, None)
    yield _box("valid-type-unknown", "So is any other.", b"\xc8anything", None, None)
    yield _box("valid-type-unknown-empty", "Even empty.", b"\xc8", None, None)
    wrong = {
        "clear-short": b"\x00" + KEY[:31],
        "clear-long": b"\x00" + KEY + b"\x00",
        "wraps-none": b"\x01",
        "wraps-cut": single[:-1],
        "wraps-three": b"\x01" + b"".join(wraps),
    }
    for name, encoded in wrong.items():
        bare = {"federation_id": FEDERATION_ID, "box": encoded}
        yield Vector("box", f"box-length-{name}", "box", "A length its type does not have.", bare, "box-length")
    for name, kind, wraps_count in (("wraps-most", 1, 2048), ("unknown-most", 200, 1025)):
        given: dict[str, object] = {
            "federation_id": FEDERATION_ID,
            "box": bytes([kind]),
            "followed_by": {"byte": 7, "count": wraps_count * 80},
        }
        yield Vector("box", f"box-length-{name}", "box", "Too long for any type.", given, "box-length")
    yield Vector("box", "box-empty", "box", "Nothing.", {"federation_id": FEDERATION_ID, "box": b""}, "box-empty")


def _box(name: str, about: str, encoded: bytes, reader: bytes | None, stranger: bytes | None) -> Vector:
    given = {
        "federation_id": FEDERATION_ID,
        "box": encoded,
        "context": _context(),
        "reader": AUTHORITY.kem,
        "stranger": SECOND.kem,
    }
    output = {
        "box_hash": wire.digest("box", FEDERATION_ID, encoded),
        "opens_for_reader": reader,
        "opens_for_stranger": stranger,
        "fits_carriage": [carriage for carriage in range(4) if (encoded[0] == 0) == (carriage == 0)],
    }
    return Vector("box", name, "box", about, given, "valid", output)
