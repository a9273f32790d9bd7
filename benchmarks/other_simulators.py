"""The benchmark's models in other simulators, each written as its own documentation does.

They draw their own random numbers, so their answers agree with ours only within their noise.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SEED = 20


@dataclass(frozen=True)
class Tandem:
    """Poisson arrivals, then ``stages`` M/M/c stations of mean service 1 in a row."""

    name: str
    stages: int
    servers: int
    utilisation: float

    @property
    def rate_per_s(self) -> float:
        """Arrivals."""
        return self.utilisation * self.servers


# The mean sojourn of about so many customers.
Run = Callable[[Tandem, int], float]


def ciw(model: Tandem, customers: int) -> float:
    """Ciw: networks of queues."""
    import ciw as library  # noqa: PLC0415

    library.seed(SEED)
    stages = range(model.stages)
    first = [library.dists.Exponential(rate=model.rate_per_s)]
    network = library.create_network(
        arrival_distributions=first + [None] * (model.stages - 1),
        service_distributions=[library.dists.Exponential(rate=1.0) for _ in stages],
        routing=[[1.0 if b == a + 1 else 0.0 for b in stages] for a in stages],
        number_of_servers=[model.servers] * model.stages,
    )
    simulation = library.Simulation(network)
    simulation.simulate_until_max_customers(customers, method="Finish")
    records = simulation.get_all_records()
    total = sum(record.exit_date - record.arrival_date for record in records)
    return float(total) / customers


def salabim(model: Tandem, customers: int) -> float:
    """Salabim: a component a customer, its own monitors switched on as they are by default."""
    import salabim as library  # noqa: PLC0415

    library.yieldless(False)  # noqa: FBT003
    env = library.Environment(random_seed=SEED, trace=False)
    servers = [
        library.Resource(f"servers {n}", capacity=model.servers) for n in range(model.stages)
    ]
    service = library.Exponential(1.0)
    gap = library.Exponential(1 / model.rate_per_s)
    sojourns: list[float] = []

    class Customer(library.Component):  # type: ignore[misc,name-defined]
        """A customer."""

        def process(self) -> Iterator[Any]:
            """Through all stations."""
            entered = env.now()
            for server in servers:
                yield self.request(server)
                yield self.hold(service.sample())
                self.release(server)
            sojourns.append(env.now() - entered)

    class Arrivals(library.Component):  # type: ignore[misc,name-defined]
        """The source."""

        def process(self) -> Iterator[Any]:
            """One customer after each gap."""
            for _ in range(customers):
                yield self.hold(gap.sample())
                Customer()

    Arrivals()
    env.run()
    return sum(sojourns) / len(sojourns)


# By the name of the package, with the share of the customers that is enough for a timing.
OTHERS: dict[str, tuple[Run, float]] = {"ciw": (ciw, 0.5), "salabim": (salabim, 0.05)}
# Written down so that nobody looks for it in vain.
NOT_COMPARED = "asyncflow-sim, which needs Python 3.12"


def installed() -> dict[str, tuple[Run, float]]:
    """Those of :data:`OTHERS` that are here."""
    return {name: run for name, run in OTHERS.items() if importlib.util.find_spec(name)}
