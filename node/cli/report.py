"""Reports for supervisors: the record of processing activities, and the annex to an impact assessment."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import calling, markdown, options, printing

if TYPE_CHECKING:
    from node.client import Client
    from node.policy.reporting import Document
    from node.v1 import accountability_pb2

    Ask = Callable[[Client], Coroutine[Any, Any, accountability_pb2.Report]]


@click.group(epilog=options.examples("tocsin report processing > processing.md", "tocsin report dpia-annex > annex.md"))
def report() -> None:
    """Write what a supervisor asks for, in Markdown.

    It is made of the configuration in force. What no configuration knows stands as [operator: ...] with the
    reason, for people to fill in.
    """


@report.command(epilog=options.examples("tocsin report processing > processing.md", "tocsin report processing --json"))
@options.folder
@options.as_json
def processing(folder: Path, as_json: bool) -> None:
    """Write the record of processing activities: GDPR Article 30; of authorities and Europol, LED Article 24.

    The same configuration makes the same text.
    """
    from node.v1 import accountability_pb2

    async def ask(node: "Client") -> "accountability_pb2.Report":
        request = accountability_pb2.ReportProcessingRequest()
        return (await node.accountability.ReportProcessing(request)).report

    _print(folder, ask, as_json=as_json)


@report.command(
    name="dpia-annex", epilog=options.examples("tocsin report dpia-annex > annex.md", "tocsin report dpia-annex --json")
)
@options.folder
@options.as_json
def dpia_annex(folder: Path, as_json: bool) -> None:
    """Write an annex to a data protection impact assessment: GDPR Article 35, LED Article 27.

    Data flows, risks with the measures that are on or off here, retention, and what was counted of late.
    """
    from node.v1 import accountability_pb2

    async def ask(node: "Client") -> "accountability_pb2.Report":
        return (await node.accountability.ReportImpact(accountability_pb2.ReportImpactRequest())).report

    _print(folder, ask, as_json=as_json)


def _print(folder: Path, ask: "Ask", *, as_json: bool) -> None:
    found = calling.ask(calling.find(folder), ask)
    if as_json:
        printing.print_json(printing.fields_of(found))
    else:
        click.echo(markdown.written(_document(found)), nl=False)


def _document(found: "accountability_pb2.Report") -> "Document":
    from node.policy.reporting import Document, Section

    return Document(
        found.title,
        tuple(
            Section(one.heading, tuple(one.paragraphs), tuple(one.columns), tuple(tuple(row.cells) for row in one.rows))
            for one in found.sections
        ),
    )
