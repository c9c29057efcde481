"""Requirements: what a crisis of ours has to say before it is said, and that an update changes something."""

from node.crisis import frameworks
from node.errors import Refused
from node.exchange import crises, documents
from node.exchange.crises import Crisis
from node.feed.roster import Seat
from node.v1 import record_pb2


def require_framework(under: documents.Under, crisis: record_pb2.Crisis, seat: Seat | None, *, is_alert: bool) -> None:
    """Raise Refused where it would have no effect under its framework, or answers what that does not ask."""
    framework = under.framework
    if under.obstacle:
        raise Refused(under.obstacle, next_step="`tocsin framework list` has those in force.", field="framework")
    if framework:
        _require_answers(framework, crisis, is_alert=is_alert)
    obstacle = crises.framework_obstacle(framework, crisis, seat, is_alert=is_alert) if seat else "not a member"
    if obstacle:
        raise Refused(obstacle, next_step="`tocsin framework show` says who may.", field="framework")


def _require_answers(framework: frameworks.Framework, crisis: record_pb2.Crisis, *, is_alert: bool) -> None:
    for field, words in frameworks.unknown(framework, crisis):
        step = f"Leave it out; `tocsin framework show {framework.name}` has what each means."
        raise Refused(words, next_step=step, field=field)
    lacks = [] if is_alert else frameworks.lacking(framework, crisis)
    if lacks:
        raise Refused(
            f"{framework.name} asks for more: {'; '.join(one.words for one in lacks)}",
            next_step=frameworks.remedy(lacks),
            field=lacks[0].key,
        )


def require_change(found: Crisis, said: record_pb2.Crisis, handling: record_pb2.Handling) -> None:
    """Raise Refused for an update that says what holds already, where it does not settle or replace another one."""
    reading, before = found.reading, record_pb2.Crisis()
    before.CopyFrom(found.content)
    before.ends_ms = reading.ends_ms
    if (said, handling) == (before, found.handling) and not reading.clashes and not reading.proposed_ends_ms:
        raise Refused(
            "nothing in it is other than it is",
            next_step="`tocsin crisis update CRISIS --edit` shows what it says now.",
        )
