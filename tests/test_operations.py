"""The operations guide and the unit beside it: what stands there runs."""

import configparser
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from node import systemd
from node.cli.main import COMMANDS
from tests.custody.federations import create
from tests.federation import GUARD_S, WORDS, environment, federation, free_ports, make

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "configs" / "README.md").read_text()
UNIT = ROOT / "configs" / "tocsin.service"
BLOCK = re.compile(r"^```(\w+)?( root)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Answers what the guide says is asked, from options; the commands themselves are the guide's.
TOCSIN = """#!/bin/sh
case "$1 $2" in
    "join "* | "charter create" | "key spare") set -- "$@" --yes ;;
    "peer add") set -- "$@" --yes --no-wait ;;
esac
exec {python} -m node.cli.main "$@"
"""
SYSTEMCTL = """#!/bin/sh
stop() {{
    pid=$(cat {folder}/data/lock); kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}}
start() {{
    setsid {python} -m node.cli.main run >>{folder}/log 2>&1 </dev/null &
    until tocsin status >/dev/null 2>&1; do kill -0 $! || {{ cat {folder}/log >&2; exit 1; }}; sleep 0.1; done
}}
case "$1" in stop) stop ;; start) start ;; restart) stop; start ;; *) exit 2 ;; esac
"""


@dataclass(frozen=True)
class Machine:
    """A folder in the place of /etc/tocsin, and programs in the place of systemd's."""

    folder: Path
    here: Path
    port: int

    def run(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", self._here(block)],
            capture_output=True,
            text=True,
            timeout=GUARD_S,
            check=False,
            cwd=self.folder,
            env=environment()
            | {
                "PATH": f"{self.here}/bin:{os.environ['PATH']}",
                "TOCSIN_CONFIG": str(self.folder),
                "TOCSIN_PASSPHRASE_FILE": str(self.here / "words"),
            },
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _here(self, block: str) -> str:
        new = str(self.here / "new")
        for there, here in (
            ("/opt/tocsin-0.2.0", new),
            ("/opt/tocsin", str(self.here / "opt")),
            ("/var/backups/tocsin", str(self.here / "backups")),
            ("/media/stick", str(self.here / "stick")),
            ("127.0.0.1:7445", f"127.0.0.1:{self.port}"),
        ):
            block = block.replace(there, here)
        return block

    def settle(self) -> None:
        """Have what `init` made listen where nobody else of this machine does."""
        file = self.folder / "node.toml"
        for key, port in zip(("[::]:7443", "127.0.0.1:7444"), free_ports(2), strict=True):
            file.write_text(file.read_text().replace(f'listen = "{key}"', f'listen = "127.0.0.1:{port}"'))

    def edit(self) -> None:
        """Another founder's card has come, and the charter's text is for two."""
        other = create(self.here / "other", "Bolt Social", country="DE")
        shutil.copy(other.made.card_path, self.folder)
        file = self.folder / "federation.toml"
        text = file.read_text()
        assert "accept = { count = 4," in text
        file.write_text(text.replace("accept = { count = 4,", "accept = { count = 2,"))

    def configure(self, block: str) -> None:
        """Set a key of a table, as its block shows."""
        table, _, line = block.strip().partition("\n")
        file = self.folder / "node.toml"
        before, found, after = file.read_text().partition(f"{table}\n")
        assert found
        key = line.partition(" = ")[0]
        file.write_text(before + found + re.sub(rf"^{key} = .*", self._here(line), after, count=1, flags=re.MULTILINE))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    folder = tmp_path / "tocsin"
    folder.mkdir(mode=0o700)
    (tmp_path / "stick").mkdir()
    for bin_ in ("bin", "new/bin"):
        (tmp_path / bin_).mkdir(parents=True)
        for name, text in (("tocsin", TOCSIN), ("systemctl", SYSTEMCTL)):
            path = tmp_path / bin_ / name
            path.write_text(text.format(python=sys.executable, folder=folder))
            path.chmod(0o755)
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\n")
    words.chmod(0o600)
    (port,) = free_ports(1)
    yield Machine(folder, tmp_path, port)
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int((folder / "data" / "lock").read_text()), signal.SIGKILL)


def test_the_guide_runs_from_top_to_bottom(machine: Machine) -> None:
    shown = ""
    for kind, root, block in BLOCK.findall(GUIDE):
        if "tocsin charter create" in block:
            machine.edit()
        if kind == "toml" and block.strip().startswith("[alarm]"):  # whom it calls is not here: tests/test_config.py
            assert tomllib.loads(block)["alarm"]["routes"]
        elif kind == "toml" and block.strip().startswith("["):  # of node.toml; a policy has rules
            machine.configure(block)
        elif kind == "sh" and not root:
            shown += machine.run(block)
        elif root and "systemctl enable --now" in block and "daemon-reload" in block:
            machine.run("systemctl start tocsin")
        if "tocsin init" in block:
            machine.settle()
    assert "charter not in force yet (1 of 2)" in shown, "the other founder has not joined"
    assert 'tocsin_build_info{program="tocsin' in shown
    assert "Nothing to do." in shown
    assert "has joined already" in shown
    assert "Spares left: 4 of 4." in shown
    assert {path.name for path in (machine.here / "backups").iterdir()} == {"node.tar", "ledger.db", "keys.db"}


def test_what_only_a_real_machine_has_is_at_least_a_script() -> None:
    for kind, root, block in BLOCK.findall(GUIDE):
        if kind == "sh":
            subprocess.run(["bash", "-n", "-c", block], check=True)
        if root:
            for name in re.findall(r"configs/[\w.]+", block):
                assert (ROOT / name).exists(), name


def test_every_command_that_the_documents_name_is_there() -> None:
    for text in (GUIDE, (ROOT / "README.md").read_text(), UNIT.read_text()):
        for name in re.findall(r"(?:`|^ *|bin/)tocsin ([a-z]+)", text, re.MULTILINE):
            assert name in COMMANDS, name


def test_the_links_of_the_guide_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", GUIDE):
        path, _, anchor = link.partition("#")
        text = (ROOT / "configs" / path).read_text() if path else GUIDE
        headings = {
            re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }
        assert not anchor or anchor in headings, link


def test_a_log_that_is_cut_in_place_goes_on_from_its_beginning(tmp_path: Path) -> None:
    (node,) = make(tmp_path, 1)
    log = tmp_path / "log"
    log.touch()
    start = f"exec {sys.executable} -m node.cli.main run --folder {node.folder} 2>>{log}"
    with subprocess.Popen(["sh", "-c", start], env=environment()) as running:
        try:
            while '"ready"' not in log.read_text():  # its last line: the socket answers a moment before
                assert running.poll() is None
            os.truncate(log, 0)
            node.cli("log", "level", "debug")
            told = [json.loads(line)["event"] for line in log.read_text().splitlines()]
            assert "log level set" in told
        finally:
            running.terminate()


def test_the_log_level_is_shown_and_set_until_the_next_start(tmp_path: Path) -> None:
    with federation(tmp_path, 1) as (node,):
        assert node.cli("log", "level").stdout == "info\n"
        assert node.cli("log", "level", "error").stdout == "error until the next start; it was info.\n"
        assert node.json("log", "level") == {"level": "error", "before": "error"}
        assert node.cli("log", "level", "loud", check=False).returncode == 2
        node.stop()
        node.start()
        assert node.cli("log", "level").stdout == "info\n"


# ---- systemd


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def test_the_unit_starts_the_node_of_the_folder_it_may_write_to() -> None:
    found = unit()["Service"]
    program, *arguments = found["ExecStart"].split()
    assert program == "/opt/tocsin/bin/tocsin"
    assert arguments == ["run", "--folder", "/etc/tocsin"]
    assert found["ReadWritePaths"] == found["WorkingDirectory"] == "/etc/tocsin"
    assert "ln -sfn /opt/tocsin-0.1.0 /opt/tocsin" in GUIDE
    assert found["RestartPreventExitStatus"] == "3", "what the operator must mend"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_understands_every_line_of_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    copy = tmp_path / "tocsin.service"
    copy.write_text(UNIT.read_text().replace("/opt/tocsin/bin/tocsin", sys.executable))
    analyse = ["systemd-analyze", "--man=no"]
    verified = subprocess.run([*analyse, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert not [line for line in verified.stderr.splitlines() if "tocsin.service" in line], verified.stderr
    judged = subprocess.run(
        [*analyse, "security", "--offline=yes", "--threshold=20", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout


def test_the_node_says_that_its_event_loop_turns_as_often_as_systemd_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(GUARD_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        with federation(tmp_path / "n", 1) as (node,):
            heard = [listening.recv(64).decode() for _ in range(4)]
            assert heard == [systemd.READY, *[systemd.ALIVE] * 3]
            node.signal(signal.SIGSTOP)
            assert falls_silent(listening)
            node.signal(signal.SIGCONT)
            listening.settimeout(GUARD_S)
            assert listening.recv(64).decode() == systemd.ALIVE
            node.stop()
            while listening.recv(64).decode() != systemd.STOPPING:
                pass


def falls_silent(listening: socket.socket) -> bool:
    """Whether nothing comes any more, once what was under way is through."""
    listening.settimeout(2)
    try:
        for _ in range(10):
            listening.recv(64)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "60000000"}, 20),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 20),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
    ],
)
def test_the_watchdog_is_asked_for_in_the_environment(environment: dict[str, str], seconds: float) -> None:
    assert systemd.watchdog_s(environment) == seconds
