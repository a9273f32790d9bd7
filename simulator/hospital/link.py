"""A network link: delay, and a bandwidth that large transfers share."""

from __future__ import annotations

from simpy import Environment

from simulator.hospital.assumptions import SMALL_BYTES
from simulator.measures import StationMeasures
from simulator.stations import Processor
from simulator.stations.base import Done


class NetworkLink:
    """Transfers share the bandwidth equally, as long-lived TCP connections do.

    What is small (:data:`SMALL_BYTES`) takes its own transmission time and slows nobody down.

    Args:
        env: The simulation.
        bandwidth_bit_s: What applications get.
        round_trip_s: Without queueing.
        name: For the results.
    """

    def __init__(
        self, env: Environment, bandwidth_bit_s: float, round_trip_s: float, name: str
    ) -> None:
        self.name = name
        self.round_trip_s = round_trip_s
        self.bytes_carried = 0.0
        self._seconds_a_byte = 8.0 / bandwidth_bit_s
        self._shared = Processor(env, 1, name)

    def small_s(self, size_bytes: float) -> float:
        """Transmission time of a small message, by itself."""
        self.bytes_carried += size_bytes
        return size_bytes * self._seconds_a_byte

    def is_small(self, size_bytes: float) -> bool:
        """Whether a message slows nobody down."""
        return size_bytes < SMALL_BYTES

    def send(self, size_bytes: float, done: Done, token: object) -> None:
        """Carry a large message; ``done(token)`` when its last byte has been sent."""
        self.bytes_carried += size_bytes
        self._shared.start(size_bytes * self._seconds_a_byte, done, token)

    def snapshot(self) -> StationMeasures:
        """Measures of the large transfers; utilisation is the share of time with one under way."""
        return self._shared.snapshot()
