"""Lists as text: what stands in a line, and what is wrong with it."""

import base64
import io
from collections.abc import Iterator
from hashlib import md5, sha1, sha256, sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.content import detection, hashes, lines
from node.content.hashes import MD5, PDQ, SHA256, SSDEEP, TLSH, TMK, URL, VPDQ, HashKind, Value
from node.content.lines import Bad, Item, Layout

DIGEST = sha256(b"one").digest()
HEX = DIGEST.hex().encode()
TLSH_HEX = "AF74AD89B6257A65DE3A727411C78FC1B994D007602253AFE040F397BC17BEA3E7A1E4"
FRAMES = ";".join(f"{number},100,{DIGEST.hex()},{number}.033" for number in range(3))
FEATURES = f'["{DIGEST.hex()},100,0.000", "{DIGEST.hex().upper()},49,1.000"]'
FILM = base64.b64encode(b"TMK1FVECPDQF".ljust(263_343, b"\x0f")).decode()  # as long as one is
FUZZY = "384:BfUAILX6tH+xYKRCyDe2hCJHqmqNLQ5xHPWmPtbNaDisPB89HXLBUG:d7+x+yC2QJKmdvHPWOFQDisa9mG"


def read(text: bytes, kind: HashKind | None = SHA256, quality_floor: int = 50) -> list[Item | Bad]:
    source = lines.cut(io.BytesIO(text).read1)
    return list(lines.read(source, Layout(kind, quality_floor=quality_floor)))


def test_what_is_personal_in_a_url_makes_a_line_bad_for_others_and_for_nobody_else() -> None:
    text = b"https://a.example/1\nhttps://203.0.113.5/\nhttps://u:p@a.example/\nhttps://t.me/kanal_name\n"

    def bad(layout: Layout) -> list[tuple[int, str]]:
        found = lines.read(lines.cut(io.BytesIO(text).read1), layout)
        return [(one.number, one.reason) for one in found if isinstance(one, Bad)]

    assert bad(Layout(URL)) == []
    machine, login = (2, "the host of the url is an IP address"), (3, "the url has a user name or a password in it")
    assert bad(Layout(URL, for_others=True)) == [machine, login, (4, "the url is the page of an account")]
    assert bad(Layout(URL, for_others=True, accounts=True)) == [machine, login]
    assert bad(Layout(None, for_others=True)) == bad(Layout(URL, for_others=True))


@pytest.mark.parametrize(
    "line",
    [
        HEX,
        HEX + b"\n",
        HEX + b"\r\n",
        b"  " + HEX + b"  ",
        HEX.upper(),
        HEX + b",attack-footage,high",
        HEX + b";attack-footage",
        HEX + b" , x",
        HEX + b"\tattack footage",
        HEX + b"  uploads/film.mp4",
        b"\\" + HEX + b"  uploads/odd\\nname.mp4",
        HEX + b" \xff\xfe",
        base64.b64encode(DIGEST),
        base64.b64encode(DIGEST) + b" film.mp4",
    ],
    ids=repr,
)
def test_the_first_column_is_the_digest(line: bytes) -> None:
    assert read(line) == [Item(SHA256, DIGEST, None, 1)]


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"   \t\n", b"\r\n", b"# a comment", b"  # another, with a comma", b"#" + HEX], ids=repr
)
def test_blank_lines_and_comments_say_nothing(line: bytes) -> None:
    assert read(line) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (HEX[:-1], "sha256 needs 64 hex digits, got 63"),
        (HEX + b"0", "sha256 needs 64 hex digits, got 65"),
        (b"g" + HEX[1:], "sha256 needs hex digits, got 'g'"),
        (b"sha256,label", "sha256 needs 64 hex digits, got 6"),
        (b", " + HEX, "the first column is empty"),
        (b"\xff" * 64, "sha256 needs hex digits, got '�'"),
        (HEX[:32] + b"  " + HEX[34:], "sha256 needs 64 hex digits, got 32"),
    ],
    ids=repr,
)
def test_a_bad_line_is_named_with_what_it_needs(line: bytes, reason: str) -> None:
    assert read(b"# list\n" + line) == [Bad(2, reason, line)]


def test_a_value_with_blanks_inside_is_not_a_shorter_one() -> None:
    with pytest.raises(ValueError, match="needs hex digits, got ' '"):
        hashes.parse(SHA256, HEX.decode()[:30] + "  " + HEX.decode()[32:])


def test_a_bad_line_stops_nothing_and_lines_are_counted_as_an_editor_counts_them() -> None:
    text = b"# list\n\nabc\n" + HEX + b"\n\nxyz\n" + HEX
    assert [(type(one), one.number) for one in read(text)] == [(Bad, 3), (Item, 4), (Bad, 6), (Item, 7)]


@pytest.mark.parametrize(
    ("kind", "line", "value"),
    [
        (TLSH, TLSH_HEX, bytes.fromhex(TLSH_HEX)),
        (TLSH, f"T1{TLSH_HEX}", bytes.fromhex(TLSH_HEX)),
        (TLSH, f"t1{TLSH_HEX.lower()} film.mp4", bytes.fromhex(TLSH_HEX)),
        (URL, "https://example.org/a,b;c?d=e#f", "https://example.org/a,b;c?d=e#f"),
        (URL, "  https://example.org/\r", "https://example.org/"),
        (SSDEEP, FUZZY, FUZZY),
        (SSDEEP, f'{FUZZY},"films/a, b.mp4"', FUZZY),
        (VPDQ, FRAMES, FRAMES),
        (VPDQ, FEATURES, FEATURES),
        (TMK, FILM, FILM),
    ],
    ids=lambda one: repr(one)[:40],
)
def test_each_kind_has_one_form(kind: HashKind, line: str, value: Value) -> None:
    assert read(line.encode(), kind) == [Item(kind, value, None, 1)]


@pytest.mark.parametrize("kind", [VPDQ, TMK], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "line",
    [
        "203.0.113.7",
        "jane.doe@example.org",
        "Jane Doe, +49 30 901820",
        f"{FRAMES};jane.doe@example.org",
        FRAMES.replace("100", "101"),
        f"{FRAMES};",
        f"{FRAMES}.",
        FEATURES.replace('"', ""),
        '["jane.doe@example.org"]',
        "[]",
        FILM.replace("VE1L", "SmFu"),
        f"{FILM}jane@doe",
        "4930901820",
    ],
)
def test_a_film_is_hashed_by_its_program_and_no_other_text_passes_for_it(kind: HashKind, line: str) -> None:
    (found,) = read(line.encode(), kind)
    assert isinstance(found, Bad)
    assert found.reason.startswith(f"{kind.name} needs ")


def test_a_film_has_no_more_frames_than_a_record_takes() -> None:
    assert isinstance(read(";".join([FRAMES] * 7000).encode(), VPDQ)[0], Bad)
    assert isinstance(read(";".join([FRAMES] * 2000).encode(), VPDQ)[0], Item)


def test_what_ssdeep_writes_above_its_hashes_is_no_item() -> None:
    text = f'ssdeep,1.1--blocksize:hash:hash,filename\n{FUZZY},"a.mp4"\n'
    assert read(text.encode(), SSDEEP) == read(text.encode(), None) == [Item(SSDEEP, FUZZY, None, 2)]


@pytest.mark.parametrize(
    ("behind", "quality"), [(b"", None), (b" 87", 87), (b",100,x", 100), (b"\t50", 50), (b"  film.mp4", None)], ids=repr
)
def test_behind_a_pdq_its_quality_may_stand(behind: bytes, quality: int | None) -> None:
    assert read(HEX + behind, PDQ) == [Item(PDQ, DIGEST, quality, 1)]


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (b"49", "quality is below the floor of 50, got 49"),
        (b"101", "quality is a number from 0 to 100, got '101'"),
        (b"-1", "quality is a number from 0 to 100, got '-1'"),
        (b"87.5", "quality is a number from 0 to 100, got '87.5'"),
        (b"12345678", "quality is a number from 0 to 100, got '12345678'"),
    ],
    ids=repr,
)
def test_a_quality_that_cannot_be_makes_a_line_bad(quality: bytes, reason: str) -> None:
    line = HEX + b"," + quality
    assert read(line, PDQ) == [Bad(1, reason, line)]


def test_the_floor_of_quality_is_the_lists() -> None:
    assert read(HEX + b" 3", PDQ, quality_floor=0) == [Item(PDQ, DIGEST, 3, 1)]
    assert isinstance(read(HEX + b" 87", PDQ, quality_floor=90)[0], Bad)


# ---- Without a kind


def test_without_a_kind_each_value_is_told_by_how_it_is_written() -> None:
    digests: dict[HashKind, Value] = {
        hashes.KINDS[make.__name__.removeprefix("openssl_")]: make(b"x").digest()
        for make in (md5, sha1, sha256, sha512)
    }
    digests |= {TLSH: bytes.fromhex(TLSH_HEX), URL: "https://example.org/a,b", SSDEEP: FUZZY}
    hexes = "\n".join(hashes.write(kind, value) for kind, value in digests.items())
    assert [(one.kind, one.value) for one in items(read(hexes.encode(), None))] == list(digests.items())
    packed = {kind: value for kind, value in digests.items() if isinstance(value, bytes)}
    based = "\n".join(base64.b64encode(value).decode() for value in packed.values())
    assert [(one.kind, one.value) for one in items(read(based.encode(), None))] == list(packed.items())


def items(found: list[Item | Bad]) -> Iterator[Item]:
    for one in found:
        assert isinstance(one, Item), one
        yield one


def test_what_is_told_by_nothing_is_bad() -> None:
    (bad,) = read(b"abcd", None)
    assert isinstance(bad, Bad)
    assert bad.reason.startswith("no kind of hash has 4 characters; in hex they have 32 (md5), ")
    assert bad.reason.startswith(detection.UNTOLD)
    assert read(b"3:not ssdeep:", None)[0] == Bad(1, bad.reason.replace("4 char", "5 char"), b"3:not ssdeep:")


@pytest.mark.parametrize("written", ["sha256", "SHA-256", "SHA_256", " sha 256 "])
def test_a_kind_is_called_as_other_programs_call_it(written: str) -> None:
    assert detection.named(written) is SHA256
    with pytest.raises(ValueError, match="there is no such kind, got 'crc32'"):
        detection.named("crc32")


# ---- Without an end


def test_an_endless_line_is_cut_bad_and_counts_once() -> None:
    long = HEX + b"," + b"x" * (3 * lines.LINE_BYTES_MAX)
    found = list(lines.cut(io.BytesIO(long + b"\n" + HEX + b"\n" + long).read1))
    assert [len(one) for one in found] == [lines.LINE_BYTES_MAX + 1, 64, lines.LINE_BYTES_MAX + 1]
    assert [(type(one), one.number) for one in lines.read(found, Layout(SHA256))] == [(Bad, 1), (Item, 2), (Bad, 3)]


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_line_of_just_the_longest_length_swallows_nothing(over: int) -> None:
    first = b"x" * (lines.LINE_BYTES_MAX + over) + b"\n"
    found = list(lines.cut(io.BytesIO(first + b"next\n").read1))
    assert [len(found[0]), found[1:]] == [lines.LINE_BYTES_MAX + over, [b"next"]]


@given(st.binary(max_size=200), st.integers(1, 9))
def test_lines_are_the_same_however_they_arrive(content: bytes, size: int) -> None:
    file = io.BytesIO(content)
    expected = content.split(b"\n")
    assert list(lines.cut(lambda _: file.read(size))) == (expected if expected[-1] else expected[:-1])


@given(st.binary(max_size=400), st.sampled_from([None, *hashes.KINDS.values()]))
def test_whatever_a_file_holds_is_read_or_named(content: bytes, kind: HashKind | None) -> None:
    for one in read(content, kind):
        assert 1 <= one.number <= content.count(b"\n") + 1
        if isinstance(one, Item):
            assert len(one.value) == one.kind.digest_bytes or not one.kind.is_fixed
            assert hashes.parse(one.kind, hashes.write(one.kind, one.value)) == one.value


def test_a_look_alike_is_known() -> None:
    assert detection.LOOKS_ALIKE == {SHA256: PDQ}
    assert detection.guess(HEX.decode()) is SHA256
    assert detection.guess("0" * 32) is MD5
