"""Real lists on five real daemons: published by five members as their users would, equal everywhere in the end.

TOCSIN_SAMPLES names the folder with the lists. What each file holds is read here once more, without the
node's own readers, so that counts, reject reports and matches are held against the files themselves.
"""

import asyncio
import base64
import csv
import gzip
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from tests.acts import approve, in_force, in_step
from tests.federation import Node, federation
from tests.test_lists import clients, until

SAMPLES = os.environ.get("TOCSIN_SAMPLES")
pytestmark = pytest.mark.skipif(not SAMPLES, reason="TOCSIN_SAMPLES names no folder with the real lists")

FLOOR = 50  # of PDQ
CHANGED = 1000  # lines of the next version that go, and that come

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """A file, whose list it becomes, the options that its user types, and what it holds."""

    owner: int
    name: str
    path: Path
    reading: tuple[str, ...]  # options that say what stands where, for publishing and looking up alike
    values: tuple[str, ...]  # as they are written, of all lines that are to be found
    only_publishing: tuple[str, ...] = ()
    rejects: bytes = b""

    @property
    def distinct(self) -> set[str]:
        """A list has each value once."""
        return set(self.values)


# ---- The files, by their own formats alone


def samples(folder: Path, made: Path) -> list[Sample]:
    """All of them; the first is the one that changes."""
    hashes, images = folder / "hashes", folder / "pdq" / "debian_image_fingerprints.tsv.gz"
    unit42, debian = hashes / "unit42_sha256.tsv.gz", hashes / "debian12_source_files.tsv.gz"
    eset, tlsh, urls = (
        hashes / "eset_samples.tsv.gz",
        hashes / "tlsh_mb_10K.csv.gz",
        folder / "urls" / "debian12_urls.txt.gz",
    )
    known_good, videos, films = made / "ti-falsepositives.txt", made / "videos.vpdq", made / "films.tmk"
    known_good.write_text("\n".join(document(hashes / "misp-warninglist-ti-falsepositives.json.gz")) + "\n")
    videos.write_text("\n".join(frames(folder / "vpdq" / "vpdq_sample_hashes.tar.gz")) + "\n")
    films.write_text("\n".join(features(folder / "tmk")) + "\n")
    by_name = ("--kind", "pdq", "--column", "pdq")
    good, rejects = above_the_floor(images)
    shared, logins = without_logins(urls)
    return [
        Sample(0, "unit42", unit42, ("--kind", "sha256"), column(unit42, 0)),
        Sample(1, "debian-sources", debian, ("--kind", "sha256"), column(debian, 0)),
        Sample(1, "debian-sources", debian, ("--kind", "md5", "--column", "2"), column(debian, 1)),
        Sample(2, "eset", eset, ("--column", "2"), column(eset, 1), ("--detect",)),
        Sample(2, "ti-falsepositives", known_good, (), tuple(known_good.read_text().split()), ("--detect",)),
        Sample(3, "images", images, by_name, good, ("--quality-column", "pdq_quality"), rejects),
        Sample(3, "images-tlsh", images, ("--kind", "tlsh", "--column", "tlsh"), column(images, 8, headers=1)),
        Sample(3, "images-ssdeep", images, ("--kind", "ssdeep", "--column", "ssdeep"), column(images, 9, headers=1)),
        Sample(3, "videos", videos, ("--kind", "vpdq"), tuple(videos.read_text().splitlines())),
        Sample(3, "films", films, ("--kind", "tmk"), tuple(films.read_text().splitlines())),
        Sample(4, "bazaar", tlsh, ("--kind", "tlsh"), tuple(f"T1{one}" for one in column(tlsh, 1, ",", 1))),
        Sample(4, "urls", urls, ("--kind", "url"), shared, rejects=logins),
    ]


def content(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return file.read()


def rows(path: Path, delimiter: str = "\t") -> Iterator[list[str]]:
    return csv.reader(io.StringIO(content(path)), delimiter=delimiter, quoting=csv.QUOTE_NONE)


def column(path: Path, number: int, delimiter: str = "\t", headers: int = 0) -> tuple[str, ...]:
    return tuple(row[number] for row in list(rows(path, delimiter))[headers:])


def document(path: Path) -> list[str]:
    """As `jq -r '.list[]'` writes it."""
    found: list[str] = json.loads(content(path))["list"]
    return found


def frames(path: Path) -> Iterator[str]:
    """Each video's frames on one line, as `paste -sd';'` joins them."""
    with tarfile.open(path) as archive:
        for member in archive:
            if file := archive.extractfile(member):
                yield ";".join(file.read().decode().split())


def features(folder: Path) -> Iterator[str]:
    """Each file on one line, as `base64 -w0` writes it."""
    for path in sorted(folder.glob("*.tmk.gz")):
        yield base64.b64encode(gzip.decompress(path.read_bytes())).decode()


def above_the_floor(path: Path) -> tuple[tuple[str, ...], bytes]:
    """PDQs of images that are good enough, each as often as it will be found; and the report on all others."""
    lines = content(path).splitlines()
    cells = [line.split("\t") for line in lines[1:]]
    bad = [
        f"{number}\tquality is below the floor of {FLOOR}, got {int(row[7])}\t{line}\n"
        for number, (line, row) in enumerate(zip(lines[1:], cells, strict=True), 2)
        if int(row[7]) < FLOOR
    ]
    good = {row[6] for row in cells if int(row[7]) >= FLOOR}
    return tuple(row[6] for row in cells if row[6] in good), "".join(bad).encode()


def without_logins(path: Path) -> tuple[tuple[str, ...], bytes]:
    """URLs that say nobody's name before their host; and the report on all others."""
    lines = content(path).splitlines()
    named = [number for number, line in enumerate(lines) if "@" in line.split("/")[2]]
    bad = [f"{number + 1}\tthe url has a user name or a password in it\t{lines[number]}\n" for number in named]
    return tuple(line for number, line in enumerate(lines) if number not in named), "".join(bad).encode()


# ---- What users do


@pytest.fixture(name="say")
def _say(capsys: pytest.CaptureFixture[str]) -> Say:
    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)

    return say


@contextmanager
def step(say: Say, what: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    say(f"{time.perf_counter() - begun:6.1f} s  {what}")


def publish(node: Node, sample: Sample, rejects: Path) -> None:
    """The numbers are the file's own, and the report has its bad lines as they stand there."""
    options: tuple[str | Path, ...] = (*sample.reading, *sample.only_publishing, "--skip-bad", "--rejects", rejects)
    answer = node.json("list", "publish", sample.path, "--name", sample.name, *options)
    bad = sample.rejects.count(b"\n")
    assert (answer["added"], answer["removed"], answer["unchanged"]) == (len(sample.distinct), 0, 0), sample.name
    assert answer["rejected"] == bad == sum(answer["reasons"].values())
    assert (rejects.read_bytes() if rejects.exists() else b"") == sample.rejects


def publish_all(node: Node, of_owner: Sequence[Sample], folder: Path) -> None:
    for number, sample in enumerate(of_owner):
        publish(node, sample, folder / f"{node.folder.name}-{number}.rejects")


def look_up(node: Node, path: Path, wanted: set[str], named: str, *reading: str) -> None:
    """Every value of a file is found on this node, and in this list."""
    done = node.cli("lookup", "--from", path, *reading, check=False)
    found = {line.rpartition("  ")[2] for line in done.stdout.splitlines() if line.startswith(f"MATCH {named}  ")}
    assert found == wanted, (named, node.name, len(found), len(wanted), done.stderr)


def look_up_elsewhere(nodes: Sequence[Node], sample: Sample) -> None:
    """On the node of a member that is no peer of its publisher."""
    look_up(nodes[(sample.owner + 2) % 5], sample.path, sample.distinct, owned(nodes, sample), *sample.reading)


async def arrived(nodes: Sequence[Node], lists: dict[str, int]) -> None:
    """Wait until every list stands whole on every node."""
    async with clients(nodes) as opened:
        for node in opened:
            for named, items in lists.items():
                await until(node, named, items=items, missing=0, unprojected=0)


def owned(nodes: Sequence[Node], sample: Sample) -> str:
    return f"{nodes[sample.owner].name.lower().replace(' ', '-')}/{sample.name}"


def counts(nodes: Sequence[Node], all_samples: Sequence[Sample]) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in all_samples:
        named = owned(nodes, sample)
        found[named] = found.get(named, 0) + len(sample.distinct)
    return found


@contextmanager
def ring(folder: Path) -> Iterator[Sequence[Node]]:
    """Five members, each a peer of two others: what the other two publish reaches it through those."""
    with federation(folder, 5) as nodes:
        for i, node in enumerate(nodes):
            asyncio.run(approve(node, nodes[i - 1], nodes[(i + 1) % 5]))
        asyncio.run(in_force(*nodes))
        yield nodes


def test_real_lists_of_five_members_are_equal_everywhere_and_found_everywhere(tmp_path: Path, say: Say) -> None:
    assert SAMPLES
    with step(say, "reading the files"):
        all_samples = samples(Path(SAMPLES), tmp_path)
    with ring(tmp_path) as nodes, ThreadPoolExecutor(5) as members:
        with step(say, f"publishing {sum(len(one.distinct) for one in all_samples):,} items by five members at once"):
            by_owner = [[one for one in all_samples if one.owner == i] for i in range(5)]
            list(members.map(publish_all, nodes, by_owner, [tmp_path] * 5))
        with step(say, "until every list stood whole on all five"):
            asyncio.run(arrived(nodes, counts(nodes, all_samples)))
        with step(say, "until all five were in step, with equal indexes"):
            asyncio.run(in_step(*nodes))
        with step(say, "looking every file up on another member's node"):
            list(members.map(lambda sample: look_up_elsewhere(nodes, sample), all_samples))
        change(nodes, all_samples[0], tmp_path, say)


def change(nodes: Sequence[Node], sample: Sample, folder: Path, say: Say) -> None:
    """The next version of a list: so many lines of it gone, and others in their place."""
    path, gone = folder / "changed.txt", set(sample.values[:: len(sample.values) // CHANGED][:CHANGED])
    fresh = {sha256(f"fresh {i}".encode()).hexdigest() for i in range(CHANGED)}
    path.write_text("".join(f"{one}\n" for one in sorted(sample.distinct - gone | fresh)))
    with step(say, f"publishing its next version, +{CHANGED:,} -{CHANGED:,}, until others held all of it"):
        said = nodes[sample.owner].cli("list", "publish", path, "--name", sample.name, "--wait").stdout
        kept = len(sample.distinct) - CHANGED
        assert f"{sample.name}: +{CHANGED:,} -{CHANGED:,}, {kept:,} unchanged, version 2, until " in said
        assert said.endswith("all held by other members\n")
    with step(say, "until all five were in step again, with equal indexes"):
        asyncio.run(arrived(nodes, {owned(nodes, sample): len(sample.distinct)}))
        asyncio.run(in_step(*nodes))
    with step(say, "looking old and new up on all five"):
        path.write_text("".join(f"{one}\n" for one in sorted(gone | fresh)))
        for node in nodes:
            look_up(node, path, fresh, owned(nodes, sample), "--kind", "sha256")
