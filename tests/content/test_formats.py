"""Lists as tables and as JSON Lines: which column is which, and what is wrong with a row."""

import base64
import gzip
import io
import json
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.content import formats, hashes, lines, tables
from node.content.hashes import MD5, PDQ, SHA256, SSDEEP, TLSH, TMK, URL, HashKind
from node.content.lines import Bad, Item, Layout
from node.errors import Refused

A, B = sha256(b"a").hexdigest(), sha256(b"b").hexdigest()
OF_SHA256 = Layout(SHA256)
FUZZY = "384:BfUAILX6tH+xYKRCyDe2hCJHqmqNLQ5xHPWmPtbNaDisPB89HXLBUG:d7+x+yC2QJKmdvHPWOFQDisa9mG"


def read(text: str | bytes, layout: Layout = OF_SHA256, name: str = "", format_: str = "") -> list[Item | Bad]:
    content = text.encode() if isinstance(text, str) else text
    return list(formats.read(lines.cut(io.BytesIO(content).read1), layout, name, format_))


def told(found: list[Item | Bad]) -> list[tuple[int, str]]:
    """Line, and value or reason."""
    return [(one.number, hashes.write(one.kind, one.value) if isinstance(one, Item) else one.reason) for one in found]


# ---- Which format


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.csv", "csv"),
        ("A.CSV.gz", "csv"),
        ("a.tsv", "tsv"),
        ("a.jsonl.gz", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.txt", ""),
        ("csv", ""),
        ("-", ""),
    ],
)
def test_a_file_is_called_after_its_format(name: str, format_: str) -> None:
    assert formats.of_name(name) == format_


@pytest.mark.parametrize(
    ("first", "layout", "format_"),
    [
        (A, Layout(SHA256), "text"),
        (f"{A},film", Layout(SHA256), "text"),
        (f"{A}\tfilm", Layout(SHA256), "text"),
        ("sha256,label", Layout(SHA256), "csv"),
        ("id\tsha256", Layout(SHA256), "tsv"),
        ("id;sha256", Layout(SHA256), "csv"),
        (f'{{"sha256": "{A}"}}', Layout(SHA256), "jsonl"),
        (A[:-1], Layout(SHA256), "text"),
        (f"1,{A}", Layout(SHA256, column="2"), "csv"),
        (f"1\t{A}", Layout(SHA256, column="2"), "tsv"),
        ("https://example.org/a,b", Layout(URL), "text"),
        (f'{FUZZY},"a.mp4"', Layout(SSDEEP), "text"),
        (f'{FUZZY},"a.mp4"', Layout(), "text"),
        ("", Layout(SHA256), "text"),
    ],
)
def test_a_file_that_is_called_otherwise_shows_its_format_by_its_first_line(
    first: str, layout: Layout, format_: str
) -> None:
    assert formats.of_content(first, layout) == format_


def test_comments_say_nothing_about_the_format_and_lines_keep_their_numbers() -> None:
    assert told(read(f"# made by hand\n\nid,sha256\n1,{A}\n")) == [(4, A)]
    assert told(read(f"# made by hand\n\n{A}\n")) == [(3, A)]
    assert told(read(f"\ufeff{A}\n")) == told(read(f"\ufeff{A}\n", name="a.csv")) == [(1, A)]


def test_columns_are_chosen_of_tables_alone() -> None:
    with pytest.raises(Refused, match="text has no columns"):
        read(A, Layout(SHA256, column="2"), format_="text")
    with pytest.raises(Refused, match="UTF-16"):
        read(A.encode("utf-16"))


# ---- Tables


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (f"{A},x\n{B},y\n", Layout(SHA256)),
        (f"{A},x\r\n\r\n{B},y\r\n", Layout(SHA256)),
        (f"sha256,label\n{A},x\n{B},y", Layout(SHA256)),
        (f"label,sha256\nx,{A}\ny,{B}\n", Layout(SHA256)),
        (f"label,SHA256\nx,{A}\ny,{B}\n", Layout(SHA256)),
        (f"label;sha256\nx;{A}\ny;{B}\n", Layout(SHA256)),
        (f"label,value\nx,{A}\ny,{B}\n", Layout(SHA256, column="value")),
        (f"label, Value \nx,{A}\ny,{B}\n", Layout(SHA256, column="value")),
        (f"x,{A}\ny,{B}\n", Layout(SHA256, column="2")),
        (f"label,hash of it\nx,{A}\ny,{B}\n", Layout(SHA256, column="2")),
        (f'"{A}","x, y"\n"{B}","he said ""no"""\n', Layout(SHA256)),
        (f'"{A}","one\ntwo\nthree"\n"{B}",""\n', Layout(SHA256)),
        (f"{A}\n{B},x,y,z\n", Layout(SHA256)),
        (f"kind,value\nSHA-256,{A}\nsha256,{B}\n", Layout(MD5)),
        (f"{A},sha256\n{B},\n", Layout(SHA256, kind_column="2")),
    ],
)
def test_the_column_of_values_is_found(text: str, layout: Layout) -> None:
    found = read(text, layout, name="list.csv")
    assert [(one.kind, hashes.write(one.kind, one.value)) for one in found if isinstance(one, Item)] == [
        (SHA256, A),
        (SHA256, B),
    ], found


def test_the_first_column_is_the_value_where_the_header_says_nothing() -> None:
    assert told(read(f"file hash,label\n{A},x\n", name="a.csv")) == [(2, A)]


@pytest.mark.parametrize("first", [A[:-1], A[:10], "https://example.org", "12", "0"])
def test_a_first_value_that_is_wrong_is_no_header(first: str) -> None:
    (bad, good) = read(f"{first},label\n{A},x\n", name="a.csv")
    assert (type(bad), bad.number, type(good), good.number) == (Bad, 1, Item, 2)


def test_a_comment_in_the_middle_of_a_table_is_a_row() -> None:
    assert told(read(f"# above\n{A},x\n# {B}\n", name="a.csv")) == [(2, A), (3, "sha256 needs 64 hex digits, got 66")]


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused, match="there is no column 'hash'") as refused:
        read(f"id,label\n1,{A}\n", Layout(SHA256, column="hash"), name="a.csv")
    assert refused.value.next_step == "The first row has: id, label."


def test_a_row_that_lacks_the_column_is_bad() -> None:
    text = f"1,{A}\n2\n3,\n4,{B}\n"
    assert told(read(text, Layout(SHA256, column="2"), name="a.csv")) == [
        (1, A),
        (2, "there is no column 2, got 1 columns"),
        (3, "column 2 is empty"),
        (4, B),
    ]
    assert told(read(A, Layout(SHA256, column="0"), name="a.csv")) == [(1, "there is no column 0, got 1 columns")]


def test_a_url_that_a_comma_cuts_short_is_bad() -> None:
    text = 'https://example.org/a\nhttps://example.org/b,c\n"https://example.org/d,e"\n'
    assert told(read(text, Layout(URL), name="a.csv")) == [
        (1, "https://example.org/a"),
        (2, "the first row has 1 columns, got 2"),
        (3, "https://example.org/d,e"),
    ]
    assert told(read(text, Layout(URL))) == [
        (1, "https://example.org/a"),
        (2, "https://example.org/b,c"),
        (3, "url needs scheme://host and no blanks"),
    ]


def test_what_ssdeep_writes_is_read_as_a_table_too() -> None:
    text = f'ssdeep,1.1--blocksize:hash:hash,filename\n{FUZZY},"a, b.mp4"\n'
    assert told(read(text, Layout(SSDEEP), name="a.csv")) == [(2, FUZZY)]


def test_the_quality_of_pdq_has_a_column() -> None:
    text = f"name,pdq,pdq_quality\na,{A},100\nb,{B},12\nc,{B},\n"
    for layout in (Layout(PDQ), Layout(PDQ, quality_column="pdq_quality"), Layout(PDQ, quality_column="3")):
        good, low, unknown = read(text, layout, name="a.csv")
        assert (good, low.number) == (Item(PDQ, bytes.fromhex(A), 100, 2), 3)
        assert isinstance(low, Bad)
        assert low.reason == "quality is below the floor of 50, got 12"
        assert unknown == Item(PDQ, bytes.fromhex(B), None, 4)


def test_a_quote_that_nobody_closed_costs_its_own_line_alone() -> None:
    rows = [f"{sha256(bytes([i])).hexdigest()},x" for i in range(100)]
    rows[3] = f'{A},"never closed'
    rows[97] = f'{A},"neither'
    found = read("\n".join(rows), name="a.csv")
    assert [one.number for one in found] == list(range(1, 101))
    assert [(one.number, one.reason) for one in found if isinstance(one, Bad)] == [
        (4, "a quote is not closed"),
        (98, "a quote is not closed"),
    ]


def test_an_endless_line_of_a_table_is_bad_and_the_next_is_read() -> None:
    for text in (f"{A},{'x' * (2 * lines.LINE_BYTES_MAX)}\n{B}\n", f'{A},"{"x" * (2 * lines.LINE_BYTES_MAX)}"\n{B}\n'):
        assert told(read(text, name="a.csv")) == [(1, lines.TOO_LONG), (2, B)]


def test_a_value_of_tmk_fits_in_a_table() -> None:
    value = base64.b64encode(b"TMK1".ljust(263_344)).decode()
    assert read(f"name,tmk\nx,{value}\n", Layout(TMK), name="a.csv") == [Item(TMK, value, None, 2)]


# ---- JSON Lines


@pytest.mark.parametrize(
    ("line", "layout"),
    [
        ({"sha256": A, "label": "x"}, Layout(SHA256)),
        ({"value": A, "kind": "sha256"}, Layout(MD5)),
        ({"value": A}, Layout()),
        ({"hash": f" {A} ", "kind": "md5"}, Layout(SHA256, column="hash")),
        ({"hash": A, "type": "SHA-256"}, Layout(MD5, column="hash", kind_column="type")),
        (A, Layout(SHA256)),
    ],
    ids=repr,
)
def test_a_document_a_line(line: object, layout: Layout) -> None:
    text = f"\n{json.dumps(line)}\n"
    assert read(text, layout, name="a.jsonl") == [Item(SHA256, bytes.fromhex(A), None, 2)]


def test_the_quality_of_pdq_has_a_field() -> None:
    text = "".join(
        f"{json.dumps({'pdq': A, 'quality': quality})}\n" for quality in (87, "87", None, 12, 101, 87.5, True)
    )
    found = read(text, Layout(PDQ))
    assert [one.quality for one in found if isinstance(one, Item)] == [87, 87, None]
    assert [one.reason for one in found if isinstance(one, Bad)] == [
        "quality is below the floor of 50, got 12",
        "quality is a number from 0 to 100, got '101'",
        "'quality' is neither a text nor a whole number, got float",
        "'quality' is neither a text nor a whole number, got bool",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON document: Expecting property name enclosed in double quotes"),
        (A, "no JSON document: "),
        ("[" * 100_000, "no JSON document: maximum recursion depth exceeded"),
        ("9" * 5000, "no JSON document: Exceeds the limit (4300 digits) for integer string conversion"),
        ("[1]", "neither an object nor a string, got list"),
        ("{}", "no text in 'sha256' or 'value'"),
        ('{"sha256": null}', "no text in 'sha256' or 'value'"),
        ('{"sha256": ["x"]}', "'sha256' is neither a text nor a whole number, got list"),
        ('{"sha256": "abc"}', "sha256 needs 64 hex digits, got 3"),
        ('{"value": "abc", "kind": "crc32"}', "there is no such kind, got 'crc32'"),
        (f'{{"sha256": "{A}", "x": "{"x" * lines.LINE_BYTES_MAX}"}}', lines.TOO_LONG),
    ],
    ids=lambda one: one[:30],
)
def test_a_bad_document_is_named_and_stops_nothing(line: str, reason: str) -> None:
    good = json.dumps({"sha256": B})
    (bad, next_) = read(f"{line}\n{good}\n", name="a.jsonl")
    assert isinstance(bad, Bad)
    assert (bad.number, bad.reason[: len(reason)], next_) == (1, reason, Item(SHA256, bytes.fromhex(B), None, 2))


# ---- All of them


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet='ab0,;"\t\n{}:#', max_size=60).map(str.encode)),
    st.sampled_from([None, *hashes.KINDS.values()]),
    st.sampled_from(["csv", "tsv", "jsonl", "text", ""]),
)
def test_whatever_a_file_holds_is_read_or_named(content: bytes, kind: HashKind | None, format_: str) -> None:
    try:
        found = read(content, Layout(kind), format_=format_)
    except Refused:
        assert content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return
    numbers = [one.number for one in found]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= content.count(b"\n") + 1 for number in numbers)


@pytest.mark.parametrize(("format_", "row"), [("text", "{}\n"), ("csv", "{},x\n"), ("jsonl", '{{"sha256":"{}"}}\n')])
def test_a_file_of_any_length_takes_the_same_memory(format_: str, row: str) -> None:
    def source() -> Iterator[bytes]:
        for number in range(30_000):
            yield row.format(sha256(number.to_bytes(4)).hexdigest()).encode().rstrip(b"\n")

    tracemalloc.start()
    count = sum(isinstance(one, Item) for one in formats.read(source(), Layout(SHA256), format_=format_))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 30_000
    assert peak < 500_000, "a tenth of what the values alone take"


# ---- Real lists


def sample(name: str) -> BinaryIO:
    folder = os.environ.get("TOCSIN_SAMPLES")
    if not folder:
        pytest.skip("TOCSIN_SAMPLES names no folder with the real lists")
    path = Path(folder) / name
    return cast("BinaryIO", gzip.open(path)) if name.endswith(".gz") else path.open("rb")


@pytest.mark.parametrize(
    ("name", "layout", "counts"),
    [
        ("hashes/unit42_sha256.tsv.gz", Layout(SHA256), {"sha256": 107_190}),
        ("hashes/debian12_source_files.tsv.gz", Layout(SHA256), {"sha256": 105_609}),
        ("hashes/debian12_source_files.tsv.gz", Layout(MD5, column="2"), {"md5": 105_609}),
        (
            "hashes/eset_samples.tsv.gz",
            Layout(column="2", kind_column="1"),
            {"md5": 5358, "sha1": 5359, "sha256": 5358},
        ),
        ("hashes/eset_samples.tsv.gz", Layout(column="2"), {"md5": 5358, "sha1": 5359, "sha256": 5358}),
        ("hashes/tlsh_mb_10K.csv.gz", Layout(TLSH), {"tlsh": 9999}),
        ("pdq/debian_image_fingerprints.tsv.gz", Layout(PDQ), {"pdq": 4591, "bad": 477}),
        ("pdq/debian_image_fingerprints.tsv.gz", Layout(TLSH), {"tlsh": 5068}),
        ("pdq/debian_image_fingerprints.tsv.gz", Layout(SSDEEP), {"ssdeep": 5068}),
        ("pdq/haystack.txt", Layout(PDQ), {"pdq": 1350}),
        ("pdq/PDQMD5TestData.csv", Layout(PDQ, column="Hash"), {"pdq": 16, "bad": 2}),
        ("urls/debian12_urls.txt.gz", Layout(URL), {"url": 30_756}),
        ("urls/debian12_urls.txt.gz", Layout(), {"url": 30_756}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_real_lists_are_read_to_the_last_line(name: str, layout: Layout, counts: dict[str, int]) -> None:
    with sample(name) as file:
        found = formats.read(lines.cut(file.read1), layout, name)  # type: ignore[attr-defined]
        assert Counter(one.kind.name if isinstance(one, Item) else "bad" for one in found) == counts


def test_the_columns_that_our_own_exports_have_are_known_kinds_of_columns() -> None:
    assert (tables.KIND, tables.VALUE, tables.QUALITY) == ("kind", "value", "quality")
