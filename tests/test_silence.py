"""Members that take everything and pass nothing on: a warning gets around them."""

from tests.simulator.silence import measure


def test_a_fifth_of_silent_members_delays_no_warning() -> None:
    found = measure(200, 0.2)
    assert found.reached == 1
    assert found.p99_ms <= 120
    assert found.copies <= 8
