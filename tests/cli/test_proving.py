"""For how long the lines of a log must be there, and by whose word."""

import pytest

from node.cli import proving
from node.cli.proving import Kept
from node.config import DAY_MS
from node.errors import Refused


def test_ones_own_word_is_before_the_folders_and_that_before_the_audited_nodes() -> None:
    assert proving.kept_by(30, 366 * DAY_MS, 1) == Kept(30, "option")
    assert proving.kept_by(None, 366 * DAY_MS, 1) == Kept(366, "folder")
    assert proving.kept_by(None, None, 1098) == Kept(1098, "node")


def test_a_node_that_does_not_say_how_long_it_keeps_its_log_proves_nothing() -> None:
    with pytest.raises(Refused, match="does not say for how many days") as refused:
        proving.kept_by(None, None, 0)
    assert "--keep-days" in refused.value.next_step
