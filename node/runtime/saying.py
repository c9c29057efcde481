"""Saying something of our own, as far as this member may, and waiting until it is visible here."""

from collections.abc import Sequence
from dataclasses import replace

from node.errors import Refused
from node.exchange import consult, crises, project
from node.exchange.publish import Draft
from node.feed.keys import HeaderHash
from node.policy import border, effect
from node.policy.border import Border, Reach
from node.policy.effect import Right
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.projecting import Projecting
from node.runtime.reading import Reading
from node.runtime.writer import Writer
from node.store import arrivals, index, ledger
from node.v1 import record_pb2


class Saying:
    """What publishing a crisis and publishing a list have alike."""

    def __init__(
        self,
        peering: Peering,
        writer: Writer,
        reading: Reading,
        projecting: Projecting,
        clock: Clock,
        border: Border | None = None,
    ) -> None:
        self.peering, self.writer, self.reading = peering, writer, reading
        self.projecting, self.clock = projecting, clock
        self._border = border or Border()

    def view(self) -> consult.View:
        """What is trusted and followed now."""
        return consult.view(self.writer.trust, self.writer.follows, self.clock.now_ms(), self.writer.ignores)

    def view_of(self, right: Right) -> consult.View:
        """The same; raises Refused where this member may not."""
        seen = self.view()
        self.require(right, seen)
        return seen

    def require(self, right: Right, seen: consult.View) -> None:
        """Raise Refused where this member may not, saying why and who could tell more."""
        obstacle = effect.obstacle(right, self.writer.reader.member_id, seen.roster, seen.rules)
        if obstacle:
            waits = "`tocsin member` shows who has not accepted yet, as far as this node has heard: is it connected?"
            rules = "`tocsin charter show` says who may do what."
            raise Refused(f"this node may not {right}: {obstacle}", next_step=rules if seen.roster.in_force else waits)

    def border(self) -> Border:
        """What may be said of persons here."""
        seat = self.view().roster.seats.get(self.writer.reader.member_id)
        return replace(self._border, countries=(seat.country,) if seat and seat.country else ())

    async def say(self, drafts: Sequence[Draft], lane: int, *, unconfirmed: bool = False) -> HeaderHash:
        """Say these; durable and on their way when it returns. The last one's header hash.

        Raises Refused for what the border does not let through.
        After a start it waits for the peers' echoes; raises Refused where they do not come in time, but for lane 0
        with the operator's word, ``unconfirmed``.
        """
        for draft in drafts:
            if draft.record and not draft.looked_through:
                reach = Reach(for_all=not draft.readers, carriage=draft.carriage, reason=draft.allowed)
                border.check(record_pb2.Record.FromString(draft.record), self.border(), reach)
        await self.peering.embargo.over()
        admitted = await self.peering.publish(drafts, lane, unconfirmed=unconfirmed)
        return admitted.entries[-1].header.hash

    async def say_visibly(self, drafts: Sequence[Draft], lane: int, *, unconfirmed: bool = False) -> HeaderHash:
        """Say these records, and wait until the last is shown here. Its header hash."""
        hash_ = await self.say(drafts, lane, unconfirmed=unconfirmed)
        await self.shown(hash_)
        return hash_

    async def shown(self, hash_: HeaderHash) -> None:
        """Wait until a record of ours is shown here; what is erased never will be."""
        while hash_ not in self.writer.erasures.whole:
            seen = self.projecting.news.version
            if await self.reading.run(lambda stores: index.is_shown(stores.index, hash_)):
                return
            await self.projecting.news.newer(seen)

    async def own_shown(self) -> None:
        """Wait until the last record that was said here of any list is shown; what others said may still come."""
        feed_id = self.writer.feed_id
        last = await self.reading.run(lambda stores: ledger.last_of_lists(stores.ledger, feed_id))
        if last is not None:
            await self.shown(last)

    async def caught_up(self, *, bulk: bool) -> None:
        """Wait until what is ours is shown here, also what a caller that left did not wait for.

        A crisis stands in the urgent lane, and waits for nothing that is bulk.
        """
        last = await self.reading.run(lambda stores: arrivals.last(stores.ledger, project.store_id(stores)))
        while True:
            seen = self.projecting.news.version
            here = await self.reading.run(project.cursor)
            if here.urgent >= last.urgent and (not bulk or here.bulk >= last.bulk):
                return
            await self.projecting.news.newer(seen)

    async def crisis_id(self, seen: consult.View, named: str, *, exercise: bool) -> bytes:
        """The crisis that a list belongs to, if any; raises Refused for one that it cannot belong to."""
        if not named:
            return b""
        found = await self.reading.run(lambda stores: crises.meant(stores, seen, named))
        if crises.is_over(found.state):
            raise Refused(
                f"{found.reference} is over: {found.reason or found.state}",
                next_step="Publish without --crisis, or for one that goes on: `tocsin crisis list`.",
                field="crisis",
            )
        if found.exercise != exercise:
            step = "Say --exercise; or leave out --crisis." if found.exercise else "Leave out --exercise, or --crisis."
            what = "an exercise, and the list is none" if found.exercise else "no exercise, and the list is one"
            raise Refused(f"{found.reference} is {what}", next_step=step, field="crisis")
        if found.audience:
            raise Refused(
                f"{found.reference} is for {found.audience} alone, and all members see a list and what it belongs to",
                next_step="Publish without --crisis, with a ground that does not speak of it.",
                field="crisis",
            )
        return found.object_id
