"""Leaving, from the folder: whether this member has left, what it means for those that stay, and the root's word."""

from dataclasses import dataclass

from nacl.signing import SigningKey

from node.config import Config
from node.custody import ceremonies, folder, identities, looking
from node.exchange import consult, leaving, rooted
from node.policy.following import Follows
from node.v1 import header_pb2


@dataclass(frozen=True, slots=True)
class Outlook:
    """How it stands, whether the node runs or not."""

    name: str
    federation: str
    left_ms: int
    too_few: tuple[str, ...]  # what those that stay could not do any more


def look(config: Config, now_ms: int) -> Outlook:
    """As the folder has it; raises ConfigError for one that has not joined."""
    member_id = folder.read_member(config.data_folder)
    with looking.into(config) as (_, trust):
        seen = consult.view(trust, Follows(member_id), now_ms)
        return Outlook(
            trust.name_of(member_id),
            trust.charter.name,
            trust.left_ms(member_id),
            tuple(leaving.too_few(seen, member_id)),
        )


def sign(config: Config, key: SigningKey, now_ms: int) -> list[header_pb2.SignedEntry]:
    """The leave as it stands now, for a node that runs to put in force; raises Refused for another key."""
    asked = ceremonies.leave(config)
    with looking.into(config) as (_, trust):
        log = identities.own(trust, folder.read_member(config.data_folder))
        return rooted.letters(ceremonies.sign(log, asked.acts, key, trust.federation_id, now_ms))
