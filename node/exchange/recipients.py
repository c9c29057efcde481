"""Recipients: who received something, or may have, as far as the audit log has it, and what it cannot prove."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from node import limits
from node.exchange import audit
from node.exchange.audit import Act, Line, Operation
from node.feed.keys import FeedId, HeaderHash

ITEM, RECORD, FORMER, LIST, STREAM = "item", "record", "former", "list", "stream"  # what a line names
_PROOFS = (ITEM, RECORD, FORMER, LIST, STREAM)
_SHOWN = ("look-up", "entry", "crisis show")  # acts whose answers had what they name
_WHOLE_LISTS = ("list export", "list compare")
_SUBSCRIBED = "subscribe"
_CRASHED = "crash"  # the code of a start after no orderly stop
_REASONS_MAX = 8

LIMITS = (
    (
        "A peer is named where this was sent to it: that says neither that it arrived nor that anybody there read it. "
        "What became of it there only that member can say."
    ),
    (
        "A look-up is named where it matched. Of an export or a comparison the list is named, and not its items; of a "
        "subscription only how much it was. Whoever is listed for those may have received this item."
    ),
    (
        "Records whose place this one took are asked for as far as the index remembers them: made anew, it has lost "
        "those that were erased."
    ),
    (
        "Programs and people have names by their own certificates. Whoever could open the node's socket is "
        "`administrator`, and who that was the machine's own records may say."
    ),
)


@dataclass(frozen=True, slots=True)
class About:
    """Whose recipients are asked for: a place, and the names under which the log may have it."""

    entry: HeaderHash
    position: int | None
    feed_id: FeedId
    seq: int
    received_ms: int
    objects: frozenset[str] = frozenset()  # lists and crises, as they may have been typed, in lower case
    former: tuple[HeaderHash, ...] = ()  # records whose place this one took: the item may have stood there


@dataclass(slots=True)
class Recipient:
    """One who received it, or may have: from the first line to the last."""

    who: str
    act: str
    proof: str
    first_ms: int
    last_ms: int
    lines: int = 0
    why: list[str] = field(default_factory=list)


class Recipients:
    """The log read line by line, once for all places. Owned by whoever reads it."""

    def __init__(self, places: Sequence[About]) -> None:
        self._found: list[dict[tuple[str, str, str], Recipient]] = [{} for _ in places]
        self._places = places
        self._of_record: dict[str, list[int]] = {}
        self._of_former: dict[str, list[int]] = {}
        for i, one in enumerate(places):
            for name in (one.entry.hex(), f"feed {one.feed_id.hex()[:16]}"):
                self._of_record.setdefault(name, []).append(i)
            for hash_ in one.former:
                self._of_former.setdefault(hash_.hex(), []).append(i)
        self.since_ms, self.crashes = 0, 0

    def take(self, lines: Iterable[Line]) -> None:
        """The next lines."""
        for line in lines:
            self.since_ms = self.since_ms or line.act.at_ms
            self.crashes += line.act.act == audit.STARTED and line.act.why.code == _CRASHED
            if line.act.act == _SUBSCRIBED:
                self._read_all(line.act)
            elif line.act.act in _WHOLE_LISTS:
                self._read_list(line.act)
            elif line.act.operation is Operation.DISCLOSURE or line.act.act in _SHOWN:
                self._named(line.act)

    def of(self, place: int) -> list[Recipient]:
        """Who received what stands there: first what is proven, then by time."""
        found = self._found[place].values()
        return sorted(found, key=lambda one: (_PROOFS.index(one.proof), one.first_ms, one.who, one.act))

    @property
    def limits(self) -> list[str]:
        """What the log cannot prove."""
        times = f"{self.crashes:,} times" if self.crashes > 1 else "once"
        lost = f"up to {limits.AUDIT_LOOK_UPS_MAX:,} look-ups and an hour of what went to peers are missing each time"
        return [*LIMITS, *([f"The node stopped out of order {times}: {lost}."] if self.crashes else [])]

    def _named(self, act: Act) -> None:
        for reference in act.what:
            name, _, digits = reference.partition(":")
            if name == "crisis":
                self._add_all(act, digits.lower(), RECORD)
                continue
            numbers = {int(each) for each in digits.split(",") if each.isdecimal()}
            for i in self._of_record.get(name, ()):
                proof = _proof(self._places[i], numbers, of_feed=name.startswith("feed "))
                if proof:
                    self._add(i, act, proof)
            for i in self._of_former.get(name, ()):
                self._add(i, act, FORMER)

    def _read_list(self, act: Act) -> None:
        for reference in act.what:
            self._add_all(act, reference.partition(":")[2].strip().lower(), LIST)

    def _add_all(self, act: Act, typed: str, proof: str) -> None:
        for i, one in enumerate(self._places):
            if typed and act.at_ms >= one.received_ms and any(name.startswith(typed) for name in one.objects):
                self._add(i, act, proof)

    def _read_all(self, act: Act) -> None:
        for i, one in enumerate(self._places):
            if act.at_ms >= one.received_ms:
                self._add(i, act, STREAM)

    def _add(self, place: int, act: Act, proof: str) -> None:
        who = act.to if act.to and act.who == audit.NODE else act.who
        made = Recipient(who, act.act, proof, act.at_ms, act.at_ms)
        one = self._found[place].setdefault((who, act.act, proof), made)
        one.first_ms, one.last_ms = min(one.first_ms, act.at_ms), max(one.last_ms, act.at_ms)
        one.lines += 1
        said = " ".join(filter(None, (act.why.code, act.why.text)))
        if said and said not in one.why and len(one.why) < _REASONS_MAX:
            one.why.append(said)


def _proof(place: About, numbers: set[int], *, of_feed: bool) -> str:
    """What a reference names of a place: its record, the very item, or nothing of it."""
    if of_feed:
        return RECORD if place.seq in numbers else ""
    if not numbers:
        return RECORD
    return ITEM if place.position in numbers else ""
