"""Acts on their way into the audit log, and the hour at which it is witnessed."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from node import limits
from node.daemon.life import Daemon
from node.errors import Unavailable
from node.exchange import audit, restored
from node.exchange.audit import Act, Fault, Operation, Witness
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.recording import AuditLog
from node.exchange.restored import Restored
from node.exchange.tallies import Key
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.runtime.auditing import Auditing
from node.store.erasures import Erasure, FileErasures, Reason
from node.store.segments import FileSegments
from node.v1 import header_pb2, peer_pb2
from tests.exchange.conftest import node_in
from tests.simulator.members import Federation, federation

HOUR_MS = int(limits.ANCHOR_EVERY_S * 1000)
GUARD_S = 30.0  # below a minute, after which it would be written anyway
LIFE_MS = 400 * limits.AUDIT_SEGMENT_MS_MAX
LOOK_UP = Key(Operation.CONSULTATION, "look-up", "tool/scanner")


class Saying:
    """A writer, a clock, and everything that was said; nobody hears it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.at_ms = exchange, 10**12
        self.said: list[Draft] = []
        self.writer = self.clock = self.peering = self
        self.told: Callable[[Any, Any], None] = lambda _peer, _frame: None
        self.trust = exchange.trust

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self, operation: Callable[[Exchange], Any]) -> Any:
        return operation(self.exchange)

    async def say(self, drafts: Sequence[Draft], lane: int) -> None:
        assert lane == 1
        self.said += drafts


@pytest.fixture(name="world", scope="module")
def _world() -> Federation:
    return federation(25)


@pytest.fixture(name="saying")
def _saying(tmp_path: Path, world: Federation) -> Saying:
    return Saying(node_in(tmp_path / "node", world, 0))


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> FileSegments:
    return FileSegments(tmp_path / "audit")


def begin(saying: Saying, files: FileSegments, *, may_erase: bool = True) -> Auditing:
    log = AuditLog(files, saying.trust.federation_id, bytes)
    return Auditing(log, saying, LIFE_MS, lambda: may_erase)  # type: ignore[arg-type]


async def acts(auditing: Auditing, saying: Saying) -> list[Act]:
    segments = [data async for _, data in auditing.read()]
    rows = [audit.read_line(row, saying.trust.federation_id) for one in segments for row in one.split(b"\n")[1:-1]]
    return [line.act for line in rows if line]


def anchors(saying: Saying) -> list[header_pb2.Anchor]:
    assert all(one.kind == Kind.ANCHOR for one in saying.said)
    return [header_pb2.Anchor.FromString(one.statement) for one in saying.said]


async def test_a_log_that_grew_is_witnessed_an_hour_after_the_last_time_and_one_that_did_not_is_not(
    saying: Saying, files: FileSegments
) -> None:
    auditing = begin(saying, files)
    await auditing.start()
    saying.at_ms += HOUR_MS - 1
    await auditing.anchor_in_time()
    assert not saying.said
    saying.at_ms += 1
    await auditing.anchor_in_time()
    for _ in range(3):
        saying.at_ms += HOUR_MS
        await auditing.anchor_in_time()
    assert [one.audit_size for one in anchors(saying)] == [1]
    auditing.tally(LOOK_UP, {"asked": 1})
    await auditing.anchor_in_time()
    (_, second) = anchors(saying)
    segments = [data async for _, data in auditing.read()]
    seen = [Witness(one.audit_size, one.audit_root, saying.at_ms) for one in anchors(saying)]
    assert audit.verify(segments, seen, saying.trust.federation_id).matching == 2
    assert second.audit_size == 2, "what is noted by the minute is written before"


async def test_of_a_journal_that_waits_for_its_copy_nothing_is_witnessed(
    saying: Saying, files: FileSegments, tmp_path: Path
) -> None:
    auditing, journal = begin(saying, files), FileErasures(tmp_path / "erasures", saying.trust.federation_id)
    journal.append([Erasure(HeaderHash(bytes(32)), 1, Reason.EXPIRY)])
    saying.exchange.erasures = journal
    for state in (restored.Journal.PENDING, restored.Journal.WHOLE):
        saying.exchange.restored = Restored(state)
        await auditing.note(Act(1, Operation.ADMINISTRATION, "peer add"))
        await auditing.anchor()
    journal.close()
    assert [(one.audit_size, one.journal_size, one.journal_head) for one in anchors(saying)] == [
        (1, 0, b""),
        (2, 1, journal.head),
    ]


async def test_a_start_without_a_stop_says_so_and_one_in_order_does_not(saying: Saying, files: FileSegments) -> None:
    first = begin(saying, files)
    await first.start()
    second = begin(saying, files)
    await second.start()
    await second.close()
    log = AuditLog(FileSegments(files._folder), saying.trust.federation_id, bytes)
    log.append([Act(1, Operation.CONSULTATION, "audit read")], 1)  # without a daemon
    log.close()
    third = begin(saying, files)
    await third.start()
    noted = [(one.act, one.why.code) for one in await acts(third, saying)]
    assert noted == [("start", ""), ("start", "crash"), ("stop", ""), ("audit read", ""), ("start", "")]


async def test_what_was_noted_by_the_minute_is_written_at_the_stop(saying: Saying, files: FileSegments) -> None:
    auditing = begin(saying, files)
    auditing.tally(LOOK_UP, {"asked": 3})
    await auditing.flush()
    assert not await acts(auditing, saying)
    await auditing.close()
    again = begin(saying, files)
    assert [one.counts for one in await acts(again, saying)] == [{"asked": 3}, {}]


async def test_what_there_is_much_of_is_written_before_its_minute_is_over(saying: Saying, files: FileSegments) -> None:
    class Told(FileSegments):
        def append(self, data: bytes) -> None:
            super().append(data)
            if not data.startswith(b"{"):  # a preface
                loop.call_soon_threadsafe(appended.set)

    loop, appended = asyncio.get_running_loop(), asyncio.Event()
    auditing = begin(saying, Told(files._folder))
    running = asyncio.create_task(auditing.keep())
    for _ in range(2):  # the first may still come by the loop's beginning
        auditing.tally(LOOK_UP, {"asked": limits.AUDIT_LOOK_UPS_MAX})
        async with asyncio.timeout(GUARD_S):
            await appended.wait()
        appended.clear()
    running.cancel()
    assert [one.counts for one in await acts(auditing, saying)] == [{"asked": limits.AUDIT_LOOK_UPS_MAX}] * 2


async def test_what_the_disk_does_not_take_is_written_later(saying: Saying, files: FileSegments) -> None:
    class Full(FileSegments):
        is_full = False

        def append(self, data: bytes) -> None:
            if self.is_full:
                raise OSError(28, "no space left")
            super().append(data)

    full = Full(files._folder)
    auditing = begin(saying, full)
    await auditing.start()
    full.is_full = True
    auditing.tally(LOOK_UP, {"asked": 3})
    with pytest.raises(Unavailable):
        await auditing.flush(everything=True)
    with pytest.raises(Unavailable):
        await auditing.note(Act(1, Operation.ADMINISTRATION, "peer add"))
    full.is_full = False
    await auditing.flush()
    assert [one.act for one in await acts(auditing, saying)] == ["start", "look-up"]


async def test_what_is_over_is_erased_whole_and_that_is_noted_unless_the_clock_is_in_doubt(
    saying: Saying, files: FileSegments
) -> None:
    auditing = begin(saying, files)
    await auditing.start()
    saying.at_ms += LIFE_MS
    await auditing.note(Act(saying.at_ms, Operation.ADMINISTRATION, "peer add"))
    await auditing.erase()
    assert len(await acts(auditing, saying)) == 2, "it ended just now"
    saying.at_ms += LIFE_MS
    await begin(saying, files, may_erase=False).erase()
    assert files.names() == [1, 2]
    await auditing.erase()
    noted = await acts(auditing, saying)
    assert [(one.act, one.what) for one in noted] == [("peer add", ()), ("erase audit log", ("lines 1-1",))]


async def test_what_leaves_for_a_peer_is_noted_by_the_hour_and_statements_are_not(
    saying: Saying, files: FileSegments, world: Federation
) -> None:
    auditing, peer = begin(saying, files), world.members[3].member_id
    with_payload = header_pb2.SignedEntry(header=b"a", payload=b"secret")
    entries = peer_pb2.Entries(entries=[with_payload, header_pb2.SignedEntry(header=b"b")])
    auditing.disclosed(peer, peer_pb2.Frame(entries=entries))
    auditing.disclosed(peer, peer_pb2.Frame(chunk=peer_pb2.Chunk(entry=b"\2" * 32, data=b"secret")))
    auditing.disclosed(peer, peer_pb2.Frame(heads=peer_pb2.Heads()))
    saying.at_ms += HOUR_MS - 1
    await auditing.flush()
    assert not await acts(auditing, saying)
    saying.at_ms += 1
    await auditing.flush()
    (noted,) = await acts(auditing, saying)
    assert (noted.operation, noted.counts) == (Operation.DISCLOSURE, {"chunks": 1, "payloads": 1})
    assert peer.hex()[:16] in noted.to
    assert "02" * 32 in noted.what
    assert b"secret" not in b"".join([data async for _, data in auditing.read()])


async def test_a_log_shorter_than_its_last_anchor_goes_on_as_a_copy(
    saying: Saying, files: FileSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditing = begin(saying, files)
    await auditing.start()
    seen = Witness(5, bytes(32), saying.at_ms)
    last = header_pb2.Anchor(audit_size=5)
    monkeypatch.setattr("node.exchange.witnesses.last", lambda *_: (last, saying.at_ms))
    saying.at_ms += 1
    again = begin(saying, files)
    await again.start()
    segments = [data async for _, data in again.read()]
    found = audit.verify(segments, [seen], saying.trust.federation_id).found
    assert found
    assert (found.fault, found.first, found.last) == (Fault.LOST, 2, 5)


class Part:
    """Of a daemon: notes what is asked of it, and stops the start where that erases."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self._name, self._asked = name, asked
        self.embargo = self

    def __getattr__(self, name: str) -> Callable[[], Any]:
        async def noted() -> None:
            self._asked.append(f"{self._name}.{name}")
            if name == "sweep":
                raise Unavailable("far enough", next_step="")

        return noted


async def test_a_node_that_starts_audits_before_anything_ends_or_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    starting = object.__new__(Daemon)
    for name in ("reading", "threads", "approval", "peering", "holding", "auditing", "sweeping"):
        setattr(starting, name, Part(name, asked))
    monkeypatch.setattr(starting, "_close", Part("daemon", asked).close)
    with pytest.raises(Unavailable):
        await starting.run()
    assert [one for one in asked if one.startswith(("auditing", "holding", "sweeping"))] == [
        "auditing.start",
        "holding.resume",
        "sweeping.sweep",
    ]


async def test_what_somebody_had_taken_to_write_is_written_although_it_is_cancelled(
    saying: Saying, files: FileSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a stop: of what the writer noted nobody else has it any more."""
    auditing, may_go_on = begin(saying, files), asyncio.Event()
    await auditing.start()
    assert saying.exchange.acts is not None
    saying.exchange.acts.add(LOOK_UP, saying.at_ms, {"values": 7}, (), life_ms=1)

    async def run_slowly(operation: Callable[[Exchange], Any]) -> Any:
        found = operation(saying.exchange)
        await may_go_on.wait()
        return found

    monkeypatch.setattr(saying, "run", run_slowly)
    flushing = asyncio.create_task(auditing.flush(everything=True))
    await asyncio.sleep(0.01)
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    may_go_on.set()
    await auditing.flush(everything=True)
    assert [one.counts for one in await acts(auditing, saying) if one.act == LOOK_UP.act] == [{"values": 7}]
    await auditing.close()
