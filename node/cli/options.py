"""What several commands share: where the folder is, and examples in help texts."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """An epilog that click leaves as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def folder(command: Command) -> Command:
    """The option --folder, as ``folder: Path``."""
    return click.option(
        "--folder",
        envvar="TOCSIN_CONFIG",
        type=click.Path(path_type=Path),
        default=default_folder,
        help="Folder of the node, or its node.toml. Default: TOCSIN_CONFIG, or /etc/tocsin for root, "
        "or ~/.config/tocsin.",
    )(command)


def default_folder() -> Path:
    """Where a node lives unless it is said otherwise."""
    return Path("/etc/tocsin") if os.geteuid() == 0 else Path.home() / ".config" / "tocsin"


def config_file(folder: Path) -> Path:
    """The configuration file in a folder; the folder may name the file itself."""
    return folder if folder.suffix == ".toml" else folder / "node.toml"


def as_json(command: Command) -> Command:
    """The option --json, as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")(command)


def address(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A callback for host:port; listening options may have port 0."""
    from node.config import address_fault

    fault = address_fault(value, listening=parameter.name != "address") if value else ""
    if fault:
        raise click.BadParameter(fault, ctx, parameter)
    return value
