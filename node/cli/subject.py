"""Data subjects: whether something is held here that one asks about, why, and who may have received it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import calling, markdown, options, printing
from node.content import detection, hashes, lines
from node.content.hashes import Item
from node.content.lines import Layout

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import accountability_pb2


@click.group(epilog=options.examples('tocsin subject search --file upload.mp4 --justify SAR-12 "request of 3 March"'))
def subject() -> None:
    """Say what is held of a data subject, and who received it."""


@subject.command(
    epilog=options.examples(
        'tocsin subject search --url "https://video.example/watch?v=1" --justify SAR-12 "request of 3 March"',
        'tocsin subject search --file upload.mp4 --justify SAR-12 "request of 3 March" --markdown > answer.md',
        'tocsin subject search --hash 9f86d081... --justify SAR-12 "request of 3 March" --as dpo.pem --json',
    )
)
@click.option("--url", default="", metavar="URL", help="An address, as it was written.")
@click.option("--file", "file", type=click.Path(path_type=Path), metavar="FILE", help="A file: hashed by every kind.")
@click.option("--hash", "digest", default="", metavar="HASH", help="A digest; of 64 digits as SHA-256 and as PDQ.")
@click.option("--kind", type=click.Choice(list(hashes.KINDS)), help="Of --hash. Default: by how it is written.")
@click.option(
    "--justify",
    "justify",
    nargs=2,
    required=True,
    metavar="CODE WHY",
    help="Why: a code of your own, as of the request, and words. Noted in the audit log; what is asked is not.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="As a document.")
@options.folder
@options.as_json
def search(
    url: str,
    file: Path | None,
    digest: str,
    kind: str | None,
    justify: tuple[str, str],
    as_markdown: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Say where this stands here, in whatever state, until when and why, and who received it.

    Also what matches nothing: what is restricted, set aside, over, or of a drill, and what the text of a record says.
    It says what it cannot know, too. For the scope protect; the search itself is noted, without the value.
    """
    from node.v1 import accountability_pb2

    if [bool(url), bool(file), bool(digest)].count(True) != 1:
        raise click.UsageError("Give one of --url, --file and --hash.")
    if kind and not digest:
        raise click.UsageError("--kind is for --hash.")
    place = calling.find(folder)
    request = accountability_pb2.SearchSubjectRequest(code=justify[0], justification=justify[1])
    request.values.extend(map(_letter, _asked(url, file, digest, kind)))

    async def ask(node: "Client") -> "accountability_pb2.SearchSubjectResponse":
        return await node.accountability.SearchSubject(request)

    said = calling.ask(place, ask)
    if as_json:
        printing.print_json(_plain(said))
        return
    from node.exchange import replies

    made = replies.document(said, printing.moment)
    if as_markdown:
        click.echo(markdown.written(made), nl=False)
    else:
        markdown.print_text(made)


def _asked(url: str, file: Path | None, digest: str, kind: str | None) -> Sequence[Item]:
    """The value in every kind that it may be."""
    if file:
        from node.cli import media

        return media.items_of(file)
    layout = Layout(hashes.URL if url else hashes.KINDS[kind] if kind else None, quality_floor=0)
    try:
        found: Item = lines.item(layout, 1, (url or digest).strip())
    except ValueError as error:
        raise click.UsageError(f"{printing.shortened(url or digest)}: {error}") from None
    alike = detection.LOOKS_ALIKE.get(found.kind) if not layout.kind else None
    return [found, *([Item(alike, found.value)] if alike else [])]


def _letter(item: Item) -> "accountability_pb2.SubjectValue":
    from node.v1 import accountability_pb2

    if isinstance(item.value, bytes):
        return accountability_pb2.SubjectValue(kind=item.kind.name, value=item.value)
    return accountability_pb2.SubjectValue(kind=item.kind.name, text=item.value)


def _plain(said: "accountability_pb2.SearchSubjectResponse") -> dict[str, Any]:
    found = printing.fields_of(said)
    for plain, one in zip(found["places"], said.places, strict=True):
        for shown, letter in ((plain, one), (plain["keeping"], one.keeping)):
            shown["position"] = letter.position if letter.HasField("position") else None
    return found
