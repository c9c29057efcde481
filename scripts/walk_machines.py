"""Two machines of one's own: a network namespace, a host name and a program each, and a cable between them."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo_federation import Failed, console, now_ms
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
NEW = ("--user", "--map-root-user", "--net", "--uts", "--mount")
COMMAND_S = 120.0
INSTALL_S = 600.0
UNTIL_S = 60.0
LOOK_EVERY_S = 0.2
STOP_S = 30.0
SHOWN_LINES = 30
RUN = "tocsin run 2>> log"


def obstacle() -> str:
    """Why there can be no such machines here; empty where there can."""
    for program in ("unshare", "nsenter", "ip", "mount", "hostname"):
        if not shutil.which(program):
            return f"there is no `{program}`: on Debian, apt-get install util-linux iproute2 hostname"
    made = subprocess.run(["unshare", *NEW, "true"], capture_output=True, text=True, check=False)
    return f"this machine lets nobody make namespaces: {made.stderr.strip()}" if made.returncode else ""


@dataclass
class Machine:
    """One of the two; its commands are typed in its folder, as configs/README.md has it."""

    name: str
    host: str
    address: str
    folder: Path
    programs: Path
    holder: "subprocess.Popen[bytes]"
    daemon: "subprocess.Popen[bytes] | None" = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def etc(self) -> Path:
        return self.folder / "etc-tocsin"

    def start(self, command: str) -> "subprocess.Popen[str]":
        entered = ("nsenter", f"--target={self.holder.pid}", "--preserve-credentials", *(NEW[0], *NEW[2:]))
        return subprocess.Popen(
            [*entered, f"--wd={self.etc}", "bash", "-c", command],
            env={
                "HOME": str(self.folder),
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "TOCSIN_CONFIG": str(self.etc),
                "TOCSIN_PASSPHRASE_FILE": str(self.folder / "passphrase"),
                **self.variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, command: str) -> tuple[int, str]:
        """Its exit code, and what it wrote."""
        with self.start(command) as process:
            try:
                written, _ = process.communicate(timeout=COMMAND_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Failed(f"`{command}` on {self.name} has not ended after {COMMAND_S:.0f} s") from None
        return process.returncode, written

    def has(self, file: str, content: str) -> None:
        (self.etc / file).write_text(content)


class Walk:
    """The machines, and what is typed on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines: list[Machine] = []
        self._started_ms = now_ms()

    def say(self, who: str, typed: str) -> None:
        passed = f"{(now_ms() - self._started_ms) / 1000:5.1f} s  "
        console.print(Text.assemble((passed, "dim"), (f"{who}$ ".ljust(7), "cyan"), typed))

    def chapter(self, title: str) -> None:
        console.print(f"\n{title}", style="bold")

    def type(self, machine: Machine, command: str, *needed: str, code: int = 0) -> str:
        """One command; raises Failed where it ends or says otherwise than it should."""
        self.say(machine.name, command)
        return self._require(machine, command, machine.ask(command), needed, code)

    def until(self, machine: Machine, command: str, *needed: str, code: int = 0) -> str:
        """The same command until it says so: what it waits for is on its way between the machines."""
        self.say(machine.name, f"{command}   [until: {', '.join(needed)}]")
        deadline_ms = now_ms() + UNTIL_S * 1000
        while True:
            found, written = machine.ask(command)
            if found == code and all(one in written for one in needed):
                return self._require(machine, command, (found, written), needed, code)
            if now_ms() > deadline_ms:
                return self._require(machine, command, (found, written), needed, code)
            time.sleep(LOOK_EVERY_S)

    def _require(
        self, machine: Machine, command: str, answer: tuple[int, str], needed: Sequence[str], code: int
    ) -> str:
        found, written = answer
        lines = written.rstrip().splitlines()
        for line in lines[:SHOWN_LINES]:
            console.print(f"           {line}", style="dim")
        if len(lines) > SHOWN_LINES:
            console.print(f"           ... {len(lines) - SHOWN_LINES} lines more", style="dim")
        if found != code:
            raise Failed(f"`{command}` on {machine.name} ended with {found}, not {code}")
        for one in needed:
            if one not in written:
                raise Failed(f"`{command}` on {machine.name} does not say {one!r}")
        return written

    # ---- Machines

    def install(self, names: Sequence[str]) -> dict[str, Path]:
        """A new environment on each, as configs/README.md makes it; where its programs are."""
        commands = {}
        for name in names:
            where = self.folder / name / "opt-tocsin"
            command = f"python3 -m venv {where} && {where}/bin/pip install {ROOT}"
            self.say(name, command)
            commands[name] = (where, self._in_the_open(command))
        for name, (_, process) in commands.items():
            written, _ = process.communicate(timeout=INSTALL_S)
            if process.returncode:
                raise Failed(f"installing on {name} failed; --here does without:\n{written[-2000:].decode()}")
        return {name: where / "bin" for name, (where, _) in commands.items()}

    def _in_the_open(self, command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def connect(self, programs: dict[str, Path], hosts: dict[str, str]) -> list[Machine]:
        """A namespace for each, with its own name, its own /etc/hosts, and one cable."""
        addresses = {name: f"10.77.0.{number}" for number, name in enumerate(programs, 1)}
        file = self.folder / "hosts"
        lines = [f"{addresses[name]} {hosts[name]}" for name in programs]
        file.write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        for name, program in programs.items():
            folder = self.folder / name
            (folder / "etc-tocsin").mkdir(mode=0o700, parents=True, exist_ok=True)
            holder = self._hold(name, file)
            self.machines.append(Machine(name, hosts[name], addresses[name], folder, program, holder))
        one, other = self.machines
        self._link(one, f"ip link add eth0 type veth peer name eth0 netns {other.holder.pid}")
        for machine in self.machines:
            self._link(machine, f"ip addr add {machine.address}/24 dev eth0; ip link set eth0 up; ip link set lo up")
        return self.machines

    def _hold(self, name: str, hosts: Path) -> "subprocess.Popen[bytes]":
        """A process that keeps the namespaces for as long as it lives; all share the first one's users."""
        inside = f"mount --bind {hosts} /etc/hosts && hostname {name} && echo held && exec sleep infinity"
        if self.machines:
            users = ("nsenter", f"--target={self.machines[0].holder.pid}", "--user", "--preserve-credentials")
            command = [*users, "unshare", *NEW[2:], "bash", "-c", inside]
        else:
            command = ["unshare", *NEW, "bash", "-c", inside]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        if holder.stdout.readline() != b"held\n":
            raise Failed(f"there is no namespace for {name}: its holder ended with {holder.wait()}")
        return holder

    def _link(self, machine: Machine, command: str) -> None:
        entered = ("nsenter", f"--target={machine.holder.pid}", "--user", "--net", "--preserve-credentials")
        done = subprocess.run([*entered, "bash", "-ec", command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"`{command}` on {machine.name}: {done.stderr.strip()}")

    def cable(self, machine: Machine, state: str) -> None:
        """Pull it out, or put it in again."""
        self.say(machine.name, f"ip link set eth0 {state}")
        self._link(machine, f"ip link set eth0 {state}")

    # ---- Daemons

    def run(self, machine: Machine) -> None:
        """Start a node; return when it answers."""
        self.say(machine.name, f"{RUN} &")
        machine.daemon = daemon = machine.start(f"exec {RUN}")  # type: ignore[assignment]
        deadline_ms = now_ms() + UNTIL_S * 1000
        while machine.ask("tocsin status")[0]:
            if daemon.poll() is not None or now_ms() > deadline_ms:
                raise Failed(f"the node of {machine.name} does not run: {(machine.etc / 'log').read_text()[-2000:]}")
            time.sleep(LOOK_EVERY_S)

    def stop(self, machine: Machine, number: signal.Signals = signal.SIGTERM) -> None:
        """As systemd does; or, with SIGKILL, as a power cut."""
        assert machine.daemon is not None
        self.say(
            machine.name,
            f"kill -{number.name.removeprefix('SIG')} {(machine.etc / 'data' / 'lock').read_text().strip()}",
        )
        machine.daemon.send_signal(number)
        try:
            ended = machine.daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"the node of {machine.name} has not ended after {STOP_S:.0f} s") from None
        if ended != (0 if number == signal.SIGTERM else -number):
            raise Failed(f"the node of {machine.name} ended with {ended}")
        machine.daemon = None

    def restart(self, machine: Machine) -> None:
        self.stop(machine)
        self.run(machine)

    def edit(self, machine: Machine, file: str, change: Callable[[str], str], what: str) -> None:
        """As with an editor."""
        self.say(machine.name, f"editor {file}   [{what}]")
        path = machine.etc / file
        before = path.read_text()
        after = change(before)
        if before == after:
            raise Failed(f"{path} has nothing to change: {what}")
        path.write_text(after)

    def send(self, sender: Machine, file: str, receiver: Machine) -> None:
        """By whatever way there is between two offices."""
        self.say(sender.name, f"scp {shlex.quote(file)} {receiver.name}:")
        shutil.copy2(sender.etc / file, receiver.etc / file)

    def close(self) -> None:
        """End every process that was started here, and remove the folder."""
        for machine in self.machines:
            if machine.daemon is not None:
                machine.daemon.kill()
                machine.daemon.wait()
        for machine in self.machines:
            machine.holder.kill()
            machine.holder.wait()
        shutil.rmtree(self.folder)


def here(names: Sequence[str]) -> dict[str, Path]:
    """This environment's program for each, where nothing is to be installed."""
    return {name: Path(sys.executable).parent for name in names}
