r"""Make a list of the column sha256 of a CSV file: the file is the list. Scope: share.

What is in the file and not in the list is added, what is in the list and not in the file is removed; where
more than half of the list would go, the node refuses. The file is read while it is sent, never as a whole;
a bad line stops the publication, and then nothing of it stands. Run again after a failure: what stands
already is not said twice. Labels and exemptions are words of the federation's rules.

    $ python scripts/examples/publisher.py publisher.pem hashes.csv --list halle --label attack-footage \
        --exemption none-known --ground "streamed by the attacker"
    halle: 3 added, 0 unchanged, 0 removed; 3 items
"""

import asyncio
import csv
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from node.client import Client
from node.errors import NodeError
from node.v1 import record_pb2, tools_pb2

DIGEST = re.compile("[0-9a-fA-F]{64}")
GREEN = record_pb2.Handling(tlp=2)  # for all members, and no further


def digests(path: Path) -> Iterator[bytes]:
    """The column, value by value; raises ValueError for what is no digest."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            written = row.get("sha256") or ""
            if not DIGEST.fullmatch(written):
                raise ValueError(f"{path}:{rows.line_num}: sha256 needs 64 hex digits, got {written!r}")
            yield bytes.fromhex(written)


async def main() -> None:
    """Read the arguments and publish."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path, help="what `tocsin tool issue` made")
    parser.add_argument("--list", required=True, dest="name")
    parser.add_argument("--label", action="append", default=[], dest="labels")
    parser.add_argument("--exemption", action="append", default=[], dest="exemptions")
    parser.add_argument("--ground", default="")
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    draft = tools_pb2.ListDraft(
        name=given.name,
        kind="sha256",
        labels=given.labels,
        exemptions=given.exemptions,
        ground=given.ground,
        advice="block",
        handling=GREEN,
        replace=True,
        removed_percent_max=50,
    )
    async with Client.as_tool(given.bundle) as node:
        done = await node.publish_list(draft, digests(given.file))
    print(
        f"{given.name}: {done.added} added, {done.unchanged} unchanged, {done.removed} removed; {done.list.items} items"
    )


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (NodeError, ValueError, OSError) as error:
        sys.exit(f"publisher: {error}")
