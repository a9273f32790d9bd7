"""The steady state of one queue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QueueAnswer:
    """Means in the steady state.

    Attributes:
        utilisation: Share of the servers' time that is busy.
        queue_length: Customers waiting.
        wait_s: Time in queue of a customer who was let in, whether it was served or gave up.
        sojourn_s: The same and the service; of a customer who was let in.
        in_system: Customers waiting and in service.
        blocked: Share of all arrivals that find no room.
        reneged: Share of all arrivals that give up.
    """

    utilisation: float
    queue_length: float
    wait_s: float
    sojourn_s: float
    in_system: float
    blocked: float = 0.0
    reneged: float = 0.0


def little(
    rate_per_s: float, queue_length: float, in_service: float, servers: float, *,
    blocked: float = 0.0, reneged: float = 0.0,
) -> QueueAnswer:  # fmt: skip
    """The answer from mean numbers, by Little's law; ``rate_per_s`` counts all arrivals."""
    let_in = rate_per_s * (1 - blocked)
    in_system = queue_length + in_service
    return QueueAnswer(
        utilisation=in_service / servers, queue_length=queue_length, wait_s=queue_length / let_in,
        sojourn_s=in_system / let_in, in_system=in_system, blocked=blocked, reneged=reneged,
    )  # fmt: skip


def check_load(load: float) -> float:
    """The load, if it has a steady state.

    Raises:
        ValueError: when it is negative, or 1 or more.
    """
    if not 0 <= load < 1:
        raise ValueError(f"a load from 0 to below 1 has a steady state, this is {load:g}")
    return load
