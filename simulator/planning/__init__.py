"""Planning: most users under the objectives, cheapest hardware, head-room, cost, comparison."""

from simulator.planning.answers import capacity_answers, record_answers
from simulator.planning.comparison import compare
from simulator.planning.cost import Cost, cost_of
from simulator.planning.headroom import HeadRoom, head_room
from simulator.planning.options import Choice, Option, options
from simulator.planning.search import Judged, Plan, cheapest
from simulator.planning.standard import Limit, Standard, Verdict, judge, standard_of

__all__ = [
    "Choice",
    "Cost",
    "HeadRoom",
    "Judged",
    "Limit",
    "Option",
    "Plan",
    "Standard",
    "Verdict",
    "capacity_answers",
    "cheapest",
    "compare",
    "cost_of",
    "head_room",
    "judge",
    "options",
    "record_answers",
    "standard_of",
]
