"""The journal's copy while the node runs: what is new goes there, and what is there and not here is told."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from node.daemon import listening
from node.daemon.life import Daemon
from node.exchange.restored import Journal, Restored
from node.feed.keys import HeaderHash
from node.feed.pae import FederationId
from node.runtime.mirroring import Mirroring
from node.runtime.writer import News
from node.store.erasures import Erasure, FileErasures, Reason, RolledBack

FEDERATION = FederationId(bytes(32))
ROWS = [Erasure(HeaderHash(bytes([number]) * 32), 1, Reason.EXPIRY) for number in range(3)]


async def test_a_copy_that_has_more_when_its_disk_is_back_is_told_and_not_written_to(tmp_path: Path) -> None:
    path, copy, told = tmp_path / "erasures", tmp_path / "copy", list[RolledBack]()
    before = FileErasures(path, FEDERATION)
    before.append(ROWS)
    before.close()
    path.rename(tmp_path / "away")
    held = FileErasures(path, FEDERATION)
    mirroring = Mirroring(path, copy, FEDERATION, lambda: held.end, News(), told.append)
    await mirroring.look()
    assert copy.read_bytes() == b""
    (tmp_path / "away").rename(copy)
    whole = copy.read_bytes()
    for _ in range(2):
        await mirroring.look()
    assert [one.reason.startswith(f"the erasure journal {path} lacks 3 lines") for one in told] == [True, True]
    assert copy.read_bytes() == whole
    held.close()


def daemon(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """One that does nothing but find that its journal is an older one, as soon as it serves."""
    made = object.__new__(Daemon)
    parts = ("reading.open", "threads.open", "approval.load", "auditing.start", "holding.resume", "sweeping.sweep")
    for name, method in (part.split(".") for part in parts):
        setattr(made, name, SimpleNamespace(**{method: nothing}))
    made.peering = SimpleNamespace(embargo=SimpleNamespace(look=nothing))  # type: ignore[assignment]
    made.exchange = SimpleNamespace(restored=Restored(journal))  # type: ignore[assignment]
    made.stopping = asyncio.Event()

    async def serve(_: object) -> None:
        made._stop_over(RolledBack("an older one", next_step=""))

    listener = SimpleNamespace(gate=None, server=SimpleNamespace(start=nothing))
    monkeypatch.setattr(listening, "listen", lambda _: [listener])
    for name, instead in (("_serve", serve), ("_close", nothing), ("_expose", lambda: None)):
        monkeypatch.setattr(made, name, instead)
    monkeypatch.setattr(made, "_say_ready", lambda _: None)
    return made


async def nothing() -> None:
    pass


async def test_a_node_that_runs_on_an_older_journal_stops_unless_it_waits_for_the_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = daemon(Journal.WHOLE, monkeypatch)
    with pytest.raises(RolledBack, match="an older one"):
        await found.run()
    assert found.stopping.is_set()
    restored = daemon(Journal.PENDING, monkeypatch)
    await restored.run()
    assert not restored.stopping.is_set()
