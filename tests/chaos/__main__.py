"""Break real daemons on this machine, by seed, and see that they agree in the end and have lost nothing."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from node.cli import printing
from tests.bench.results import percentile
from tests.chaos import disk, plan, rounds
from tests.chaos.rounds import Outcome

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEADINGS = ("faults", "rounds", "failed", "restarts", "agreement p50", "agreement at most")


def main() -> int:
    arguments = _arguments()
    for each in ENDING:
        signal.signal(each, _stop)
    if "disk" in (arguments.only or plan.NAMES) and not disk.may_mount():
        print("no file system of our own may be mounted here: a disk is full by a limit on the size of files")
    outcomes = []
    for number in range(arguments.first, arguments.first + arguments.rounds):
        drawn = plan.draw(arguments.seed, number, arguments.only or (), arguments.digests)
        outcomes.append(_play(drawn, arguments))
    printing.print_table(HEADINGS, _summary(outcomes), numbers=HEADINGS[1:])
    return 1 if any(one.fault for one in outcomes) else 0


def _play(drawn: plan.Plan, arguments: argparse.Namespace) -> Outcome:
    print(f"round {drawn.number}: {drawn}", flush=True)
    for fault in drawn.faults:
        print(f"  plan: {fault}", flush=True)
    outcome = rounds.run(drawn, lambda text: print(f"  {text}", flush=True))
    if outcome.fault:
        only = "".join(f" --only {name}" for name in arguments.only or ())
        replay = f"scripts/chaos --seed {drawn.seed} --first {drawn.number} --rounds 1 --digests {drawn.digest_count}"
        print(f"  FAILED: {outcome.fault}\n  folder: {outcome.folder}\n  again:  {replay}{only}", flush=True)
    return outcome


def _summary(outcomes: Sequence[Outcome]) -> list[Sequence[str]]:
    def name(one: Outcome) -> str:
        return " and ".join(sorted({fault.name for fault in one.plan.faults}))

    rows: list[Sequence[str]] = []
    for kind in sorted({name(one) for one in outcomes}):
        of_kind = [one for one in outcomes if name(one) == kind]
        agreed = [one.agreed_s for one in of_kind if not one.fault] or [0.0]
        failed, restarts = sum(bool(one.fault) for one in of_kind), sum(one.restarts for one in of_kind)
        times = (f"{percentile(agreed, 50):.1f} s", f"{max(agreed):.1f} s")
        rows.append((kind, str(len(of_kind)), str(failed), str(restarts), *times))
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="chaos",
        description=__doc__,
        epilog="examples: --rounds 50 --seed 7 --only kill    --seed 7 --first 12 --rounds 1",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same decisions (default 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first round (default 0)")
    parser.add_argument("--digests", type=int, default=100_000, help="length of the list (default 100,000)")
    parser.add_argument("--only", action="append", choices=plan.NAMES, help="this fault; may be given several times")
    return parser.parse_args()


def _stop(number: int, _: FrameType | None) -> None:
    """Leave through every `finally`, undisturbed: they end the daemons."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a task cut short by a signal is no error of its own
    sys.exit(f"chaos: ended by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
