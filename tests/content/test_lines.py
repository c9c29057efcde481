"""Lists as text: what stands in a line, and what is wrong with it."""

import base64
import io
from hashlib import md5, sha1, sha256, sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.content import hashes, lines
from node.content.hashes import SHA256, HashKind
from node.content.lines import Bad, Item

DIGEST = sha256(b"one").digest()
HEX = DIGEST.hex().encode()


def read(text: bytes, kind: HashKind | None = SHA256) -> list[Item | Bad]:
    return list(lines.read(text.splitlines(keepends=True), kind))


@pytest.mark.parametrize(
    "line",
    [
        HEX,
        HEX + b"\n",
        HEX + b"\r\n",
        b"  " + HEX + b"  ",
        HEX.upper(),
        HEX + b",attack-footage,high",
        HEX + b" , x",
        HEX + b"\tattack footage",
        HEX + b"  uploads/film.mp4",
        HEX + b" \xff\xfe",
        b"\xef\xbb\xbf" + HEX,
        base64.b64encode(DIGEST),
    ],
    ids=repr,
)
def test_the_first_column_is_the_digest(line: bytes) -> None:
    assert read(line) == [Item(1, SHA256, DIGEST)]


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"   \t\n", b"# a comment", b"  # another, with a comma", b"#" + HEX], ids=repr
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
    ],
    ids=repr,
)
def test_a_bad_line_is_named_with_what_it_needs(line: bytes, reason: str) -> None:
    assert read(b"# list\n" + line) == [Bad(2, reason, line)]


def test_a_bad_line_stops_nothing_and_lines_are_counted_as_an_editor_counts_them() -> None:
    text = b"# list\n\nabc\n" + HEX + b"\n\nxyz\n" + HEX
    assert [(type(one), one.number) for one in read(text)] == [(Bad, 3), (Item, 4), (Bad, 6), (Item, 7)]


def test_without_a_kind_each_line_is_guessed_by_its_length() -> None:
    digests = {
        kind.name: make(b"x").digest()
        for kind, make in zip(hashes.KINDS.values(), (md5, sha1, sha256, sha512), strict=True)
    }
    for written in (bytes.hex, lambda digest: base64.b64encode(digest).decode()):
        text = "\n".join(written(digest) for digest in digests.values())
        found = [(one.kind.name, one.digest) for one in read(text.encode(), None) if isinstance(one, Item)]
        assert found == list(digests.items())
    (bad,) = read(b"abcd", None)
    assert isinstance(bad, Bad)
    assert bad.reason.startswith("no kind of hash has 4 characters; in hex they have 32 (md5), ")


def test_an_endless_line_is_cut_and_counts_once() -> None:
    long = HEX + b"," + b"x" * (3 * lines.LINE_BYTES_MAX)
    found = list(lines.cut(io.BytesIO(long + b"\n" + HEX + b"\n" + long).readline))
    assert [len(one) for one in found] == [lines.LINE_BYTES_MAX, 65, lines.LINE_BYTES_MAX]
    assert [one.number for one in lines.read(found, SHA256)] == [1, 2, 3]


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_line_of_just_the_longest_length_swallows_nothing(over: int) -> None:
    first = b"x" * (lines.LINE_BYTES_MAX - 1 + over) + b"\n"
    assert list(lines.cut(io.BytesIO(first + b"next\n").readline))[1:] == [b"next\n"]


@given(st.lists(st.binary(max_size=80)))
def test_whatever_a_file_holds_is_read_or_named(content: list[bytes]) -> None:
    for one in lines.read(content, SHA256):
        assert 1 <= one.number <= len(content)
        if isinstance(one, Item):
            assert len(one.digest) == 32
