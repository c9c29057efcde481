"""The doctor: the whole node examined, whether it runs or not."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, clock, findings, options, printing

if TYPE_CHECKING:
    from node.client import Client
    from node.config import Config
    from node.v1.admin_pb2 import Finding


@click.command(
    epilog=options.examples("tocsin doctor", "tocsin doctor --deep", "tocsin doctor --json | jq '.summary'")
    + "\n\n\b\nExit codes: 0 no fault, though there may be warnings; 3 something to mend on this machine."
)
@click.option("--deep", is_flag=True, help="Check the stores whole, however long it takes.")
@options.own_folder
@options.as_json
def doctor(deep: bool, folder: Path, as_json: bool) -> None:
    """Examine the whole node, whether it runs or not.

    The folder, keys, disk, clock, certificates, ports, stores, and what is to be backed up; of a running
    node its peers, and how far behind it is. Changes nothing. What only a running node knows is left out
    while it is stopped.
    """
    from node import config as configs
    from node.custody import examination

    settings = configs.load(options.config_file(folder))
    inside = _inside(settings)
    runs = not any(one.name == "running" for one in inside)
    found = examination.examine(settings, clock.now(), runs=runs, deep=deep) + inside
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in findings.VERDICTS}
    if as_json:
        printing.print_json({"summary": counts, "findings": [printing.fields_of(one) for one in found]})
    else:
        findings.show(found)
        click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    if counts["fault"]:
        click.get_current_context().exit(findings.MEND_HERE)


def _inside(settings: "Config") -> "list[Finding]":
    """What the node says of itself, or why it does not."""
    from node.custody import charters, joining
    from node.custody import folder as folders
    from node.errors import Refused, Unavailable
    from node.rpc import finding

    if not settings.data_folder.is_dir() or not joining.has_charter(settings):
        return [finding.unknown("running", "it has no federation to run in yet")]
    try:
        charter = charters.read(settings.data_folder / folders.CHARTER)[1]
        return calling.ask(calling.Place(charter.federation_id, settings), _examined)
    except Refused as error:  # the charter; what is wrong with it stands among the findings
        return [finding.unknown("running", error.reason, error.next_step)]
    except Unavailable as error:
        words = f"{error.reason}: its peers and how far behind it is were not examined"
        return [finding.fault("running", words, error.next_step)]


async def _examined(node: "Client") -> "list[Finding]":
    from node.v1 import admin_pb2

    return list((await node.admin.Examine(admin_pb2.ExamineRequest())).findings)
