"""One machine's accelerator: what every model on it shares, its memory bandwidth included."""

from __future__ import annotations

from simpy import Environment

from simulator.stations import Processor


class Accelerator(Processor):
    """A GPU that takes turns between the models that want it.

    Alone a model runs at full speed. With n at work each gets ``1 / (n · factor)``: turns are
    shared equally, and switching costs (factor above 1) or overlap gains (below 1) a share of what
    they get together. The bandwidth goes with the turn: who computes, reads.

    Args:
        env: The simulation.
        factor: Of several together, see :class:`architecture.catalogue.Sharing`.
        name: For the results.
    """

    def __init__(self, env: Environment, factor: float, name: str) -> None:
        if factor <= 0:
            raise ValueError(f"{name}: factor must be positive, got {factor}")
        super().__init__(env, 1, name)
        self._factor = factor

    def _rate(self) -> float:
        running = self._running
        return 1.0 if running <= 1 else 1.0 / (running * self._factor)
