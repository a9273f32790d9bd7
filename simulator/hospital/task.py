"""The hospital as a task that can be replicated on all cores, swept and compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from architecture.design import Design
from simulator.figures import Figures
from simulator.hospital.capacity import Scenario, run_replication
from simulator.hospital.result import Replication
from simulator.streams import Streams


@dataclass(frozen=True)
class HospitalTask:
    """One replication's numbers by dotted metric, for :mod:`simulator.replications`.

    Metrics: ``<operation>.latency_s.<mean|p50|p95|p99>``, ``<operation>.throughput_per_s``,
    ``chat.time_to_first_token_s.<…>``, ``<station>.utilisation|wait_s|queue_length`` and
    ``failed_share``.
    """

    design: Design
    figures: Figures
    scenario: Scenario = field(default_factory=Scenario)

    def __call__(self, seed: int, replication: int, /) -> dict[str, float]:
        """Run replication number ``replication``."""
        streams = Streams(seed, replication)
        return metrics(run_replication(self.design, self.figures, self.scenario, streams))


def metrics(replication: Replication) -> dict[str, float]:
    """A replication as one flat mapping; names as in :class:`HospitalTask`."""
    found: dict[str, float] = {}
    for operation, latency in replication.latency.items():
        found |= {f"{operation}.latency_s.{name}": value for name, value in latency.items()}
        found[f"{operation}.throughput_per_s"] = replication.throughput_per_s[operation]
    found |= {
        f"chat.time_to_first_token_s.{name}": value
        for name, value in replication.first_token.items()
    }
    for station, measures in replication.stations.items():
        found |= {f"{station}.{name}": value for name, value in measures.items()}
    found["failed_share"] = failed_share(replication)
    return found


def failed_share(replication: Replication) -> float:
    """Share of all attempts that were refused, timed out or given up; 0 when there were none."""
    counts = replication.observed
    failed = counts.refused + counts.timed_out + counts.abandoned + counts.declined
    # Some of those that failed may have been sent before the observation began.
    return min(failed / counts.arrived, 1.0) if counts.arrived else 0.0
