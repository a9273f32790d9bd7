"""What open classes ask of each station: the traffic equations."""

from __future__ import annotations

from architecture.station_network import StationNetwork
from architecture.stations import (
    CustomerClass,
    ListedArrivals,
    PoissonArrivals,
    ProfileArrivals,
    RenewalArrivals,
    StationSpec,
)
from simulator.network.build import known
from simulator.theory import traffic


def offered_load(network: StationNetwork) -> dict[str, float]:
    """Mean work that open classes bring a second, in shares of what the servers can do.

    As if nobody was turned away, gave up or was late. Closed classes are left out: they adapt. A
    delay has as many servers as it needs: its share is the mean number of customers there. Groups
    count with their mean size.
    """
    names = list(network.stations)
    loads = dict.fromkeys(names, 0.0)
    for name, customers in network.classes.items():
        rate_per_s = _rate_per_s(customers)
        if rate_per_s == 0.0:
            continue
        outside = [rate_per_s * customers.starts_at.get(station, 0.0) for station in names]
        reachable = customers.reachable()
        routing = [
            [customers.routing.get(a, {}).get(b, 0.0) if a in reachable else 0.0 for b in names]
            for a in names
        ]
        for station, rate in zip(names, traffic(outside, routing), strict=True):
            service_s = network.stations[station].service_of(name)
            if service_s is not None:
                loads[station] += float(rate) * known(service_s).mean
    return {name: load / _served_at_once(network.stations[name]) for name, load in loads.items()}


def _served_at_once(spec: StationSpec) -> int:
    if spec.discipline == "delay":
        return 1
    return spec.servers * (spec.batch_size or 1)


def _rate_per_s(customers: CustomerClass) -> float:
    size = 1.0 if customers.group_size is None else max(known(customers.group_size).mean, 1.0)
    match customers.arrivals:
        case PoissonArrivals(rate_per_s=rate_per_s):
            return rate_per_s * size
        case RenewalArrivals(gap_s=gap_s):
            return size / known(gap_s).mean
        case ProfileArrivals(rates_per_s=rates_per_s):
            return sum(rates_per_s) / len(rates_per_s) * size
        case ListedArrivals(times_s=times_s) if times_s[-1] > 0:
            return len(times_s) / times_s[-1] * size
    return 0.0
