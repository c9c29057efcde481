"""Backups and what comes out of them: no payload, no key, nothing that was erased; a feed that begins anew."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from node import config as configs
from node.custody import backups, ceremonies, custodian, folder, journals, passphrase, renewal, restoring
from node.custody.backups import Manifest
from node.errors import ConfigError, Refused
from node.exchange import drafts
from node.exchange.restored import Restored
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.store import ledger, payloads, peers
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.store.peers import APPROVED, Peer
from node.v1 import record_pb2, tools_pb2
from tests.custody.federations import NOW, WORDS, Founder
from tests.custody.folders import (
    LATER_MS,
    certified_spares,
    check_signed_once,
    feed_of,
    joined,
    opened,
    root,
    say,
)

LIST = b"l" * 16
HANDLING = record_pb2.Handling(tlp=2)


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return joined(tmp_path / "acme")


def publish_list(founder: Founder, name: str, object_id: bytes) -> HeaderHash:
    """The list itself and one record; the record's hash."""
    draft = drafts.begun(tools_pb2.ListDraft(name=name, handling=HANDLING))
    sharing = drafts.Sharing(draft, object_id, b"", 1, LATER_MS)
    with opened(founder) as exchange:
        head = drafts.list_head(sharing, sharing.head(1, []))
        admitted = exchange.publish([head, drafts.list_items(sharing, drafts.kind_named("sha256"), ROWS)], LATER_MS)
        while exchange.project():
            pass
        return admitted.entries[-1].header.hash


ROWS = [(b"d" * 32, 255)]


def states(founder: Founder) -> dict[HeaderHash, State | None]:
    with opened(founder) as exchange:
        kinds = {row.hash for row in ledger.statements(exchange.stores.ledger)}
        found = [
            row.hash
            for head in ledger.heads(exchange.stores.ledger)
            for row in ledger.span(exchange.stores.ledger, head.feed_id, 1, head.seq, head.seq)
        ]
        return {hash_: payloads.state(exchange.stores.ledger, hash_) for hash_ in found if hash_ not in kinds}


def test_a_backup_has_no_payload_and_no_key(alone: Founder, tmp_path: Path) -> None:
    publish_list(alone, "first", LIST)
    file = tmp_path / "backup.tar"
    manifest = backups.write(alone.config, file, LATER_MS)
    assert file.stat().st_mode & 0o777 == 0o600
    data = file.read_bytes()
    for path in sorted(alone.data.rglob("*")):
        if (
            path.is_file()
            and path.parent.name in ("sign", "node")
            and path.name not in ("id", "member", "former-feeds")
        ):
            content = path.read_bytes().strip()
            assert content not in data, path
    with opened(alone) as exchange:
        for (hash_,) in exchange.stores.ledger.exec_driver_sql("SELECT hash FROM payload").fetchall():
            sealed, box = payloads.ciphertext(exchange.stores.ledger, hash_), payloads.box(exchange.stores.keys, hash_)
            assert sealed[:64] not in data
            assert box is not None
            assert box[-32:] not in data
    names = {"node.toml", "charter.tocsin", "ledger.db", "erasures", "policy.toml", "acme-video.card"}
    assert {one.name for one in manifest.files} == names
    with tarfile.open(file) as tar:
        assert tar.getnames()[0] == "manifest.json"


def test_whom_holds_are_sealed_to_comes_back_with_a_backup(alone: Founder, tmp_path: Path) -> None:
    """By a policy with a legal minimum the restored node would not start without."""
    (spare,) = certified_spares(alone)
    custodian.create(alone.config, tmp_path / "custodian.key", WORDS, passphrase.Cost(1, 8 << 10))
    backups.write(alone.config, tmp_path / "node.tar", LATER_MS)
    restoring.restore(tmp_path / "node.tar", tmp_path / "new", NOW, spare=spare)
    assert custodian.read_public(configs.load(tmp_path / "new" / "node.toml")) == custodian.read_public(alone.config)


def test_what_only_this_node_has_is_named(alone: Founder, tmp_path: Path) -> None:
    shared, own = publish_list(alone, "shared", LIST), publish_list(alone, "own", b"m" * 16)
    with opened(alone) as exchange:
        exchange.confirm([shared])
    manifest = backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    assert [(one.list, one.records) for one in manifest.only_here] == [("acme-video/own", 1)]
    assert own


def test_what_was_live_is_wanted_again_and_what_was_erased_stays_erased(alone: Founder, tmp_path: Path) -> None:
    (spare,) = certified_spares(alone)
    live, erased = publish_list(alone, "first", LIST), publish_list(alone, "second", b"m" * 16)
    with opened(alone) as exchange:
        exchange.erasures.append([Erasure(erased, LATER_MS, Reason.REQUEST)])  # the start does the rest
    with opened(alone):
        pass
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    backups.read(tmp_path / "backup.tar", tmp_path)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as copied:
        kept = dict(copied.execute("SELECT hash, state FROM payload").fetchall())
        assert (kept[live], kept[erased]) == (State.MISSING, State.ERASED), "by the ledger alone as well"
    restoring.restore(tmp_path / "backup.tar", tmp_path / "new", NOW, spare=spare)
    assert (tmp_path / "new/data/erasures").read_bytes() == (alone.data / "erasures").read_bytes()
    found = states(Founder(tmp_path / "new", alone.made))
    assert (found[live], found[erased]) == (State.MISSING, State.ERASED)
    with opened(Founder(tmp_path / "new", alone.made)) as exchange:
        assert live in exchange.boxless(LATER_MS)


def test_a_lost_folder_comes_back_with_a_spare_and_never_signs_on(alone: Founder, tmp_path: Path) -> None:
    (spare,) = certified_spares(alone)
    say(alone, 2)
    with opened(alone) as exchange:
        exchange.keep_peers([Peer(MemberId(b"p" * 32), "node.example:7443", b"issuer", APPROVED, LATER_MS)])
    old, node = feed_of(alone), folder.read_keys(alone.data)
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    made = restoring.restore(tmp_path / "backup.tar", tmp_path / "new", NOW, spare=spare)
    assert made.card is None
    new = Founder(tmp_path / "new", alone.made)
    found = folder.read_keys(new.data)
    assert feed_of(new) != old
    assert found.former_feeds == (old,)
    assert (found.member_id, found.node_id) == (node.member_id, node.node_id)
    assert found.issuer.der == node.issuer.der, "the peers know it"
    assert found.kem_key != node.kem_key
    folder.check_modes(new.data)
    say(new)
    check_signed_once(new)
    with opened(new) as exchange:
        assert [(end.feed_id, end.seq) for end in exchange.trust.marks.ends] == [(old, 3)]
        assert [one.address for one in peers.every(exchange.stores.ledger)] == ["node.example:7443"]
        assert exchange.trust.feeds[feed_of(new)].certificate.tls_issuer == node.issuer.der


def test_with_the_root_key_a_new_card_is_written(alone: Founder, tmp_path: Path) -> None:
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    made = restoring.restore(tmp_path / "backup.tar", tmp_path / "new", NOW, unlock=root(alone))
    assert made.card == tmp_path / "new" / "acme-video.card"
    new = Founder(tmp_path / "new", alone.made)
    say(new)
    with opened(new) as exchange:
        *_, certificate = exchange.trust.logs[folder.read_member(new.data)].identity.nodes
        assert certificate.tls_issuer == folder.read_keys(new.data).issuer.der


def test_a_spare_that_a_backup_does_not_know_restores_nothing(alone: Founder, tmp_path: Path) -> None:
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    (spare,) = certified_spares(alone)
    with pytest.raises(Refused, match="did not certify"):
        restoring.restore(tmp_path / "backup.tar", tmp_path / "new", NOW, spare=spare)
    assert not list((tmp_path / "new").iterdir())


def test_a_folder_in_use_is_not_restored_over(alone: Founder, tmp_path: Path) -> None:
    (spare,) = certified_spares(alone)
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    with pytest.raises(ConfigError, match="is not overwritten"):
        restoring.restore(tmp_path / "backup.tar", alone.folder, NOW, spare=spare)
    with pytest.raises(ConfigError, match="is not overwritten"):
        backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)


def test_a_running_node_is_backed_up(alone: Founder, tmp_path: Path) -> None:
    with opened(alone) as exchange, renewal.held(alone.data):
        exchange.publish([], LATER_MS)
        manifest = backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    assert manifest.log_entries == 2


@pytest.mark.parametrize("name", ["../escaped", "sign/feed.key", ".hidden.card", "extra"])
def test_a_file_that_no_backup_has_is_refused(alone: Founder, tmp_path: Path, name: str) -> None:
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    with tarfile.open(tmp_path / "backup.tar") as tar:
        manifest = msgspec.json.decode(tar.extractfile("manifest.json").read(), type=Manifest)  # type: ignore[union-attr]
    changed = msgspec.structs.replace(manifest, files=(backups.File(name, 0, ""),))
    data = tmp_path / "manifest"
    data.write_bytes(msgspec.json.encode(changed))
    with tarfile.open(tmp_path / "forged.tar", "w") as tar:
        tar.add(data, "manifest.json")
        tar.add(data, name)
    with pytest.raises(Refused, match="which no backup has"):
        backups.read(tmp_path / "forged.tar", tmp_path)
    assert not (tmp_path.parent / "escaped").exists()


def test_a_changed_backup_is_refused(alone: Founder, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    backups.write(alone.config, file, LATER_MS)
    data = bytearray(file.read_bytes())
    at = data.index(b"SQLite format 3")
    data[at + 5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(Refused, match=r"ledger\.db was changed"):
        backups.read(file, tmp_path)
    with pytest.raises(Refused, match="is no backup"):
        backups.read(alone.made.card_path, tmp_path)


def test_statements_are_still_read_after_a_restore(alone: Founder, tmp_path: Path) -> None:
    """Withdrawals are statements: what was withdrawn must not come back with its record."""
    (spare,) = certified_spares(alone)
    hash_ = publish_list(alone, "first", LIST)
    with opened(alone) as exchange:
        exchange.publish([drafts.withdrawal(hash_, 0, 1)], LATER_MS)
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    restoring.restore(tmp_path / "backup.tar", tmp_path / "new", NOW, spare=spare)
    with opened(Founder(tmp_path / "new", alone.made)) as exchange:
        rows = exchange.stores.index.exec_driver_sql("SELECT target FROM withdrawal").fetchall()
        assert [row[0] for row in rows] == [hash_]
        assert Kind.WITHDRAW in {kind for (kind,) in exchange.stores.ledger.exec_driver_sql("SELECT kind FROM entry")}


def test_spares_are_of_the_issuer_that_peers_know(alone: Founder) -> None:
    (made,) = ceremonies.make_spares(alone.config, 1)
    assert made.issuer.der == folder.read_keys(alone.data).issuer.der
    with pytest.raises(Refused, match="1 to 8"):
        ceremonies.make_spares(alone.config, 9)


def test_a_copy_takes_the_journals_place_and_what_was_erased_since_the_restore_stays_behind_it(
    alone: Founder, tmp_path: Path
) -> None:
    (spare,) = certified_spares(alone)
    copy, names = tmp_path / "copy", [HeaderHash(bytes([number]) * 32) for number in range(4)]
    rows = [Erasure(name, LATER_MS, Reason.REQUEST) for name in names]
    with opened(alone) as exchange:
        exchange.erasures.append(rows[:1])
    backups.write(alone.config, tmp_path / "backup.tar", LATER_MS)
    with opened(alone) as exchange:
        exchange.erasures.append(rows[1:3])
    copy.write_bytes((alone.data / "erasures").read_bytes())
    restoring.restore(tmp_path / "backup.tar", tmp_path / "new", NOW, spare=spare)
    new = Founder(tmp_path / "new", alone.made)
    with opened(new) as exchange:
        exchange.erasures.append(rows[3:])  # it heard of this one before anybody brought the copy
    other = tmp_path / "other"
    other.write_bytes(copy.read_bytes()[:10])
    with pytest.raises(Refused, match="ends before the backup"):
        journals.adopt(new.config, other, LATER_MS)
    assert journals.adopt(new.config, copy, LATER_MS) == 2
    with opened(new) as exchange:
        assert sorted(exchange.erasures.whole) == names
        assert exchange.restored == Restored()
    with pytest.raises(Refused, match="nothing waits"):
        journals.declare_lost(new.config, LATER_MS)
