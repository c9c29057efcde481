"""Run simulated worlds: one seed to see it again, or many; prints what occurred and how long it took."""

import argparse
import sys
import time

from tests.simulator.run import never, run_seed, run_seeds, table, totals


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="simulate", description=__doc__, epilog="examples: --seed 17    --seeds 200    --nodes 250"
    )
    parser.add_argument("--seed", type=int, help="run this one world")
    parser.add_argument("--seeds", type=int, default=20, help="run so many worlds (default 20)")
    parser.add_argument("--nodes", type=int, default=25, help="nodes in each world (default 25)")
    arguments = parser.parse_args()
    started = time.perf_counter()
    if arguments.seed is not None or arguments.nodes > 100:
        seed = arguments.seed or 0
        report = run_seed(seed, arguments.nodes)
        print(f"seed {seed}: trace {report.trace}, faults {', '.join(report.faults)}")
        print(table([report], started))
        return 0
    reports = run_seeds(range(arguments.seeds), arguments.nodes)
    print(table(reports, started))
    missing = never(totals(reports))
    if missing:
        print(f"never occurred: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
