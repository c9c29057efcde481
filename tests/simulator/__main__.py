"""Run simulated worlds: one seed to see it again, or many; prints what occurred and how long it took.

With --report: how fast what is urgent gets around, by the share of members that keep silent.
"""

import argparse
import sys
import time

from tests.simulator import silence
from tests.simulator.run import never, run_seed, run_seeds, table, totals


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="simulate",
        description=__doc__,
        epilog="examples: --seed 17    --seeds 200    --nodes 250    --nodes 1000 --hostile 0.33 --report",
    )
    parser.add_argument("--seed", type=int, help="run this one world")
    parser.add_argument("--seeds", type=int, default=20, help="run so many worlds (default 20)")
    parser.add_argument("--nodes", type=int, default=25, help="nodes in each world (default 25)")
    parser.add_argument("--report", action="store_true", help="print a table of urgent latencies instead")
    parser.add_argument("--hostile", type=float, default=0.33, help="the largest share in the report (default 0.33)")
    arguments = parser.parse_args()
    if arguments.report:
        for line in silence.table(arguments.nodes, arguments.hostile):
            print(line, flush=True)
        return 0
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
