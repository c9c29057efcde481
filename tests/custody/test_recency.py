"""Before the root signs behind a log that may be an old one: peers said so lately, or the newer one is brought."""

import shutil
from pathlib import Path

import pytest

from node.custody import ceremonies, identities, recency
from node.errors import Refused
from node.exchange import heard
from node.exchange.heard import RECENT_MS
from node.feed.chain import Head
from tests.cli.test_keys import run
from tests.custody.federations import WORDS, Founder
from tests.custody.folders import LATER_MS, certified_spares, check_signed_once, joined, opened, root, rows


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return joined(tmp_path / "acme")


@pytest.fixture
def copy(alone: Founder, tmp_path: Path) -> Founder:
    """As the folder was before the root signed again."""
    made = Founder(tmp_path / "copy", alone.made)
    shutil.copytree(alone.folder, made.folder)
    certified_spares(alone)
    return made


def head(founder: Founder) -> Head:
    with opened(founder) as exchange:
        return identities.own(exchange.trust, exchange.reader.member_id).head


def hear(founder: Founder, now_ms: int) -> None:
    with opened(founder) as exchange:
        heard.note(exchange.stores, identities.own(exchange.trust, exchange.reader.member_id).head, now_ms)


def test_what_peers_said_counts_for_an_hour_and_for_the_log_as_it_was_then(alone: Founder) -> None:
    with pytest.raises(Refused, match="forks this member"):
        recency.require(alone.config, LATER_MS)
    hear(alone, LATER_MS)
    recency.require(alone.config, LATER_MS + RECENT_MS)
    for wrong_ms in (LATER_MS - 1, LATER_MS + RECENT_MS + 1):
        with pytest.raises(Refused, match="forks this member"):
            recency.require(alone.config, wrong_ms)
    certified_spares(alone)
    with pytest.raises(Refused, match="forks this member"):
        recency.require(alone.config, LATER_MS)


def test_an_old_copy_takes_the_newer_log_and_the_root_signs_behind_that(
    alone: Founder, copy: Founder, tmp_path: Path
) -> None:
    me = alone.made.card.inception.member_id
    assert recency.write(alone.config, me, tmp_path / "log", LATER_MS) == 3
    assert recency.take(copy.config, tmp_path / "log", LATER_MS) == 1
    assert recency.take(copy.config, tmp_path / "log", LATER_MS) == 0
    assert head(copy) == head(alone)
    ceremonies.carry_out(copy.config, ceremonies.reopen(copy.config), root(copy), LATER_MS)
    recency.write(copy.config, me, tmp_path / "longer", LATER_MS)
    assert recency.take(alone.config, tmp_path / "longer", LATER_MS) == 1
    check_signed_once(copy)


def test_a_log_on_another_branch_is_not_taken(alone: Founder, copy: Founder, tmp_path: Path) -> None:
    me = alone.made.card.inception.member_id
    ceremonies.carry_out(copy.config, ceremonies.reopen(copy.config), root(copy), LATER_MS)
    before = rows(copy)
    certified_spares(alone)
    for name, written in (("same", alone), ("shorter", copy)):
        recency.write(written.config, me, tmp_path / name, LATER_MS)
    with pytest.raises(Refused, match="signed one place twice"):
        recency.take(copy.config, tmp_path / "same", LATER_MS)
    with pytest.raises(Refused, match="signed one place twice"):
        recency.take(alone.config, tmp_path / "shorter", LATER_MS)
    assert rows(copy) == before


def test_another_members_log_is_not_taken(alone: Founder, tmp_path: Path) -> None:
    other = joined(tmp_path / "other")
    recency.write(other.config, other.made.card.inception.member_id, tmp_path / "log", LATER_MS)
    with pytest.raises(Refused, match="another federation"):
        recency.take(alone.config, tmp_path / "log", LATER_MS)


def test_reopening_by_the_root_is_refused_until_somebody_confirms_the_log(copy: Founder, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\n")
    words.chmod(0o600)
    typed = ("--root-key", copy.folder / "root.key", "--folder", copy.folder, "--passphrase-file", words, "--yes")
    before = rows(copy)
    assert "forks this member for good" in run("reopen", *typed, code=1).stderr
    assert rows(copy) == before
    run("reopen", *typed, "--unconfirmed")
    assert rows(copy) != before
