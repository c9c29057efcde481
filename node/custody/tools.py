"""Tools: a key and a certificate for a program of the member's own, in one file that it hands to the client."""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from node.custody import folder, issuer
from node.custody.issuer import TOOL_LIFE
from node.errors import Refused
from node.feed.pae import FederationId
from node.rpc import bundle
from node.rpc.tls import Leaf

LIFE_MAX = timedelta(days=366)  # renewed by hand, but renewed


def issue(
    data_folder: Path,
    name: str,
    scopes: Collection[str],
    now: datetime,
    life: timedelta = TOOL_LIFE,
    *,
    federation_id: FederationId | None = None,
    address: str = "",
    is_person: bool = False,
) -> bytes:
    """A bundle for a tool or a person, in PEM; raises Refused for a name, scope or life that cannot be."""
    if not timedelta() < life <= LIFE_MAX:
        raise Refused(
            f"a tool's certificate cannot live {life.days} days",
            next_step=f"Choose 1 to {LIFE_MAX.days}.",
            field="days",
        )
    member_id = folder.read_member(data_folder)
    key = issuer.create_key()
    tools = folder.read_issuer(data_folder, folder.TOOLS)
    certificate = issuer.issue_tool(
        tools, member_id, name, scopes, key.public_key(), now, life=life, is_person=is_person
    )
    leaf = Leaf(issuer.key_pem(key), issuer.certificate_pem(certificate))
    return bundle.encode(leaf, folder.read_issuer(data_folder, folder.ISSUER).pem, federation_id, address)
