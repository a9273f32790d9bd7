"""What the face and image services count and time."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from reference_stack.serving.metrics import QueueMetrics


class VisionMetrics(QueueMetrics):
    """Faces and images share a queue and a worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("vision", "Pictures", registry)
