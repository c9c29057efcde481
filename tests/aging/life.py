"""A node's life: what it is told week by week, what it erases and when, and what it holds at the end of each year."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from node.content import hashes, items
from node.exchange import due, erase, keeping
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.verified import Verified
from node.feed.header import BULK, NORMAL
from node.feed.keys import ObjectId
from node.feed.kinds import Kind
from node.policy.policies import UNITS_MS
from node.policy.retention import Policy, Won
from node.store import deadlines, driver, ledger, stores
from node.store.deadlines import Deadline
from node.store.erasures import Reason
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.simulator.members import BASE_MS, federation

DAY_MS, YEAR_MS = UNITS_MS["d"], UNITS_MS["y"]
WEEK_MS = 7 * DAY_MS
CEILINGS_MS = (180 * DAY_MS, YEAR_MS, 3 * YEAR_MS)
KINDS = (hashes.SHA256, hashes.SHA256, hashes.PDQ, hashes.URL)
ERASED_AT_A_TIME = 64
LIST_ID = ObjectId(b"l" * 16)


@dataclass(frozen=True, slots=True)
class Load:
    """What arrives in a year."""

    entries: int = 2000
    items: int = 200_000


@dataclass(frozen=True, slots=True)
class Year:
    """What is held at the end of a year, and what was erased in it."""

    number: int
    entries: int
    header_bytes: int  # of all of them, with signatures
    payload_bytes: int
    key_bytes: int
    digests: int
    records: int
    file_bytes: int  # all four files, written anew
    erased: Counter[str]


class Life:
    """One node that hears of another one's weeks. ``overdue`` is what a look behind any jump still found."""

    def __init__(self, folder: Path, policy: Policy, load: Load, seed: int) -> None:
        world = federation(25)
        self.load, self.chance = load, Random(seed)
        self.author, self.node = (node_in(folder / name, world, i) for i, name in ((1, "author"), (0, "node")))
        self.node.change_policy(policy, BASE_MS)
        for one in (self.author, self.node):
            _hasten(one)
        self.now_ms = BASE_MS
        self.made = 0  # values
        self.jumps = self.overdue = 0
        self.erased: Counter[str] = Counter()

    def years(self, count: int) -> Iterator[Year]:
        """Live, and say after each year what is held."""
        for number in range(1, count + 1):
            end_ms = BASE_MS + number * YEAR_MS
            before = self.erased.copy()
            while self.now_ms + WEEK_MS <= end_ms:
                self._week()
                self._jump_to(self.now_ms + WEEK_MS)
            self._jump_to(end_ms)
            yield self._look(number, self.erased - before)

    def close(self) -> None:
        for one in (self.author, self.node):
            one.stores.close()

    # ---- Time

    def _jump_to(self, end_ms: int) -> None:
        """From due time to due time: each is looked at the moment it comes."""
        while True:
            next_ms = self._sweep()
            if next_ms > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = max(next_ms, self.now_ms)
            self.jumps += 1

    def _sweep(self) -> int:
        """As the sweeper does, in one thread; when the next is due."""
        node = self.node
        while (found := due.expired(node.stores, node.keep, self.now_ms, ERASED_AT_A_TIME)).erasures:
            node.begin_erasing(found.erasures)
            for one in found.erasures:
                erase.leave_index(node.stores, one.entry, node.keep, node.reader)
            node.finish_erasing(found.erasures)
            self.erased.update(one.reason.name.lower() for one in found.erasures)
            while node.project():
                pass
        self.overdue += self._left()
        return found.next_ms

    def _left(self) -> int:
        """What is here and ought not to be, by ceilings and by deadlines."""
        held, now = self.node.stores, (self.now_ms,)
        payloads: int = driver.scalar(
            held.ledger, "SELECT count(*) FROM payload WHERE state != 4 AND expires_ms <= ?", now
        )
        records: int = driver.scalar(held.index, "SELECT count(*) FROM due WHERE due_ms <= ?", now)
        return payloads + records

    def _forgotten(self) -> int:
        """Records whose deadline is another than what is known now says, or that have none."""
        node, said = self.node, deadlines.every(self.node.stores.index)
        return sum(
            record.hash not in said
            or _is_another(said[record.hash], keeping.decide(node.stores, node.keep, record)[1].due_ms)
            for _, record in deadlines.page(node.stores.index, 0, -1)
        )

    # ---- What arrives

    def _week(self) -> None:
        entries = max(self.load.entries * WEEK_MS // YEAR_MS, 10)
        said = self._said(entries, self.load.items * WEEK_MS // YEAR_MS)
        admitted = self.author.publish(said, self.now_ms)
        checked = self.node.verify([_letter(one) for one in admitted.entries])
        assert checked.fault is None
        self.node.admit(checked, self.now_ms)
        while self.node.project():
            pass

    def _said(self, entries: int, values: int) -> Sequence[Draft]:
        """A week: a crisis that ends in it or later, lists for it and for none, alerts, and what is said about them."""
        crisis_id = ObjectId(self.chance.randbytes(16))
        drafts = [
            self._crisis(Kind.DECLARATION, crisis_id),
            self._crisis(Kind.ALERT, ObjectId(self.chance.randbytes(16))),
        ]
        for number, kind in enumerate(KINDS):
            part = self._values(values // len(KINDS), kind)
            drafts += [self._items(kind, rows, crisis_id, number) for rows in items.cut(part)]
        while len(drafts) < entries:
            drafts.append(self._act(crisis_id))
        return drafts

    def _values(self, count: int, kind: hashes.HashKind) -> list[items.Row]:
        made = [sha256(self.made.to_bytes(8) + i.to_bytes(8)).digest() for i in range(count)]
        self.made += 1
        values = [f"https://example.org/{one.hex()}" if kind is hashes.URL else one for one in made]
        return [(value, hashes.QUALITY_UNKNOWN) for value in sorted(values)]

    def _items(self, kind: hashes.HashKind, rows: Sequence[items.Row], crisis_id: bytes, number: int) -> Draft:
        record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=LIST_ID)
        record.items.kind = kind.name
        items.pack(record.items, kind, rows)
        if number:  # the first is intake that nobody has categorised
            record.crisis_id = crisis_id
            record.items.labels.append("propaganda")
        return self._draft(record, BULK)

    def _crisis(self, kind: Kind, object_id: ObjectId) -> Draft:
        record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=kind, object_id=object_id)
        record.crisis.title = "something happened"
        record.crisis.ends_ms = self.now_ms + self.chance.randrange(1, 20) * DAY_MS
        return self._draft(record, NORMAL)

    def _act(self, crisis_id: bytes) -> Draft:
        record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.CRISIS_ACT, object_id=crisis_id)
        if self.chance.random() < 0.05:
            record.crisis_act.end.text = "it is over"
        else:
            record.crisis_act.comment.text = "something is known about it"
        return self._draft(record, NORMAL)

    def _draft(self, record: record_pb2.Record, urgency: int) -> Draft:
        return Draft(
            Kind(record.kind),
            urgency,
            record=record.SerializeToString(),
            object_id=ObjectId(record.object_id),
            expires_ms=self.now_ms + self.chance.choice(CEILINGS_MS),
        )

    # ---- What is held

    def _look(self, number: int, erased: Counter[str]) -> Year:
        held = self.node.stores
        self.overdue += self._forgotten()
        assert all(stores.compact(one) for one in held.connections)
        return Year(
            number=number,
            entries=ledger.entry_count(held.ledger),
            header_bytes=driver.scalar(held.ledger, "SELECT sum(length(body) + length(signature)) FROM entry"),
            payload_bytes=driver.scalar(held.ledger, "SELECT coalesce(sum(length(data)), 0) FROM chunk"),
            key_bytes=driver.scalar(held.keys, "SELECT coalesce(sum(length(box)), 0) FROM box"),
            digests=driver.scalar(held.digests, "SELECT count(*) FROM digest"),
            records=driver.scalar(held.index, "SELECT count(*) FROM any_record"),
            file_bytes=sum(stores.size_bytes(one) for one in held.connections),
            erased=erased,
        )


def _is_another(kept: Deadline, due_ms: int) -> bool:
    """Not where it was counted from the end of a crisis that is forgotten by now: that puts nothing off."""
    return kept.due_ms > due_ms or (kept.due_ms < due_ms and kept.won != Won.CRISIS_END)


def _letter(one: Verified) -> header_pb2.SignedEntry:
    return header_pb2.SignedEntry(
        header=one.header.body, signature=one.entry.signature, box=one.box, payload=one.payload
    )


def _hasten(one: Exchange) -> None:
    """No power is cut here: nobody waits for the disk."""
    for connection in one.stores.connections:
        connection.commit()
        connection.exec_driver_sql("PRAGMA synchronous = OFF")
        connection.commit()


def is_flat(years: Sequence[Year]) -> bool:
    """Whether the last year holds at most a tenth more than the middle one: what goes keeps up with what comes."""
    middle, last = years[len(years) // 2], years[-1]
    return all(
        getattr(last, name) <= 1.1 * getattr(middle, name)
        for name in ("payload_bytes", "key_bytes", "digests", "records")
    )


REASONS = tuple(one.name.lower() for one in (Reason.EXPIRY, Reason.POLICY))
