"""Print each declaration and end of a crisis, now and from now on. Scope: read.

What was printed is acknowledged, so a restart goes on behind it and repeats at most the last line. That
the node does not answer is printed too: silence must not look like peace.

    $ python scripts/examples/duty_desk.py desk.pem
    2026-11-24 03:10 UTC  DECLARED  Ministry A: Shooting, livestream (eu-ocrf), until 2026-11-26 03:10 UTC
    2026-11-24 03:10 UTC  exercise  Ministry A: Autumn drill (eu-ocrf), until 2026-11-26 03:10 UTC
    nothing more for now; listening
    2026-11-24 09:41 UTC  ENDED     Ministry A: Shooting, livestream
    the node does not answer; listening again when it does
"""

import asyncio
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

from node.client import CaughtUp, Client, Interrupted, Kind, Received
from node.errors import NodeError

NAME = "duty-desk"
KINDS = (Kind.DECLARATION, Kind.CRISIS_ACT)


async def watch(node: Client) -> None:
    """Print for ever."""
    listening = False
    async for event in node.subscribe(NAME, kinds_wanted=KINDS):
        if isinstance(event, Received):
            line = await said(node, event)
            if line:
                print(line, flush=True)
            await node.acknowledge(NAME, event.cursor)
        elif isinstance(event, CaughtUp) and not listening:
            print("nothing more for now; listening", flush=True)
            listening = True
        elif isinstance(event, Interrupted):
            print("the node does not answer; listening again when it does", flush=True)
            listening = False


async def said(node: Client, event: Received) -> str:
    """One line, if there is anything to say."""
    if event.record is None:
        return ""
    if event.kind == Kind.DECLARATION:
        crisis = event.record.crisis
        word = "exercise" if event.exercise else "DECLARED"
        text = f"{crisis.title} ({crisis.framework.name}), until {moment(crisis.ends_ms)}"
    elif event.record.crisis_act.HasField("end"):
        (ended,) = await node.crises(event.object_id.hex(), exercises=True)
        word, text = "ENDED", ended.crisis.title
    else:
        return ""
    return f"{moment(event.created_ms)}  {word:8}  {event.member_name}: {text}"


def moment(ms: int) -> str:
    """A date as people read it."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


async def main() -> None:
    """Read the arguments and watch until interrupted."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path, help="what `tocsin tool issue` made")
    given = parser.parse_args()
    async with Client.as_tool(given.bundle) as node:
        await watch(node)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except NodeError as error:
        sys.exit(f"duty_desk: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
