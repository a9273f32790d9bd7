"""A hospital day of 200 users on design B: processor seconds and memory.

The whole model is played: shifts, sessions, all journeys, the open stream of alerts, language model
and companions on one accelerator, timeline by the minute. Memory is read after one and after three
days in processes of their own: it should not grow with simulated time.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace

from architecture import load_design
from simulator.figures import figures_for
from simulator.hospital import A_DAY, run_replication
from simulator.streams import Streams

DESIGN = "dual-m3-ultra"
ROUNDS = 5


def play(days: float, replication: int = 0) -> tuple[float, int]:
    """Processor seconds and requests of so many days."""
    design = load_design(DESIGN)
    figures = figures_for(design)
    scenario = replace(A_DAY, duration_s=A_DAY.duration_s * days)
    start = time.process_time()
    made = run_replication(design, figures, scenario, Streams(1, replication))
    return time.process_time() - start, made.counts.arrived


def peak_memory_mib(days: int) -> float:
    """Most memory a process of its own had after so many days."""
    code = f"from benchmarks.hospital_day import report_memory; report_memory({days})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip
    return float(done.stdout)


def report_memory(days: int) -> None:
    """Play so many days and print this process's most resident memory in MiB."""
    play(days)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Run the rounds and print the median and the range."""
    play(0.05)  # imports and first calls are not what is measured
    made = [play(1, replication) for replication in range(ROUNDS)]
    seconds = [cpu_s for cpu_s, _ in made]
    requests = statistics.median(count for _, count in made)
    median = statistics.median(seconds)
    print(
        f"{DESIGN}, 200 users, a day of {requests:,.0f} requests, {ROUNDS} replications, one core"
    )
    print(
        f"  {median:.2f} s of processor time (median; {min(seconds):.2f} to {max(seconds):.2f}), "
        f"{median / requests * 1e6:.0f} us a request"
    )
    one, three = peak_memory_mib(1), peak_memory_mib(3)
    print(f"  memory: {one:.0f} MiB after one day, {three:.0f} MiB after three")
