"""The embargo after a start: nothing is signed before peers have shown what they hold of ours."""

import asyncio

import structlog

from node.exchange import signing, watch
from node.exchange.signing import ECHOES_WITHIN_S, State
from node.feed.keys import MemberId
from node.runtime.link import Clock
from node.runtime.writer import Writer
from node.v1 import peer_pb2

EARLY_S = 0.01  # by which a timer may be early

_log = structlog.get_logger()


class Embargo:
    """Looks at clocks and echoes, and tells the log what they come to. Owned by the event loop."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._told: State | None = None

    async def look(self, ahead_ms: int | None = None) -> None:
        """At the clocks; ``ahead_ms`` is of the peers', by the median, if any is known."""
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        await self._writer.run(lambda exchange: exchange.look(now_s, now_ms, ahead_ms))
        self._tell()

    async def take(self, peer: MemberId, shown: peer_pb2.Echo) -> None:
        """A peer has shown what it holds of ours; raises PeerFault for what is not."""
        await self._writer.run(lambda exchange: exchange.take_echo(peer, shown))
        self._writer.news.tell()
        self._tell()

    async def confirm_clock(self) -> str:
        """The administrator says that the clock is right; what was doubted, if anything."""
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        doubted = await self._writer.run(lambda exchange: exchange.confirm_clock(now_s, now_ms))
        self._writer.news.tell()
        _log.warning("clock confirmed", doubted=doubted)
        self._tell()
        return doubted

    def may_erase(self) -> bool:
        """Whether what is due by the clock, as it is this moment, may go."""
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        return watch.look(self._writer.signing.watch, now_s, now_ms, None).may_erase

    async def over(self) -> None:
        """Wait for the echoes, until a minute after the start; whether anything may be signed then is not said here."""
        try:
            async with asyncio.timeout(self._left_s()):
                while self._writer.signing.state is State.EMBARGO:
                    await self._writer.news.newer(self._writer.news.version)
        except TimeoutError:
            return

    def _left_s(self) -> float:
        begun_s, now_s = self._writer.signing.watch.begun_s, self._clock.monotonic_s()
        passed_s = 0.0 if begun_s is None else now_s - begun_s
        return max(ECHOES_WITHIN_S - passed_s, 0) + EARLY_S

    def _tell(self) -> None:
        now = self._writer.signing
        if now.state is self._told:
            return
        self._told = now.state
        if now.state is State.ACTIVE:
            _log.info("signs")
            return
        tell = _log.info if now.state in (State.EMBARGO, State.LEFT) else _log.error
        why = signing.reason(now, self._writer.trust)
        tell("signs nothing", state=now.state.value, reason=why, next_step=signing.next_step(now))
