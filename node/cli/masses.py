"""Mass withdrawals: so much taken back at once that people should know before it is erased."""

from typing import TYPE_CHECKING

from node.cli import items, printing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.client import Client
    from node.v1 import withdrawals_pb2


async def ask(node: "Client") -> "Sequence[withdrawals_pb2.MassWithdrawalView]":
    """Those that wait to be erased."""
    from node.v1 import withdrawals_pb2

    found = await node.withdrawals.ListMassWithdrawals(withdrawals_pb2.ListMassWithdrawalsRequest())
    return list(found.masses)


def words(one: "withdrawals_pb2.MassWithdrawalView") -> str:
    """One of them as people are told."""
    return (
        f"MASS WITHDRAWAL: {printing.plain(one.member_name)} withdrew {items.counted(one.items, 'item')} within an"
        f" hour: erased at {printing.moment(one.erased_ms)} unless its root ends that feed. Ask whether it is meant."
    )
