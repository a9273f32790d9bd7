"""Priorities at one station. Classes are given from the one that goes first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from simulator.theory.markov import erlang_c
from simulator.theory.queue import check_load


def non_preemptive(
    rates_per_s: Sequence[float], services_s: Sequence[float], cvs: Sequence[float]
) -> list[float]:
    """M/G/1, non-preemptive: mean wait of each class, seconds (Cobham 1954).

    W_k = R/((1 − σ_{k−1})·(1 − σ_k)) with σ_k the load of classes 1…k and R = Σ λ_i·E[S_i²]/2,
    what is left of the service an arrival finds.

    Raises:
        ValueError: when the whole load is 1 or more.
    """
    loads = _loads_up_to(rates_per_s, services_s)
    residual_s = _half_second_moments(rates_per_s, services_s, cvs)[-1]
    return [
        residual_s / ((1 - above) * (1 - upto))
        for above, upto in zip((0.0, *loads), loads, strict=False)
    ]


def non_preemptive_servers(
    rates_per_s: Sequence[float], service_s: float, servers: int
) -> list[float]:
    """M/M/c, non-preemptive, one mean service for all: mean wait of each class (Cobham 1954).

    Raises:
        ValueError: when the whole load is 1 or more.
    """
    each = [service_s / servers] * len(rates_per_s)
    loads = _loads_up_to(rates_per_s, each)
    must_wait = erlang_c(sum(rates_per_s) * service_s, servers)
    return [
        must_wait * service_s / servers / ((1 - above) * (1 - upto))
        for above, upto in zip((0.0, *loads), loads, strict=False)
    ]


def preemptive_resume(
    rates_per_s: Sequence[float], services_s: Sequence[float], cvs: Sequence[float]
) -> list[float]:
    """M/G/1, preemptive-resume: mean sojourn of each class, seconds.

    T_k = E[S_k]/(1 − σ_{k−1}) + R_k/((1 − σ_{k−1})·(1 − σ_k)) with R_k = Σ_{i≤k} λ_i·E[S_i²]/2
    (Gross, Shortle, Thompson & Harris, 3.4; lower classes are not noticed).

    Raises:
        ValueError: when the whole load is 1 or more.
    """
    loads = _loads_up_to(rates_per_s, services_s)
    residuals_s = _half_second_moments(rates_per_s, services_s, cvs)
    return [
        service_s / (1 - above) + residual_s / ((1 - above) * (1 - upto))
        for service_s, residual_s, above, upto in zip(
            services_s, residuals_s, (0.0, *loads), loads, strict=False
        )
    ]


def _loads_up_to(rates_per_s: Sequence[float], services_s: Sequence[float]) -> list[float]:
    loads = list(accumulate(r * s for r, s in zip(rates_per_s, services_s, strict=True)))
    check_load(loads[-1])
    return loads


def _half_second_moments(
    rates_per_s: Sequence[float], services_s: Sequence[float], cvs: Sequence[float]
) -> list[float]:
    terms = zip(rates_per_s, services_s, cvs, strict=True)
    return list(accumulate(r * s * s * (1 + cv * cv) / 2 for r, s, cv in terms))
