"""The erasure journal beside its copy: an older journal is found before anybody is served, and mended."""

import shutil
from pathlib import Path

import pytest

from node import config
from node.custody import joining, journals
from node.errors import ConfigError, Refused
from node.exchange import restored, witnesses
from node.exchange.audit import Fault, Found
from node.exchange.recording import Place
from node.exchange.restored import Journal, Restored
from node.feed.keys import HeaderHash
from node.feed.pae import FederationId
from node.store.erasures import FILE, Erasure, FileErasures, Reason, RolledBack
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


def test_how_far_a_copy_goes_is_told(alone: Founder, tmp_path: Path) -> None:
    federation_id = joining.read_charter(alone.config).federation_id
    assert journals.reach(tmp_path / "copy", federation_id) == (3, LATER_MS)
    (tmp_path / "empty").write_bytes(b"")
    assert journals.reach(tmp_path / "empty", federation_id) == (0, 0)
    with pytest.raises(ConfigError, match="line 1 does not follow"):
        journals.reach(tmp_path / "copy", FederationId(bytes(32)))


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


# ---- By what anchors say of it


def witness(founder: Founder, now_ms: int = LATER_MS) -> None:
    """Say how far the journal is, as a node does every hour."""
    with opened(founder) as exchange:
        assert isinstance(exchange.erasures, FileErasures)
        said = witnesses.anchor(Place(), exchange.erasures.size, exchange.erasures.head)
        exchange.publish([witnesses.draft(said)], now_ms)


def found(founder: Founder) -> tuple[int, Found | None]:
    """By how many anchors, and what is wrong."""
    compared = journals.compare(founder.config)
    return compared.witnesses, compared.found


def test_a_journal_that_was_cut_or_written_anew_is_not_what_its_anchors_saw(alone: Founder, tmp_path: Path) -> None:
    assert found(alone) == (0, None)
    witness(alone)
    with opened(alone) as exchange:
        exchange.erasures.append(ROWS[3:5])
    witness(alone)
    assert found(alone) == (2, None)
    whole = (alone.data / FILE).read_bytes()
    (alone.data / FILE).write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    assert found(alone) == (2, Found(Fault.LOST, 5, 5)), "its last line is taken for torn"
    shutil.copy(tmp_path / "copy", alone.data / FILE)
    assert found(alone) == (2, Found(Fault.LOST, 4, 5))
    with opened(alone) as exchange:
        exchange.erasures.append(ROWS[4:])
    assert found(alone) == (2, Found(Fault.CHANGED, 4, 5))
    (alone.data / FILE).write_bytes(whole[:90] + bytes([whole[90] ^ 1]) + whole[91:])
    assert found(alone) == (2, Found(Fault.CHANGED, 2, 2))
    (alone.data / FILE).unlink()
    assert found(alone) == (2, Found(Fault.LOST, 1, 5))


@pytest.mark.parametrize("journal", [Journal.PENDING, Journal.LOST])
def test_where_the_journal_is_waited_for_or_lost_only_anchors_of_since_count(
    alone: Founder, tmp_path: Path, journal: Journal
) -> None:
    witness(alone)
    shutil.copy(tmp_path / "older", alone.data / FILE)
    assert found(alone) == (1, Found(Fault.LOST, 2, 3))
    with opened(alone) as exchange:
        restored.note(exchange.stores, Restored(journal, LATER_MS, 1))
        exchange.stores.commit("ledger")
    assert found(alone) == (0, None)
    witness(alone, LATER_MS + 1)
    assert found(alone) == (1, None)
