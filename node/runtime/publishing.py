"""Publishing: what our own tools have to say, checked, said, and visible here before the caller is told."""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import islice

from node.content import items, names
from node.content.hashes import HashKind
from node.content.items import Gathered
from node.errors import Refused
from node.exchange import consult, drafts, project
from node.exchange.publish import Draft
from node.feed.box import Randomness
from node.feed.header import BULK, URGENT
from node.feed.keys import HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.policy import effect
from node.policy.effect import Right
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.projecting import Projecting
from node.runtime.reading import Reading
from node.runtime.work import Work
from node.runtime.writer import Writer
from node.store import arrivals, index
from node.store.index import Found, Record
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

RECORDS_PER_WRITE = 4  # half a megabyte; so long does an urgent entry wait behind bulk


class Publishing:
    """One crisis and one list at a time, so that the same request twice is one of them."""

    def __init__(
        self,
        peering: Peering,
        writer: Writer,
        reading: Reading,
        projecting: Projecting,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._peering, self._writer = peering, writer
        self._reading, self._projecting = reading, projecting
        self._clock, self._randomness = clock, randomness
        self._work = Work()
        self._crises, self._lists = asyncio.Lock(), asyncio.Lock()  # a list may take long; a crisis waits for none

    async def declare(self, request: tools_pb2.DeclareRequest) -> tools_pb2.DeclareResponse:
        """Declare a crisis, once for an object id; raises Refused."""
        return await self._work.through(self._declare(request))

    async def _declare(self, request: tools_pb2.DeclareRequest) -> tools_pb2.DeclareResponse:
        async with self._crises:
            seen = self._view(Right.DECLARE)
            await self._caught_up(bulk=False)
            before = await self._crisis(seen, request.object_id)
            if before is not None:
                return tools_pb2.DeclareResponse(crisis=before, repeated_call=True)
            draft = drafts.declaration(request, effect.rules_of(seen.trust.charter), seen.now_ms)
            await self._say([draft], URGENT)
            made = await self._crisis(seen, request.object_id)
            assert made is not None  # noqa: S101 - it is projected
            return tools_pb2.DeclareResponse(crisis=made)

    async def end_crisis(self, request: tools_pb2.EndCrisisRequest) -> tools_pb2.EndCrisisResponse:
        """End a crisis of our own; raises Refused for another's, and for one that is over."""
        if not request.crisis:
            raise Refused("which crisis?", next_step="Name it by its reference, as c-4k7q.", field="crisis")
        async with self._crises:
            seen = consult.view(self._writer.trust, self._clock.now_ms())
            named = await self._reading.run(lambda stores: consult.crises(stores, seen, request.crisis, exercises=True))
            # Another member may have taken the same object id; each owns its own.
            found = next((one for one in named if one.member_id == self._writer.reader.member_id), None)
            if found is None:
                raise Refused(
                    f"{named[0].reference} is a crisis of {named[0].member_name}; only its owner ends it",
                    next_step="Ask them to end it.",
                    field="crisis",
                )
            self._require(Right.DECLARE, seen)
            if found.state in {"ended", "expired"}:
                raise Refused(f"{found.reference} is over already", next_step="Nothing has to be done.", field="crisis")
            handling = record_pb2.Handling(tlp=drafts.GREEN)
            await self._say([drafts.crisis_end(found, request.text, handling, seen.now_ms)], URGENT)
            ended = await self._crisis(consult.view(seen.trust, self._clock.now_ms()), found.object_id)
            return tools_pb2.EndCrisisResponse(crisis=ended)

    async def publish_list(self, draft: tools_pb2.ListDraft, packed: bytes) -> tools_pb2.PublishListResponse:
        """Publish a list, or what is new in one of ours; raises Refused.

        What stands in it already is not said again. All of it is said, even where the caller leaves.
        """
        return await self._work.through(self._publish_list(draft, packed))

    async def _publish_list(self, draft: tools_pb2.ListDraft, packed: bytes) -> tools_pb2.PublishListResponse:
        async with self._lists:
            seen = self._view(Right.PUBLISH)
            kind = drafts.list_kind(draft, seen.now_ms)
            gathered = await asyncio.to_thread(_gather, kind, packed)
            count = _size(gathered)
            crisis_id = await self._crisis_id(seen, draft.crisis)
            await self._caught_up(bulk=True)
            before = await self._own_list(draft)
            object_id = before.object_id if before else ObjectId(self._randomness(names.ID_BYTES))
            kinds: Sequence[str] = ()
            if before is not None:
                head = record_pb2.Record.FromString(before.content).list
                kinds, draft = head.kinds, drafts.continued(draft, head, before.expires_ms, seen.now_ms)
                await self._drop_held(object_id, kind, gathered, draft, seen.now_ms)
            added = _size(gathered)
            said = drafts.list_head(draft, object_id, count, kinds, seen.now_ms)
            records = await self._say_list(said, draft, crisis_id, gathered, seen.now_ms)
            views = await self._reading.run(lambda stores: consult.lists(stores, seen, object_id.hex(), exercises=True))
            view = next(one for one in views if one.member_id == self._writer.reader.member_id)
        return tools_pb2.PublishListResponse(list=view, added=added, unchanged=count - added, records=records)

    # ---- Inside

    async def _say_list(
        self, head: Draft, draft: tools_pb2.ListDraft, crisis_id: bytes, fresh: Gathered, now_ms: int
    ) -> int:
        """The head first: a publication that was cut off is finished by the same command again."""
        await self._say([head], BULK)
        records = 0
        last: HeaderHash | None = None
        making = drafts.list_items(draft, head.object_id, crisis_id, fresh, now_ms)
        while part := await asyncio.to_thread(lambda: list(islice(making, RECORDS_PER_WRITE))):
            admitted = await self._peering.publish(part, BULK)
            records += len(part)
            last = admitted.entries[-1].header.hash
        if last is not None:
            await self._projected(last)
        return records

    async def _say(self, said: Sequence[Draft], lane: int) -> None:
        admitted = await self._peering.publish(said, lane)
        await self._projected(admitted.entries[-1].header.hash)

    async def _caught_up(self, *, bulk: bool) -> None:
        """Wait until what is ours is shown here, also what a caller that left did not wait for.

        A crisis stands in the urgent lane, and waits for nothing that is bulk.
        """
        last = await self._reading.run(lambda stores: arrivals.last(stores.ledger, project.store_id(stores)))
        while True:
            seen = self._projecting.news.version
            here = await self._reading.run(project.cursor)
            if here.urgent >= last.urgent and (not bulk or here.bulk >= last.bulk):
                return
            await self._projecting.news.newer(seen)

    async def _projected(self, hash_: HeaderHash) -> None:
        """Wait until a record of ours is shown here."""
        while True:
            seen = self._projecting.news.version
            if await self._reading.run(lambda stores: index.is_shown(stores.index, hash_)):
                return
            await self._projecting.news.newer(seen)

    def _view(self, right: Right) -> consult.View:
        """What is trusted now; raises Refused where this member may not."""
        seen = consult.view(self._writer.trust, self._clock.now_ms())
        self._require(right, seen)
        return seen

    def _require(self, right: Right, seen: consult.View) -> None:
        obstacle = effect.obstacle(right, self._writer.reader.member_id, seen.roster, seen.trust.charter)
        if obstacle:
            waits = "`tocsin member` shows who has not accepted yet, as far as this node has heard: is it connected?"
            rules = "`tocsin charter show data/charter.tocsin`, in the node's folder, says who may do what."
            raise Refused(f"this node may not {right}: {obstacle}", next_step=rules if seen.roster.in_force else waits)

    async def _crisis(self, seen: consult.View, object_id: bytes) -> tools_pb2.CrisisView | None:
        """Our own crisis with this id."""
        key = self._writer.reader.member_id, ObjectId(object_id)
        return await self._reading.run(lambda stores: consult.crisis(stores, seen, *key))

    async def _crisis_id(self, seen: consult.View, named: str) -> bytes:
        if not named:
            return b""
        found = await self._reading.run(lambda stores: consult.crises(stores, seen, named, exercises=True))
        return found[0].object_id

    async def _own_list(self, draft: tools_pb2.ListDraft) -> Record | None:
        """Our list of this name as it was said last; a drill's is another than the real one."""
        me = self._writer.reader.member_id

        def find(stores: Stores) -> Record | None:
            heads = index.of_kinds(stores.index, [Kind.LIST])
            own = (one for one in reversed(heads) if (one.member_id, one.exercise) == (me, draft.exercise))
            return next((one for one in own if record_pb2.Record.FromString(one.content).list.name == draft.name), None)

        return await self._reading.run(find)

    async def _drop_held(
        self, object_id: ObjectId, kind: HashKind, gathered: Gathered, draft: tools_pb2.ListDraft, now_ms: int
    ) -> None:
        """Leave out what stands in the list already as it is to be said, and for long enough yet."""
        me = self._writer.reader.member_id
        ends_ms = drafts.list_end_ms(draft, now_ms) - drafts.DAY_MS
        standing = await self._reading.run(lambda stores: index.of_object(stores.index, me, object_id))
        hashes = [
            one.hash for one in standing if one.expires_ms >= ends_ms and drafts.says_the_same(draft, one.content)
        ]
        own = set(await self._reading.run(lambda stores: index.numbers(stores.index, hashes)))
        for part in gathered.values():
            values = iter(sorted(part))
            while asked := list(islice(values, consult.VALUES_PER_LOOK_UP_MAX)):
                find = partial(_find, kind.number, asked)
                part.difference_update(one.value for one in await self._reading.run(find) if one.record in own)


def _find(kind: int, values: Sequence[bytes], stores: Stores) -> list[Found]:
    return index.find(stores.digests, kind, values)


def _gather(kind: HashKind, packed: bytes) -> Gathered:
    size = kind.digest_bytes
    if not packed or len(packed) % size:
        raise Refused(f"{len(packed)} bytes are no whole {kind.name} digests", next_step="Send digests end to end.")
    return items.gather(packed[i : i + size] for i in range(0, len(packed), size))


def _size(gathered: Gathered) -> int:
    return sum(len(part) for part in gathered.values())
