"""Terms: what an administrator decided about one peer, beside that it is one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from node import limits
from node.errors import Refused
from node.feed import kinds
from node.feed.kinds import Kind

KINDS: Mapping[str, frozenset[int]] = {
    "crises": frozenset({Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT, Kind.ACKNOWLEDGEMENT}),
    "lists": frozenset({Kind.LIST, Kind.ITEMS, Kind.OPINION}),
    "referrals": frozenset({Kind.REFERRAL, Kind.REFERRAL_ACT}),
    "documents": frozenset({Kind.DOCUMENT, Kind.PROFILE}),
    "sealed": frozenset({Kind.SEALED, Kind.GRANT}),  # a sealed entry does not show what it is
}


@dataclass(frozen=True, slots=True)
class Terms:
    """How one peer is dealt with. As it stands here: without any limit."""

    is_paused: bool = False
    bytes_per_s: int = 0  # of bulk, each way; 0: as fast as it goes
    kinds: frozenset[str] = frozenset()  # of which payloads are taken from it; none: all

    def takes(self, kind: int) -> bool:
        """Whether a payload of this kind is taken from the peer. Statements always are: they have none."""
        return not self.kinds or kinds.is_statement(kind) or any(kind in KINDS[name] for name in self.kinds)


FREE = Terms()


def check_rate(bytes_per_s: int) -> int:
    """The rate, if payloads still come through at it; raises Refused."""
    if 0 < bytes_per_s < limits.BULK_BYTES_PER_S_MIN:
        raise Refused(
            f"{bytes_per_s:,} bytes a second are too few: a payload would stall and be asked of others",
            next_step=f"Give at least {limits.BULK_BYTES_PER_S_MIN >> 10} KiB, or pause the peer: `tocsin peer pause`.",
            field="bytes_per_s",
        )
    return bytes_per_s


def check_kinds(named: Collection[str]) -> frozenset[str]:
    """The kinds by these names; raises Refused for one that there is not."""
    for name in sorted(named):
        if name not in KINDS:
            raise Refused(
                f"there is no kind {name!r}", next_step=f"Kinds are {', '.join(KINDS)}; or all.", field="kinds"
            )
    return frozenset(named) if set(named) != set(KINDS) else frozenset()
