"""Following: lists of all members, as they are offered, fetched, compared with one's own items, and let go again."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

import structlog

from node.content import items
from node.content.hashes import HashKind
from node.errors import NodeError, Refused
from node.exchange import consult, holdings, opinions, participating, project
from node.exchange.exchange import Exchange
from node.exchange.holdings import Holding, Part
from node.exchange.opinions import Judged
from node.feed.header import BULK
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.policy import vocabulary
from node.policy.following import Choice, List, State
from node.runtime.saying import Saying
from node.runtime.staging import Staged
from node.runtime.work import Work
from node.runtime.writer import News
from node.store import payloads, staging
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

PREVIEW_MS = 86_400_000  # so long is a list here that somebody only looked at
RECORDS_PER_STEP = 8  # let go at a time
TIDY_EVERY_S = 60.0
KEEP_UP_EVERY_S = 1.0  # for new lists of a crisis
WATCH_EVERY_S = 0.2  # a list that is being fetched changes a hundred times a second

_log = structlog.get_logger()


class Following:
    """What this node's people have of other members' lists."""

    def __init__(self, saying: Saying) -> None:
        self._saying = saying
        self._work = Work()
        self._changed = News()

    async def follow(self, request: tools_pb2.FollowListRequest) -> tools_pb2.FollowListResponse:
        """Fetch and match a list from now on, or let it go; raises Refused for our own."""
        view = await self._named(request.list)
        if view.following == "own":
            raise Refused(
                f"{view.name} is a list of our own: it is always here",
                next_step="`tocsin withdraw` takes it back.",
                field="list",
            )
        await self._work.through(self._choose(view, State.FOLLOWED if request.follow else State.DROPPED))
        return tools_pb2.FollowListResponse(list=await self._again(view))

    # ---- Because this member takes part in a crisis

    async def take_part(self, crisis_id: bytes, stance: int, *, exercise: bool) -> None:
        """Follow what belongs to a crisis, or let go what was followed by that alone."""
        joins, seen = stance in participating.FOLLOWING, self._saying.view()
        wanted = participating.to_follow if joins else participating.to_let_go
        found = await self._saying.reading.run(partial(wanted, seen=seen, crisis_id=crisis_id, exercise=exercise))
        choice = participating.BY_CRISIS if joins else participating.NO_MORE
        for about in found:
            await self._work.through(self._decide(about, choice))

    async def keep_up(self) -> None:
        """Follow whatever comes to belong to a crisis that this member takes part in, for ever."""
        news = self._saying.projecting.news
        while True:
            version = news.version
            find = partial(participating.to_keep_up, seen=self._saying.view())
            try:
                for about in await self._saying.reading.run(find):
                    await self._work.through(self._decide(about, participating.BY_CRISIS))
            except NodeError as error:
                _log.error("lists of crises not followed", reason=error.reason)
            await news.newer(version)
            await asyncio.sleep(KEEP_UP_EVERY_S)

    async def _choose(self, view: tools_pb2.ListView, state: State) -> None:
        await self._decide((MemberId(view.member_id), ObjectId(view.object_id)), Choice(state))

    async def _decide(self, about: List, choice: Choice) -> None:
        writer, now_ms = self._saying.writer, self._saying.clock.now_ms()
        if choice.state is State.PREVIEWED:
            await writer.run(partial(_preview, about=about, now_ms=now_ms))
        else:
            # Also against what would be followed by itself only a decision that is kept holds.
            await writer.run(lambda exchange: exchange.choose(*about, choice, now_ms))
        writer.arrived()  # what was here for peers, or is still here
        await self._saying.peering.refresh_wants()
        self._changed.tell()

    async def watch(self, typed: str) -> AsyncIterator[tools_pb2.ListView]:
        """A list as it is, and again whenever that changes."""
        async for view in self._watch(await self._named(typed)):
            yield view

    async def _watch(self, view: tools_pb2.ListView) -> AsyncIterator[tools_pb2.ListView]:
        last = None
        while True:
            news = (self._saying.writer.news, self._saying.projecting.news)
            seen = [one.version for one in news]
            view = await self._again(view)
            if view != last:
                yield view
                last = view
            waiting = [asyncio.ensure_future(one.newer(was)) for one, was in zip(news, seen, strict=True)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()
            await asyncio.sleep(WATCH_EVERY_S)

    async def export(self, typed: str) -> AsyncIterator[tools_pb2.ListRecord]:
        """What stands in a list, record by record; raises Refused where it is not here, and for a drill."""
        view = await self._named(typed)
        if view.exercise:
            raise Refused(
                "it is a list of a drill, and nothing of a drill is ever exported",
                next_step="`tocsin list show` has what is known of it, `tocsin list diff` compares a file with it.",
                field="list",
            )
        holdings.require_here(view)
        holding = await self._holding(view)
        judged = await self._judged(holding)
        for part in holding.parts.values():
            if part.kind is not None and (record := await self._opened(part.hash)) is not None:
                yield _list_record(part, record, part.kind, judged.get(part.hash, opinions.NOBODY))

    # ---- Comparing

    async def compare(
        self, asked: tools_pb2.Comparison, staged: Staged
    ) -> AsyncIterator[tools_pb2.CompareListResponse]:
        """Items that were sent beside those of a list: progress, values as asked for, and the counts at last."""
        view = await self._named(asked.list)
        if asked.fetch:
            async for here in self._fetched(view):
                yield tools_pb2.CompareListResponse(progress=here)
                view = here
        else:
            holdings.require_here(view)
        holding = await self._holding(view)
        numbers, gone = list(holding.parts), list(holding.gone)
        exercise = view.exercise
        await staged.run(lambda connection: staging.compare_with(connection, numbers, gone, exercise=exercise))
        if asked.send_common:
            async for values in _pages(staged, standing=True):
                yield tools_pb2.CompareListResponse(common=values)
        if asked.send_only_sent:
            async for values in _pages(staged, standing=False):
                yield tools_pb2.CompareListResponse(only_sent=values)
        if asked.send_only_listed:
            async for values in self._only_listed(holding, staged):
                yield tools_pb2.CompareListResponse(only_listed=values)
        compared = await self._compared(view, holding, staged)
        self._require_fetched(view)
        yield tools_pb2.CompareListResponse(compared=compared)

    async def _fetched(self, view: tools_pb2.ListView) -> AsyncIterator[tools_pb2.ListView]:
        """The list until all of it is here, for a day if nobody follows it."""
        if view.following in (State.OFFERED, State.PREVIEWED):
            await self._work.through(self._choose(view, State.PREVIEWED))
        async for now in self._watch(view):
            self._require_fetched(view)
            yield now
            if not now.missing and not now.unprojected:
                return

    def _require_fetched(self, view: tools_pb2.ListView) -> None:
        """Raise Refused where the list is let go meanwhile: what is left of it answers nothing."""
        if not self._saying.writer.follows.fetches(MemberId(view.member_id), ObjectId(view.object_id)):
            raise Refused(
                f"{view.name} was let go while it was compared",
                next_step="Ask again: it is fetched once more, or is to be followed first.",
                field="list",
            )

    async def _only_listed(self, holding: Holding, staged: Staged) -> AsyncIterator[tools_pb2.Values]:
        for part in holding.parts.values():
            record = await self._opened(part.hash)
            if record is None or part.kind is None:
                continue
            keys = items.keys(part.kind, record.items)
            sent = await staged.run(partial(staging.positions, kind=part.kind, keys=keys, sent=True))
            left = holdings.rows_left(record, part.kind, sent | part.restriction.positions)
            if left:
                yield _values(part.kind, [row for _, row in left])

    async def _compared(self, view: tools_pb2.ListView, holding: Holding, staged: Staged) -> tools_pb2.Compared:
        common = places = 0
        for kind in staged.counts:
            found = await staged.run(partial(staging.matched, kind=kind.number))
            common, places = common + found.items, places + found.places
        return tools_pb2.Compared(
            list=view,
            common=common,
            only_sent=staged.count - common,
            only_listed=holding.items - places,
            disputed=await self._disputed(holding, staged) if view.disputed else 0,
            reason=consult.publisher_obstacle(MemberId(view.member_id), self._saying.view()) or holding.exempt,
        )

    async def _disputed(self, holding: Holding, staged: Staged) -> int:
        """How many of the items that were sent stand here with somebody objecting to them."""
        judged, found = await self._judged(holding), set[tuple[str, bytes]]()
        for part in holding.parts.values():
            bits = judged[part.hash].disputed & ~part.restriction.positions if part.hash in judged else 0
            record = await self._opened(part.hash) if bits else None
            if record is None or part.kind is None:
                continue
            keys, size = items.keys(part.kind, record.items), part.kind.key_bytes
            bits &= await staged.run(partial(staging.positions, kind=part.kind, keys=keys, sent=True))
            found.update((part.kind.name, keys[at * size : (at + 1) * size]) for at in holdings.positions(bits))
        return len(found)

    async def _judged(self, holding: Holding) -> Mapping[HeaderHash, Judged]:
        seen, rows = self._saying.view(), [part.row for part in holding.parts.values()]
        return await self._saying.reading.run(lambda stores: opinions.of_records(stores, seen, rows))

    # ---- Letting go

    async def tidy(self) -> None:
        """End previews, and let go what is not followed any more, for ever."""
        while True:
            seen = self._changed.version
            try:
                await self._work.through(self._tidy())
            except NodeError as error:
                _log.error("lists not let go", reason=error.reason)
            try:
                async with asyncio.timeout(TIDY_EVERY_S):
                    await self._changed.newer(seen)
            except TimeoutError:
                continue

    async def _tidy(self) -> None:
        writer, now_ms = self._saying.writer, self._saying.clock.now_ms()
        for about, choice in writer.follows.choices.items():
            if choice.state is State.PREVIEWED and choice.until_ms <= now_ms:
                await writer.run(partial(_end_preview, about=about, now_ms=now_ms))
                writer.arrived()  # whoever waits for the rest of it hears that it does not come
        await writer.run(lambda exchange: exchange.end_relays(now_ms), BULK)
        for held in await self._saying.reading.run(
            lambda stores: payloads.held_of_lists(stores.ledger, project.cursor(stores))
        ):
            if held.present:
                await self._let_go(held)

    async def _let_go(self, held: payloads.Held) -> None:
        """Out of the index first, then the payloads: a stop in between begins again."""
        find, writer = partial(_present, held=held), self._saying.writer
        while not self._is_followed(held) and (hashes := await self._saying.reading.run(find)):
            await self._saying.projecting.drop(hashes)
            await writer.run(partial(_drop, hashes=hashes, now_ms=self._saying.clock.now_ms()), BULK)
            writer.arrived()  # where it is followed again by now

    def _is_followed(self, held: payloads.Held) -> bool:
        feed = self._saying.writer.trust.feeds.get(held.feed_id)
        return feed is None or self._saying.writer.follows.fetches(feed.member_id, held.list_id)

    # ---- Looking

    async def _named(self, typed: str) -> tools_pb2.ListView:
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: holdings.named(stores, seen, typed))

    async def _again(self, view: tools_pb2.ListView) -> tools_pb2.ListView:
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: holdings.again(stores, seen, view))

    async def _holding(self, view: tools_pb2.ListView) -> Holding:
        seen, about = self._saying.view(), (MemberId(view.member_id), ObjectId(view.object_id))
        return await self._saying.reading.run(lambda stores: holdings.hold(stores, *about, seen))

    async def _opened(self, hash_: HeaderHash) -> record_pb2.Record | None:
        trust, reader = self._saying.writer.trust, self._saying.writer.reader
        return await self._saying.reading.run(lambda stores: holdings.opened(stores, hash_, trust, reader))


def _preview(exchange: Exchange, about: List, now_ms: int) -> None:
    """A day from now on; who followed it meanwhile has decided more than this."""
    if exchange.follows.state(*about) is not State.FOLLOWED:
        exchange.choose(*about, Choice(State.PREVIEWED, now_ms + PREVIEW_MS), now_ms)


def _end_preview(exchange: Exchange, about: List, now_ms: int) -> None:
    """Unless it was followed, or previewed again, since somebody looked."""
    choice = exchange.follows.choices.get(about)
    if choice is not None and choice.state is State.PREVIEWED and choice.until_ms <= now_ms:
        exchange.choose(*about, Choice(State.DROPPED) if exchange.follows.everything else None, now_ms)


def _drop(exchange: Exchange, hashes: Sequence[HeaderHash], now_ms: int) -> None:
    exchange.let_go(hashes, now_ms)


def _present(stores: Stores, held: payloads.Held) -> list[HeaderHash]:
    return payloads.of_list(stores.ledger, [held.feed_id], held.list_id, RECORDS_PER_STEP)


async def _pages(staged: Staged, *, standing: bool) -> AsyncIterator[tools_pb2.Values]:
    for kind in staged.counts:
        after = None
        while page := await staged.run(partial(staging.page, kind=kind, after=after, standing=standing)):
            after = page[-1][0]
            for rows in items.cut(page):
                yield _values(kind, rows)


def _values(kind: HashKind, rows: Sequence[items.Row]) -> tools_pb2.Values:
    letter = record_pb2.Items()
    items.pack(letter, kind, rows)
    return tools_pb2.Values(kind=kind.name, digests=letter.digests, texts=letter.values, qualities=letter.qualities)


def _list_record(part: Part, record: record_pb2.Record, kind: HashKind, judged: Judged) -> tools_pb2.ListRecord:
    left = holdings.rows_left(record, kind, part.restriction.positions)
    return tools_pb2.ListRecord(
        entry=part.hash,
        values=_values(kind, [row for _, row in left]),
        positions=[position for position, _ in left],
        labels=part.said.items.labels,
        exemptions=vocabulary.exempting(part.said.items),
        advice=vocabulary.advice_of(part.said.items),
        expires_ms=part.row.expires_ms,
        algorithm_version=part.said.items.algorithm_version,
        media_type=part.said.items.media_type,
        handling=part.said.handling,
        judged=[
            tools_pb2.Judged(position=at, opinion=tally.state, agreeing=tally.agreeing, objecting=tally.objecting)
            for at in holdings.positions(judged.judged & ~part.restriction.positions)
            if (tally := judged.at(at))
        ],
    )
