"""Measure real daemons on this machine, beside references measured in the same run. It judges nothing."""

import argparse
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from tests.bench import comparison, declarations, erasing, expiring, lists, lookups, newcomer, results, withdrawing
from tests.bench.results import Measure, Stopwatch

NAMES = ("declare", "list", "change", "memory", "newcomer", "lookup", "withdraw", "expire", "erase", "sync")
LARGE = 10_000_000
SECONDS_MAX = 1200  # what hangs ends by then, daemons and all
SECONDS_MAX_LARGE = 3600
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


def main() -> int:
    arguments = _arguments()
    for number in ENDING:
        signal.signal(number, _stop)
    signal.alarm(SECONDS_MAX_LARGE if arguments.large else SECONDS_MAX)
    wanted, quick = arguments.only or NAMES, arguments.quick
    count, digest_count, seconds = (20, 50_000, 0.5) if quick else (200, 1_000_000, 3.0)
    # Nodes in this process would write their log between the lines of the table.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    watch, load = Stopwatch(), os.getloadavg()
    measures: list[Measure] = []
    if "declare" in wanted:
        _say(f"five daemons: {count} declarations in quiet, {count} while {digest_count:,} SHA-256 travel")
        measures += _in_folder(lambda folder: declarations.measure(folder, count, digest_count))
    if {"list", "change", "memory"} & set(wanted):
        _say(f"two daemons: {digest_count:,} SHA-256 published on one")
        measures += _in_folder(lambda folder: lists.measure(folder, digest_count, wanted))
    if "newcomer" in wanted:
        size = 100_000 if quick else 2_100_000
        _say(f"three daemons: {size:,} SHA-256 on one, fetched by two that are new, the second beside declarations")
        measures += _in_folder(lambda folder: newcomer.measure(folder, size, count))
    if "lookup" in wanted:
        _say(f"one daemon: {digest_count:,} SHA-256, looked up over TLS")
        measures += _in_folder(lambda folder: lookups.measure(folder, digest_count, seconds))
    if "withdraw" in wanted:
        _say(f"five daemons: {count} items withdrawn, one after the other")
        measures += _in_folder(lambda folder: withdrawing.measure(folder, count, 50_000))
    if "expire" in wanted:
        _say(f"one daemon: {digest_count:,} SHA-256 are over at once, beside look-ups")
        measures += _in_folder(lambda folder: expiring.measure(folder, digest_count, seconds))
    if "erase" in wanted:
        size = 100_000 if quick else 2_000_000
        _say(f"one node: a quarter of {size:,} SHA-256, drawn at random, is erased beside declarations")
        measures += _in_folder(lambda folder: erasing.measure(folder, size))
    if "sync" in wanted:
        measures += comparison.measure()
    if arguments.large:
        _say(f"two daemons: {LARGE:,} SHA-256 published on one")
        measures += _in_folder(lambda folder: lists.measure_large(folder, LARGE))
    show = results.print_json if arguments.json else results.print_table
    show(measures, watch.elapsed_s, (load, os.getloadavg()))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description=__doc__,
        epilog="examples: --quick    --only declare --only sync    --only sync --large    --json > now.json",
    )
    parser.add_argument("--quick", action="store_true", help="20 declarations and 50,000 digests, to try it")
    parser.add_argument("--only", action="append", choices=NAMES, help="measure this alone; may be given several times")
    parser.add_argument(
        "--large", action="store_true", help=f"also publish {LARGE:,} digests: minutes, and 3 GB of disk"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def _in_folder(measure: Callable[[Path], list[Measure]]) -> list[Measure]:
    """In a folder of its own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    try:
        return measure(folder)
    finally:
        shutil.rmtree(folder)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _stop(number: int, _: FrameType | None) -> None:
    """Leave through every `finally`, undisturbed: they end the daemons."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a task cut short by a signal is no error of its own
    over = number == signal.SIGALRM
    sys.exit("bench: not over in the time it may take" if over else f"bench: ended by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
