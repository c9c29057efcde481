"""The erasure journal beside its copy: an older journal is found before anybody is served, and mended."""

import shutil
from pathlib import Path

import pytest

from node import config
from node.custody import journals
from node.errors import ConfigError, Refused
from node.exchange import restored
from node.exchange.restored import Journal, Restored
from node.feed.keys import HeaderHash
from node.store.erasures import FILE, Erasure, Reason, RolledBack
from tests.custody.federations import Founder
from tests.custody.folders import LATER_MS, joined, opened

ROWS = [Erasure(HeaderHash(bytes([number]) * 32), LATER_MS, Reason.REQUEST) for number in range(6)]


@pytest.fixture(name="alone")
def _alone(tmp_path: Path) -> Founder:
    """A node that has erased three records, and knows of its copy, which has them, too."""
    founder = joined(tmp_path / "acme")
    file = founder.folder / config.FILE_NAME
    file.write_text(file.read_text().replace('copy = ""', f'copy = "{tmp_path / "copy"}"'))
    with opened(founder) as exchange:
        exchange.erasures.append(ROWS[:1])
    shutil.copy(founder.data / FILE, tmp_path / "older")
    with opened(founder) as exchange:
        exchange.erasures.append(ROWS[1:3])
    shutil.copy(founder.data / FILE, tmp_path / "copy")
    return founder


def look(founder: Founder) -> None:
    """As a start does."""
    with opened(founder) as exchange:
        journals.require_whole(founder.config, exchange)


def test_a_journal_that_was_put_back_keeps_the_node_from_starting_until_the_copy_takes_its_place(
    alone: Founder, tmp_path: Path
) -> None:
    look(alone)
    shutil.copy(tmp_path / "older", alone.data / FILE)
    with pytest.raises(RolledBack, match="lacks 2 lines") as found:
        look(alone)
    assert f"tocsin erase journal {tmp_path / 'copy'}" in found.value.next_step
    assert journals.adopt(alone.config, tmp_path / "copy", LATER_MS) == 2
    look(alone)
    with opened(alone) as exchange:
        assert sorted(exchange.erasures.whole) == [one.entry for one in ROWS[:3]]
    with pytest.raises(Refused, match="nothing waits"):
        journals.adopt(alone.config, tmp_path / "copy", LATER_MS)


def test_a_journal_that_was_put_back_and_written_on_is_joined_with_its_copy(alone: Founder, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "older", alone.data / FILE)
    with opened(alone) as exchange:
        exchange.erasures.append(ROWS[3:5])  # while the copy's disk was away
    with pytest.raises(ConfigError, match="no beginning of this node's erasure journal"):
        look(alone)
    assert journals.adopt(alone.config, tmp_path / "copy", LATER_MS) == 2
    look(alone)
    with opened(alone) as exchange:
        assert sorted(exchange.erasures.whole) == [one.entry for one in ROWS[:5]]


def test_another_nodes_copy_is_not_taken_in(alone: Founder, tmp_path: Path) -> None:
    with opened(alone) as exchange:
        exchange.erasures.append(ROWS[3:])
    other = tmp_path / "other"
    (alone.data / FILE).rename(other)
    with opened(alone) as exchange:
        exchange.erasures.append(ROWS[5:])
    with pytest.raises(Refused, match="no line in common"):
        journals.adopt(alone.config, other, LATER_MS)


def test_a_restored_node_starts_without_the_copy_and_a_copy_that_is_away_says_nothing(
    alone: Founder, tmp_path: Path
) -> None:
    shutil.copy(tmp_path / "older", alone.data / FILE)
    with opened(alone) as exchange:
        restored.note(exchange.stores, Restored(Journal.PENDING, LATER_MS, 1))
        exchange.stores.commit("ledger")
    look(alone)
    with opened(alone) as exchange:
        restored.note(exchange.stores, Restored())
        exchange.stores.commit("ledger")
    (tmp_path / "copy").unlink()
    look(alone)
