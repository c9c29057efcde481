"""Look digests up, and say which of them are listed from now on. Scopes: match and read.

The file has one SHA-256 a line. What the subscription brings is looked at with the digests in hand, so
no list is searched twice; look_up has what stands there already. Listening begins before looking up: what
is listed in between is said twice rather than never.

    $ python scripts/examples/scanner.py scanner.pem digests.txt
    9f86d081884c  listed      ministry-a/halle: attack-footage, advice block
    60303ae22b99  not listed
    watching 2 digests
    60303ae22b99  new         Ministry A: attack-footage, advice block
"""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from node.client import CaughtUp, Client, Kind, Received, advice_of
from node.errors import NodeError

NAME = "scanner"  # under which the node keeps how far we are
DIGEST_BYTES = 32
BATCH = 1000  # values in one look-up


async def scan(node: Client, digests: Sequence[bytes]) -> None:
    """Answer for each digest, then watch."""
    events = node.subscribe(NAME, kinds_wanted=[Kind.ITEMS], from_now=True)
    looked_up = False
    async for event in events:
        if isinstance(event, CaughtUp) and not looked_up:
            await look_up(node, digests)
            print(f"watching {len(digests)} digests", flush=True)
            looked_up = True
        if isinstance(event, Received):
            report(event, digests)
            await node.acknowledge(NAME, event.cursor)


async def look_up(node: Client, digests: Sequence[bytes]) -> None:
    """What stands in lists now."""
    for start in range(0, len(digests), BATCH):
        asked = digests[start : start + BATCH]
        found = {asked[match.index]: match for match in await node.look_up("sha256", asked)}
        for digest in asked:
            match = found.get(digest)
            said = (
                f"{'listed':12}{match.list}: {', '.join(match.labels)}, advice {match.advice}"
                if match
                else "not listed"
            )
            print(f"{digest.hex()[:12]}  {said}", flush=True)


def report(event: Received, digests: Sequence[bytes]) -> None:
    """Which of the digests stand in a record of a list."""
    if event.record is None or event.exercise:
        return
    items = event.record.items
    listed = {items.digests[i : i + DIGEST_BYTES] for i in range(0, len(items.digests), DIGEST_BYTES)}
    for digest in digests if items.kind == "sha256" else ():
        if digest in listed:
            said = f"{event.member_name}: {', '.join(items.labels)}, advice {advice_of(items)}"
            print(f"{digest.hex()[:12]}  {'new':12}{said}", flush=True)


async def main() -> None:
    """Read the arguments and scan until interrupted."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path, help="what `tocsin tool issue` made")
    parser.add_argument("digests", type=Path)
    given = parser.parse_args()
    digests = [bytes.fromhex(line) for line in given.digests.read_text().split()]
    async with Client.as_tool(given.bundle) as node:
        await scan(node, digests)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except NodeError as error:
        sys.exit(f"scanner: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
