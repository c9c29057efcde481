"""The configuration and the folder: whether a node could start with them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import options, printing

if TYPE_CHECKING:
    from node.config import Config


@click.group(epilog=options.examples("tocsin config check"))
def config() -> None:
    """Look at the configuration."""


@config.command(
    epilog=options.examples("tocsin config check", "tocsin config check --config /srv/tocsin/node.toml --json")
    + options.exit_codes("0 a node could start with it, 3 it could not.")
)
@options.own_folder
@options.as_json
def check(folder: Path, as_json: bool) -> None:
    """Check the configuration, the keys, who may read them, and the charter. Changes nothing."""
    from node import config as configs

    file = options.config_file(folder)
    found = _look(configs.load(file))
    if as_json:
        printing.print_json(found)
        return
    click.echo(f"{file} is in order.")
    printing.print_fields([(key.replace("_", " "), value or "-") for key, value in found.items()])


def _look(settings: "Config") -> dict[str, str]:
    """Everything that a start reads; raises what is wrong with it."""
    from node import config as configs
    from node.custody import charters, folder, joining
    from node.feed import keys

    folder.check_modes(settings.data_folder)
    node = folder.read_keys(settings.data_folder)
    joined = joining.has_charter(settings)
    charter = joining.read_charter(settings) if joined else None
    return {
        "name": settings.name,
        "data_folder": str(settings.data_folder),
        "peers.listen": settings.peers_listen,
        "peers.address": settings.peers_address,
        "tools.listen": settings.tools_listen,
        "admin.socket": str(settings.socket),
        "lists.follow": settings.lists_follow,
        "erasures.copy": str(settings.erasures_copy or ""),
        "metrics.listen": settings.metrics_listen,
        "log.format": settings.log_format,
        "log.level": settings.log_level,
        "audit.keep_days": str(settings.audit_life_ms // configs.DAY_MS),
        "audit.justify": ", ".join(settings.audit_justify),
        "alarm.routes": ", ".join(one.name for one in settings.alarm.routes),
        "member": keys.fingerprint(node.member_id),
        "federation": charter.name if charter else "",
        "federation_id": charters.readable_id(charter) if charter else "",
    }
