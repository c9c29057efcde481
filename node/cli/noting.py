"""What a command does on a node's folder stands in its audit log, whether the node runs or not."""

from typing import TYPE_CHECKING

from node.cli import calling, clock
from node.errors import Unavailable

if TYPE_CHECKING:
    from node.client import Client
    from node.config import Config


def note(config: "Config", act: str, *what: str) -> None:
    """Note it before it is done: by the node that runs, else in the folder. A folder that has not joined has no log.

    Raises what keeps the line from being written; then the act is not to be done.
    """
    from node.custody import auditing, joining

    if not joining.has_charter(config):
        return
    federation_id = joining.read_charter(config).federation_id

    async def ask(node: "Client") -> None:
        from node.v1 import audit_pb2

        await node.audit.NoteAct(audit_pb2.NoteActRequest(act=act, what=what))

    try:
        calling.ask(calling.Place(federation_id, config), ask)
    except Unavailable:
        auditing.note_alone(config, federation_id, clock.now_ms(), act, what)
