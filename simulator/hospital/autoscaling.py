"""Cloud nodes that come and go: a processor of changing size and the loop that sizes it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from simpy import Environment, Event, Timeout

from architecture.topology import Autoscaling
from simulator.events import Fired
from simulator.hospital.assumptions import (
    AUTOSCALER_PERIOD_S,
    AUTOSCALER_STABILISATION_S,
    AUTOSCALER_TARGET,
    AUTOSCALER_TOLERANCE,
)
from simulator.stations import Processor


class ElasticProcessor(Processor):
    """A processor that counts its work, for whoever changes its number of cores."""

    @property
    def busy_s(self) -> float:
        """Core-seconds worked so far."""
        self._advance()
        return self._busy_s

    def __init__(self, env: Environment, cores: float, name: str) -> None:
        super().__init__(env, cores, name)
        self._busy_s = 0.0

    def _advance(self) -> None:
        elapsed = self._env.now - self._changed_s
        if elapsed > 0.0:
            self._busy_s += elapsed * min(self._running, self._cores)
        super()._advance()


class Autoscaler:
    """Kubernetes' rule: nodes = ceil(nodes · utilisation / target), within bounds.

    Nothing happens within the tolerance; more nodes are asked for at once and work after their
    start; fewer only when no decision of the stabilisation time wanted more.

    Args:
        env: The simulation.
        processor: What is sized.
        node_cores: Cores of one node.
        nodes: At the beginning.
        bounds: Least and most nodes.
        node_start_s: From the decision to a working node.
    """

    def __init__(
        self, env: Environment, processor: ElasticProcessor, *, node_cores: float, nodes: int,
        bounds: Autoscaling, node_start_s: Callable[[], float],
    ) -> None:  # fmt: skip
        self.nodes = nodes
        self.node_seconds = 0.0
        self.most_nodes = nodes
        self._env = env
        self._processor = processor
        self._node_cores = node_cores
        self._bounds = bounds
        self._node_start_s = node_start_s
        self._starting = 0
        self._seen_busy_s = processor.busy_s
        self._wanted: deque[tuple[float, int]] = deque()
        Timeout(env, AUTOSCALER_PERIOD_S).callbacks.append(self._look)

    def _look(self, _event: Event) -> None:
        env = self._env
        busy_s = self._processor.busy_s
        load = (busy_s - self._seen_busy_s) / AUTOSCALER_PERIOD_S
        self._seen_busy_s = busy_s
        self.node_seconds += self.nodes * AUTOSCALER_PERIOD_S
        utilisation = load / (self.nodes * self._node_cores)
        wanted = self.nodes
        if abs(utilisation / AUTOSCALER_TARGET - 1.0) > AUTOSCALER_TOLERANCE:
            wanted = math.ceil(self.nodes * utilisation / AUTOSCALER_TARGET)
        wanted = min(max(wanted, self._bounds.min_nodes, 1), self._bounds.max_nodes)
        self._wanted.append((env.now, wanted))
        while self._wanted[0][0] < env.now - AUTOSCALER_STABILISATION_S:
            self._wanted.popleft()
        expected = self.nodes + self._starting
        if wanted > expected:
            for _ in range(wanted - expected):
                self._starting += 1
                Timeout(env, self._node_start_s()).callbacks.append(self._started)
        else:
            kept = max(nodes for _, nodes in self._wanted)
            if kept < self.nodes and not self._starting:
                self._resize(kept)
        Timeout(env, AUTOSCALER_PERIOD_S).callbacks.append(self._look)

    def _started(self, _event: Fired) -> None:
        self._starting -= 1
        self._resize(self.nodes + 1)

    def _resize(self, nodes: int) -> None:
        self.nodes = nodes
        self.most_nodes = max(self.most_nodes, nodes)
        self._processor.set_servers(nodes * self._node_cores)
