"""Sessions at a terminal, as text: tests/cli/scripts. How to read and write them: tests/cli/script.py."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from node import config
from node.cli import schemas
from tests.cli import script
from tests.cli.script import Said
from tests.federation import Node, federation, free_ports, make

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))

Machines = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two members that have approved each other, a third whose node does not run, and a laptop with none.

    The second's crises are heard by a program that says what it was told, and by one that fails.
    """
    folder = tmp_path_factory.mktemp("s")
    (down,) = make(folder / "down", 1)
    with federation(folder, 2) as (first, second):
        _wake(second)
        first.cli("peer", "add", "--founders", "--yes", "--no-wait")
        second.cli("peer", "add", "--founders", "--yes")
        yield {
            "": _machine(first, second),
            "b": _machine(second, first),
            "down": _machine(down, first),
            "laptop": {"NODE": first.config.tools_listen, "NODE_PEERS": first.config.peers_listen},
        }


def _wake(node: Node) -> None:
    """Let its crises wake somebody."""
    node.stop()
    file = node.folder / config.FILE_NAME
    routes = """
routes = [
  { name = "desk", command = ["cat"] },
  { name = "broken", command = ["sh", "-c", "echo no line; exit 3"], after = "1h" },
]
"""
    file.write_text(file.read_text().replace("\nroutes = []\n", routes))
    node.start()


def _machine(node: Node, other: Node) -> Mapping[str, str]:
    """What stands in the environment of its shell."""
    return {
        "TOCSIN_CONFIG": str(node.folder),
        "FOLDER": str(node.folder),
        "CARD": str(node.made.card_path),
        "OTHER": other.config.tools_listen,
        "NODE": node.config.tools_listen,
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_is_typed_is_answered_as_written(path: Path, machines: Machines, tmp_path: Path) -> None:
    ports = dict(zip(("PORT", "PORT_TOOLS"), map(str, free_ports(2)), strict=True))
    session = script.Session(path, tmp_path, {name: {**one, **ports} for name, one in machines.items()})
    for step in script.read(path):
        session.run(step)
        for said in session.documents():
            require_schema(said)


def test_every_schema_is_held_against_a_script() -> None:
    typed = [_words(step.typed) for path in SCRIPTS for step in script.read(path)]
    shown = {_command(words) for words in typed if "--json" in words}
    streams = {"subscribe", "watch", "crisis watch"}  # they end with Ctrl-C: test_habits.py, test_crises.py
    # Held against what it takes to have them: tests/test_erasing.py, test_forks.py, test_crises.py.
    rare = {"erase prove", "fork show", "crisis cosign", "crisis refuse"}
    assert shown - {""} == set(schemas.names()) - streams - rare


def test_a_script_that_says_something_else_fails(machines: Machines, tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    for answer in ("? 1", "tocsin {word}\n? 1", "tocsin 0", "tocsin {word}\n! more"):
        path.write_text(f"$ tocsin --version\n{answer}\n")
        (step,) = script.read(path)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with pytest.raises(AssertionError, match=r"odd.txt:1"):
            script.Session(path, folder, machines).run(step)


def require_schema(said: Said) -> None:
    """What a command wrote is what its schema says, and no more."""
    if not said.output.strip():
        return  # refused
    name = _command(said.arguments)
    schema = strict(schemas.of(name))
    try:
        documents = [json.loads(said.output)]
    except json.JSONDecodeError:  # one on each line
        documents = [json.loads(line) for line in said.output.splitlines()]
    for document in documents:
        jsonschema.validate(document, schema)


def _command(words: Any) -> str:
    """The longest beginning that has a schema."""
    leading = " ".join(words)
    return max((name for name in schemas.names() if f"{leading} ".startswith(f"{name} ")), key=len, default="")


def _words(typed: str) -> list[str]:
    try:
        words = shlex.split(typed)
    except ValueError:
        words = typed.split()
    return words[words.index("tocsin") + 1 :] if "tocsin" in words else []


def strict(schema: Any) -> Any:
    """The schema with every object closed: a field that is not written down is a fault here, not in programs."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
