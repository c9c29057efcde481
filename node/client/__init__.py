"""What in-house tools import: ask their node, and believe nothing of it that they cannot check.

All that is taken on trust is a federation id, from the tool's bundle or configuration. The charter hashes
to it; identity logs, feeds, signatures, payload roots and key commitments follow from the charter.
What does not verify raises Unverified and is not handed on.

    async with Client.as_tool(Path("scanner.pem")) as node:
        matches = await node.look_up("sha256", digests)
        async for event in node.subscribe("scanner"):
            if isinstance(event, Received):
                handle(event)
                await node.acknowledge("scanner", event.cursor)

advice_of says what the items of a record are for, as a look-up does: a review at most of what may be exempt, whatever
its publisher advises.

`tocsin tool issue` makes the bundle, and writes into it the id, which is the SHA-256 of the charter, and where
the node is. Whole programs are in scripts/examples/.

What fails, by whose fault: Refused (the request; it says what to change), Unavailable (not now), ConfigError
(this machine: the bundle), Unverified (the node). Each has a reason and a next_step.

How long, and how often. A request is answered within the client's timeout_s or raises Unavailable; a shorter
one is asyncio.timeout around it. In that time it waits for a node that is away, and is asked again when the
connection breaks, if that does no harm: all reads, acknowledge, follow_list, confirm, and declare, which is one crisis
for one object_id however often it is said. Asked once only: end_crisis and withdraw_list; publish_list,
remove_items, compare_list and look_up_stream, whose items are gone when they are sent; export_list. Unavailable
then says what is known and what to do. To publish or remove the same again is harmless: a list is a set.

Streams go on. subscribe comes back behind the last entry it yielded, for as long as it takes, and watch_list
within timeout_s: over a break, the node's restart, its new certificate, and another bundle in the place of the
old one, which every later call uses too. What is not read is not fetched: a client holds one event, what its
connection reads ahead (128 KiB and one message), and the last verified records up to 64 MiB.
"""

from node.client.checking import Unverified
from node.client.client import Client
from node.client.events import CaughtUp, Interrupted, Received, Reset
from node.client.items import Progress
from node.errors import ConfigError, Refused, Unavailable
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.policy.vocabulary import advice_of

__all__ = [
    "CaughtUp",
    "Client",
    "ConfigError",
    "FederationId",
    "Interrupted",
    "Kind",
    "Progress",
    "Received",
    "Refused",
    "Reset",
    "Unavailable",
    "Unverified",
    "advice_of",
]
