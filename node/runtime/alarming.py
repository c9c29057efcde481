"""Alarming: somebody here is woken when a crisis is in effect, way after way until a person has acknowledged it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from node.errors import NodeError, Refused, Unavailable
from node.exchange import alarms
from node.exchange.alarms import Call, Key
from node.exchange.audit import Act, Operation, Why
from node.feed.header import URGENT
from node.policy.alarm import Route, Settings
from node.runtime import sounding
from node.runtime.saying import Saying
from node.runtime.sounding import SecretOf, Sounded
from node.store.alarms import TEST, Ringing
from node.v1 import alarms_pb2

PAUSE_S = 1.0  # between two looks, whatever comes
LOOK_EVERY_S = 60.0
TIDY_EVERY_S = 3600.0

_log = structlog.get_logger()


class Log(Protocol):
    """Where acts go."""

    async def note(self, *acts: Act) -> None:
        """Durable when it returns."""
        ...


class Alarming:
    """The one that wakes. ``secret_of`` reads what a webhook's calls are signed with."""

    def __init__(self, settings: Settings, saying: Saying, log: Log, secret_of: SecretOf) -> None:
        self._settings, self._saying, self._noted, self._secret_of = settings, saying, log, secret_of
        self._under_way: set[Key] = set()
        self._tidied_s = float("-inf")
        self.waiting = 0  # crises for which there is no room in this hour

    async def run(self) -> None:
        """Wake for ever, where anybody is to be woken."""
        if not self._settings.routes:
            return
        saying = self._saying
        async with asyncio.TaskGroup() as calls:
            while True:
                seen, next_ms = saying.projecting.news.version, 0
                try:
                    next_ms = await self._look(calls)
                except NodeError as error:  # what others wrote must not end what wakes
                    _log.error("alarms wait", reason=error.reason)
                await asyncio.sleep(PAUSE_S)
                left_s = (next_ms - saying.clock.now_ms()) / 1000
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(max(left_s, 0), LOOK_EVERY_S)):
                        await saying.projecting.news.newer(seen)

    async def _look(self, calls: asyncio.TaskGroup) -> int:
        saying, seen = self._saying, self._saying.view()
        await self._tidy(seen.now_ms)
        under_way = frozenset(self._under_way)
        found = await saying.reading.run(lambda stores: alarms.look(stores, seen, self._settings, under_way))
        if found.waiting > self.waiting:
            _log.warning("crises wake nobody in this hour", waiting=found.waiting, per_hour=self._settings.per_hour)
        self.waiting = found.waiting
        if found.begin or found.calls:
            await saying.writer.run(lambda exchange: alarms.begin(exchange.stores, found), URGENT)
        for call in found.calls:
            self._under_way.add((call.ringing.hash, call.route.name))
            calls.create_task(self._call(call))
        return seen.now_ms if found.calls or self._under_way else found.next_ms

    async def _call(self, call: Call) -> None:
        ringing = call.ringing
        try:
            done = await sounding.sound(call.route, call.text, self._secret_of)
            await self._keep(ringing, done)
            _tell(call.route, ringing.tries, done)
            await self._note(
                Act(
                    self._saying.clock.now_ms(),
                    Operation.DISCLOSURE,
                    "alarm",
                    what=(f"crisis:{call.object_id.hex()}",),
                    counts={"tries": ringing.tries},
                    to=f"route {call.route.name}",
                    why=Why("through" if done.through else "failed"),
                )
            )
        except Unavailable as error:
            _log.error("alarm not kept", reason=error.reason)
        finally:
            self._under_way.discard((ringing.hash, call.route.name))

    async def _keep(self, ringing: Ringing, done: Sounded) -> None:
        kept = replace(ringing, through=done.through, answer=done.answer)
        await self._saying.writer.run(lambda exchange: alarms.note(exchange.stores, kept), URGENT)

    async def _note(self, act: Act) -> None:
        with suppress(Unavailable):  # the log says by itself that the disk takes nothing
            await self._noted.note(act)

    async def _tidy(self, now_ms: int) -> None:
        now_s = self._saying.clock.monotonic_s()
        if now_s >= self._tidied_s + TIDY_EVERY_S:
            self._tidied_s = now_s
            await self._saying.writer.run(lambda exchange: alarms.tidy(exchange.stores, now_ms))

    # ---- For whoever asks

    async def routes(self) -> list[alarms_pb2.RouteView]:
        """Each route, and how it did."""
        now_ms = self._saying.clock.now_ms()
        return await self._saying.reading.run(partial(alarms.routes, settings=self._settings, now_ms=now_ms))

    async def warnings(self) -> list[str]:
        """Which routes did not come through when they were last used."""
        now_ms = self._saying.clock.now_ms()
        return await self._saying.reading.run(lambda stores: list(alarms.warnings(stores, self._settings, now_ms)))

    async def test(self, number: int) -> Sequence[alarms_pb2.TrialView]:
        """Send a text that says it is a test through one route, or all of them beside each other; raises Refused."""
        routes = self._settings.routes
        if not routes or number > len(routes):
            raise Refused(
                f"there is no route {number}" if routes else "nobody is woken here",
                next_step="`tocsin alarm list` shows the routes; they stand in node.toml, which a restart reads.",
                field="route",
            )
        places = [number - 1] if number else range(len(routes))
        return await asyncio.gather(*(self._test(place, routes[place]) for place in places))

    async def _test(self, place: int, route: Route) -> alarms_pb2.TrialView:
        clock, writer = self._saying.clock, self._saying.writer
        name, began_ms = writer.trust.name_of(writer.reader.member_id), clock.now_ms()
        done = await sounding.sound(route, alarms.trial_text(route, name, began_ms), self._secret_of)
        await self._keep(Ringing(TEST, route.name, 1, began_ms), done)
        return alarms_pb2.TrialView(
            number=place + 1,
            name=route.name,
            through=done.through,
            answer=done.answer,
            took_ms=max(clock.now_ms() - began_ms, 0),
        )


def _tell(route: Route, tries: int, done: Sounded) -> None:
    if done.through:
        _log.info("alarm", route=route.name, tries=tries, answer=done.answer)
    else:
        _log.warning("alarm failed", route=route.name, tries=tries, answer=done.answer)
