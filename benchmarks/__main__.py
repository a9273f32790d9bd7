"""`python -m benchmarks`: every benchmark, or the ones that are named."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import (
    api_lookup,
    availability,
    commit_latency,
    failover,
    hospital_day,
    inference,
    replications,
    simulation,
)

BENCHMARKS: dict[str, Callable[[], object]] = {
    "simulation": simulation.main,
    "hospital-day": hospital_day.main,
    "availability": availability.main,
    "replications": replications.main,
    "inference": inference.main,
    "api-lookup": api_lookup.main,
    "commit-latency": commit_latency.main,
    "failover": lambda: failover.run(failover.TRIALS, list(failover.FAULTS)),
}


def main() -> None:
    """Run the benchmarks named on the command line, all without names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)} (allowed: {', '.join(BENCHMARKS)})")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
