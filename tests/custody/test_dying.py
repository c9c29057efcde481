"""A change of keys that died at any step: the old state or the new one, and running it again finishes it."""

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from node.custody import ceremonies, folder, renewal, reopening, spares
from node.custody.passphrase import MINIMAL
from tests.custody.dying import Dying, running
from tests.custody.federations import WORDS, Founder
from tests.custody.folders import (
    LATER_MS,
    certified_spares,
    check_signed_once,
    feed_of,
    joined,
    opened,
    rotate_node,
    rotate_tls,
    rows,
    say,
)

AFTER = "c_return"  # of one step is before the next


@pytest.fixture
def dying() -> Iterator[Dying]:
    with running() as found:
        yield found


def copies(dying: Dying, fresh: Founder, action: str, file: str, first: int = 1, stride: int = 1) -> Iterator[Founder]:
    """Copies of a folder in which this action died, at the steps that it has."""
    for step in count(first, stride):
        founder = Founder(fresh.folder.parent / f"copy-{step}", fresh.made)
        shutil.copytree(fresh.folder, founder.folder)
        died = dying.die(action, founder.folder, founder.folder / file, step, AFTER)
        if not died:
            assert step > 20, "it does more than that"
            return
        yield founder
        shutil.rmtree(founder.folder)


def check_whole(founder: Founder) -> None:
    """What the next start finds: keys that fit each other, a feed that is certified, nothing half done."""
    with renewal.held(founder.data):
        pass
    folder.read_keys(founder.data)
    folder.check_modes(founder.data)
    assert not [path for path in founder.data.iterdir() if path.name.lstrip(".") == renewal.NEXT]
    with opened(founder) as exchange:
        assert exchange.author.feed_id in exchange.trust.feeds
    check_signed_once(founder)


def test_opening_anew_that_died_is_finished_by_the_next(tmp_path: Path, dying: Dying) -> None:
    fresh = joined(tmp_path / "fresh")
    (spare,) = certified_spares(fresh)
    spares.seal(fresh.folder / "spare", spare, WORDS, MINIMAL)
    say(fresh)
    old, seen = feed_of(fresh), set()
    for founder in copies(dying, fresh, "reopen", "spare", 1, 2):
        check_whole(founder)
        seen.add(feed_of(founder) == old)
        reopening.reopen(founder.config, spare, LATER_MS)
        say(founder)
        check_whole(founder)
        assert feed_of(founder) != old
        with opened(founder) as exchange:
            assert [(end.feed_id, end.seq) for end in exchange.trust.marks.ends] == [(old, 2)]
    assert seen == {True, False}, "it died before the change was decided, and after it"


def test_a_rotation_that_died_is_the_old_state_or_the_new_one(tmp_path: Path, dying: Dying) -> None:
    fresh = joined(tmp_path / "fresh")
    say(fresh)
    old, seen = feed_of(fresh), set()
    for founder in copies(dying, fresh, "rotate", "root.key", 2, 2):
        check_whole(founder)
        is_old = feed_of(founder) == old
        seen.add(is_old)
        if is_old:
            rotate_node(founder)
        say(founder)
        check_whole(founder)
    assert seen == {True, False}


def test_what_the_root_signed_is_there_once_or_not_at_all(tmp_path: Path, dying: Dying) -> None:
    fresh = joined(tmp_path / "fresh")
    before, seen = len(rows(fresh)), set()
    for founder in copies(dying, fresh, "spare", "root.key"):
        check_whole(founder)
        seen.add(len(rows(founder)) - before)
        certified_spares(founder)
        check_whole(founder)
    assert seen == {0, 1}


def test_a_tls_issuer_that_was_changed_halfway_is_changed(tmp_path: Path, dying: Dying) -> None:
    fresh = joined(tmp_path / "fresh")
    rotate_tls(fresh)
    wanted = folder.read_keys(fresh.data).certified_issuer.der
    for founder in copies(dying, fresh, "finish_tls", "root.key"):
        check_whole(founder)
        if folder.read_keys(founder.data).next_issuer is not None:
            ceremonies.finish_tls(founder.config, LATER_MS)
        assert folder.read_keys(founder.data).issuer.der == wanted
        check_whole(founder)
