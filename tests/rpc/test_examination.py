"""What the running node says of itself to `tocsin doctor`."""

from node.rpc import examination
from tests.simulator.members import federation


def test_whoever_speaks_without_end_is_named_with_how_many_are_not_read_and_what_to_do() -> None:
    world = federation(2)
    loud, louder = (one.member_id for one in world.members)
    found = examination._crises({"declarations": {loud: 1, louder: 12_000}, "acts": {loud: 2}}, world.trust)
    assert [(one.name, one.verdict, one.found) for one in found] == [
        ("crises", "warning", "Member 0 says so many that 1 of its declarations are not read"),
        ("crises", "warning", "Member 1 says so many that 12,000 of its declarations are not read"),
        ("crises", "warning", "Member 0 says so many that 2 of its acts are not read"),
    ]
    assert all(one.next_step.startswith("Ask it what happened. ") for one in found)
    assert all("by its whole id, with up to 1,024 acts" in one.next_step for one in found)
    (well,) = examination._crises({"acts": {}}, world.trust)
    assert (well.name, well.verdict) == ("crises", "ok")
