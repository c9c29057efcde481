"""Many worlds: in several processes, with counts over all of them."""

import gc
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulator.world import FAULTS, RARE, Report, World


def run_seed(seed: int, count: int) -> Report:
    """One world; a failure says how to see it again."""
    gc.disable()  # a world makes no cycles worth collecting while it runs, and looking costs a fifth
    gc.freeze()  # what was there before it need not be looked through after it
    try:
        return World(seed, count).run()
    except AssertionError as error:
        raise AssertionError(f"{error}\n  again: scripts/simulate --seed {seed} --nodes {count}") from error
    finally:
        gc.enable()
        gc.collect()


def run_seeds(seeds: Sequence[int], count: int) -> list[Report]:
    """All worlds, on every core."""
    workers = min(os.cpu_count() or 1, len(seeds))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_seed, seeds, [count] * len(seeds), chunksize=4))


def totals(reports: Iterable[Report]) -> Counter[str]:
    """What happened over all worlds."""
    found: Counter[str] = Counter()
    for report in reports:
        found += report.counts
    return found


def never(counts: Counter[str]) -> list[str]:
    """Faults and rare branches that no world saw: then the run shows nothing."""
    wanted = [*(f"fault: {fault}" for fault in FAULTS), *RARE]
    return [name for name in wanted if not counts[name]]


def table(reports: Sequence[Report], started: float) -> str:
    """The run in words."""
    counts = totals(reports)
    slowest = max(report.converged_s for report in reports)
    lines = [f"{name:45} {counts[name]:>8}" for name in sorted(counts)]
    head = (
        f"{len(reports)} worlds, {sum(report.entries for report in reports)} entries, "
        f"{sum(report.frames for report in reports)} frames, agreement at most {slowest:.1f} s after healing, "
        f"{time.perf_counter() - started:.0f} s"
    )
    return "\n".join([head, *lines])
