"""What in-house tools import: ask their node, and believe nothing of it that they cannot check.

All that is taken on trust is a federation id, from the tool's own configuration. The charter hashes
to it; identity logs, feeds, signatures, payload roots and key commitments follow from the charter.
What does not verify raises Unverified and is not handed on.

    async with Client.with_bundle("127.0.0.1:7444", Path("scanner.pem"), federation_id) as node:
        matches = await node.look_up("sha256", digests)
        async for event in node.subscribe("scanner"):
            if isinstance(event, Received):
                handle(event)
                await node.acknowledge("scanner", event.cursor)

The id is the SHA-256 of the charter; `tocsin status --json` has it as federation_id, in hex.
"""

from node.client.checking import Unverified
from node.client.client import Client
from node.client.events import CaughtUp, Interrupted, Received, Reset
from node.client.items import Progress

__all__ = ["CaughtUp", "Client", "Interrupted", "Progress", "Received", "Reset", "Unverified"]
