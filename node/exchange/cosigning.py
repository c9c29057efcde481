"""Co-signing what is for some members alone: nobody else can read it, so those have to be enough."""

from node.crisis import frameworks
from node.crisis.frameworks import Framework
from node.errors import Refused
from node.exchange import audiences
from node.exchange.consult import View
from node.feed import quorum
from node.feed.keys import MemberId
from node.policy import effect
from node.policy.effect import Right
from node.v1 import record_pb2

NAMED_MAX = 8  # members who could be added


def require(framework: Framework | None, audience: record_pb2.Audience, seen: View) -> None:
    """Raise Refused where its readers but for us can never make the quorum of a framework, saying whom to add."""
    needed = framework.cosign.quorum if framework else None
    if framework is None or needed is None:
        return
    able = {one: seat for one, seat in audiences.others(audience, seen).items() if _may(one, seen)}
    if quorum.is_met(needed, [({int(seat.role)}, seat.country) for seat in able.values()]):
        return
    may = sorted(
        seat.name
        for one, seat in seen.roster.seats.items()
        if one not in able and one != seen.follows.me and int(seat.role) in needed.roles and _may(one, seen)
    )
    names = ", ".join(may[:NAMED_MAX]) + (f" and {len(may) - NAMED_MAX} more" if len(may) > NAMED_MAX else "")
    roles = " or ".join(f"--to {name}" for name in framework.cosign.roles)
    raise Refused(
        f"its readers could never co-sign it: {framework.name} asks for {frameworks.cosigners(framework)}",
        next_step=f"Add {roles}, or some of them by name: {names}."
        if may
        else "No other member may co-sign it: declare it under another framework, `tocsin framework list` has them.",
        field="audience",
    )


def _may(member_id: MemberId, seen: View) -> bool:
    return not effect.obstacle(Right.COSIGN, member_id, seen.roster, seen.rules)
