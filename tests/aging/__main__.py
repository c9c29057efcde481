"""Ten years of a busy node in some tens of seconds; prints what it holds by year, and what was overdue."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from node.custody import policies as shipped
from node.feed.identity import Role
from node.policy import policies
from tests.aging.life import REASONS, Life, Load, Year, is_flat

YEARS = 10
HEADING = ("year", "entries", "header B/entry", "payloads MB", "keys kB", "digests", "records", "files MB", *REASONS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/age", description=__doc__)
    parser.add_argument("--years", type=int, default=YEARS)
    parser.add_argument("--entries", type=int, default=Load().entries, help="in a year")
    parser.add_argument("--items", type=int, default=Load().items, help="in a year")
    parser.add_argument("--policy", type=Path, help="default: a platform's, as it comes with the program")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    text = asked.policy.read_bytes() if asked.policy else shipped.shipped(Role.PLATFORM)
    policy = policies.decode(text, asked.policy or "platform.toml")
    began = time.monotonic()  # noqa: TID251 - the one real clock here
    worked, years = time.process_time(), list[Year]()
    print(f"{policy.name}: {asked.entries:,} entries and {asked.items:,} items a year")
    print("".join(f"{name:>{max(len(name), 8) + 2}}" for name in HEADING))
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), policy, Load(asked.entries, asked.items), asked.seed)
        for year in life.years(asked.years):
            years.append(year)
            print("".join(f"{cell:>{max(len(name), 8) + 2}}" for name, cell in zip(HEADING, _cells(year), strict=True)))
        life.close()
    took_s, worked_s = time.monotonic() - began, time.process_time() - worked  # noqa: TID251
    print(f"{life.jumps:,} jumps of the clock in {took_s:.0f} s, {worked_s:.0f} of them on the processor")
    print(f"overdue: {life.overdue}")
    flat = asked.years < YEARS or is_flat(years)
    print("what is held is flat" if flat else "WHAT IS HELD GROWS")
    sys.exit(bool(life.overdue) or not flat)


def _cells(year: Year) -> list[str]:
    return [
        f"{year.number}",
        f"{year.entries:,}",
        f"{year.header_bytes / year.entries:.0f}",
        f"{year.payload_bytes / 1e6:.1f}",
        f"{year.key_bytes / 1e3:.1f}",
        f"{year.digests:,}",
        f"{year.records:,}",
        f"{year.file_bytes / 1e6:.1f}",
        *(f"{year.erased[reason]:,}" for reason in REASONS),
    ]


if __name__ == "__main__":
    main()
