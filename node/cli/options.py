"""What several commands share: which node is meant and as whom it is asked, and examples in help texts."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., Any])

FILE_NAME = "node.toml"
SYSTEM_FOLDER = Path("/etc/tocsin")
REMOTE = frozenset({"--node", "--as", "--federation-id"})
EVERYWHERE = REMOTE | {"--folder", "--config", "--json", "--yes"}


_GIVEN = {ParameterSource.COMMANDLINE: 2, ParameterSource.ENVIRONMENT: 1}


allow_personal = click.option(
    "--allow-personal",
    default="",
    metavar="REASON",
    help="Also with a telephone number, an e-mail address or an account in it that is nobody's private data, and why; "
    "for the administrator and scopes protect and declare.",
)


def examples(*lines: str) -> str:
    """An epilog that click leaves as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def exit_codes(text: str) -> str:
    """What stands in the epilog of a command whose exit codes say more than `tocsin help exit-codes`."""
    return f"\n\n\b\nExit codes: {text}"


# ---- Which node


@dataclass(frozen=True, slots=True)
class Said:
    """Which node was meant, and as whom it is to be asked, as far as it was said."""

    where: Literal["node", "folder", ""] = ""
    folder_yields: bool = False  # it is TOCSIN_CONFIG's, and --as was typed: its file says which node made it
    node: str = ""
    bundle: Path | None = None
    federation_id: str = ""
    why: str = ""


def justify(command: Command) -> Command:
    """The option --justify, which `calling` tells the node with every call."""
    return click.option(
        "--justify",
        nargs=2,
        metavar="CODE WHY",
        expose_value=False,
        callback=_keep_why,
        help="A code of your organisation, and why: noted in the audit log. The node may ask for it.",
    )(command)


def folder(command: Command) -> Command:
    """A running node: --folder or --node, --as and --federation-id. As ``folder: Path``; `calling` reads the rest."""
    for option in (
        click.option(
            "--federation-id",
            envvar="TOCSIN_FEDERATION_ID",
            metavar="HEX",
            expose_value=False,
            callback=_keep,
            help="Of the federation to believe, where neither FILE nor the folder has it.",
        ),
        click.option(
            "--as",
            "as_",
            envvar="TOCSIN_AS",
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_keep,
            help="Who asks: a file of `tocsin tool issue`. It says where its node is. Default: TOCSIN_AS, or "
            "this machine's administrator.",
        ),
        click.option(
            "--node",
            envvar="TOCSIN_NODE",
            metavar="HOST:PORT",
            expose_value=False,
            callback=_keep_address,
            help="A node on another machine, where it listens for tools; needs --as.",
        ),
    ):
        command = option(command)
    return own_folder(command)


def own_folder(command: Command) -> Command:
    """A node's folder on this machine, as ``folder: Path``: --folder, which --config is another name of."""
    return _folder(command, find_folder, "the first of ~/.config/tocsin and /etc/tocsin that has a node.toml")


def new_folder(command: Command) -> Command:
    """A folder that is to be made, as ``folder: Path``."""
    return _folder(command, default_folder, "/etc/tocsin for root, else ~/.config/tocsin")


def _folder(command: Command, default: Callable[[], Path], found: str) -> Command:
    return click.option(
        "--folder",
        "--config",
        "folder",
        envvar="TOCSIN_CONFIG",
        type=click.Path(path_type=Path, readable=False),  # whoever reads it says more than "not readable"
        metavar="PATH",
        default=default,
        help=f"The node's folder, or its configuration file. Default: TOCSIN_CONFIG, or {found}.",
    )(command)


def default_folder() -> Path:
    """Where a node is made unless it is said otherwise."""
    return SYSTEM_FOLDER if os.geteuid() == 0 else _home_folder()


def find_folder() -> Path:
    """Where a node lies unless it is said otherwise.

    Never the current folder: what lies there may be somebody else's, and would name the socket to ask.
    """
    order = (SYSTEM_FOLDER, _home_folder()) if os.geteuid() == 0 else (_home_folder(), SYSTEM_FOLDER)
    return next((place for place in order if _is_there(place / FILE_NAME)), default_folder())


def _home_folder() -> Path:
    return Path.home() / ".config" / "tocsin"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # whoever reads it says why it cannot


def config_file(folder: Path) -> Path:
    """The configuration file in a folder of this machine; the folder may name the file itself."""
    if said().where == "node":
        raise click.UsageError(
            "This works on a node's own folder, on its machine: leave out --node (or TOCSIN_NODE), or give --folder."
        )
    try:
        return folder if folder.suffix == ".toml" or folder.is_file() else folder / FILE_NAME
    except PermissionError:
        return folder / FILE_NAME


def said() -> Said:
    """What the command under way was told about its node; the command line before the environment."""
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        return Said()
    node, place = _weight(ctx, "node"), _weight(ctx, "folder")
    if node and node == place:
        raise click.UsageError(
            "Give --node or --folder, not both."
            if node == _GIVEN[ParameterSource.COMMANDLINE]
            else "TOCSIN_NODE and TOCSIN_CONFIG are both set: say which, with --node or --folder, or unset one."
        )
    return Said(
        where="node" if node > place else "folder" if place else "",
        folder_yields=place < _weight(ctx, "as_"),
        node=_kept(ctx, "node") or "",
        bundle=_kept(ctx, "as_"),
        federation_id=_kept(ctx, "federation_id") or "",
        why=_kept(ctx, "justify") or "",
    )


def _weight(ctx: click.Context, name: str) -> int:
    source = ctx.get_parameter_source(name)
    return _GIVEN.get(source, 0) if source else 0


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Callback: remember the value for `said`, so that no command has to hand it on."""
    ctx.meta[f"{__name__}.{parameter.name}"] = value
    return value


def _keep_address(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    kept: str | None = _keep(ctx, parameter, address(ctx, parameter, value) if value else value)
    return kept


def _keep_why(ctx: click.Context, parameter: click.Parameter, value: tuple[str, str] | None) -> None:
    if value and (not value[0] or " " in value[0]):
        raise click.BadParameter("the code has no blanks, as in --justify art-14 'threat to life'", ctx, parameter)
    _keep(ctx, parameter, " ".join(value) if value else "")


def _kept(ctx: click.Context, name: str) -> Any:
    return ctx.meta.get(f"{__name__}.{name}")


def require_nothing_before(ctx: click.Context, subcommand: str) -> None:
    """An option of a group's table means nothing to a subcommand; a --folder passed over would be another node."""
    for parameter in ctx.command.params:
        if parameter.name and ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} stands behind {subcommand}.")


# ---- For programs, and addresses


def as_json(command: Command) -> Command:
    """The option --json, as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")(command)


def address(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A callback for host:port; listening options may have port 0."""
    from node.content import addresses

    dialled = parameter.name in {"address", "node"}
    fault = addresses.fault(value, listening=not dialled) if value else ""
    if fault:
        raise click.BadParameter(fault, ctx, parameter)
    return value
