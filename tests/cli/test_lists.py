"""The commands of lists, as their users type them, with two real daemons."""

import gzip
import json
import os
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.cli.test_online import BY_PEOPLE, misused, refused
from tests.federation import Node, federation


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """A publisher, and a member that fetches what it chose."""
    with federation(tmp_path_factory.mktemp("f"), 2, choosing=1) as running:
        running[0].cli("peer", "add", "--founders", "--yes", "--no-wait")
        running[1].cli("peer", "add", "--founders", "--yes")
        yield running


@pytest.fixture
def first(nodes: Sequence[Node]) -> Node:
    return nodes[0]


@pytest.fixture
def second(nodes: Sequence[Node]) -> Node:
    return nodes[1]


def digest_of(number: int) -> str:
    return sha256(number.to_bytes(4)).hexdigest()


def publish(node: Node, path: Path, *arguments: str) -> str:
    return node.cli("list", "publish", path, *arguments).stdout


# ---- Publishing


def test_a_changed_file_is_the_next_version_of_its_list(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "Halle 2026.csv"
    path.write_text("# attack footage\n\n" + "".join(f"{digest_of(i)},film {i}\n" for i in range(5000)))
    said = publish(first, path, "--label", "attack-footage", "--for", "90d")
    assert re.fullmatch(
        rf"ministry-a/halle-2026: \+5,000 -0, 0 unchanged, version 1, until {BY_PEOPLE}\n"
        r"5,000 items in 2 records, on this node only\n",
        said,
    ), said
    path.write_text("".join(f"{digest_of(i)},film {i}\n" for i in [*range(10, 5001), 11, 12]))
    shown = publish(first, path, "--dry-run")
    assert shown.splitlines()[0] == "ministry-a/halle-2026: would be +1 -10, 4,990 unchanged"
    assert shown.splitlines()[-1] == "Nothing was published: it was a dry run."
    assert first.json("list", "show", "halle-2026")["list"]["version"] == "1"
    said = publish(first, path)
    assert said.startswith("ministry-a/halle-2026: +1 -10, 4,990 unchanged, version 2, until ")
    assert "\n2 lines repeated what stood in another one\n4,991 items in " in said
    packed = tmp_path / "odd name"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert "halle-2026: +0 -0, 4,991 unchanged, version 2" in publish(first, packed, "--name", "ministry-a/halle-2026")


def test_most_of_a_list_goes_only_with_a_yes(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "most.txt"
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(10)))
    publish(first, path)
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(4)))
    refused(first.cli("list", "publish", path, check=False), 1, "6 of the 10 items of most", "--yes")
    assert "most: would be +0 -6, 4 unchanged" in publish(first, path, "--dry-run")
    assert first.json("list", "show", "most")["items"] == 10
    assert "most: +0 -6, 4 unchanged" in publish(first, path, "--yes")


def test_a_list_of_a_drill_is_compared_and_never_found_counted_or_exported(first: Node, tmp_path: Path) -> None:
    path, other = tmp_path / "drilled.txt", digest_of(77_009)
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(77_000, 77_003)))
    before = first.json("status")["items"]
    assert publish(first, path, "--exercise").startswith("ministry-a/drilled: +3 -0, 0 unchanged")
    path.write_text(path.read_text() + f"{other}\n")
    assert publish(first, path, "--exercise").startswith("ministry-a/drilled: +1 -0, 3 unchanged")
    assert first.json("list", "show", "drilled")["items"] == 4
    assert first.cli("list", "diff", "drilled", path).returncode == 0
    assert first.cli("lookup", other, check=False).stdout == "no match\n"
    assert first.json("status")["items"] == before
    refused(first.cli("list", "export", "drilled", check=False), 1, "nothing of a drill is ever exported")
    assert publish(first, path).startswith("ministry-a/drilled: +4 -0, 0 unchanged"), "the real one is another list"
    assert "ministry-a/drilled" in first.cli("lookup", other).stdout
    assert first.json("status")["items"] == before + 4


def test_items_are_added_to_a_list_and_removed_from_it(first: Node, tmp_path: Path) -> None:
    created = first.cli("list", "create", "grown", "--label", "x", "--description", "Grown by hand").stdout
    assert created.startswith("ministry-a/grown: an empty list, until ")
    refused(first.cli("list", "create", "grown", check=False), 1, "ministry-a/grown is there already")
    path = tmp_path / "new.txt"
    path.write_text(f"{digest_of(1)}  one.mp4\n{digest_of(2)}  two.mp4\n")
    said = first.cli("list", "add", "ministry-a/grown", path).stdout
    assert said.startswith("ministry-a/grown: +2 -0, 0 unchanged, version 2, until "), said
    said = first.cli("list", "add", "grown", "--value", digest_of(3).upper(), "--value", digest_of(1)).stdout
    assert said.startswith("ministry-a/grown: +1 -0, 1 unchanged, version 3, until "), said
    shown = first.json("list", "show", "grown")
    assert (shown["items"], shown["list"]["labels"]) == (3, ["x"])
    assert sorted(first.cli("list", "export", "grown").stdout.split()) == sorted(digest_of(i) for i in (1, 2, 3))

    path.write_text(f"{digest_of(2)}\n{digest_of(9)}\n")
    said = first.cli("list", "remove", "grown", path, "--reason", "false-positive").stdout
    assert said == "ministry-a/grown: -1, 1 were not in it, version 4; 2 items left\n"
    answer = first.json("list", "remove", "grown", "--value", digest_of(1))
    assert (answer["removed"], answer["absent"], answer["list"]["items"]) == (1, 0, 1)
    assert first.cli("list", "export", "grown").stdout.split() == [digest_of(3)]
    misused(first.cli("list", "remove", "grown", "--value", "abc", check=False), "sha256 needs 64 hex digits, got 3")
    missing = first.cli("list", "add", "nothing", "--value", digest_of(1), check=False)
    refused(missing, 1, "there is no list 'nothing'", "`tocsin list create nothing` makes a list of ours.")


def test_a_list_of_several_kinds_is_told_which_is_meant(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "mixed.tsv"
    path.write_text(f"sha256\t{digest_of(1)}\nmd5\t{'0' * 32}\nurl\thttps://example.org/a,b\n")
    said = publish(first, path, "--kind-column", "1", "--column", "2")
    assert said.startswith("ministry-a/mixed: +3 -0, 0 unchanged, version 1")
    said = publish(first, path, "--column", "2", "--detect")
    assert said.startswith("ministry-a/mixed: +0 -0, 3 unchanged, version 1")
    assert "\nkinds: 1 sha256 (pdq looks alike: say --kind pdq if it is), 1 md5, 1 url\n" in said
    value = ("list", "add", "mixed", "--value", "1" * 32)
    refused(first.cli(*value, check=False), 1, "the list has several kinds: md5, sha256, url", "--kind")
    assert first.json(*value, "--kind", "md5")["added"] == 1
    assert first.json(*value, "--detect")["unchanged"] == 1
    assert first.json("list", "show", "mixed")["list"]["kinds"] == ["md5", "sha256", "url"]


def test_a_file_of_a_known_list_is_of_its_kind(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "sums.txt"
    path.write_text("0" * 32)
    refused(first.cli("list", "publish", path, check=False), 1, "It reads as md5: say --kind md5, or --detect")
    publish(first, path, "--kind", "md5")
    assert "sums: +0 -0, 1 unchanged" in publish(first, path)


def test_pictures_of_low_quality_are_left_out_by_the_lists_own_floor(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "pictures.csv"
    path.write_text(f"pdq,quality\n{digest_of(1)},90\n{digest_of(2)},60\n{digest_of(3)},10\n")
    said = publish(first, path, "--kind", "pdq", "--quality-floor", "80", "--skip-bad")
    assert said.startswith("ministry-a/pictures: +1 -0, ")
    assert "         2  quality is below the floor of 80\n" in said
    refused(first.cli("list", "add", "pictures", path, check=False), 1, "quality is below the floor of 80, got 60")
    output = tmp_path / "out.csv"
    first.cli("list", "export", "pictures", "--output", output)
    assert output.read_text().splitlines()[1].startswith(f"pdq,{digest_of(1)},90,")
    assert first.cli("list", "diff", "pictures", output).returncode == 0


def test_whoever_waits_hears_when_another_member_holds_all_of_it(first: Node, second: Node, tmp_path: Path) -> None:
    path = tmp_path / "waited.txt"
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(30_000, 30_100)))
    with first.command("list", "publish", str(path), "--wait") as waiting:
        waiting.errors.until(lambda line: line.startswith("Waiting until other members hold all of it."))
        second.until(lambda found: any(one["name"] == "ministry-a/waited" for one in found), "list")
        second.cli("list", "follow", "ministry-a/waited")
        waiting.output.until(lambda line: line == "100 items in 1 record, all held by other members\n")
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(40_000, 40_100)))
    with first.command("list", "publish", str(path), "--name", "alone", "--wait") as waiting:
        waiting.errors.until(lambda line: line.startswith("Waiting until other members hold all of it."))
        assert waiting.interrupt() == 0
        assert waiting.output.end()[-1] == "100 items in 1 record, on this node only\n"


def test_a_bad_line_stops_a_publication_and_nothing_is_published(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"{digest_of(1)}\n{digest_of(2)[:-1]},x\nzz\n")
    refused(
        first.cli("list", "publish", path, check=False),
        1,
        f"{path}:2: sha256 needs 64 hex digits, got 63",
        "1 item before it was good. Nothing was published.",
        "--skip-bad",
    )
    refused(first.cli("list", "show", "ministry-a/bad", check=False), 1, "there is no list")
    said = publish(first, path, "--skip-bad")
    assert "ministry-a/bad: +1 -0, " in said
    assert f"left out: 2 bad lines, see {path}.rejects\n         2  sha256 needs 64 hex digits\n" in said
    elsewhere = tmp_path / "elsewhere"
    answer = first.json("list", "publish", path, "--skip-bad", "--rejects", elsewhere)
    assert (answer["added"], answer["unchanged"], answer["rejected"]) == (0, 1, 2)
    assert answer["reasons"] == {"sha256 needs 64 hex digits": 2}
    assert elsewhere.read_text().count("\n") == 2
    misused(first.cli("list", "publish", path, "--skip-bad", "--rejects", path, check=False), "names the list itself")
    assert path.read_text().startswith(digest_of(1))


def test_a_list_that_cannot_be_is_refused(first: Node, tmp_path: Path) -> None:
    refused(first.cli("list", "publish", tmp_path / "no.csv", check=False), 3, "cannot be read: No such file")
    refused(first.cli("list", "publish", tmp_path, "--name", "x", check=False), 3, "cannot be read: Is a directory")
    empty = tmp_path / "empty.csv"
    empty.write_text("# nothing\n")
    refused(first.cli("list", "publish", empty, check=False), 1, "has no items")
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"".join(digest_of(i).encode() + b"\n" for i in range(1000)))[:-9])
    refused(first.cli("list", "publish", cut, check=False), 1, "cut.gz is damaged")
    refused(first.cli("list", "show", "ministry-a/cut", check=False), 1, "there is no list")
    table = tmp_path / "table.csv"
    table.write_text(f"id,hash\n1,{digest_of(1)}\n")
    missing = first.cli("list", "publish", table, "--column", "digest", check=False)
    refused(missing, 1, f"{table}: there is no column 'digest'", "The first row has: id, hash.")
    misused(first.cli("list", "publish", "-", input=digest_of(1), check=False), "stdin makes no name for a list")
    misused(first.cli("list", "--json", "show", "x", check=False), "--json stands behind show")
    both = first.cli("list", "publish", table, "--kind", "md5", "--detect", check=False)
    misused(both, "Give --kind or --detect, not both")
    misused(first.cli("list", "publish", table, "--rejects", "x", check=False), "--rejects is for --skip-bad")
    misused(first.cli("list", "add", "halle", check=False), "Give a FILE (or - for stdin), or --value")
    misused(first.cli("list", "show", " ", check=False), "Which list?")


# ---- Following


def test_a_list_is_tried_followed_compared_and_let_go(first: Node, second: Node, tmp_path: Path) -> None:
    path = tmp_path / "films.txt"
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(10_000, 15_000)))
    publish(first, path, "--label", "attack-footage")
    second.until(lambda found: any(one["name"] == "ministry-a/films" for one in found), "list")
    row = next(line for line in second.cli("list").stdout.splitlines() if line.startswith("ministry-a/films"))
    assert re.match(r"ministry-a/films +sha256 +5,000 +1  offered +-  ", row), row
    refused(second.cli("list", "export", "ministry-a/films", check=False), 1, "is not followed")

    sample = tmp_path / "sample.txt"
    sample.write_text("".join(f"{digest_of(i)}\n" for i in range(14_998, 15_100)))
    tried = second.cli("list", "preview", "ministry-a/films", "--sample", sample, "--show").stdout
    assert tried.splitlines()[-1] == "2 of 102 would match; 0 disputed"
    assert sorted(tried.splitlines()[:-1]) == sorted(digest_of(i) for i in (14_998, 14_999))
    counted = second.json("list", "preview", "ministry-a/films", "--sample", sample)
    assert (counted["common"], counted["only_sent"], counted["disputed"]) == (2, 100, 0)
    assert second.json("list", "show", "ministry-a/films")["following"] == "previewed"
    assert second.cli("lookup", digest_of(14_999), check=False).stdout == "no match\n", "a preview matches nothing"

    said = second.cli("list", "follow", "ministry-a/films").stdout
    assert re.fullmatch(r"ministry-a/films: following, 5,000 items [.]{3} done \d+[.]\d s\n", said), said
    assert second.cli("lookup", digest_of(14_999)).stdout.startswith("MATCH ministry-a/films  attack-footage  ")
    exported = tmp_path / "exported.jsonl"
    done = second.cli("list", "export", "ministry-a/films", "--output", exported)
    assert done.stderr == f"ministry-a/films: 5,000 items in {exported}\n"
    assert {json.loads(line)["value"] for line in exported.read_text().splitlines()} == set(path.read_text().split())

    refused(second.cli("list", "add", "ministry-a/films", path, check=False), 1, "is not ours: only Ministry A")
    refused(first.cli("list", "follow", "films", check=False), 1, "a list of our own")
    assert second.cli("list", "unfollow", "ministry-a/films").stdout == "ministry-a/films: no longer followed\n"
    second.until(lambda found: found["items"] == 0, "list", "show", "ministry-a/films")
    assert second.cli("lookup", digest_of(14_999), check=False).stdout == "no match\n"


def test_a_file_is_compared_as_diff_does(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "compared.txt"
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(50)))
    publish(first, path)
    same = first.cli("list", "diff", "compared", path)
    assert (same.stdout, same.stderr) == ("", f"ministry-a/compared and {path}: +0 -0, 50 in both\n")
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(2, 51)))
    other = first.cli("list", "diff", "compared", path, check=False)
    assert other.returncode == 1
    expected = [f"+{digest_of(50)}", *(f"-{digest_of(i)}" for i in (0, 1))]
    assert sorted(other.stdout.splitlines()) == sorted(expected)
    documents = [
        json.loads(line)
        for line in first.cli("list", "diff", "compared", path, "--json", check=False).stdout.splitlines()
    ]
    assert sorted(f"{one['change']}{one['value']}" for one in documents[:-1]) == sorted(expected)
    assert (documents[-1]["common"], documents[-1]["only_sent"], documents[-1]["only_listed"]) == (48, 1, 2)
    brief = first.cli("list", "diff", "compared", path, "--brief", check=False)
    assert (brief.returncode, brief.stdout) == (1, "")
    path.write_text("bad\n")
    refused(first.cli("list", "diff", "compared", path, check=False), 2, f"{path}:1: ", "Nothing was compared.")
    refused(first.cli("list", "diff", "unknown", path, check=False), 2, "there is no list 'unknown'")


# ---- Taking back


def test_a_list_is_withdrawn_when_its_name_was_typed(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "wrong.txt"
    path.write_text(digest_of(77_123))
    publish(first, path)
    withdraw = ("withdraw", "wrong", "--reason", "mistake")
    misused(first.cli(*withdraw, check=False), "There is no terminal to confirm on that ministry-a/wrong goes.")
    with Terminal(*withdraw, "--folder", str(first.folder)) as terminal:
        terminal.expect(r"WITHDRAW ministry-a/wrong, 1 item, from all members, for good: mistake\.")
        for _ in range(3):
            terminal.expect("Type the list's name to confirm")
            terminal.type("yes")
        assert terminal.end() == 1
        assert "it was not confirmed, so nothing was withdrawn" in terminal.shown
    with Terminal(*withdraw, "--folder", str(first.folder)) as terminal:
        terminal.expect("Type the list's name to confirm")
        terminal.type("Wrong")
        assert terminal.end() == 0
        assert "ministry-a/wrong: withdrawn, mistake." in terminal.shown
    assert first.cli("lookup", digest_of(77_123), check=False).stdout == "no match\n"
    again = publish(first, path, "--name", "wrong")
    assert again.startswith("ministry-a/wrong: +1 -0, 0 unchanged, version 1"), "another list of the same name"
    assert first.json("list", "show", "wrong")["withdrawn"] == ""
    assert first.json("withdraw", "wrong", "--reason", "mistake", "--yes")["kind"] == "list"


# ---- Real lists


@pytest.mark.parametrize(
    ("name", "options", "items", "bad"),
    [
        ("hashes/unit42_sha256.tsv.gz", (), 107_190, 0),
        ("hashes/debian12_source_files.tsv.gz", ("--kind", "md5", "--column", "2"), 105_609, 0),
        ("hashes/eset_samples.tsv.gz", ("--kind-column", "1", "--column", "2"), 16_075, 0),
        ("hashes/tlsh_mb_10K.csv.gz", ("--kind", "tlsh"), 9_999, 0),
        ("pdq/debian_image_fingerprints.tsv.gz", ("--kind", "pdq"), 4_591, 477),
        ("urls/debian12_urls.txt.gz", ("--detect",), 30_755, 1),  # one has a user name in it
    ],
)
def test_real_lists_are_published_to_the_last_line(
    name: str, options: tuple[str, ...], items: int, bad: int, first: Node, tmp_path: Path
) -> None:
    folder = os.environ.get("TOCSIN_SAMPLES")
    if not folder:
        pytest.skip("TOCSIN_SAMPLES names no folder with the real lists")
    path, rejects = Path(folder) / name, tmp_path / "rejects"
    answer = first.json("list", "publish", path, *options, "--skip-bad", "--rejects", rejects)
    assert (sum(answer["kinds"].values()), answer["rejected"]) == (items, bad)
    assert answer["list"]["items"] == answer["added"] <= items
    if bad:
        with gzip.open(path) as file:
            content = file.read().split(b"\n")
        for row in rejects.read_bytes().splitlines():
            number, _, line = row.split(b"\t", 2)
            assert content[int(number) - 1] == line
