"""The programs that we tell others to begin with: each prints what its head says."""

import asyncio
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import node.client as node_client
from node.v1 import record_pb2
from tests.client.inside import issue
from tests.federation import GUARD_S, Lines, Node, environment, federation

EXAMPLES = Path(__file__).parents[2] / "scripts" / "examples"
JAVASCRIPT = EXAMPLES / "node-js"
LISTED, NEW, NEVER = (sha256(word).hexdigest() for word in (b"test", b"test2", b"test3"))
WITH_NODE_JS = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not on this machine"
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with federation(tmp_path_factory.mktemp("examples"), 1) as (one,):
        yield one


class Program:
    """One of them, run as it says, with its output."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        assert self.process.stdout
        assert self.process.stderr
        self.output, self.errors = Lines(self.process.stdout), Lines(self.process.stderr)

    def until(self, start: str) -> None:
        self.output.until(lambda line: line.startswith(start))

    def end(self) -> tuple[int, list[str], str]:
        code = self.process.wait(GUARD_S)
        return code, [line.rstrip("\n") for line in self.output.end()], "".join(self.errors.end())


@contextmanager
def running(command: list[str]) -> Iterator[Program]:
    program = Program(command)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
        program.end()


def python(name: str, node: Node, *scopes: str) -> list[str]:
    bundle = issue(node, node.folder / f"{name.replace('_', '-')}.pem", *scopes)
    return [sys.executable, str(EXAMPLES / f"{name}.py"), str(bundle)]


def said(path: Path) -> list[str]:
    """What a program's head says that it prints."""
    text = path.read_text()
    head = text.split('"""')[1] if path.suffix == ".py" else "".join(re.findall(r"^// ?(.*\n)", text, re.MULTILINE))
    shown = head[head.index("    $ ") :].split("\n")
    lines = [line.removeprefix("    ") for line in shown if line.startswith("    ")]
    while lines[0].endswith("\\"):
        del lines[0]
    return lines[1:]


def undated(lines: list[str]) -> list[str]:
    return [re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", "(date)", line) for line in lines]


def declare(node: Node, title: str, *arguments: str) -> str:
    declared = node.json(
        "crisis",
        "declare",
        "--framework",
        "eu-ocrf",
        "--title",
        title,
        "--place",
        "DE-ST",
        "--for",
        "48h",
        *arguments,
        "--yes",
    )
    return str(declared["reference"])


def write_csv(path: Path, *digests: str) -> Path:
    path.write_text("name,sha256\n" + "".join(f"clip {i},{digest}\n" for i, digest in enumerate(digests)))
    return path


def test_the_publisher_makes_a_list_of_a_file_and_then_of_the_changed_file(node: Node, tmp_path: Path) -> None:
    command = [*python("publisher", node, "share"), "--list", "halle", "--label", "attack-footage"]
    file = write_csv(tmp_path / "hashes.csv", LISTED, *(sha256(bytes([i])).hexdigest() for i in range(2)))
    with running([*command, str(file)]) as first:
        code, output, errors = first.end()
    assert (code, output) == (0, said(EXAMPLES / "publisher.py")), errors
    write_csv(file, LISTED, sha256(bytes([0])).hexdigest())
    with running([*command, str(file)]) as second:
        assert second.end()[:2] == (0, ["halle: 0 added, 2 unchanged, 1 removed; 2 items"])
    write_csv(file, LISTED, "no digest")
    with running([*command, str(file)]) as third:
        code, output, errors = third.end()
    assert (code, output) == (1, [])
    assert f"{file}:3: sha256 needs 64 hex digits, got 'no digest'" in errors
    (view,) = node.json("list")
    assert view["items"] == 2


def test_the_scanner_says_what_is_listed_and_what_becomes_listed(node: Node, tmp_path: Path) -> None:
    publisher = [*python("publisher", node, "share"), "--list", "halle", "--label", "attack-footage"]
    subprocess.run([*publisher, str(write_csv(tmp_path / "a.csv", LISTED))], check=True, env=environment())
    digests = tmp_path / "digests.txt"
    digests.write_text(f"{LISTED}\n{NEW}\n")
    with running([*python("scanner", node, "match", "read"), str(digests)]) as scanner:
        scanner.until("watching")
        subprocess.run(
            [*publisher, str(write_csv(tmp_path / "a.csv", LISTED, NEW, NEVER))], check=True, env=environment()
        )
        scanner.until(NEW[:12])
        scanner.process.kill()
        _, output, _ = scanner.end()
    assert output == said(EXAMPLES / "scanner.py")


def test_the_duty_desk_prints_what_is_declared_and_ended_and_that_the_node_is_away(node: Node) -> None:
    shooting = declare(node, "Shooting, livestream")
    declare(node, "Autumn drill", "--exercise")
    with running(python("duty_desk", node, "read")) as desk:
        desk.until("nothing more")
        node.cli("crisis", "end", shooting, "--yes")
        desk.output.until(lambda line: "ENDED" in line)
        node.kill()
        desk.until("the node does not answer")
        desk.process.kill()
        _, output, _ = desk.end()
    node.start()
    assert undated(output) == undated(said(EXAMPLES / "duty_desk.py"))
    with running(python("duty_desk", node, "read")) as again:
        again.until("")
        again.process.kill()
        assert again.end()[1] == ["nothing more for now; listening"]


def test_the_scanner_says_of_what_may_be_exempt_that_it_is_for_review(capsys: pytest.CaptureFixture[str]) -> None:
    report = runpy.run_path(str(EXAMPLES / "scanner.py"))["report"]
    items = record_pb2.Items(kind="sha256", advice="block", digests=bytes.fromhex(LISTED), labels=["attack-footage"])
    for exemptions in ([], ["news"]):
        items.exemptions.extend(exemptions)
        event = SimpleNamespace(record=record_pb2.Record(items=items), exercise=False, member_name="Ministry A")
        report(event, [bytes.fromhex(LISTED)])
    assert capsys.readouterr().out.splitlines() == [
        f"{LISTED[:12]}  new         Ministry A: attack-footage, advice {advice}" for advice in ("block", "review")
    ]


async def test_the_example_in_the_clients_own_manual_runs(node: Node) -> None:
    assert node_client.__doc__
    lines = [line for line in node_client.__doc__.splitlines() if line.startswith("    ")]
    heard: list[node_client.Received] = []

    class Enough(Exception):
        pass

    def handle(event: node_client.Received) -> None:
        heard.append(event)
        if len(heard) == 2:
            raise Enough

    for title in ("The first to be handled", "The second"):
        declare(node, title)
    bundle = issue(node, node.folder / "scanner.pem", "match", "read")
    names: dict[str, Any] = {**vars(node_client), "Path": lambda _: bundle, "digests": [bytes(32)], "handle": handle}
    exec("async def example():\n" + "\n".join(lines), names)  # noqa: S102 - our own
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(Enough):
            await names["example"]()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JavaScript example beside the protos, with what it needs; the checkout stays as it is."""
    root = tmp_path_factory.mktemp("javascript")
    folder = root / "scripts" / "examples" / "node-js"
    shutil.copytree(JAVASCRIPT, folder, ignore=shutil.ignore_patterns("node_modules"))
    (root / "protos").symlink_to(EXAMPLES.parents[1] / "protos")
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=10 * GUARD_S, check=False)
    if done.returncode and re.search(r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NOTCACHED)", done.stderr):
        pytest.skip(f"npm cannot reach its registry: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return folder / "lookup.mjs"


def javascript(program: Path, bundle: Path) -> list[str]:
    return ["node", str(program), str(bundle), LISTED, NEVER]


@WITH_NODE_JS
def test_the_javascript_example_looks_up_and_prints_a_declaration(node: Node, installed: Path, tmp_path: Path) -> None:
    publisher = [*python("publisher", node, "share"), "--list", "halle", "--label", "attack-footage"]
    subprocess.run([*publisher, str(write_csv(tmp_path / "a.csv", LISTED, NEW))], check=True, env=environment())
    bundle = issue(node, tmp_path / "javascript.pem", "match", "read")
    with running(javascript(installed, bundle)) as program:
        program.until("waiting")
        declare(node, "Shooting, livestream")
        code, output, errors = program.end()
    expected = [line.replace(NEW[:12], NEVER[:12]) for line in said(JAVASCRIPT / "lookup.mjs")]
    assert (code, undated(output)) == (0, undated(expected)), errors


@WITH_NODE_JS
def test_the_javascript_example_takes_no_other_node_for_its_own(node: Node, installed: Path, tmp_path: Path) -> None:
    with federation(tmp_path, 2) as (_, other):
        ours, theirs = (issue(one, tmp_path / f"{i}.pem", "read") for i, one in enumerate((node, other)))
        elsewhere = f"Node: {other.config.tools_listen}\n"
        ours.write_text(re.sub(r"Node: .*\n", elsewhere, ours.read_text()))
        with running(javascript(installed, ours)) as pinned:
            code, output, errors = pinned.end()
        assert (code, output) == (1, [])
        assert "certificate" in errors
        # Under a root that it is told to trust, and with another name.
        blocks = re.compile(r"-----BEGIN.*?-----END[^\n]*\n", re.DOTALL)
        root = blocks.findall(theirs.read_text())[2]
        ours.write_text(ours.read_text().replace(blocks.findall(ours.read_text())[2], root))
        with running(javascript(installed, ours)) as named:
            code, output, errors = named.end()
        assert (code, output) == (1, [])
        assert "does not match certificate's altnames" in errors
