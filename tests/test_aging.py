"""A node grows older, and not fatter: nothing is ever overdue."""

from pathlib import Path

from node.custody import policies as shipped
from node.feed.identity import Role
from node.policy import policies
from tests.aging.life import Life, Load


def test_in_a_year_nothing_is_overdue_and_what_goes_is_gone_from_every_file(tmp_path: Path) -> None:
    policy = policies.decode(shipped.shipped(Role.PLATFORM), "platform.toml")
    life = Life(tmp_path, policy, Load(entries=520, items=5_200), seed=1)
    (year,) = life.years(1)
    assert life.overdue == 0
    assert year.erased["policy"] > 100, "alerts and intake that nobody categorised"
    assert year.erased["expiry"] > 0
    assert year.records + year.erased.total() == 520
    assert year.header_bytes / year.entries < 320
    life.close()
