"""What --json prints, as JSON Schema: read from the file that scripts/schemas makes of the letters."""

import json
import re
from importlib import resources
from typing import Any

import click

FILE_NAME = "schemas.json"


def names() -> list[str]:
    """The commands that are in it."""
    return list(_all()["commands"])


def of(command: str) -> dict[str, Any]:
    """A schema that stands by itself."""
    every = _all()
    if command not in every["commands"]:
        raise click.UsageError(f"{command!r} prints no JSON. Those that do: {', '.join(every['commands'])}.")
    found = every["commands"][command]
    needed = _needed(found, every["$defs"])
    return {"$schema": every["$schema"], **found, **({"$defs": needed} if needed else {})}


def _needed(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Only those letters that it names, and that those name."""
    found: set[str] = set()
    more = {json.dumps(schema)}
    while more:
        named = set(re.findall(r"#/\$defs/(\w+)", " ".join(sorted(more)))) - found
        found |= named
        more = {json.dumps(definitions[name]) for name in named}
    return {name: definitions[name] for name in sorted(found)}


def _all() -> dict[str, Any]:
    text = resources.files("node.cli").joinpath(FILE_NAME).read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    return read
