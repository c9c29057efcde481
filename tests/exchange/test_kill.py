"""kill -9 while a real process publishes: nothing signed is lost, and no place is signed twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.feed.kinds import Kind
from node.store import index, ledger, stores
from node.store.erasures import FileErasures
from node.store.journal import FileJournal
from node.v1 import header_pb2, record_pb2
from tests.simulator.members import BASE_MS, federation

ROUNDS = 8
ROOT = Path(__file__).parent.parent.parent


def open_exchange(folder: Path) -> tuple[Exchange, FileJournal]:
    world = federation(25)
    member = world.members[0]
    opened = stores.open_folder(folder)
    if ledger.read_meta(opened.ledger, "store_id") is None:
        ledger.write_meta(opened.ledger, "store_id", bytes(16))
        opened.commit("ledger")
    journal = FileJournal(folder / "journal")
    if not journal.lines():
        journal.append(world.signed_by(member))
    feed_id = member.feed_id(world.charter.federation_id)
    author = Author(feed_id, member.feed_key, member.reader(), os.urandom, journal, in_place=True)  # noqa: TID251
    erasures = FileErasures(folder / "erasures", world.charter.federation_id)
    made = Exchange(opened, trusts.begin(world.charter), author, erasures)
    made.start(BASE_MS)
    if not made.trust.logs:
        made.admit(made.verify(world.letters), BASE_MS)
        made.start(BASE_MS)
    return made, journal


def publish_for_ever(folder: Path) -> None:
    """What the killed process does: it says every entry that is durable."""
    exchange, _ = open_exchange(folder)
    record = record_pb2.Record(
        kind=Kind.DOCUMENT, object_id=b"o" * 16, document=record_pb2.Document(content=bytes(40_000))
    )
    draft = Draft(Kind.DOCUMENT, record=record.SerializeToString(), object_id=b"o" * 16, expires_ms=BASE_MS + 1000)
    while True:
        for one in exchange.publish([draft, draft], BASE_MS).entries:
            print(one.header.seq, one.header.hash.hex(), flush=True)
        while exchange.project():
            pass


def test_a_killed_publisher_loses_nothing_and_signs_nothing_twice(tmp_path: Path) -> None:
    random, told = Random(1), dict[int, str]()
    program = f"from tests.exchange.test_kill import *; publish_for_ever(Path({str(tmp_path)!r}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as running:
            assert running.stdout is not None
            for _ in range(random.randint(1, 40)):
                seq, hash_ = running.stdout.readline().split()
                assert told.setdefault(int(seq), hash_) == hash_, f"two entries at {seq}"
            running.send_signal(signal.SIGKILL)
    exchange, journal = open_exchange(tmp_path)
    rows = ledger.span(exchange.stores.ledger, exchange.author.feed_id, 1, 2**40, 10_000)
    assert {row.seq: row.hash.hex() for row in rows}.items() >= told.items()
    places = [header_pb2.Header.FromString(header).seq for header, _ in journal.lines()]
    assert len(places) == len(set(places))
    assert max(places) == rows[-1].seq
    live = len(index.of_kinds(exchange.stores.index, [Kind.DOCUMENT]))
    exchange.rebuild()
    assert len(index.of_kinds(exchange.stores.index, [Kind.DOCUMENT])) == live == len(rows) - 1
    exchange.stores.close()
    journal.close()
