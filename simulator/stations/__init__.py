"""Stations: where requests wait and are served.

Written on SimPy's public events and their ``callbacks`` instead of a process per customer: two
events a customer, several times the speed. A station calls ``done(token)`` when a service is over,
and ``left(token, how)`` when a customer goes without. All can be paused, resumed, crashed and given
another number of servers, so that failures and autoscaling act upon any of them.
"""

from simulator.stations.base import Component, Leaving, Left, Ticket
from simulator.stations.batch import BatchStation, first
from simulator.stations.clock import Clock
from simulator.stations.delay import Delay
from simulator.stations.impatient_queue import ImpatientQueue
from simulator.stations.population import Population
from simulator.stations.preemptive import PreemptiveStation
from simulator.stations.priority_queue import PriorityQueue
from simulator.stations.processor import Processor, Work
from simulator.stations.router import Router
from simulator.stations.sink import Sink
from simulator.stations.source import Source
from simulator.stations.station import Station
from simulator.stations.tally import Tally

__all__ = [
    "BatchStation",
    "Clock",
    "Component",
    "Delay",
    "ImpatientQueue",
    "Leaving",
    "Left",
    "Population",
    "PreemptiveStation",
    "PriorityQueue",
    "Processor",
    "Router",
    "Sink",
    "Source",
    "Station",
    "Tally",
    "Ticket",
    "Work",
    "first",
]
