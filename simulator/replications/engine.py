"""Many replications of many tasks on all cores, or on a cluster.

joblib hands the replications out: to processes of this machine (loky), or to whatever backend the
caller has chosen with ``joblib.parallel_config``, for example ``"dask"`` with a
``distributed.Client`` of a cluster. It puts short replications together until a hand-over carries
a fifth of a second of work.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import cast

from joblib import Parallel, delayed  # type: ignore[import-untyped]
from joblib.externals.loky.process_executor import (  # type: ignore[import-untyped]
    BrokenProcessPool,
)

from simulator.replications.progress import Tell
from simulator.replications.store import Store
from simulator.replications.task import Metrics, Task, WorkerLostError, run_one

ALL_CORES = -1
SECONDS_BETWEEN_SAVES = 2.0
SECONDS_BETWEEN_LOOKS = 1.0
SHOWN_UNFINISHED = 10


@dataclass(frozen=True)
class Request:
    """Replications of one task.

    Attributes:
        task: What is replicated.
        seed: Its seed.
        replications: Their numbers.
        store: Where finished ones are kept; None to keep none.
    """

    task: Task
    seed: int
    replications: Sequence[int]
    store: Store | None = None


def compute(
    requests: Sequence[Request], *, jobs: int | None = None, tell: Tell | None = None
) -> list[dict[int, Metrics]]:
    """The metrics of every replication asked for, by request and number.

    The numbers do not depend on ``jobs``, on the backend or on what was cached. An exception,
    Ctrl-C too, ends the workers and keeps what was finished in the stores.

    Args:
        requests: What to compute.
        jobs: Processes on this machine, all cores by default; 1 stays in this process. A cluster
            uses what it has.
        tell: Told how many of all are finished.

    Raises:
        ReplicationError: when a task raises; names replication and seed.
        WorkerLostError: when a worker process died.
        StoreError: when finished replications cannot be read or kept.
    """
    results = [_known(request) for request in requests]
    missing = _missing(requests, results)
    total = sum(len(set(request.replications)) for request in requests)
    finished = total - len(missing)
    if tell is not None:
        tell(finished, total)
    with (
        _saving(requests, results) as keep,
        # Closed at once: an exception that is being looked at keeps every frame alive.
        closing(_made(requests, missing, jobs)) as made,
    ):
        for index, number, metrics in made:
            keep(index, number, metrics)
            finished += 1
            if tell is not None:
                tell(finished, total)
    return [
        {number: result[number] for number in sorted(set(request.replications))}
        for request, result in zip(requests, results, strict=True)
    ]


def _known(request: Request) -> dict[int, Metrics]:
    return request.store.load() if request.store is not None else {}


def _missing(
    requests: Sequence[Request], results: Sequence[dict[int, Metrics]]
) -> list[tuple[int, int]]:
    """(request, replication) still to be made, request by request: their results share files."""
    return [
        (index, number)
        for index, request in enumerate(requests)
        for number in sorted(set(request.replications))
        if number not in results[index]
    ]


def _made(
    requests: Sequence[Request], missing: Sequence[tuple[int, int]], jobs: int | None
) -> Generator[tuple[int, int, Metrics]]:
    """(request, replication, metrics) as they come in."""
    if not missing:
        return
    calls = (
        delayed(_indexed)(index, requests[index].task, requests[index].seed, number)
        for index, number in missing
    )
    parallel = Parallel(
        n_jobs=jobs if jobs is not None else ALL_CORES,
        return_as="generator_unordered",
        initializer=_begin_worker,
    )
    left = set(missing)
    results = cast(Generator[tuple[int, int, Metrics]], parallel(calls))
    try:
        for index, number, metrics in results:
            left.discard((index, number))
            yield index, number, metrics
    except BrokenProcessPool as error:
        numbers = sorted({number for _, number in left})
        shown = ", ".join(map(str, numbers[:SHOWN_UNFINISHED]))
        more = (
            f" and {len(numbers) - SHOWN_UNFINISHED} more"
            if len(numbers) > SHOWN_UNFINISHED
            else ""
        )
        raise WorkerLostError(
            f"a worker process died (killed, or out of memory) while replications {shown}{more} "
            "were unfinished; the others are kept where a cache was given"
        ) from error
    finally:
        with warnings.catch_warnings():
            # Leaving early is how an exception ends the workers; joblib warns of it.
            warnings.simplefilter("ignore")
            results.close()


def _indexed(index: int, task: Task, seed: int, number: int) -> tuple[int, int, Metrics]:
    return index, number, run_one(task, seed, number)


def _begin_worker() -> None:
    """Ends are the parent's to decide: by Ctrl-C, which reaches every process, or by its death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """A worker whose parent was killed would go on, and then wait minutes for further work."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


class _Keeper:
    """Files what has come in with the results, and now and then in the stores."""

    def __init__(self, requests: Sequence[Request], results: Sequence[dict[int, Metrics]]) -> None:
        self._requests = requests
        self._results = results
        self._unsaved: dict[int, dict[int, Metrics]] = {}
        self._saved_at = time.monotonic()

    def __call__(self, index: int, number: int, metrics: Metrics) -> None:
        self._results[index][number] = metrics
        if self._requests[index].store is None:
            return
        self._unsaved.setdefault(index, {})[number] = metrics
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        for index in list(self._unsaved):
            store = self._requests[index].store
            if store is not None:
                store.save(self._unsaved[index])
            del self._unsaved[index]
        self._saved_at = time.monotonic()


@contextmanager
def _saving(
    requests: Sequence[Request], results: Sequence[dict[int, Metrics]]
) -> Iterator[_Keeper]:
    """Whatever has come in when the block is left, by an exception too, is in the stores."""
    keeper = _Keeper(requests, results)
    try:
        yield keeper
    finally:
        keeper.save()
    for request in requests:
        if request.store is not None:
            request.store.compact()
