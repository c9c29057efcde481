"""Tools: a key and a certificate for a program of the member's own, in one file that it hands to the client."""

from collections.abc import Collection
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from node.custody import folder, issuer
from node.custody.issuer import TOOL_LIFE
from node.errors import ConfigError, Refused
from node.feed.pae import FederationId
from node.policy.reporting import Caller
from node.rpc import bundle
from node.rpc.tls import Leaf
from node.store.appending import Appending

LIFE_MAX = timedelta(days=366)  # renewed by hand, but renewed
ISSUED = "issued"  # a line for each certificate: the node itself knows callers only when they call


class _Issued(msgspec.Struct, frozen=True):
    """A line of the file."""

    name: str
    person: bool
    scopes: tuple[str, ...]
    issued_ms: int
    ends_ms: int


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
    _register(data_folder, _Issued(name, is_person, tuple(sorted(set(scopes))), _ms(now), _ms(now + life)))
    return bundle.encode(leaf, folder.read_issuer(data_folder, folder.ISSUER).pem, federation_id, address)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _register(data_folder: Path, made: _Issued) -> None:
    path = data_folder / ISSUED
    try:
        with closing(Appending(path)) as file:
            file.append(msgspec.json.encode(made) + b"\n")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}",
            next_step="No certificate was issued. Check that the folder belongs to this user and the disk has room.",
        ) from error


def issued(data_folder: Path) -> list[Caller]:
    """Everyone that a certificate was made for, ended ones too; a line that a stop has torn is passed over."""
    try:
        rows = (data_folder / ISSUED).read_bytes().split(b"\n")
    except FileNotFoundError:  # none was made since the node keeps this
        return []
    found = []
    for row in rows:
        try:
            one = msgspec.json.decode(row, type=_Issued)
        except msgspec.DecodeError:
            continue
        found.append(Caller(one.name, one.scopes, one.ends_ms, one.person))
    return found
