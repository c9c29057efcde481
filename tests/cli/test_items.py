"""Items on their way to the node, and lists on their way to a file: what is read, left out, said and written."""

import csv
import io
import json
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from click import UsageError

from node.cli import exporting, items
from node.cli.items import Reading, Source
from node.content import hashes
from node.content.hashes import MD5, PDQ, SHA256, SSDEEP, TLSH, TMK, URL, VPDQ, HashKind
from node.content.lines import Item, Layout
from node.errors import ConfigError, Refused
from node.v1 import record_pb2, tools_pb2

UNDONE = "Nothing was done."
FEATURES = f'["{"0f" * 32},100,0.000", "{"f0" * 32},49,1.000"]'


def digest_of(number: int) -> str:
    return sha256(number.to_bytes(4)).hexdigest()


def source(
    kind: HashKind | None = SHA256, *, column: str = "", skip_bad: bool = False, rejects: Path | None = None
) -> Source:
    return Source(Layout(kind, column), kind is None, "", skip_bad, rejects, None)


def refused(how: Source, path: Path) -> Refused:
    with Reading(how, path, UNDONE) as reading, pytest.raises(Refused) as raised:
        list(reading.items())
    return raised.value


# ---- Bad lines


def test_the_first_bad_line_is_named_with_how_many_were_good_before_it_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "halle.txt"
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(1041)) + f"{digest_of(1)[:-1]}\n")
    error = refused(source(), path)
    assert error.reason == f"{path}:1042: sha256 needs 64 hex digits, got 63"
    assert error.next_step.splitlines() == [
        "1,041 items before it were good. Nothing was done.",
        "Mend the line, or leave such lines out with --skip-bad.",
    ]


@pytest.mark.parametrize(
    ("line", "kind", "hint"),
    [
        ("0" * 32, SHA256, "It reads as md5: say --kind md5, or --detect where there are several kinds."),
        (
            f"17,{digest_of(1)}",
            SHA256,
            (
                "Column 2 reads as sha256: say --kind sha256 --column 2, or --detect --column 2 where there are "
                "several kinds."
            ),
        ),
        ("https://example.org/", SHA256, "It reads as url: say --kind url, or --detect where there are several kinds."),
        (
            f"{digest_of(1)}\t{'0' * 32}",
            MD5,
            "Column 2 reads as md5: say --kind md5 --column 2, or --detect --column 2 where there are several kinds.",
        ),
        ("halle", SHA256, "Say what stands where with --kind or --detect, --format and --column."),
        ('{"a": 1}', SHA256, "Say what stands where with --kind, --column and --kind-column."),
        (f"{digest_of(1)} 12", PDQ, "Say what stands where with --kind or --detect, --format and --column."),
    ],
)
def test_a_bad_line_that_is_something_else_is_told_what_it_is(
    line: str, kind: HashKind, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    path.write_text(f"{line}\n")
    assert refused(source(kind), path).next_step.splitlines()[1] == hint


def test_what_is_left_out_is_counted_by_reason_and_kept_where_its_owner_alone_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "halle.txt"
    path.write_text(f"{digest_of(1)}\nab\n{digest_of(2)}\r\nabc\tfilm\r\n{'g' * 64}\n")
    with Reading(source(skip_bad=True), path, UNDONE) as reading:
        assert [one.number for one in reading.items()] == [1, 3]
    rejects = tmp_path / "halle.txt.rejects"
    assert rejects.read_text().splitlines() == [
        "2\tsha256 needs 64 hex digits, got 2\tab",
        "4\tsha256 needs 64 hex digits, got 3\tabc\tfilm",
        f"5\tsha256 needs hex digits, got 'g'\t{'g' * 64}",
    ]
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    assert list(reading.summary()) == [
        f"left out: 3 bad lines, see {rejects}",
        "         2  sha256 needs 64 hex digits",
        "         1  sha256 needs hex digits",
    ]
    assert reading.fields() == {
        "rejected": 3,
        "reasons": {"sha256 needs 64 hex digits": 2, "sha256 needs hex digits": 1},
        "kinds": {"sha256": 2},
    }


def test_a_file_of_bad_lines_alone_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "halle.txt"
    path.write_text("a\nb\n")
    assert refused(source(skip_bad=True), path).reason == f"{path} has no items, only bad lines: 2"
    path.write_text("# nothing\n")
    assert refused(source(), path).reason == f"{path} has no items"


def test_rejects_are_never_written_over_the_list_itself_or_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "halle.txt"
    path.write_text("bad\n")
    with pytest.raises(UsageError, match="names the list itself"):
        Reading(source(skip_bad=True, rejects=path), path, UNDONE)
    (tmp_path / "halle.txt.rejects").symlink_to(tmp_path / "elsewhere")
    with Reading(source(skip_bad=True), path, UNDONE) as reading, pytest.raises(ConfigError, match="cannot be written"):
        list(reading.items())
    assert not (tmp_path / "elsewhere").exists()


# ---- Kinds


def test_what_was_guessed_is_reported_with_what_looks_alike(tmp_path: Path) -> None:
    path = tmp_path / "mixed"
    path.write_text(f"{digest_of(1)}\n{digest_of(2)}\n{'0' * 32}\nhttps://example.org/\nwhat is this\n")
    how = Source(Layout(), detect=True, format="", skip_bad=True, rejects=None, quality_floor=None)
    with Reading(how, path, UNDONE) as reading:
        assert len(list(reading.items())) == 4
    assert list(reading.summary()) == [
        "kinds: 2 sha256 (pdq looks alike: say --kind pdq if it is), 1 md5, 1 url",
        f"left out: 1 bad line, see {path}.rejects",
        "         1  no kind could be told",
    ]


def test_the_kind_and_the_floor_are_the_lists_where_nothing_else_is_said() -> None:
    open_ = Source(Layout(), detect=False, format="", skip_bad=False, rejects=None, quality_floor=None)
    assert open_.of_list().layout == Layout(SHA256, quality_floor=50)
    assert open_.of_list(["pdq"], 80).layout == Layout(PDQ, quality_floor=80)
    with pytest.raises(Refused, match="several kinds: md5, url"):
        open_.of_list(["md5", "url"])
    assert source(URL).of_list(["md5", "sha1"]).layout.kind is URL
    guessed = Source(Layout(), detect=True, format="", skip_bad=False, rejects=None, quality_floor=0)
    assert guessed.of_list(["md5", "sha1"], 80).layout == Layout(None, quality_floor=0)


def test_values_of_the_command_line_stand_in_the_place_of_a_file() -> None:
    with Reading(source(), Path("-"), UNDONE, (digest_of(1), f" {digest_of(2).upper()} ")) as reading:
        assert [one.value.hex() for one in reading.items() if isinstance(one.value, bytes)] == [
            digest_of(1),
            digest_of(2),
        ]
    with pytest.raises(UsageError, match="abc: sha256 needs 64 hex digits, got 3"):
        Reading(source(), Path("-"), UNDONE, ("abc",))


# ---- Into a file


def record(kind: HashKind, *found: Item, label: str = "attack-footage") -> tools_pb2.ListRecord:
    values = tools_pb2.Values(
        kind=kind.name,
        digests=b"".join(one.value for one in found if isinstance(one.value, bytes)),
        texts=[one.value for one in found if isinstance(one.value, str)],
        qualities=bytes(255 if one.quality is None else one.quality for one in found) if kind.has_quality else b"",
    )
    return tools_pb2.ListRecord(
        entry=b"\xab" * 32,
        values=values,
        positions=range(10, 10 + len(found)),
        labels=[label],
        advice="review",
        expires_ms=1_800_000_000_000,
        handling=record_pb2.Handling(tlp=2),
    )


RECORDS = (
    record(PDQ, Item(PDQ, bytes.fromhex(digest_of(1)), 87), Item(PDQ, bytes.fromhex(digest_of(2)))),
    record(TLSH, Item(TLSH, bytes(35))),
    record(URL, Item(URL, 'https://example.org/a,"b"'), Item(URL, "https://example.org/ü")),
    record(SSDEEP, Item(SSDEEP, "3::")),
    record(VPDQ, Item(VPDQ, FEATURES), Item(VPDQ, f"0,100,{'0f' * 32},0.000")),
    record(TMK, Item(TMK, "VE1LMQ==")),
)
ODD = ("=HYPERLINK(0)", "https://t.example/\x1b[2J", "https://t.example/\n@SUM(1)", "+1", "", "3::,=1+1", " 3:: ")


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_an_export_is_read_again_as_what_it_was(format_: str, tmp_path: Path) -> None:
    path = tmp_path / f"list.{format_}"
    with exporting.opened(path) as file:
        write = exporting.WRITERS[format_](file)
        assert [write(one) for one in RECORDS] == [2, 1, 2, 1, 2, 1]
    with Reading(source(), path, UNDONE) as reading:
        found = [(one.kind, one.value, one.quality) for one in reading.items()]
    assert found == [
        (PDQ, bytes.fromhex(digest_of(1)), 87),
        (PDQ, bytes.fromhex(digest_of(2)), None),
        (TLSH, bytes(35), None),
        (URL, 'https://example.org/a,"b"', None),
        (URL, "https://example.org/ü", None),
        (SSDEEP, "3::", None),
        (VPDQ, FEATURES, None),
        (VPDQ, f"0,100,{'0f' * 32},0.000", None),
        (TMK, "VE1LMQ==", None),
    ]


@pytest.mark.parametrize(
    ("scales", "is_for_all"),
    [({"tlp": 1, "europol_codes": 1, "pap": 2}, True), ({"tlp": 3}, False), ({"tlp": 2, "europol_codes": 4}, False)],
)
def test_whoever_exports_is_warned_of_what_any_of_its_marks_keeps_from_some(
    scales: dict[str, int], *, is_for_all: bool
) -> None:
    record = tools_pb2.ListRecord(handling=record_pb2.Handling(**scales))
    assert exporting.is_for_all(record) is is_for_all


@pytest.mark.parametrize("format_", exporting.FORMATS)
@pytest.mark.parametrize(
    ("kind", "right"), [(URL, "https://t.example/a"), (SSDEEP, "3::"), (VPDQ, FEATURES), (TMK, "VE1LMQ==")]
)
def test_what_is_of_no_form_of_its_kind_stands_in_no_file_and_its_neighbours_do(
    format_: str, kind: HashKind, right: str
) -> None:
    file = io.StringIO()
    write = exporting.WRITERS[format_](file)
    assert write(record(kind, *(Item(kind, one) for one in (*ODD, right, *ODD)))) == 1
    written = file.getvalue()
    assert not any(one in written for one in ("\x1b", "HYPERLINK", "SUM"))
    match format_:
        case "text":
            assert written == f"{right}\n"
        case "csv":
            (row,) = csv.DictReader(io.StringIO(written))
            assert (row["value"], row["item"]) == (right, f"{'ab' * 32}:{10 + len(ODD)}")
        case _:
            found = json.loads(written)
            assert (found["value"], found["item"]) == (right, f"{'ab' * 32}:{10 + len(ODD)}")


def test_a_text_has_a_value_a_line_and_is_read_again() -> None:
    file = io.StringIO()
    write = exporting.WRITERS["text"](file)
    for one in RECORDS[:2]:
        write(one)
    assert file.getvalue() == f"{digest_of(1)},87\n{digest_of(2)}\nT1{'00' * 35}\n"


def test_a_row_has_where_its_item_stands_and_no_formula_of_others() -> None:
    file = io.StringIO()
    odd = record(PDQ, Item(PDQ, bytes(32), 50), label="=HYPERLINK(x)\x1b[2J")
    odd.advice = "@SUM(1)"
    odd.exemptions.append("-news")
    exporting.WRITERS["csv"](file)(odd)
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert row == {
        "kind": "pdq",
        "value": "00" * 32,
        "quality": "50",
        "labels": r"'=HYPERLINK(x)\x1b[2J",
        "advice": "'@SUM(1)",
        "expires": "2027-01-15T08:00:00+00:00",
        "item": f"{'ab' * 32}:10",
        "opinion": "",
        "exemptions": "'-news",
        "mark": "TLP:GREEN",
    }
    lines = io.StringIO()
    exporting.WRITERS["jsonl"](lines)(RECORDS[0])
    first = json.loads(lines.getvalue().splitlines()[0])
    assert (first["labels"], first["expires_ms"], first["handling"]["tlp"]) == (
        ["attack-footage"],
        1_800_000_000_000,
        2,
    )


def test_what_a_file_cannot_say_is_said_beside_it_and_of_a_text_also_that_members_object() -> None:
    of_two = tools_pb2.ListRecord()
    of_two.CopyFrom(RECORDS[0])
    of_two.judged.add(position=10, objecting=1)
    of_two.judged.add(position=11, agreeing=3)
    written = exporting.Written()
    written.add(of_two, 2)
    view = tools_pb2.ListView(name="ministry-a/halle\x1b[2J", list=record_pb2.HashList(items=2))
    (objected,) = exporting.warnings(view, written, "text")
    assert objected == (
        r"1 item of ministry-a/halle\x1b[2J that members object to: to be reviewed first. This file does not say which,"
        " --format csv does"
    )
    assert not [*exporting.warnings(view, written, "csv"), *exporting.warnings(view, written, "jsonl")]
    green = record_pb2.Handling(tlp=2)
    may_be_news = tools_pb2.ListRecord(positions=[0, 1], exemptions=["news"], handling=green)
    exempt = exporting.Written()
    exempt.add(may_be_news, 2)
    (words,) = exporting.warnings(view, exempt, "text")
    assert "2 items of" in words
    assert "that may also be news or else exempt: to be reviewed first" in words
    of_two.handling.tlp = 3
    written.add(of_two, 1)
    view.list.items = 5
    amber, view.withdrawn = list(exporting.warnings(view, written, "csv")), "mistake"
    assert [one.split(r"\x1b[2J")[-1] for one in amber] == [
        " cannot be of its kind: left out, and matched by nothing",
        " has 5 items; what is not here yet, withdrawn, restricted or expired was left out",
        "some of it may not be read by all members; keep the file to yourself",
    ]
    assert list(exporting.warnings(view, written, "csv"))[1] == r"ministry-a/halle\x1b[2J was withdrawn: mistake"


def test_a_file_is_there_whole_and_for_its_owner_alone_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("as it was")
    path.chmod(0o644)
    with pytest.raises(ZeroDivisionError), exporting.opened(path) as file:
        file.writelines(["half" * 10_000, f"{1 // 0}"])
    assert path.read_text() == "as it was"
    with exporting.opened(path) as file:
        file.write("whole")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("whole", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["list.txt"]
    with pytest.raises(ConfigError, match="cannot be written"), exporting.opened(tmp_path / "no" / "list.txt"):
        pass


def test_items_of_a_letter_have_their_kind_and_quality() -> None:
    assert list(items.of_letter(RECORDS[0].values)) == [("pdq", digest_of(1), 87), ("pdq", digest_of(2), None)]
    unknown = tools_pb2.Values(kind="later", texts=["x"])
    assert list(items.of_letter(unknown)) == [("later", "x", None)]
    assert list(items.of_letter(tools_pb2.Values(digests=bytes(16)), "md5")) == [("md5", "00" * 16, None)]
    assert list(hashes.KINDS) == ["md5", "sha1", "sha256", "sha512", "pdq", "tlsh", "ssdeep", "vpdq", "tmk", "url"]
