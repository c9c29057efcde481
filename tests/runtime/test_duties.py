"""Duties go on, whatever is wrong with one of them."""

import asyncio
from pathlib import Path

import pytest

from node.errors import Malformed
from node.runtime import duties
from node.runtime.duties import Duties
from node.runtime.holding import Holding
from tests.runtime.lines import RealClock
from tests.runtime.test_listing import GUARD_S, lists_of


async def test_what_is_wrong_with_one_duty_ends_neither_it_nor_another_and_it_does_not_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "PAUSE_S", 0)
    tries, answered = 0, asyncio.Event()

    async def fail(_: Duties) -> int:
        nonlocal tries
        tries += 1
        raise Malformed("expiry-range", "what somebody wrote")

    async def answer(self: Duties) -> int:
        answered.set()
        return 0

    monkeypatch.setattr(Duties, "tell", fail)
    monkeypatch.setattr(Duties, "answer", answer)
    async with lists_of(tmp_path / "node", 0, RealClock()) as node:
        running = asyncio.create_task(Duties(node.saying, Holding.__new__(Holding)).run())
        async with asyncio.timeout(GUARD_S):
            await answered.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        assert not running.done()
        assert tries == 1
        running.cancel()
