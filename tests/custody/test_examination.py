"""What is found in a folder without its daemon, each fault made for real."""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from node.custody import examination, folder, joining, soundness
from node.errors import ConfigError
from node.v1.admin_pb2 import Finding
from tests.custody.federations import NOW, NOW_MS, Founder, charter_of, create, small
from tests.federation import free_ports


@pytest.fixture
def founder(tmp_path: Path) -> Founder:
    """A founder that has joined a federation of one, listens on free ports and has moved its root keys away."""
    made = create(tmp_path / "acme")
    joining.join(made.config, charter_of((made,), small()), made.unlock, NOW_MS)
    for path in made.folder.glob("*root.key"):
        path.unlink()
    file, (peers, tools) = made.folder / "node.toml", free_ports(2)
    file.write_text(file.read_text().replace(":7443", f":{peers}").replace(":7444", f":{tools}"))
    for path in made.data.rglob("*"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return made


def examined(founder: Founder, **changed: object) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in examination.examine(founder.config, NOW, runs=False, **changed):  # type: ignore[arg-type]
        found.setdefault(one.name, []).append(one)
    return found


def only_trouble(founder: Founder, name: str, **changed: object) -> Finding:
    """The one finding that is not well, which has this name and says what to do."""
    found = examined(founder, **changed)
    (trouble,) = [one for findings in found.values() for one in findings if one.verdict != "ok"]
    assert trouble.name == name, trouble
    assert trouble.next_step
    return trouble


def test_a_folder_in_order_has_no_trouble_and_is_left_as_it_was(founder: Founder) -> None:
    before = sorted(path for path in founder.data.rglob("*"))
    assert {one.verdict for findings in examined(founder).values() for one in findings} == {"ok"}
    assert {one.verdict for findings in examined(founder, deep=True).values() for one in findings} == {"ok"}
    assert sorted(path for path in founder.data.rglob("*")) == before


def test_what_is_to_be_backed_up_is_named_and_keys_are_not(founder: Founder) -> None:
    (found,) = examined(founder)["backup"]
    kept, _, never = found.found.partition("Never")
    assert "tocsin backup FILE" in kept
    for secret in ("sign", "node"):
        assert str(founder.data / secret) in never
        assert str(founder.data / secret) not in kept


def test_a_file_that_others_may_read_is_a_fault_with_the_command_that_mends_it(founder: Founder) -> None:
    (founder.data / folder.FEED_KEY).chmod(0o644)
    # The key itself is refused as well: it may have been read.
    found = examined(founder)
    assert found["folder"][0].verdict == "fault"
    assert str(founder.data / folder.FEED_KEY) in found["folder"][0].found
    assert f"chmod -R go= {founder.data}" in found["folder"][0].next_step
    assert found["keys"][0].verdict == "fault"


def test_many_open_files_are_counted(founder: Founder) -> None:
    for path in founder.data.glob("*.db"):
        path.chmod(0o640)
    assert "and 1 more" in only_trouble(founder, "folder").found


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_file_of_another_user_is_a_fault(founder: Founder) -> None:
    os.chown(founder.data / "index.db", 65534, 65534)
    assert "index.db belongs to another user" in only_trouble(founder, "folder").found


def test_a_configuration_that_others_may_change_is_a_warning(founder: Founder) -> None:
    (founder.folder / "node.toml").chmod(0o666)
    assert only_trouble(founder, "folder").verdict == "warning"


def test_a_damaged_key_is_a_fault_and_not_quoted(founder: Founder) -> None:
    path = founder.data / folder.KEM_KEY
    text = path.read_text()
    path.write_text(text[:-3])
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    found = examined(founder)
    assert found["keys"][0].verdict == "fault"
    assert text[:16] not in str(found)


def test_root_keys_that_still_lie_there_are_a_warning(founder: Founder) -> None:
    (founder.folder / "next-root.key").write_text("sealed")
    found = only_trouble(founder, "root key")
    assert found.verdict == "warning"
    assert str(founder.folder / "next-root.key") in found.found


def test_a_copy_of_the_node_keys_beside_is_a_warning(founder: Founder) -> None:
    shutil.copytree(founder.data, founder.folder / "data.old")
    found = only_trouble(founder, "copies")
    assert str(founder.folder / "data.old") in found.found


def test_a_signing_folder_that_was_copied_is_a_fault(founder: Founder) -> None:
    shutil.copytree(founder.data / "sign", founder.data / "aside")
    shutil.rmtree(founder.data / "sign")
    (founder.data / "aside").rename(founder.data / "sign")
    found = only_trouble(founder, "signing")
    assert found.verdict == "fault"
    assert "tocsin reopen --spare FILE" in found.next_step


def test_a_disk_that_is_nearly_full_is_a_fault_and_one_too_small_for_a_rebuild_a_warning(
    founder: Founder, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [examination.ROOM_BYTES_MIN - 1]
    usage = shutil.disk_usage(founder.data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free[0]))
    assert only_trouble(founder, "disk").verdict == "fault"
    with (founder.data / "ledger.db").open("ab") as file:
        file.truncate(4 * examination.ROOM_BYTES_MIN)  # sparse
    free[0] = 2 * examination.ROOM_BYTES_MIN
    found = examined(founder)["disk"][0]
    assert (found.verdict, "too little" in found.found) == ("warning", True)


def test_a_file_from_the_future_is_a_fault_of_the_clock(founder: Founder) -> None:
    at = (NOW + timedelta(days=2)).timestamp()
    os.utime(founder.data / "index.db", (at, at))
    assert "index.db was written 2 d 0 h from now" in only_trouble(founder, "clock").found


@pytest.mark.parametrize(("days", "verdict"), [(3700, "fault"), (3600, "warning")])
def test_an_issuer_near_its_end_is_said(founder: Founder, days: int, verdict: str) -> None:
    found = examination.examine(founder.config, NOW + timedelta(days=days), runs=False)
    ends = [one for one in found if one.name in ("certificates", "tool certificates")]
    assert [one.verdict for one in ends] == [verdict] * 2


def test_a_port_that_another_program_has_is_a_fault_only_where_the_node_does_not_run(founder: Founder) -> None:
    host, _, port = founder.config.tools_listen.rpartition(":")
    with socket.create_server((host, int(port))):
        assert f"tools.listen: {founder.config.tools_listen}" in only_trouble(founder, "ports").found
        assert all(one.verdict == "ok" for one in examination.examine(founder.config, NOW, runs=True))


def test_a_folder_that_has_not_joined_is_said_and_one_that_is_not_there(tmp_path: Path) -> None:
    made = create(tmp_path / "acme")
    assert "has not joined" in examined(made)["charter"][0].found
    shutil.rmtree(made.data)
    (found,) = examination.examine(made.config, NOW, runs=False)
    assert (found.name, found.verdict) == ("folder", "fault")


def test_a_charter_that_was_changed_is_a_fault(founder: Founder) -> None:
    path = founder.data / folder.CHARTER
    path.write_bytes(path.read_bytes()[:-9])
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    assert only_trouble(founder, "charter").verdict == "fault"


# ---- Stores


@pytest.mark.parametrize(("name", "verdict"), [("ledger", "fault"), ("digests", "warning")])
def test_a_file_that_is_gone_is_said_with_what_it_costs(founder: Founder, name: str, verdict: str) -> None:
    (founder.data / f"{name}.db").unlink()
    found = examined(founder)["stores"][0]
    assert (found.verdict, f"{name}.db is not there" in found.found) == (verdict, True)
    assert ("index rebuild" in found.next_step) == (name == "digests")


def test_a_store_of_a_newer_program_is_named(founder: Founder) -> None:
    with sqlite3.connect(founder.data / "keys.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    found = examined(founder)["stores"][0]
    assert found.verdict == "fault"
    assert "newer Tocsin: version 99" in found.found


def _overwrite_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_overwrite_page, lambda path: path.write_bytes(b"no database" * 999)])
def test_a_damaged_file_is_a_fault(founder: Founder, damage: Callable[[Path], None]) -> None:
    damage(founder.data / "index.db")
    found = examined(founder)["stores"][0]
    assert found.verdict == "fault"
    assert "index.db" in found.found


def test_a_check_that_takes_too_long_is_left_and_said(founder: Founder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "CHECK_S", -1.0)
    monkeypatch.setattr(soundness, "STEPS", 1)
    found = examined(founder)["stores"]
    assert {one.verdict for one in found} == {"unknown"}
    assert "--deep" in found[0].next_step
    assert {one.verdict for one in examined(founder, deep=True)["stores"]} == {"ok"}


def test_a_journal_older_than_the_ledger_must_not_be_signed_on_with(founder: Founder) -> None:
    journal = founder.data / folder.JOURNAL
    journal.write_bytes(b"")
    os.utime(journal, (NOW.timestamp(), NOW.timestamp()))
    found = only_trouble(founder, "journal")
    assert "the node would sign places twice" in found.found
    assert found.next_step.startswith("Do not start the node")


def test_a_journal_that_was_changed_is_a_fault(founder: Founder) -> None:
    journal = founder.data / folder.JOURNAL
    data = bytearray(journal.read_bytes())
    data[40] ^= 1
    journal.write_bytes(data)
    os.utime(journal, (NOW.timestamp(), NOW.timestamp()))
    assert "cannot be compared" in only_trouble(founder, "journal").found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_user_that_may_not_look_is_told_whose_command_it_is(founder: Founder) -> None:
    founder.data.chmod(0)
    try:
        with pytest.raises(ConfigError, match="may not be read by this user"):
            examined(founder)
    finally:
        founder.data.chmod(0o700)
