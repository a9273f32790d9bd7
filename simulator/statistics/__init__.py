"""What may be said about replications: quantiles, intervals, warm-up, comparisons, stopping."""

from simulator.statistics.batches import BatchMeans, batch_means
from simulator.statistics.comparison import PairedDifference, against_base, paired
from simulator.statistics.intervals import (
    LEAST_REPLICATIONS,
    across,
    central,
    estimate_document,
    one_more,
)
from simulator.statistics.percentiles import (
    QUANTILES,
    TAIL_QUANTILES,
    Percentile,
    observations_needed,
    percentile,
    summarise,
)
from simulator.statistics.stopping import Precision, replicate
from simulator.statistics.warm_up import SteadyState, WarmUp, mser, steady_state, warm_up

__all__ = [
    "LEAST_REPLICATIONS",
    "QUANTILES",
    "TAIL_QUANTILES",
    "BatchMeans",
    "PairedDifference",
    "Percentile",
    "Precision",
    "SteadyState",
    "WarmUp",
    "across",
    "against_base",
    "batch_means",
    "central",
    "estimate_document",
    "mser",
    "observations_needed",
    "one_more",
    "paired",
    "percentile",
    "replicate",
    "steady_state",
    "summarise",
    "warm_up",
]
