"""Vectors of signatures, chains, forks, marks and rosters (sections 2.2, 5.1, 5.3, 5.4)."""

from collections.abc import Iterator, Mapping
from hashlib import sha512
from itertools import count

from nacl.bindings import crypto_core_ed25519_add, crypto_scalarmult_ed25519_base_noclamp

from tests.vectors import wire
from tests.vectors.headers import PAYLOAD, STATEMENT
from tests.vectors.people import (
    AUTHORITY,
    CANDIDATE,
    CHARTER,
    DAY_MS,
    EUROPOL,
    FEDERATION_ID,
    FOUNDERS,
    INDUSTRY,
    NOW_MS,
    PLATFORM,
    SECOND,
    Person,
    Vector,
    header,
    header_hash,
    signed,
)

BODY = header(STATEMENT)
ENTRY = signed(BODY, AUTHORITY.feed)
PUBLIC = bytes(AUTHORITY.feed.verify_key)
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19


def vectors() -> Iterator[Vector]:
    """All of this subject."""
    yield from _signatures()
    yield from _chains()
    yield from _forks()
    yield from _marks()
    yield from _rosters()


def _signatures() -> Iterator[Vector]:
    signature = ENTRY["signature"]
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    point = b"\x01" + bytes(31)
    low = bytes(32)
    high = (s + GROUP_ORDER).to_bytes(32, "little")
    identity_signature = point + bytes(32)
    beyond = (PRIME + 1).to_bytes(32, "little")  # the identity, written with y + p
    rows = [
        ("plain", "As signed.", PUBLIC, signature, True),
        ("other-key", "Another key.", bytes(SECOND.feed.verify_key), signature, False),
        ("s-not-canonical", "S plus the order of the group.", PUBLIC, r + high, False),
        ("s-zero", "S of zero.", PUBLIC, r + bytes(32), False),
        ("identity", "The identity as key, R the identity, S zero.", point, identity_signature, False),
        ("order-two", "A key of order two.", (PRIME - 1).to_bytes(32, "little"), identity_signature, False),
        ("order-four", "A key of order four.", low, identity_signature, False),
        ("key-not-canonical", "The identity written beyond the prime.", beyond, identity_signature, False),
        ("r-identity", "R the identity, S zero, an honest key.", PUBLIC, identity_signature, False),
        ("no-point", "A key that is no point.", b"\x02" + bytes(31), signature, False),
    ]
    mixed_key, mixed = _mixed_order()
    rows.append(("mixed-order", "A key with a part of order two, where that part falls out.", mixed_key, mixed, True))
    for name, about, key, wrong, verifies in rows:
        given = {
            "federation_id": FEDERATION_ID,
            "purpose": "header",
            "data": BODY,
            "public_key": key,
            "signature": wrong,
        }
        honest = name in {"plain", "other-key", "s-not-canonical", "s-zero", "r-identity"}
        output = {"verifies": verifies, "signing_key": honest}
        yield Vector("signature", name, "signature", about, given, "valid", output)
    for size in (0, 63, 65):
        given = {"federation_id": FEDERATION_ID, "header": BODY, "signature": (signature + b"\x00")[:size]}
        about = f"A signature of {size} bytes."
        yield Vector("signature", f"signature-size-{size}", "entry", about, given, "signature-size")


def _mixed_order() -> tuple[bytes, bytes]:
    """A key that is no honest one, and a signature by it that satisfies the equation all the same."""
    secret = int.from_bytes(sha512(wire.seed("ed25519 mixed")).digest()[:32], "little")
    secret = (secret & ~7 & (1 << 254) - 1 | 1 << 254) % GROUP_ORDER
    order_two = (PRIME - 1).to_bytes(32, "little")
    point = crypto_scalarmult_ed25519_base_noclamp(secret.to_bytes(32, "little"))
    public = crypto_core_ed25519_add(point, order_two)
    message = wire.pae("header", FEDERATION_ID, BODY)
    for attempt in count():
        once = int.from_bytes(wire.seed(f"nonce {attempt}"), "little") % GROUP_ORDER
        r = crypto_scalarmult_ed25519_base_noclamp(once.to_bytes(32, "little"))
        challenge = int.from_bytes(sha512(r + public + message).digest(), "little") % GROUP_ORDER
        if challenge % 2 == 0:
            s = (once + challenge * secret) % GROUP_ORDER
            return public, r + s.to_bytes(32, "little")
    raise AssertionError


def _chains() -> Iterator[Vector]:
    hash_ = wire.seed("previous")
    rows = [
        ("next", "It names the head.", {"seq": 6, "hash": hash_}, "next"),
        ("broken", "It names something else.", {"seq": 6, "hash": wire.seed("x")}, "broken"),
        ("ahead", "Its predecessor is not here.", {"seq": 5, "hash": hash_}, "ahead"),
        ("ahead-empty", "Nothing of the feed is here.", None, "ahead"),
        ("known", "Its place is taken.", {"seq": 7, "hash": header_hash(BODY)}, "known"),
        ("known-below", "Far below the head.", {"seq": 900, "hash": hash_}, "known"),
    ]
    for name, about, head, place in rows:
        given = {"federation_id": FEDERATION_ID, "header": BODY, "head": head}
        yield Vector("chain", name, "chain", about, given, "valid", {"place": place})


def _forks() -> Iterator[Vector]:
    other = signed(header({**STATEMENT, "created_ms": NOW_MS + 1}), AUTHORITY.feed)
    later = signed(header(PAYLOAD), AUTHORITY.feed)
    foreign = signed(header({**STATEMENT, "feed_id": SECOND.feed_id}), AUTHORITY.feed)
    forged = signed(header({**STATEMENT, "created_ms": NOW_MS + 1}), SECOND.feed)
    first = min(header_hash(BODY), header_hash(other["header"]))
    rows = [
        ("valid", "Two bodies at one place.", other, "valid"),
        ("fork-place-seq", "Two places.", later, "fork-place"),
        ("fork-place-feed", "Two feeds.", foreign, "fork-place"),
        ("fork-differs", "One entry twice.", ENTRY, "fork-differs"),
        (
            "fork-differs-signature",
            "Other signature bytes, one body.",
            {**ENTRY, "signature": bytes(64)},
            "fork-differs",
        ),
        ("fork-signed", "Someone else wrote the second.", forged, "fork-signed"),
    ]
    for name, about, second, expect in rows:
        given = {"federation_id": FEDERATION_ID, "public_key": PUBLIC, "one": ENTRY, "other": second}
        output = {"first": first} if expect == "valid" else None
        yield Vector("fork", name, "fork", about, given, expect, output)


def _marks() -> Iterator[Vector]:
    feed = AUTHORITY.feed_id
    mine, theirs = sorted((wire.seed("branch a"), wire.seed("branch b")))
    fork = {"feed_id": feed, "seq": 5}
    above = {"feed_id": feed, "seq": 6}
    names_mine = {"feed_id": feed, "seq": 5, "header_hash": mine}
    names_theirs = {"feed_id": feed, "seq": 5, "header_hash": theirs}
    end = {"feed_id": feed, "seq": 7, "header_hash": mine}
    rows: list[tuple[str, str, dict[str, list[dict[str, object]]], int, bytes, str]] = [
        ("plain", "Nothing was said of the feed.", {}, 9, mine, "stands"),
        ("fork-below", "Below a fork.", {"forks": [fork]}, 4, mine, "stands"),
        ("fork-at", "At a fork.", {"forks": [fork]}, 5, mine, "contested"),
        ("fork-above", "Above a fork.", {"forks": [fork]}, 6, mine, "contested"),
        ("settled", "On the branch named.", {"forks": [fork], "settled": [names_mine]}, 6, mine, "stands"),
        ("settled-other", "On the other.", {"forks": [fork], "settled": [names_theirs]}, 6, mine, "superseded"),
        (
            "settled-twice",
            "Of two settlements the smaller hash.",
            {"forks": [fork], "settled": [names_theirs, names_mine]},
            6,
            theirs,
            "superseded",
        ),
        (
            "second-fork",
            "One fork settled, one not.",
            {"forks": [fork, above], "settled": [names_mine]},
            6,
            mine,
            "contested",
        ),
        (
            "second-fork-other",
            "Where one is open, also on a branch that was not named: not all hold that down to the named place.",
            {"forks": [fork, above], "settled": [names_theirs]},
            6,
            mine,
            "contested",
        ),
        (
            "second-fork-place",
            "In the named place itself it is plain.",
            {"forks": [{"feed_id": feed, "seq": 4}, fork], "settled": [names_theirs]},
            5,
            mine,
            "superseded",
        ),
        ("settled-unproven", "Settled before a proof came.", {"settled": [names_theirs]}, 6, mine, "superseded"),
        (
            "settled-below",
            "Where the branches differ above a settled place they do not part: no fork.",
            {"forks": [fork, above], "above": [above], "settled": [names_mine]},
            6,
            mine,
            "stands",
        ),
        ("differing", "Where they part is not known.", {"forks": [above], "above": [above]}, 6, mine, "contested"),
        ("end-below", "Below the end.", {"ends": [end]}, 6, mine, "stands"),
        ("end-at", "The last that stands.", {"ends": [end]}, 7, mine, "stands"),
        ("end-other", "Another entry at the end's place.", {"ends": [end]}, 7, theirs, "superseded"),
        ("end-above", "Above the end.", {"ends": [end]}, 8, mine, "superseded"),
        ("end-all", "An end without a bound.", {"ends": [{"feed_id": feed}]}, 1, mine, "superseded"),
        ("end-elsewhere", "The end of another feed.", {"ends": [{"feed_id": SECOND.feed_id}]}, 1, mine, "stands"),
    ]
    for name, about, marks, seq, branch, standing in rows:
        given = {"marks": marks, "feed_id": feed, "seq": seq, "hash_on_branch": branch}
        yield Vector("marks", name, "marks", about, given, "valid", {"standing": standing})


def _said(label: str, author: Person, member: Person, **more: object) -> dict[str, object]:
    return {
        "entry": wire.seed(f"said {label}"),
        "author": author.member_id,
        "member_id": member.member_id,
        "created_ms": NOW_MS,
        **more,
    }


def _rosters() -> Iterator[Vector]:
    accepted = {"inceptions": [_inception(person) for person in FOUNDERS]}
    with_candidate = {"inceptions": [*accepted["inceptions"], _inception(CANDIDATE)]}
    one = _said("one", AUTHORITY, CANDIDATE, role=4)
    two = _said("two", EUROPOL, CANDIDATE, role=4)
    by_platform = _said("three", PLATFORM, CANDIDATE, role=4)
    everyone = [person.member_id for person in FOUNDERS]
    joined = sorted([*everyone, CANDIDATE.member_id])
    candidate = [CANDIDATE.member_id]
    rest = sorted(person.member_id for person in FOUNDERS if person not in (AUTHORITY, EUROPOL))
    endorsed = {**with_candidate, "endorsements": [one, two]}
    back = [{"author": AUTHORITY.member_id, "entry": one["entry"]}]
    mutual = [
        _said("r1", AUTHORITY, EUROPOL),
        _said("r2", INDUSTRY, EUROPOL),
        _said("r3", EUROPOL, AUTHORITY),
        _said("r4", INDUSTRY, AUTHORITY),
    ]
    until = NOW_MS + DAY_MS
    suspended = [_said("s1", SECOND, PLATFORM, until_ms=until), _said("s2", EUROPOL, PLATFORM, until_ms=until)]
    lapse = NOW_MS + 365 * DAY_MS
    rows: list[Row] = [
        ("founders", "The founders alone.", {}, NOW_MS, [everyone, [], everyone, [], []]),
        (
            "one-endorsement",
            "Too few.",
            {**with_candidate, "endorsements": [one]},
            NOW_MS,
            [everyone, candidate, everyone, [], []],
        ),
        ("admitted", "Two of the right roles.", endorsed, NOW_MS, [joined, [], joined, [], []]),
        (
            "same-author",
            "One member twice.",
            {**with_candidate, "endorsements": [one, {**one, "entry": wire.seed("again")}]},
            NOW_MS,
            [everyone, candidate, everyone, [], []],
        ),
        (
            "wrong-role",
            "A platform's does not count.",
            {**with_candidate, "endorsements": [one, by_platform]},
            NOW_MS,
            [everyone, candidate, everyone, [], []],
        ),
        ("lapsing", "The last millisecond.", endorsed, lapse - 1, [joined, [], joined, [], []]),
        ("lapsed", "Known for good, without effect.", endorsed, lapse, [joined, [], everyone, [], []]),
        (
            "taken-back",
            "Likewise where one was taken back.",
            {**endorsed, "unendorsed": back},
            NOW_MS,
            [joined, [], everyone, [], []],
        ),
        (
            "taken-back-other",
            "Nobody takes back another's.",
            {**endorsed, "unendorsed": [{**back[0], "author": PLATFORM.member_id}]},
            NOW_MS,
            [joined, [], joined, [], []],
        ),
        (
            "mutual-revocation",
            "Two that revoke each other both go.",
            {**accepted, "revocations": mutual},
            NOW_MS,
            [everyone, [], rest, sorted([AUTHORITY.member_id, EUROPOL.member_id]), []],
        ),
        (
            "one-revocation",
            "Too few.",
            {**accepted, "revocations": mutual[:1]},
            NOW_MS,
            [everyone, [], everyone, [], []],
        ),
        (
            "suspended",
            "Seated, without effect.",
            {**accepted, "suspensions": suspended},
            until - 1,
            [everyone, [], everyone, [], [PLATFORM.member_id]],
        ),
        (
            "suspension-ended",
            "It ends by itself.",
            {**accepted, "suspensions": suspended},
            until,
            [everyone, [], everyone, [], []],
        ),
    ]
    rows += _revocations(accepted, everyone) + _suspensions(accepted, everyone) + _departures(endorsed, joined)
    ahead = [{**one, "created_ms": NOW_MS + 600_001}, {**two, "created_ms": NOW_MS + 600_001}]
    rows += [
        (
            "dated-ahead",
            "By more than ten minutes.",
            {**with_candidate, "endorsements": ahead},
            NOW_MS,
            [joined, [], everyone, [], []],
        ),
        (
            "no-longer-ahead",
            "By ten minutes.",
            {**with_candidate, "endorsements": ahead},
            NOW_MS + 1,
            [joined, [], joined, [], []],
        ),
        (
            "contested-endorsement",
            "What does not stand does not count, and is known all the same.",
            {**endorsed, "fallen": [one["entry"]]},
            NOW_MS,
            [joined, [], everyone, [], []],
        ),
    ]
    names = ("members", "candidates", "seats", "revoked", "suspended")
    for name, about, facts, now_ms, sets in rows:
        given = {"charter": CHARTER, "facts": facts, "now_ms": now_ms}
        output = {**dict(zip(names, sets, strict=True)), "in_force": bool(facts), "amendment": 0}
        if name in BOUNDS:
            row = {"member_id": PLATFORM.member_id, "feed_id": PLATFORM.feed_id, "seq": BOUNDS[name]}
            output["bounds"] = [row]
        yield Vector("roster", name, "roster", about, given, "valid", output)
    yield from _amendments()
    yield from _long_suspensions()


BOUNDS = {"bounds": 12, "bounds-cut": 10, "bounds-one-names-none": 10}
Row = tuple[str, str, dict[str, object], int, list[list[bytes]]]


def _revocations(accepted: Mapping[str, object], everyone: list[bytes]) -> list[Row]:
    """With bounds: cut off is what a quorum leaves out."""
    feed = PLATFORM.feed_id
    rest = [member_id for member_id in everyone if member_id != PLATFORM.member_id]

    def by(*bounds: tuple[Person, int]) -> dict[str, object]:
        said = [
            _said(f"bound {last}", author, PLATFORM, bounds=[{"feed_id": feed, "seq": last}] if last else [])
            for author, last in bounds
        ]
        return {**accepted, "revocations": said}

    gone = [everyone, [], rest, [PLATFORM.member_id], []]
    return [
        ("bounds", "The higher one, where each is needed.", by((AUTHORITY, 10), (INDUSTRY, 12)), NOW_MS, gone),
        (
            "bounds-cut",
            "Two who agree; a third cannot undo it.",
            by((AUTHORITY, 10), (INDUSTRY, 10), (SECOND, 99)),
            NOW_MS,
            gone,
        ),
        ("bounds-one-names-none", "One of two does not cut.", by((AUTHORITY, 10), (INDUSTRY, 0)), NOW_MS, gone),
    ]


def _departures(endorsed: Mapping[str, object], joined: list[bytes]) -> list[Row]:
    """A member that left, and what it endorsed before and afterwards."""
    feed = AUTHORITY.feed_id
    others = _said("two", EUROPOL, CANDIDATE, role=4)
    gone = {
        "member_id": AUTHORITY.member_id,
        "entry": wire.seed("left"),
        "left_ms": NOW_MS,
        "bounds": [{"feed_id": feed, "seq": 9}],
    }

    def by(seq: int, feed_id: bytes = feed) -> dict[str, object]:
        said = _said("one", AUTHORITY, CANDIDATE, role=4, feed_id=feed_id, seq=seq)
        return {**endorsed, "endorsements": [said, others], "departures": [gone]}

    stay = [member_id for member_id in joined if member_id != AUTHORITY.member_id]
    without = [member_id for member_id in stay if member_id != CANDIDATE.member_id]
    stands = [joined, [], stay, [], []]
    falls = [joined, [], without, [], []]
    return [
        ("left", "It has no seat, and what it endorsed before stands.", by(9), NOW_MS, stands),
        ("left-lapsed", "And lapses like any other.", by(9), NOW_MS + 365 * DAY_MS, falls),
        ("left-afterwards", "Above the end of its feed nothing counts.", by(10), NOW_MS, falls),
        ("left-other-feed", "Nor in a feed that it had not ended.", by(1, wire.seed("another")), NOW_MS, falls),
    ]


def _suspensions(accepted: Mapping[str, object], everyone: list[bytes]) -> list[Row]:
    targets = [person for person in FOUNDERS if person not in (SECOND, EUROPOL)]
    many = [
        _said(f"many {seq}", author, target, until_ms=NOW_MS + DAY_MS, seq=seq)
        for author in (SECOND, EUROPOL)
        for seq, target in enumerate((CANDIDATE, *targets), 2)
    ]
    first = sorted(target.member_id for target in targets[:2])
    about = "Of one signer those of the first three members."
    return [("suspension-many", about, {**accepted, "suspensions": many}, NOW_MS, [everyone, [], everyone, [], first])]


def _long_suspensions() -> Iterator[Vector]:
    """Under an amendment by which a removal takes three, and a suspension two."""
    everyone = [person.member_id for person in FOUNDERS]
    harder: dict[int, int | bytes] = {1: 1, 3: wire.seed("document"), 4: b"\x04\x00\x03\x01\x07"}
    signers, old_ms = (SECOND, EUROPOL, AUTHORITY), NOW_MS + 3 * DAY_MS
    said = [_said(f"long {n}", author, PLATFORM, until_ms=NOW_MS + 9 * DAY_MS) for n, author in enumerate(signers)]
    for name, about, voices, now_ms, suspended in (
        ("suspension-72-hours", "The last millisecond.", 2, old_ms - 1, True),
        ("suspension-beyond", "Beyond 72 hours it takes as many as a removal.", 2, old_ms, False),
        ("suspension-long", "As many as a removal takes.", 3, old_ms, True),
    ):
        facts = {
            "inceptions": [_inception(person) for person in FOUNDERS],
            "amendments": [_amended(person, harder) for person in signers],
            "suspensions": said[:voices],
        }
        output = {
            "members": everyone,
            "candidates": [],
            "seats": everyone,
            "revoked": [],
            "suspended": [PLATFORM.member_id] if suspended else [],
            "in_force": True,
            "amendment": 1,
            "amendment_hash": wire.digest("amendment", FEDERATION_ID, wire.message(harder)),
        }
        given = {"charter": CHARTER, "facts": facts, "now_ms": now_ms}
        yield Vector("roster", name, "roster", about, given, "valid", output)


def _inception(person: Person) -> dict[str, bytes]:
    return {"inception": person.inception, "signature": person.inception_signature}


def _amended(author: Person, statement: dict[int, int | bytes]) -> dict[str, object]:
    return {"author": author.member_id, "statement": wire.message(statement)}


def _amendments() -> Iterator[Vector]:
    everyone = [person.member_id for person in FOUNDERS]
    easier = b"\x02\x04\x01\x01\x07"  # one endorsement admits a platform
    statement: dict[int, int | bytes] = {1: 1, 3: wire.seed("document"), 4: easier}
    rival: dict[int, int | bytes] = {1: 1, 3: wire.seed("rival")}
    hashes = {
        name: wire.digest("amendment", FEDERATION_ID, wire.message(fields))
        for name, fields in (("easier", statement), ("rival", rival))
    }
    signers = (AUTHORITY, SECOND, EUROPOL)
    base: dict[str, object] = {
        "inceptions": [_inception(person) for person in (*FOUNDERS, CANDIDATE)],
        "endorsements": [_said("one", AUTHORITY, CANDIDATE, role=4)],
    }
    joined = sorted([*everyone, CANDIDATE.member_id])
    complete = [_amended(person, statement) for person in signers]
    both = [*complete, *(_amended(person, rival) for person in signers)]
    wins = min(hashes, key=lambda name: hashes[name])
    placed = [{**one, "entry": wire.seed(f"signature {number}")} for number, one in enumerate(complete)]
    contested = {"fallen": [placed[0]["entry"]]}
    rows = [
        ("amended", "Three signatures complete it.", complete, hashes["easier"], True, True),
        ("amendment-contested", "One of three does not stand.", placed, b"", True, False),
        ("amendment-waits", "Two do not.", complete[:2], b"", False, False),
        ("amendment-rivals", "The smaller hash is in force; both admit.", both, hashes[wins], True, wins == "easier"),
    ]
    for name, about, amendments, in_force, known, seated in rows:
        facts = {**base, "amendments": amendments, **(contested if name == "amendment-contested" else {})}
        given = {"charter": CHARTER, "facts": facts, "now_ms": NOW_MS}
        output = {
            "members": joined if known else everyone,
            "candidates": [] if known else [CANDIDATE.member_id],
            "seats": joined if seated else everyone,
            "revoked": [],
            "suspended": [],
            "in_force": True,
            "amendment": 1 if in_force else 0,
            "amendment_hash": in_force,
        }
        yield Vector("roster", name, "roster", about, given, "valid", output)
