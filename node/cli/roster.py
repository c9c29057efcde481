"""The members of the federation."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, options, printing

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2


@click.command(epilog=options.examples("tocsin member", "tocsin member --json"))
@options.folder
@options.as_json
def member(folder: Path, as_json: bool) -> None:
    """List the members: who they are, and which are our peers."""
    from node.policy import parameters

    found = calling.ask(calling.find(folder), members)
    if as_json:
        printing.print_json(
            [{**printing.fields_of(one), "role": parameters.role_name(one.role)} for one in found],
        )
        return
    printing.print_table(
        ("name", "role", "country", "fingerprint", "charter", "peer"),
        [
            (
                one.name,
                parameters.role_name(one.role),
                one.country or "-",
                one.fingerprint,
                "accepted" if one.accepted else "not accepted yet",
                "this node" if one.own else "approved" if one.approved else "-",
            )
            for one in found
        ],
        wrapped=("name", "role", "charter"),
    )


async def members(node: "Client") -> "list[admin_pb2.MemberView]":
    """Everyone on the roster, by name."""
    from node.v1 import admin_pb2

    return list((await node.admin.ListMembers(admin_pb2.ListMembersRequest())).members)
