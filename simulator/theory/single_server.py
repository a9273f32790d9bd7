"""One server, Poisson arrivals, any distribution of service."""

from __future__ import annotations

from simulator.theory.queue import QueueAnswer, check_load, little


def mg1(rate_per_s: float, service_s: float, cv: float) -> QueueAnswer:
    """M/G/1, first come, first served: wait = λ·E[S²]/(2·(1 − ρ)) (Pollaczek 1930, Khinchine 1932).

    Args:
        rate_per_s: Arrivals.
        service_s: Mean service.
        cv: Standard deviation of the service over its mean; E[S²] = service_s²·(1 + cv²).

    Raises:
        ValueError: when the load is 1 or more.
    """
    load = check_load(rate_per_s * service_s)
    wait_s = rate_per_s * service_s**2 * (1 + cv**2) / (2 * (1 - load))
    return little(rate_per_s, rate_per_s * wait_s, load, 1)


def mg1_ps(rate_per_s: float, service_s: float) -> QueueAnswer:
    """M/G/1 under processor sharing: sojourn = E[S]/(1 − ρ), whatever the distribution.

    Kleinrock, Queueing Systems II, 4.4. ``wait_s`` is what sharing costs, ``queue_length`` the
    customers beyond those that one server serves.

    Raises:
        ValueError: when the load is 1 or more.
    """
    load = check_load(rate_per_s * service_s)
    return little(rate_per_s, load**2 / (1 - load), load, 1)
