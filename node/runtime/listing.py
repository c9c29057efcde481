"""Listing: publish lists of our own, change them, take them back.

Of each list one change at a time, compared on disk with what stands, and decided before anything is said. What is
taken out is said first, in the urgent lane; what is left of records that lost much is written anew.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from weakref import WeakValueDictionary

import structlog

from node.content import items, names
from node.errors import NodeError
from node.exchange import changes, consult, drafts, holdings
from node.exchange.changes import Change, Group
from node.exchange.drafts import Sharing
from node.exchange.holdings import Holding, Part
from node.exchange.publish import Draft
from node.feed.box import Randomness
from node.feed.header import BULK
from node.feed.keys import HeaderHash, ObjectId
from node.policy import border, vocabulary
from node.policy.border import Reach
from node.policy.effect import Right
from node.runtime.saying import Saying
from node.runtime.staging import Staged
from node.runtime.work import Work
from node.store import staging
from node.store.index import Record
from node.v1 import record_pb2, tools_pb2, withdrawals_pb2

RECORDS_PER_WRITE = 4  # half a megabyte; so long does an urgent entry wait behind bulk
WITHDRAWALS_PER_WRITE = 32
REWRITE_EVERY_S = 60.0

_log = structlog.get_logger()


class Listing:
    """Our own lists: of each, one change at a time."""

    def __init__(self, saying: Saying, randomness: Randomness) -> None:
        self._saying = saying
        self._randomness = randomness
        self._work = Work()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by the name of the list

    async def publish(self, draft: tools_pb2.ListDraft, staged: Staged) -> tools_pb2.PublishListResponse:
        """Publish a list, or a change of one of ours; raises Refused.

        What stands in it already is not said again. All of it is said, even where the caller leaves.
        """
        return await self._work.through(staged.held_by(self._publish(draft, staged)))

    async def _publish(self, draft: tools_pb2.ListDraft, staged: Staged) -> tools_pb2.PublishListResponse:
        async with self._lock(draft.name):
            saying, seen = self._saying, self._saying.view_of(Right.PUBLISH)
            drafts.check_list(draft, seen.now_ms)
            for content in drafts.texts_of(draft):
                border.check_content(content, saying.border(), Reach(reason=draft.allow_personal))
            await saying.caught_up(bulk=True)
            find = partial(holdings.own_list, seen=seen, name=draft.name, exercise=draft.exercise)
            head = await saying.reading.run(find)
            crisis_id = await saying.crisis_id(seen, draft.crisis, exercise=draft.exercise)
            sharing = self._sharing(draft, crisis_id, head, seen.now_ms)
            vocabulary.check_list(sharing.draft, seen.rules, in_crisis=bool(sharing.crisis_id))
            before = await self._holding(ObjectId(sharing.object_id), seen)
            await _check_qualities(sharing.draft, staged)
            change = await self._compare(sharing, before, staged)
            changes.check_removal(draft, before, change)
            letter = _head(sharing, before, change, {kind.name for kind in staged.counts})
            records, entry, slowed = 0, b"", saying.writer.budgets.slowed
            if not draft.dry_run and not (head and change.is_nothing and _is_same(head, sharing, letter)):
                records, entry = await self._say(sharing, letter, before, change, staged)
            answer = await self._answer(sharing, change, records, is_there=not draft.dry_run or head is not None)
            answer.slowed, answer.entry = saying.writer.budgets.slowed - slowed, entry
            return answer

    def _sharing(self, draft: tools_pb2.ListDraft, crisis_id: bytes, head: Record | None, now_ms: int) -> Sharing:
        """The list as it is to be: what the draft leaves open is as before, or as usual."""
        if head is None:
            return Sharing(drafts.begun(draft), self._randomness(names.ID_BYTES), crisis_id, 1, now_ms)
        said = record_pb2.Record.FromString(head.content)
        made = drafts.continued(draft, said, head.expires_ms, now_ms)
        version = drafts.next_version(said.list)
        return Sharing(made, head.object_id, crisis_id or said.crisis_id, version, now_ms)

    async def _compare(self, sharing: Sharing, before: Holding, staged: Staged) -> Change:
        """What changes by these items."""
        await _compare_with(staged, before, exercise=sharing.draft.exercise)
        draft, added, unchanged, removed = sharing.draft, 0, 0, dict[int, int]()
        otherwise: list[Part] = []
        for kind, count in staged.counts.items():
            found = await staged.run(partial(staging.matched, kind=kind.number))
            added, unchanged = added + count - found.items, unchanged + found.items
            own = before.of_kind(kind)
            if draft.replace and found.places < sum(part.items for part in own):
                removed |= await self._positions(own, staged, sent=False)
            if draft.replace:
                otherwise += [part for part in own if changes.says_otherwise(part, sharing)]
        return Change(added, unchanged, removed, otherwise)

    async def _positions(self, parts: Sequence[Part], staged: Staged, *, sent: bool) -> dict[int, int]:
        """Which items of these records were sent, or were not: bits by position, where there are any."""
        found = {}
        for part in parts:
            record = await self._opened(part.hash)
            if record is None or part.kind is None:
                continue
            keys = items.keys(part.kind, record.items)
            bits = await staged.run(partial(staging.positions, kind=part.kind, keys=keys, sent=sent))
            bits &= ~part.restriction.positions
            if bits:
                found[part.number] = bits
        return found

    async def remove(self, removal: tools_pb2.Removal, staged: Staged) -> tools_pb2.RemoveItemsResponse:
        """Take items out of a list of ours; raises Refused."""
        return await self._work.through(staged.held_by(self._remove(removal, staged)))

    async def _remove(self, removal: tools_pb2.Removal, staged: Staged) -> tools_pb2.RemoveItemsResponse:
        named = await self._own(removal.list, self._saying.view())
        async with self._lock(named.list.name):
            saying, seen = self._saying, self._saying.view()
            drafts.check_reason(removal.reason)
            await saying.own_shown()
            view = await self._own(named.object_id.hex(), seen)
            before = await self._holding(ObjectId(view.object_id), seen)
            await _compare_with(staged, before, exercise=view.exercise)
            found = 0
            for kind in staged.counts:
                found += (await staged.run(partial(staging.matched, kind=kind.number))).items
            touched = [before.parts[number] for number in await staged.run(staging.touched)]
            change = Change(removed=await self._positions(touched, staged, sent=True))
            if not change.is_nothing:
                sharing = await self._as_it_is(view, seen)
                letter = _head(sharing, before, change, set())
                await self._say(sharing, letter, before, change, staged, removal.reason)
            return tools_pb2.RemoveItemsResponse(
                list=await self._listed(view.object_id),
                removed=found,
                absent=staged.count - found,
                records_withdrawn_from=len(change.removed),
            )

    async def withdraw_item(self, request: withdrawals_pb2.WithdrawItemRequest) -> withdrawals_pb2.WithdrawItemResponse:
        """Take one item back by its reference, or a record; raises Refused."""
        return await self._work.through(self._withdraw_item(request))

    async def _withdraw_item(
        self, request: withdrawals_pb2.WithdrawItemRequest
    ) -> withdrawals_pb2.WithdrawItemResponse:
        drafts.check_reason(request.reason)
        saying, seen = self._saying, self._saying.view()
        found = await saying.reading.run(lambda stores: holdings.item(stores, seen, request.item))
        view = await self._own(found.object_id.hex(), seen)
        async with self._lock(view.list.name):
            await saying.own_shown()
            seen, view = saying.view(), await self._own(view.object_id.hex(), saying.view())
            before = await self._holding(ObjectId(view.object_id), seen)
            change = changes.of_item(before, found, request.item)
            sharing = await self._as_it_is(view, seen)
            await self._say(sharing, _head(sharing, before, change, set()), before, change, None, request.reason)
            return withdrawals_pb2.WithdrawItemResponse(
                list=await self._listed(view.object_id), removed=change.removed_count
            )

    async def withdraw(self, request: tools_pb2.WithdrawListRequest) -> tools_pb2.WithdrawListResponse:
        """Take a whole list back, for good; raises Refused."""
        return await self._work.through(self._withdraw(request))

    async def _withdraw(self, request: tools_pb2.WithdrawListRequest) -> tools_pb2.WithdrawListResponse:
        """At once, even while the list is being published: what is said of it later stands no more either."""
        drafts.check_reason(request.reason)
        view = await self._own(request.list, self._saying.view())
        draft = drafts.object_withdrawal(view.object_id, request.reason, exercise=view.exercise)
        await self._saying.say([draft], draft.lane)
        await self._saying.caught_up(bulk=view.exercise)
        return tools_pb2.WithdrawListResponse(list=await self._listed(view.object_id))

    async def rewrite(self) -> None:
        """Write anew what lost items half an hour ago, for ever."""
        while True:
            await asyncio.sleep(REWRITE_EVERY_S)
            try:
                await self._work.through(self.rewrite_due())
            except NodeError as error:  # a full disk, or a list that ended meanwhile: the node goes on
                _log.error("lists not written anew", reason=error.reason)

    async def rewrite_due(self) -> int:
        """Write anew what is due now; how many records that made."""
        seen, made = self._saying.view(), 0
        await self._saying.caught_up(bulk=True)
        for view in await self._saying.reading.run(lambda stores: consult.lists(stores, seen, "", exercises=True)):
            if view.member_id == seen.follows.me and not view.withdrawn:
                async with self._lock(view.list.name):
                    before = await self._holding(ObjectId(view.object_id), self._saying.view())
                    made += await self._rewrite(changes.groups(before, {}, seen.now_ms), None)
        return made

    def _lock(self, name: str) -> asyncio.Lock:
        """A long publication of one list keeps nobody from changing another."""
        return self._locks.setdefault(name, asyncio.Lock())

    # ---- Saying

    async def _say(
        self,
        sharing: Sharing,
        letter: record_pb2.HashList,
        before: Holding,
        change: Change,
        staged: Staged | None,
        reason: int = drafts.OUTDATED,
    ) -> tuple[int, HeaderHash]:
        """What goes, then the head: a publication that was cut off is finished by the same command again.

        How many records were made, and the head's header hash.
        """
        anew = changes.anew(change.anew, change.removed)
        lost = changes.groups(before.without(change.anew), change.removed, sharing.now_ms)
        written = {part.number for group in (*anew, *lost) for part in group.parts}  # their turn comes below
        touched = [before.parts[number] for number in change.removed if number not in written]
        gone = [*changes.ended(touched), *changes.withdrawals(before, change.removed, reason)]
        await self._take_back(gone)
        head = await self._saying.say_visibly([drafts.list_head(sharing, letter)], BULK)
        records = await self._say_all(self._fresh(sharing, staged)) if staged and change.added else 0
        records += await self._rewrite(anew, sharing)
        records += await self._rewrite(lost, None)
        await self._saying.caught_up(bulk=True)
        await self._saying.peering.refresh_wants()  # who has them?
        return records, head

    async def _fresh(self, sharing: Sharing, staged: Staged) -> AsyncIterator[Draft]:
        """Records of what is new, kind by kind, each rising over all of it."""
        for kind in staged.counts:
            after = None
            while page := await staged.run(partial(staging.page, kind=kind, after=after, standing=False)):
                after = page[-1][0]
                for rows in items.cut(page):
                    yield drafts.list_items(sharing, kind, rows)

    async def _rewrite(self, groups: Sequence[Group], sharing: Sharing | None) -> int:
        async def made() -> AsyncIterator[Draft]:
            for group in groups:
                draft = await self._rewritten(group, sharing)
                if draft is not None:
                    yield draft

        await self._take_back(changes.ended(part for group in groups for part in group.parts))
        return await self._say_all(made()) if groups else 0

    async def _rewritten(self, group: Group, sharing: Sharing | None) -> Draft | None:
        """What is left of a group in one record; None where a payload, or its time, has gone meanwhile."""
        first = group.parts[0]
        left: list[list[items.Row]] = []
        for part, bits in zip(group.parts, group.dropped, strict=True):
            record = await self._opened(part.hash)
            if record is None or part.kind is None:
                return None
            left.append([row for _, row in holdings.rows_left(record, part.kind, bits)])
        said, ends_ms = record_pb2.Record(), first.row.expires_ms
        said.CopyFrom(first.said)
        if sharing is not None:
            sharing.say_in(said)
            ends_ms = sharing.ends_ms
        if ends_ms <= self._saying.clock.now_ms():
            return None  # it ended while the others were written
        return drafts.rewritten(said, holdings.merged(left), [part.hash for part in group.parts], ends_ms)

    async def _take_back(self, statements: Sequence[Draft]) -> None:
        for start in range(0, len(statements), WITHDRAWALS_PER_WRITE):
            part = statements[start : start + WITHDRAWALS_PER_WRITE]
            await self._saying.say(part, min(one.lane for one in part))

    async def _say_all(self, made: AsyncIterator[Draft]) -> int:
        """Some at a time; how many there were."""
        count, part = 0, list[Draft]()
        async for draft in made:
            part.append(draft)
            count += 1
            if len(part) == RECORDS_PER_WRITE:
                await self._saying.say(part, BULK)
                part = []
        if part:
            await self._saying.say(part, BULK)
        return count

    # ---- Looking

    async def _opened(self, hash_: HeaderHash) -> record_pb2.Record | None:
        trust, reader = self._saying.writer.trust, self._saying.writer.reader
        return await self._saying.reading.run(lambda stores: holdings.opened(stores, hash_, trust, reader))

    async def _holding(self, object_id: ObjectId, seen: consult.View) -> Holding:
        return await self._saying.reading.run(lambda stores: holdings.hold(stores, seen.follows.me, object_id, seen))

    async def _own(self, typed: str, seen: consult.View) -> tools_pb2.ListView:
        """The list of ours that is meant; raises Refused."""
        view = await self._saying.reading.run(lambda stores: holdings.named(stores, seen, typed))
        holdings.require_ours(view, seen)
        return view

    async def _as_it_is(self, view: tools_pb2.ListView, seen: consult.View) -> Sharing:
        """One of our lists at its next version."""
        find = partial(holdings.own_list, seen=seen, name=view.list.name, exercise=view.exercise)
        head = await self._saying.reading.run(find)
        assert head is not None  # noqa: S101 - it was listed, and nobody else changes it meanwhile
        return drafts.sharing_of(record_pb2.Record.FromString(head.content), head.expires_ms, seen.now_ms)

    async def _listed(self, object_id: bytes) -> tools_pb2.ListView:
        """One of our lists as it is now."""
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: holdings.named(stores, seen, object_id.hex()))

    async def _answer(
        self, sharing: Sharing, change: Change, records: int, *, is_there: bool
    ) -> tools_pb2.PublishListResponse:
        return tools_pb2.PublishListResponse(
            list=await self._listed(sharing.object_id) if is_there else None,
            added=change.added,
            unchanged=change.unchanged,
            removed=change.removed_count,
            records=records,
            records_withdrawn_from=len(change.removed),
        )


async def _compare_with(staged: Staged, before: Holding, *, exercise: bool) -> None:
    numbers, gone = list(before.parts), list(before.gone)
    await staged.run(lambda connection: staging.compare_with(connection, numbers, gone, exercise=exercise))


async def _check_qualities(draft: tools_pb2.ListDraft, staged: Staged) -> None:
    for kind in staged.counts:
        if kind.has_quality:
            below = await staged.run(partial(staging.below, kind=kind.number, quality=draft.quality_floor))
            changes.check_qualities(draft, kind, below)


def _head(sharing: Sharing, before: Holding, change: Change, kinds: set[str]) -> record_pb2.HashList:
    """What is said of the list as a whole once this has changed."""
    named = {sharing.draft.kind} - {""}
    return sharing.head(before.items + change.added - change.removed_count, before.kinds | kinds | named)


def _is_same(head: Record, sharing: Sharing, letter: record_pb2.HashList) -> bool:
    """Whether the list was said to be like this, and for long enough."""
    said = record_pb2.Record.FromString(head.content)
    before = record_pb2.HashList()
    before.CopyFrom(said.list)
    before.version = letter.version
    is_marked = said.handling == sharing.draft.handling and said.crisis_id == sharing.crisis_id
    return before == letter and is_marked and head.expires_ms >= sharing.ends_ms - drafts.DAY_MS
