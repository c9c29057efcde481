"""One round: a list travels, crises are declared, faults strike, and all agree."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.results import percentile
from tests.chaos import agreement, saying
from tests.chaos import world as worlds
from tests.chaos.faults import Faults, slow_down
from tests.chaos.plan import Disk, Plan, Slow
from tests.chaos.saying import Said
from tests.chaos.world import Lost, World

ROUND_S = 900.0  # no round takes a fifth of it
Tell = Callable[[str], None]


@dataclass
class Outcome:
    """How a round ended."""

    plan: Plan
    agreed_s: float = 0.0  # after the last fault was over
    took_s: float = 0.0
    fault: str = ""
    folder: Path | None = None  # kept where it failed
    restarts: int = 0
    slow_ratio: float | None = None
    notes: list[str] = field(default_factory=list)


def run(plan: Plan, tell: Tell) -> Outcome:
    """Play it; the folder stays where it failed."""
    outcome = Outcome(plan)
    folder = Path(tempfile.mkdtemp(prefix="tocsin-chaos-"))
    try:
        asyncio.run(_play(folder, outcome, tell))
        _logs_are_quiet(folder, plan)
    except* (Lost, AssertionError) as errors:
        outcome.fault = "; ".join(str(one) for one in _leaves(errors))
    except* Exception as errors:  # noqa: BLE001 - whatever it is, the next round can be played
        outcome.fault = "; ".join(repr(one) for one in _leaves(errors))
    finally:
        if outcome.fault:
            outcome.folder = folder
        else:
            shutil.rmtree(folder)
    return outcome


def _leaves(error: BaseException) -> Sequence[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


async def _play(folder: Path, outcome: Outcome, tell: Tell) -> None:
    now = asyncio.get_running_loop().time
    started = now()
    async with asyncio.timeout(ROUND_S), worlds.opened(folder, outcome.plan) as world:
        said = Said(world)
        async with _watched(world, said):
            faults = Faults(world, said, tell)
            quiet = await faults.probe()
            faults.meanwhile.clear()
            reference_s = await _reference(said, faults)
            slow_down(world, outcome.plan)
            faults.over_s = now()
            travelled_s = await _strike(said, faults)
            await agreement.reached(world)
            outcome.agreed_s = now() - faults.over_s
            await agreement.nothing_lost(world, said)
            outcome.restarts = sum(world.restarts.values())
            if reference_s:
                outcome.slow_ratio = travelled_s / reference_s
                tell(
                    f"the list reached the others in {travelled_s:.1f} s, {outcome.slow_ratio:.1f} times the"
                    f" {reference_s:.1f} s that as long a list took before"
                )
            _compare(said, faults, quiet, tell)
            tell(
                f"agreement {outcome.agreed_s:.1f} s after the last fault: {len(said.standing):,} digests and"
                f" {len(said.declared)} crises on each of {outcome.plan.nodes} nodes"
            )
    outcome.took_s = now() - started


@asynccontextmanager
async def _watched(world: World, said: Said) -> AsyncIterator[None]:
    """A subscriber of every node; and no daemon may end by itself."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(said.follow(i)) for i in range(world.plan.nodes)]
        running.append(tasks.create_task(world.watch()))
        yield
        for task in running:
            task.cancel()


async def _reference(said: Said, faults: Faults) -> float:
    """Where somebody is to be slow: how long as long a list takes before."""
    if not any(isinstance(fault, Slow) for fault in said.world.plan.faults):
        return 0.0
    since = asyncio.get_running_loop().time()
    await said.publish_reference()
    await _held(said, faults.calm, said.referred)
    took_s = asyncio.get_running_loop().time() - since
    await agreement.reached(said.world)
    return took_s


async def _held(said: Said, nodes: Sequence[int], count: int) -> None:
    async def all_hold() -> bool:
        return all([sum(one.items for one in await said.world.clients[i].lists()) >= count for i in nodes])

    await worlds.until(all_hold, f"{count:,} digests on all that no fault touches")


async def _strike(said: Said, faults: Faults) -> float:
    """Everything at once; over when all is said and every fault is over. How long the list took to the calm."""
    since = asyncio.get_running_loop().time()

    async def publish() -> float:
        await said.publish_all()
        faults.published.set()
        if said.published < len(said.digests):
            return 0.0
        await _held(said, faults.calm, len(said.standing))
        return asyncio.get_running_loop().time() - since

    async with asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(publish())
        tasks.create_task(said.declare_all())
        for fault in said.world.plan.faults:
            tasks.create_task(faults.strike(fault))
    return publishing.result()


def _compare(said: Said, faults: Faults, quiet: Sequence[saying.Declared], tell: Tell) -> None:
    """Declarations between those that no fault touched: while it lasted, and before."""
    before, meanwhile = (list(said.delays_s(found, faults.calm)) for found in (quiet, faults.meanwhile))
    if before and meanwhile:
        one, other = (percentile(delays, 50) * 1000 for delays in (before, meanwhile))
        tell(f"declarations between the others: p50 {other:.0f} ms meanwhile, {one:.0f} ms in quiet")


def _logs_are_quiet(folder: Path, plan: Plan) -> None:
    """No daemon logged an error, but those whose disk was full."""
    full = {fault.victim for fault in plan.faults if isinstance(fault, Disk)}
    for i in range(plan.nodes):
        if i in full:
            continue
        for line in (folder / f"n{i + 1}.log").read_text().splitlines():
            if not line.startswith("{") or json.loads(line)["level"] in {"error", "critical"}:
                raise Lost(f"n{i + 1} logged: {line[:400]}")
