"""The retention policy of a folder: its own file, or the one that comes with the program for its role."""

from importlib import resources
from pathlib import Path

from node.custody import files
from node.exchange import ingest
from node.exchange import trust as trusts
from node.feed.charter import Charter
from node.feed.identity import Role
from node.feed.keys import MemberId
from node.policy import policies
from node.policy.policies import BYTES_MAX
from node.policy.retention import Policy
from node.store.stores import Stores

FILE = "policy.toml"


def shipped(role: int) -> bytes:
    """The text of the policy for a role."""
    return (resources.files("node.policy") / "shipped" / f"{policies.shipped_name(role)}.toml").read_bytes()


def read(path: Path) -> Policy:
    """A policy file, be it in force or not; raises ConfigError naming the line and what is wrong with it."""
    return policies.decode(files.read_public(path, BYTES_MAX), path)


def write(data_folder: Path, text: bytes) -> None:
    """Put a policy that was read before in the place of the one in force: whole, or not at all."""
    files.replace_secret(data_folder / FILE, text)


def is_shipped(policy: Policy) -> bool:
    """Whether it is what came with the program: nobody here has decided on anything yet."""
    return policy.text in {shipped(role) for role in Role}


def source(data_folder: Path, policy: Policy) -> str:
    """Where the policy in force is from."""
    path = data_folder / FILE
    return str(path) if path.exists() else f"{policy.name}, as it comes with the program: {path} is not there"


def load(data_folder: Path, opened: Stores, charter: Charter, member_id: MemberId) -> Policy:
    """The policy of a folder. One that cannot be read is not passed over: by another one, things might go."""
    path = data_folder / FILE
    if path.exists():
        return read(path)
    role = _role(opened, charter, member_id)
    return policies.decode(shipped(role), f"the policy {policies.shipped_name(role)}")


def _role(opened: Stores, charter: Charter, member_id: MemberId) -> int:
    """As what it joined, or asked to; 0 where nothing says it yet."""
    founder = charter.founder(member_id)
    if founder is not None:
        return founder.role
    trust = ingest.load(opened, trusts.begin(charter), member_id)
    roles, log = trust.known.roles.get(member_id), trust.logs.get(member_id)
    return min(roles) if roles else log.identity.inception.role if log else 0
