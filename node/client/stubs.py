"""Stubs: services of a node that are called as they are: nothing is tried again, nothing has a deadline."""

from typing import TYPE_CHECKING

from node.client.connection import Connection
from node.v1 import (
    admin_pb2_grpc,
    alarms_pb2_grpc,
    audit_pb2_grpc,
    charter_pb2_grpc,
    forks_pb2_grpc,
    holds_pb2_grpc,
    membership_pb2_grpc,
    policy_pb2_grpc,
    profile_pb2_grpc,
    signing_pb2_grpc,
    withdrawals_pb2_grpc,
)

if TYPE_CHECKING:
    import grpc

    from node.v1.admin_pb2_grpc import AdminAsyncStub
    from node.v1.alarms_pb2_grpc import AlarmsAsyncStub
    from node.v1.audit_pb2_grpc import AuditAsyncStub
    from node.v1.charter_pb2_grpc import ChartersAsyncStub
    from node.v1.forks_pb2_grpc import ForksAsyncStub
    from node.v1.holds_pb2_grpc import HoldsAsyncStub
    from node.v1.membership_pb2_grpc import MembershipAsyncStub
    from node.v1.policy_pb2_grpc import PoliciesAsyncStub
    from node.v1.profile_pb2_grpc import ProfilesAsyncStub
    from node.v1.signing_pb2_grpc import SigningAsyncStub
    from node.v1.withdrawals_pb2_grpc import WithdrawalsAsyncStub


class Stubs:
    """Each over the connection as it is at the moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def admin(self) -> "AdminAsyncStub":
        """`tocsin.v1.Admin` as it is: nothing is tried again, nothing has a deadline, errors are gRPC's."""
        return admin_pb2_grpc.AdminStub(self._channel)

    @property
    def alarms(self) -> "AlarmsAsyncStub":
        """`tocsin.v1.Alarms`, likewise."""
        return alarms_pb2_grpc.AlarmsStub(self._channel)

    @property
    def charters(self) -> "ChartersAsyncStub":
        """`tocsin.v1.Charters`, likewise."""
        return charter_pb2_grpc.ChartersStub(self._channel)

    @property
    def membership(self) -> "MembershipAsyncStub":
        """`tocsin.v1.Membership`, likewise."""
        return membership_pb2_grpc.MembershipStub(self._channel)

    @property
    def forks(self) -> "ForksAsyncStub":
        """`tocsin.v1.Forks`, likewise."""
        return forks_pb2_grpc.ForksStub(self._channel)

    @property
    def holds(self) -> "HoldsAsyncStub":
        """`tocsin.v1.Holds`, likewise."""
        return holds_pb2_grpc.HoldsStub(self._channel)

    @property
    def policies(self) -> "PoliciesAsyncStub":
        """`tocsin.v1.Policies`, likewise."""
        return policy_pb2_grpc.PoliciesStub(self._channel)

    @property
    def signing(self) -> "SigningAsyncStub":
        """`tocsin.v1.Signing`, likewise."""
        return signing_pb2_grpc.SigningStub(self._channel)

    @property
    def profiles(self) -> "ProfilesAsyncStub":
        """`tocsin.v1.Profiles`, likewise."""
        return profile_pb2_grpc.ProfilesStub(self._channel)

    @property
    def audit(self) -> "AuditAsyncStub":
        """`tocsin.v1.Audit`, likewise."""
        return audit_pb2_grpc.AuditStub(self._channel)

    @property
    def withdrawals(self) -> "WithdrawalsAsyncStub":
        """`tocsin.v1.Withdrawals`, likewise."""
        return withdrawals_pb2_grpc.WithdrawalsStub(self._channel)

    @property
    def _channel(self) -> "grpc.aio.Channel":
        return self._connection.present().channel
