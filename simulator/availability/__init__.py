"""Uptime: predicted from failures, repairs, redundancy and planned work; simulated and solved."""

from simulator.availability.analysis import analyse
from simulator.availability.exact import ExactModel
from simulator.availability.result import Uptime, record_uptime
from simulator.availability.uptime import UptimeModel, simulate_uptime

__all__ = [
    "ExactModel",
    "Uptime",
    "UptimeModel",
    "analyse",
    "record_uptime",
    "simulate_uptime",
]
