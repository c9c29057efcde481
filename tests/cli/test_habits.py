"""What holds for every command: help with examples, documented exit codes, schemas, Ctrl-C, colour."""

import ast
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from node.cli import calling, countries, errors, printing, schemas, tool
from node.cli.main import tocsin
from node.custody import files, tools
from node.errors import NodeError
from node.rpc import tls
from tests.cli.script import Said
from tests.cli.terminal import Terminal
from tests.cli.test_scripts import require_schema, strict
from tests.federation import Command, Node, environment, federation, program

ROOT = Path(__file__).parent.parent.parent
ISO = Path("/usr/share/zoneinfo/iso3166.tab")
HEAVY = ("grpc", "sqlalchemy", "structlog", "cryptography", "aiosqlite", "numpy", "node.v1")
DRILL = ("crisis", "declare", "--framework", "eu-ocrf", "--place", "FR", "--for", "1h", "--exercise", "--yes")


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The whole tree."""
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from commands(found, (*path, name))


TREE = dict(commands(tocsin))
every = pytest.mark.parametrize("path", TREE, ids=" ".join)


# ---- Help


@every
def test_help_has_examples_of_the_command_itself(path: tuple[str, ...]) -> None:
    epilog = TREE[path].epilog or ""
    assert "Examples:\n" in epilog
    assert " ".join(("tocsin", *path)) in epilog, "its own examples"


@every
def test_exit_codes_of_its_own_are_in_the_help(path: tuple[str, ...]) -> None:
    """A command that leaves with a code by itself says which ones there are."""
    callback = TREE[path].callback
    assert callback is not None
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(callback)))
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    if called & {"ctx.exit", "sys.exit", "SystemExit"}:
        assert "Exit codes: 0 " in (TREE[path].epilog or "")


def test_help_loads_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    source = f"""
import sys, time
before = time.perf_counter()
from node.cli.main import tocsin
for path in {[list(path) for path in TREE]!r}:
    try:
        tocsin([*path, "--help"], prog_name="tocsin")
    except SystemExit as left:
        assert not left.code, path
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, (path, loaded)
print(time.perf_counter() - before, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    begun = time.perf_counter()
    subprocess.run(program("status", "--help"), capture_output=True, env=environment(), check=True)
    with capsys.disabled():
        print(f"\n--help of {len(TREE)} commands {float(done.stderr):.3f} s", end=", ")
        print(f"of one in its own process {time.perf_counter() - begun:.3f} s")


# ---- Exit codes


def test_every_error_has_an_exit_code_and_every_code_a_meaning() -> None:
    def below(kind: type[NodeError]) -> Iterator[type[NodeError]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    assert {errors.exit_code(kind.__new__(kind)) for kind in below(NodeError)} == {1, 3, 4, 5}
    assert set(errors.MEANINGS) == {0, 2, *errors.EXIT_CODES.values()}
    assert all(f"  {code}  {word}" in (tocsin.epilog or "") for code, (word, _) in errors.MEANINGS.items())


# ---- Schemas


def test_the_schemas_are_what_the_protocol_says() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "schemas"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), "PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr


def test_every_command_for_programs_has_a_schema() -> None:
    written = {" ".join(path) for path, one in TREE.items() if any("--json" in each.opts for each in one.params)}
    assert written | {"subscribe"} == set(schemas.names())


def test_a_field_that_is_not_written_down_is_found() -> None:
    schema = strict(schemas.of("crisis end"))
    assert schema["$defs"]["CrisisView"]["additionalProperties"] is False
    with pytest.raises(Exception, match="more"):
        require_schema(Said(("peer", "list", "--json"), '[{"more": 1}]'))


# ---- What runs on


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One member alone."""
    with federation(tmp_path_factory.mktemp("h"), 1) as (running,):
        yield running


def test_what_arrives_is_what_its_schema_says(node: Node, tmp_path: Path) -> None:
    digests = tmp_path / "one.txt"
    digests.write_text("0" * 64)
    node.cli("list", "publish", digests)
    node.cli(*DRILL, "--title", "Drill to be received")
    for arguments in (("subscribe", "schema"), ("watch", "--from-start", "--json")):
        with node.command(*arguments) as running:
            running.output.until(lambda line: "Drill to be received" in line)
            running.output.until(lambda line: "caught_up" in line)
            assert running.interrupt() == 0
            lines = running.output.end()
        kinds = {json.loads(line).get("kind") for line in lines}
        assert {"declaration", "items", "list", "accept"} <= kinds
        require_schema(Said(arguments, "".join(lines)))


def test_a_watch_names_the_list_whose_items_arrive(node: Node, tmp_path: Path) -> None:
    digests = tmp_path / "named.txt"
    digests.write_text("1" * 64)
    node.cli("list", "publish", digests)
    with node.command("watch", "--from-start", "--kind", "items") as running:
        assert "ITEMS ministry-a/named 1 sha256 by Ministry A" in running.output.until(lambda line: "named" in line)
        assert running.interrupt() == 0


@pytest.mark.parametrize("json_", [(), ("--json",)], ids=["people", "programs"])
def test_ctrl_c_twice_leaves_in_peace_while_the_node_is_down(node: Node, json_: tuple[str, ...]) -> None:
    with node.command("watch", *json_) as running:
        source = running.output if json_ else running.errors
        source.until(lambda line: "Watching" in line or "caught_up" in line)
        node.kill()
        try:
            source.until(lambda line: "does not answer" in line or "interrupted" in line)
            _interrupt_often(running)
        finally:
            node.start()
        assert running.interrupt() == 0
        assert not any("Traceback" in line for line in running.errors.end())


def _interrupt_often(running: Command) -> None:
    for _ in range(5):
        os.kill(running.pid, signal.SIGINT)


# ---- Another person


def test_a_file_that_has_ended_is_named_before_anything_is_asked(node: Node, tmp_path: Path) -> None:
    path, data = tmp_path / "old.pem", node.config.data_folder
    begun = datetime.now(UTC) - timedelta(days=2)  # noqa: TID251 - the command has the real clock
    files.create_secret(path, tools.issue(data, "old", ["read"], begun, timedelta(days=1)))
    done = node.cli("crisis", "list", "--as", path, check=False)
    assert done.returncode == 3
    assert re.match(rf"tocsin: {path} ended 20\S+ \S+ .*UTC\)?\n  Issue one on the node's machine", done.stderr)


def test_a_watch_by_another_person_goes_on_when_the_node_restarts(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "watcher.pem"
    node.cli("tool", "issue", "watcher", "--scope", "read", "--output", path)
    with Command("watch", "--as", str(path), "--kind", "declaration") as running:
        running.errors.until(lambda line: "Watching" in line)
        assert node.stop() == 0
        running.errors.until(lambda line: "does not answer" in line)
        node.start()
        running.errors.until(lambda line: "Watching" in line)
        node.cli(*DRILL, "--title", "Drill after the restart")
        running.output.until(lambda line: "Drill after the restart" in line)
        assert running.interrupt() == 0


# ---- Colour


@pytest.mark.parametrize("plain", [True, False])
def test_no_color_is_obeyed_on_a_terminal(node: Node, monkeypatch: pytest.MonkeyPatch, *, plain: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    with Terminal("member", "--folder", str(node.folder), colour=not plain) as terminal:
        assert terminal.end() == 0
    assert ("\x1b[" in terminal.shown) is not plain


def test_times_are_local_with_utc_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert printing.moment(1_795_000_000_000) == "2026-11-18 20:06 (11:06 UTC)"
        assert {printing.moment(2**63 - 1), printing.day(-(2**63))} == {printing.NO_DATE}  # others write dates too
        assert printing.moment(1_795_040_000_000) == "2026-11-19 07:13 (2026-11-18 22:13 UTC)"
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        assert printing.moment(1_795_000_000_000) == "2026-11-18 11:06 UTC"
    finally:
        monkeypatch.undo()
        time.tzset()


# ---- Where a node that does not run has its log


def test_a_folder_that_systemd_runs_is_started_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "UNIT_FOLDERS", (tmp_path,))
    folder = Path("/etc/tocsin")
    assert "`tocsin run --folder /etc/tocsin`" in calling.how_to_start(folder)
    (tmp_path / calling.UNIT).write_text((ROOT / "configs" / "tocsin.service").read_text())
    assert calling.how_to_start(folder) == "Start it: `systemctl start tocsin`. Its log: `journalctl -u tocsin`."
    assert "tocsin run" in calling.how_to_start(Path("/srv/other"))


# ---- What stands in two places


def test_the_scopes_of_the_help_are_those_of_the_gate() -> None:
    assert set(tool.SCOPES) == tls.SCOPES


@pytest.mark.skipif(not ISO.exists(), reason="this machine has no time zone database")
def test_countries_are_those_of_the_time_zone_database() -> None:
    lines = ISO.read_text().splitlines()
    assert set(countries.CODES) == {line.split("\t")[0] for line in lines if not line.startswith("#")}


def test_places_are_countries_or_parts_of_them() -> None:
    for place in ("DE", "DE-ST", "EU", "XK", "US-CA", "GB-LND"):
        assert not countries.fault(place)
    assert "did you mean GR" in countries.fault("EL")
    assert re.search("no country ZZ", countries.fault("ZZ-1"))
