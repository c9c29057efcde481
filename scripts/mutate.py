"""Break what protects, one thing at a time, and see that a test notices: `scripts/check --mutate`.

Each mutation of tests/mutations.toml is a line of the node, what to put in its place, and the test that
must fail then. It is applied in a copy of the tree; the tree itself is not touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random, SystemRandom

import click
import msgspec

from node.cli import printing

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tests" / "mutations.toml"
COPIED = ("node", "tests", "configs", "protos", "scripts", "pyproject.toml", "README.md")
AT_RANDOM = 10
GUARD_S = 180
SEEDS = 1_000_000
RED, GREEN = 1, 0  # exit codes of pytest; all others mean that no test was run


class Mutation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One protection that is taken away."""

    about: str
    file: str
    line: str
    instead: str
    test: str
    scenario: str = ""  # the row of tests/README.md that rests on it


def read() -> list[Mutation]:
    """All that are listed."""
    return msgspec.convert(tomllib.loads(LIST.read_text())["mutation"], list[Mutation])


def outcome(tree: Path, mutation: Mutation) -> str:
    """Apply it, run its test, and take it back: "red", or why not."""
    path = tree / mutation.file
    text = path.read_text()
    if text.count(mutation.line) != 1:
        return f"the line stands {text.count(mutation.line)} times in the file"
    path.write_text(text.replace(mutation.line, mutation.instead))
    try:
        code = _run(tree, mutation.test)
    except subprocess.TimeoutExpired:
        return f"no end after {GUARD_S} s"
    finally:
        path.write_text(text)
    return {RED: "red", GREEN: "GREEN: nothing noticed"}.get(code, f"no test was run: pytest says {code}")


def _run(tree: Path, test: str) -> int:
    command = [sys.executable, "-m", "pytest", "--quiet", "--exitfirst", "-p", "no:cacheprovider", test]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=GUARD_S,
        check=False,
    )
    return done.returncode


def chosen(found: Sequence[Mutation], seed: int) -> list[Mutation]:
    """Ten of them, the same for the same seed and list."""
    return Random(seed).sample(found, min(AT_RANDOM, len(found)))


@click.command()
@click.option("--seed", type=int, help="Those of an earlier run again.")
@click.option("--all", "everything", is_flag=True, help="Every one, in the order of the list.")
@click.option("--only", metavar="WORDS", help="Those whose description or scenario has these words.")
def main(seed: int | None, everything: bool, only: str | None) -> None:
    """Take protections away and demand that tests fail: ten drawn at random of tests/mutations.toml."""
    listed = read()
    if only:
        wanted = [one for one in listed if only in one.about or only in one.scenario]
    elif everything:
        wanted = listed
    else:
        seed = SystemRandom().randrange(SEEDS) if seed is None else seed
        click.echo(f"--seed {seed}: {min(AT_RANDOM, len(listed))} of {len(listed)}")
        wanted = chosen(listed, seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tree = _copied(Path(folder) / "tree")
        for one in wanted:
            since = time.monotonic()  # noqa: TID251 - how long it took is shown
            rows.append((one, outcome(tree, one), time.monotonic() - since))  # noqa: TID251 - the same
            click.echo(f"{rows[-1][1]:<5} {one.about}", err=True)
    table = [(one.about, one.file, one.test.rpartition("::")[2], result, f"{took:.1f}") for one, result, took in rows]
    printing.print_table(["taken away", "in", "test", "result", "s"], table, numbers=["s"], wrapped=["test", "result"])
    if not rows or any(result != "red" for _, result, _ in rows):
        sys.exit(1)


def _copied(tree: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree / name)
    return tree


if __name__ == "__main__":
    main()
