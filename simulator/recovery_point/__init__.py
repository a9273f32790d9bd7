"""Recovery points: how far what survives a fault is behind what was acknowledged."""

from simulator.recovery_point.behind import Behind, Store, behind, wan_down_share
from simulator.recovery_point.losses import (
    central_loss,
    expected_loss_s,
    loss_samples,
    some_loss_probability,
    writes_per_s,
)

__all__ = [
    "Behind",
    "Store",
    "behind",
    "central_loss",
    "expected_loss_s",
    "loss_samples",
    "some_loss_probability",
    "wan_down_share",
    "writes_per_s",
]
