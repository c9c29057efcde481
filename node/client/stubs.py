"""All that a node serves beside `Tools`, as gRPC has it."""

from typing import TYPE_CHECKING

from node.client.connection import Connection, justified
from node.v1 import (
    accountability_pb2_grpc,
    admin_pb2_grpc,
    alarms_pb2_grpc,
    audit_pb2_grpc,
    charter_pb2_grpc,
    forks_pb2_grpc,
    holds_pb2_grpc,
    ignores_pb2_grpc,
    membership_pb2_grpc,
    opinions_pb2_grpc,
    policy_pb2_grpc,
    profile_pb2_grpc,
    signing_pb2_grpc,
    withdrawals_pb2_grpc,
)

if TYPE_CHECKING:
    import grpc

    from node.v1.accountability_pb2_grpc import AccountabilityAsyncStub
    from node.v1.admin_pb2_grpc import AdminAsyncStub
    from node.v1.alarms_pb2_grpc import AlarmsAsyncStub
    from node.v1.audit_pb2_grpc import AuditAsyncStub
    from node.v1.charter_pb2_grpc import ChartersAsyncStub
    from node.v1.forks_pb2_grpc import ForksAsyncStub
    from node.v1.holds_pb2_grpc import HoldsAsyncStub
    from node.v1.ignores_pb2_grpc import IgnoresAsyncStub
    from node.v1.membership_pb2_grpc import MembershipAsyncStub
    from node.v1.opinions_pb2_grpc import OpinionsAsyncStub
    from node.v1.policy_pb2_grpc import PoliciesAsyncStub
    from node.v1.profile_pb2_grpc import ProfilesAsyncStub
    from node.v1.signing_pb2_grpc import SigningAsyncStub
    from node.v1.withdrawals_pb2_grpc import WithdrawalsAsyncStub


class Stubs:
    """What a client hands out as it is: nothing is tried again, nothing has a deadline, errors are gRPC's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _channel(self) -> "grpc.aio.Channel":
        return self._connection.present().channel

    @property
    def _why(self) -> str:
        return self._connection.why

    @property
    def admin(self) -> "AdminAsyncStub":
        """`tocsin.v1.Admin` as it is: nothing is tried again, nothing has a deadline, errors are gRPC's."""
        return justified(admin_pb2_grpc.AdminStub(self._channel), self._why)

    @property
    def accountability(self) -> "AccountabilityAsyncStub":
        """`tocsin.v1.Accountability`, likewise."""
        return justified(accountability_pb2_grpc.AccountabilityStub(self._channel), self._why)

    @property
    def alarms(self) -> "AlarmsAsyncStub":
        """`tocsin.v1.Alarms`, likewise."""
        return justified(alarms_pb2_grpc.AlarmsStub(self._channel), self._why)

    @property
    def charters(self) -> "ChartersAsyncStub":
        """`tocsin.v1.Charters`, likewise."""
        return justified(charter_pb2_grpc.ChartersStub(self._channel), self._why)

    @property
    def membership(self) -> "MembershipAsyncStub":
        """`tocsin.v1.Membership`, likewise."""
        return justified(membership_pb2_grpc.MembershipStub(self._channel), self._why)

    @property
    def forks(self) -> "ForksAsyncStub":
        """`tocsin.v1.Forks`, likewise."""
        return justified(forks_pb2_grpc.ForksStub(self._channel), self._why)

    @property
    def holds(self) -> "HoldsAsyncStub":
        """`tocsin.v1.Holds`, likewise."""
        return justified(holds_pb2_grpc.HoldsStub(self._channel), self._why)

    @property
    def policies(self) -> "PoliciesAsyncStub":
        """`tocsin.v1.Policies`, likewise."""
        return justified(policy_pb2_grpc.PoliciesStub(self._channel), self._why)

    @property
    def signing(self) -> "SigningAsyncStub":
        """`tocsin.v1.Signing`, likewise."""
        return justified(signing_pb2_grpc.SigningStub(self._channel), self._why)

    @property
    def profiles(self) -> "ProfilesAsyncStub":
        """`tocsin.v1.Profiles`, likewise."""
        return justified(profile_pb2_grpc.ProfilesStub(self._channel), self._why)

    @property
    def audit(self) -> "AuditAsyncStub":
        """`tocsin.v1.Audit`, likewise."""
        return justified(audit_pb2_grpc.AuditStub(self._channel), self._why)

    @property
    def withdrawals(self) -> "WithdrawalsAsyncStub":
        """`tocsin.v1.Withdrawals`, likewise."""
        return justified(withdrawals_pb2_grpc.WithdrawalsStub(self._channel), self._why)

    @property
    def opinions(self) -> "OpinionsAsyncStub":
        """`tocsin.v1.Opinions`, likewise."""
        return justified(opinions_pb2_grpc.OpinionsStub(self._channel), self._why)

    @property
    def ignores(self) -> "IgnoresAsyncStub":
        """`tocsin.v1.Ignores`, likewise."""
        return justified(ignores_pb2_grpc.IgnoresStub(self._channel), self._why)
