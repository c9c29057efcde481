"""Text scripts: what is typed, what is answered, and the exit code. They read as a session at a terminal.

    # A remark.
    $ tocsin crisis show $crisis          typed on the first node's machine; b$ on the second's, down$ where the
    > continued                           node does not run, laptop$ where there is none
    {crisis:ref}  Shooting  active{...}   what stdout says
    ! tocsin: not now                     what stderr says
    ? 4                                   the exit code; 0 where it is not said
    b~ tocsin crisis list                 again and again until it says this: what travels takes a moment

A line with nothing but ... stands for any lines. {time}, {day}, {ref}, {hex}, {n}, {word} and {...} stand for
what differs from run to run; {name:kind} also remembers it, as $name in what is typed later and {name} in what
is answered. A line that is typed goes to bash, in a folder of the script's own.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.federation import GUARD_S, environment

PATTERNS = {
    "time": r"20\d\d-\d\d-\d\d \d\d:\d\d (?:UTC|\(\d\d:\d\d UTC\))",
    "day": r"20\d\d-\d\d-\d\d",
    "ref": r"[a-z]-[0-9a-z]{4,}",
    "hex": r"[0-9a-f]+",
    "n": r"[0-9][0-9,.]*",
    "word": r"[^\s\"]+",
    "...": r".*",
}

_TYPED = re.compile(r"([a-z]*)([$~]) (.*)")
_PLACEHOLDER = re.compile(r"\{(?:([a-z_]+):)?(\.\.\.|[a-z_]+)\}")


@dataclass
class Step:
    """One line that is typed, and what is said to it."""

    number: int
    machine: str
    again: bool
    typed: str
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    code: int = 0


def read(path: Path) -> list[Step]:
    """The steps of a script."""
    steps: list[Step] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := _TYPED.fullmatch(line):
            steps.append(Step(number, found[1], found[2] == "~", found[3]))
        elif line.startswith("# ") or not steps:
            assert not line or line.startswith("#"), f"{path.name}:{number}: nothing was typed yet"
        elif line.startswith("> "):
            steps[-1].typed += f"\n{line[2:]}"
        elif line.startswith("! "):
            steps[-1].errors.append(line[2:])
        elif line.startswith("? "):
            steps[-1].code = int(line[2:])
        else:
            steps[-1].output.append(line)
    return steps


@dataclass(frozen=True)
class Said:
    """What a program wrote for programs: its arguments, and its stdout."""

    arguments: tuple[str, ...]
    output: str


class Session:
    """Runs a script's steps in a folder of its own."""

    def __init__(self, path: Path, folder: Path, machines: Mapping[str, Mapping[str, str]]) -> None:
        self._path, self._folder, self._machines = path, folder, machines
        self._known: dict[str, str] = {}
        self._json = folder / ".json"
        self._json.mkdir()
        (folder / ".bin").mkdir()
        program = folder / ".bin" / "tocsin"
        program.write_text(_PROGRAM.format(python=sys.executable, json=self._json))
        program.chmod(0o755)

    def run(self, step: Step) -> None:
        """Type it, and compare."""
        deadline = time.monotonic() + GUARD_S  # noqa: TID251 - a guard, not a wait
        while fault := self._try(step):
            assert step.again, fault
            assert time.monotonic() < deadline, fault  # noqa: TID251 - the same

    def documents(self) -> Iterator[Said]:
        """What was written for programs since the last time."""
        for path in sorted(self._json.glob("*.arguments")):
            output = path.with_suffix(".output")
            if output.exists():
                yield Said(tuple(path.read_text().split("\0")[:-1]), output.read_text())
            path.unlink()
            output.unlink(missing_ok=True)

    def _try(self, step: Step) -> str:
        done = subprocess.run(
            ["bash", "-c", step.typed],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GUARD_S,
            check=False,
            cwd=self._folder,
            env=self._environment(step.machine),
        )
        known: dict[str, str] = {}
        faults = [
            self._compare(step.output, done.stdout, known),
            self._compare(step.errors, done.stderr, known),
            "" if done.returncode == step.code else f"exit code {done.returncode}, not {step.code}",
        ]
        self._known |= known
        where = f"{self._path.name}:{step.number}: {step.typed}"
        fault = "\n".join(filter(None, faults))
        return f"{where}\n{fault}\n--- stdout\n{done.stdout}--- stderr\n{done.stderr}" if fault else ""

    def _environment(self, machine: str) -> dict[str, str]:
        found = {name: value for name, value in environment().items() if not name.startswith("TOCSIN_")}
        program = f"{self._folder / '.bin'}:{os.environ['PATH']}"
        return {**found, **self._machines[machine], **self._known, "PATH": program, "HOME": str(self._folder)}

    def _compare(self, wanted: list[str], written: str, known: dict[str, str]) -> str:
        lines = "\n".join(wanted).rstrip("\n").split("\n")
        names: set[str] = set()
        every = {**self._known, **known}
        pattern = "".join(r"(?:.*\n)*?" if line == "..." else f"{_pattern(line, every, names)} *\n" for line in lines)
        if lines == [""]:
            pattern = ""
        found = re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in written.rstrip("\n").splitlines()))
        if found is None:
            return "wanted:\n" + "\n".join(lines)
        known.update({name: text for name, text in found.groupdict().items() if text is not None})
        return ""


def _pattern(line: str, known: Mapping[str, str], names: set[str]) -> str:
    """A line as a regular expression; ``names`` are those that this answer has given already."""
    made, end = "", 0
    for found in _PLACEHOLDER.finditer(line):
        name, kind = found.groups()
        made += re.escape(line[end : found.start()])
        if name:
            made += f"(?P<{name}>{PATTERNS[kind]})"
            names.add(name)
        elif kind in names:
            made += f"(?P={kind})"
        else:
            made += PATTERNS[kind] if kind in PATTERNS else re.escape(known[kind])
        end = found.end()
    return made + re.escape(line[end:])


_PROGRAM = """\
#!/usr/bin/env bash
case " $* " in
*" --json "*)
    file=$(mktemp {json}/XXXXXX)
    printf '%s\\0' "$@" > "$file.arguments"
    {python} -P -m node.cli.main "$@" | tee "$file.output"
    exit "${{PIPESTATUS[0]}}"
    ;;
esac
exec {python} -P -m node.cli.main "$@"
"""
