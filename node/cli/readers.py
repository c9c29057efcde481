"""Whom a crisis for some members alone is for, as people and files name them."""

from typing import TYPE_CHECKING

from node.cli import calling, roster
from node.cli.calling import Place

if TYPE_CHECKING:
    from node.v1 import record_pb2, tools_pb2

EVERYONE = "all"


def role_key(name: str) -> str:
    """As roles are called, if it is one."""
    return name.strip().lower().replace(" ", "_")


def named(place: Place, found: "tools_pb2.CrisisView") -> list[str]:
    """As `to` has them: roles, and members by name where that is no role's and nobody else's, else by id."""
    from node.feed.identity import Role

    roles = {int(role): role.name.lower() for role in Role}
    every = [one.name for one in calling.ask(place, roster.members)] if found.readers.member_ids else []
    names = roster.names(place, found.readers.member_ids)
    taken = {EVERYONE, *roles.values()}
    plain = {one for one in every if every.count(one) == 1 and role_key(one) not in taken}
    members = sorted((names.get(one, ""), one.hex()) for one in found.readers.member_ids)
    return [
        *(roles.get(one, str(one)) for one in found.readers.roles),
        *(name if name in plain else hex_ for name, hex_ in members),
    ]


def are_the_same(found: "tools_pb2.CrisisView", asked: "record_pb2.Audience | None") -> bool:
    """Whether it is for exactly those. Its owner reads it anyhow."""
    if asked is None or not found.audience:
        return asked is None and not found.audience
    members, before = ({*one.member_ids, found.member_id} for one in (asked, found.readers))
    return set(asked.roles) == set(found.readers.roles) and members == before
