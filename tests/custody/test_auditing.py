"""The audit log of a folder whose node does not run: read, witnessed, and carried through copies."""

from dataclasses import replace
from pathlib import Path

import pytest

from node.custody import auditing, backups, joining, looking
from node.errors import ConfigError, Refused
from node.exchange import anchors, audit, extracts
from node.exchange.audit import Act, Fault, Operation, Witness
from node.feed.keys import FeedId
from node.feed.pae import FederationId
from node.store import segments
from node.v1.header_pb2 import SignedEntry
from tests.custody.federations import Founder
from tests.custody.folders import LATER_MS, feed_of, joined, rotate_node, say


@pytest.fixture(name="alone")
def _alone(tmp_path: Path) -> Founder:
    return joined(tmp_path / "acme")


def federation_of(founder: Founder) -> FederationId:
    return joining.read_charter(founder.config).federation_id


def write(founder: Founder, count: int, from_ms: int = LATER_MS) -> None:
    for number in range(count):
        act = Act(from_ms + number, Operation.ADMINISTRATION, "peer add")
        auditing.note(founder.data, federation_of(founder), act)


def test_reading_without_a_node_is_noted_and_a_changed_log_is_shown_all_the_same(alone: Founder) -> None:
    federation_id = federation_of(alone)
    write(alone, 2)
    (data,) = auditing.read(alone.config, federation_id, "verify", LATER_MS)
    *_, last = extracts.lines([data], federation_id)
    assert (last.number, last.act.what, last.act.who) == (3, ("use:verify",), audit.ADMINISTRATOR)
    path = segments.path_of(alone.data / segments.FOLDER, 1)
    path.write_bytes(data.replace(b"peer add", b"peer bad", 1))
    (changed,) = auditing.read(alone.config, federation_id, "verify", LATER_MS)
    found = audit.verify([changed], (), federation_id).found
    assert found
    assert (found.fault, found.first) == (Fault.CHANGED, 1)


def test_while_the_node_runs_nobody_else_writes_its_log(alone: Founder) -> None:
    from node.custody import renewal  # noqa: PLC0415 - what a running node holds

    with renewal.held(alone.data), pytest.raises(ConfigError):
        auditing.read(alone.config, federation_of(alone), "show", LATER_MS)


def test_an_anchor_counts_only_with_the_signature_of_the_node_it_is_about(alone: Founder, tmp_path: Path) -> None:
    say(alone)
    (letter,) = auditing.held(alone.config)
    assert len(auditing.witnessed(alone.config)) == 1
    forged = SignedEntry(header=letter.header, signature=bytes(64))
    with pytest.raises(Refused, match="not signed by the node"):
        auditing.witnessed(alone.config, [forged])
    other = joined(tmp_path / "other")
    say(other)
    with pytest.raises(Refused, match="nothing in this federation certifies feed"):
        auditing.witnessed(alone.config, auditing.held(other.config))


def test_who_names_one_feed_of_a_node_names_them_all_and_none_of_another(alone: Founder) -> None:
    say(alone)
    before = feed_of(alone)
    rotate_node(alone)
    say(alone)
    letters = auditing.held(alone.config)
    with looking.into(alone.config) as (_, trust):
        feeds = anchors.feeds_beside(trust, [before])
        assert feeds == {before, feed_of(alone)}
        assert len(anchors.seen(letters, trust, feeds)) == len(letters) == 2
        certified = replace(trust.feeds[before].certificate, node_id=b"another node's")
        apart = replace(trust, feeds={**trust.feeds, before: replace(trust.feeds[before], by_root=certified)})
        assert anchors.feeds_beside(apart, [before]) == {before}
        assert not anchors.feeds_beside(trust, [FeedId(bytes(32))])


def test_a_backup_holds_the_log(alone: Founder, tmp_path: Path) -> None:
    write(alone, 3)
    backups.write(alone.config, tmp_path / "node.tar", LATER_MS)
    into = tmp_path / "into"
    into.mkdir()
    backups.read(tmp_path / "node.tar", into)
    (path,) = into.glob(f"{backups.AUDIT_PREFIX}*")
    assert audit.verify([path.read_bytes()], (), federation_of(alone)).size == 3


def test_a_node_that_ran_on_an_old_copy_lost_what_came_behind_it(alone: Founder) -> None:
    federation_id = federation_of(alone)
    write(alone, 2)
    data = alone.data
    before = [segments.path_of(data / segments.FOLDER, 1).read_bytes()]
    seen = audit.verify(before, (), federation_id)
    auditing.note(data, federation_id, Act(LATER_MS + 9, Operation.ADMINISTRATION, audit.STARTED))
    write(alone, 2, LATER_MS + 10)
    auditing.resume(data, federation_id, LATER_MS + 20, "feed opened anew", since_start=True)
    after = [segments.path_of(data / segments.FOLDER, 1).read_bytes()]
    witnesses = [Witness(2, seen.root, LATER_MS + 3), Witness(4, bytes(32), LATER_MS + 8)]
    found = audit.verify(after, witnesses, federation_id).found
    assert found
    assert (found.fault, found.first, found.last) == (Fault.LOST, 3, 4)
