"""Look-ups as their users type them, with a real daemon."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli import media
from node.client import Client
from node.custody import joining
from node.v1 import record_pb2, tools_pb2
from tests.cli.terminal import Terminal
from tests.federation import Node, federation

FILM, OTHER = b"not really a film" * 100_000, b"another one"
SHA1 = hashlib.sha1(FILM, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(FILM).hexdigest()
PICTURE = "ab" * 32
LINE = r"MATCH ministry-a/films  attack-footage  advice: block  until 20\d\d-\d\d-\d\d  ministry-a/films/\w{4,}:"


@pytest.fixture(scope="module", name="node")
def _node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A member with three lists, in a crisis."""
    with federation(tmp_path_factory.mktemp("f"), 1) as (running,):
        declare = ("crisis", "declare", "--framework", "eu-ocrf", "--place", "DE-ST", "--title", "Halle")
        running.cli(*declare, "--for", "48h", "--yes")
        asyncio.run(publish(running, "films", "sha256", SHA256))
        asyncio.run(publish(running, "old-films", "sha1", SHA1))
        asyncio.run(publish(running, "pictures", "pdq", PICTURE))
        yield running


async def publish(node: Node, name: str, kind: str, digest: str) -> None:
    draft = tools_pb2.ListDraft(
        name=name,
        kind=kind,
        labels=["attack-footage"],
        advice="block",
        handling=record_pb2.Handling(tlp=2),
        crisis="Halle",
    )
    async with Client.on_socket(node.config.socket, joining.read_charter(node.config).federation_id) as client:
        await client.publish_list(draft, [bytes.fromhex(digest)])


@pytest.fixture(name="film")
def _film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(FILM)
    return path


def test_a_match_says_which_item_of_which_list_in_which_crisis(node: Node) -> None:
    (crisis,) = node.json("crisis", "list")
    said = node.cli("lookup", SHA256).stdout
    assert re.fullmatch(rf"{LINE}0  {crisis['reference']}\n", said), said
    (match,) = node.json("lookup", SHA256)
    assert (match["value"], match["kind"], match["crisis"]) == (SHA256, "sha256", crisis["reference"])
    assert said.split("  ")[4] == match["item"]
    assert (match["sources"], match["member_name"], match["handling"]["tlp"]) == (1, "Ministry A", 2)


def test_a_media_file_is_looked_up_by_every_exact_kind(node: Node, film: Path) -> None:
    said = node.cli("lookup", "--file", film)
    first, second = sorted(said.stdout.splitlines())
    assert re.match(LINE, first)
    assert first.endswith(f"{film} (sha256)")
    assert second.startswith("MATCH ministry-a/old-films  ")
    assert second.endswith(f"{film} (sha1)")
    assert said.stderr == "1 of 1 file matches\n"


def test_several_media_files_are_looked_up_and_one_that_is_not_there_is_an_error(
    node: Node, film: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(OTHER)
    both = node.cli("lookup", "--file", other, "--file", film, "--json")
    found = [json.loads(line) for line in both.stdout.splitlines()]
    assert {(one["file"], one["kind"], one["value"]) for one in found} == {
        (str(film), "sha256", SHA256),
        (str(film), "sha1", SHA1),
    }
    assert both.stderr == "1 of 2 files match\n"
    none = node.cli("lookup", "--file", other, check=False)
    assert (none.returncode, none.stdout, none.stderr) == (1, "", "0 of 1 file matches\n")
    gone = node.cli("lookup", "--file", tmp_path / "gone.mp4", "--file", film, check=False)
    assert gone.returncode == 2, "what could not be read might have matched"
    assert "gone.mp4 cannot be read: No such file" in gone.stderr
    assert len(gone.stdout.splitlines()) == 2
    folder = node.cli("lookup", "--file", tmp_path, check=False)
    assert (folder.returncode, folder.stdout) == (2, "")


def test_on_a_terminal_a_file_shows_how_far_it_is_and_then_its_matches(node: Node, film: Path) -> None:
    with Terminal("lookup", "--file", str(film), "--folder", str(node.folder)) as terminal:
        terminal.expect("hashing film.mp4")
        terminal.expect("MATCH ministry-a/films")
        assert terminal.end() == 0


def test_columns_say_where_value_and_kind_stand(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "asked.csv"
    path.write_text(f"name,hash,algorithm\nfilm,{SHA1.upper()},SHA-1\nfilm,{SHA256},SHA-256\nother,{'0' * 32},md5\n")
    done = node.cli("lookup", "--from", path, "--column", "hash", "--kind-column", "algorithm", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["line"], one["kind"]) for one in found] == [(2, "sha1"), (3, "sha256")]
    assert done.stderr == "2 of 3 match\n"


def test_what_may_be_sha256_or_pdq_is_looked_up_as_both(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "pictures.txt"
    path.write_text(f"{PICTURE}\n")
    found = node.json("lookup", PICTURE)
    assert [(one["kind"], one["list"]) for one in found] == [("pdq", "ministry-a/pictures")]
    assert node.cli("lookup", "--from", path).stderr == "1 of 1 match\n"
    assert node.cli("lookup", PICTURE, "--kind", "sha256", check=False).returncode == 1
    assert node.cli("lookup", PICTURE, "--kind", "pdq").returncode == 0


def test_texts_are_looked_up_in_their_one_form(node: Node) -> None:
    for text in ("https://t.example/a", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhx"):
        assert node.cli("lookup", text, check=False).stdout == "no match\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--file", "film.mp4", SHA1), "Give values, or --from FILE, or --file MEDIA."),
        (("--file", "film.mp4", "--kind", "md5"), "leave out --kind"),
        ((SHA1, "--column", "2"), "are for --from"),
        (("zz",), "zz: no kind of hash has 2 characters"),
    ],
)
def test_what_does_not_go_together_is_said(node: Node, arguments: tuple[str, ...], reason: str) -> None:
    done = node.cli("lookup", *arguments, check=False)
    assert done.returncode == 2
    assert reason in done.stderr


def test_a_file_is_hashed_as_the_tools_do_it(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert {item.kind.name: item.value for item in media.items_of(path)} == {
        name: hashlib.new(name, usedforsecurity=False).digest() for name in ("md5", "sha1", "sha256", "sha512")
    }
