"""Before a fault, clients must have been free of errors for a while: else it is not the cause."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from chaos.errors import NotSteadyError
from load.attempt import Attempt
from load.errors import LoadError
from load.process import LoadProcess
from load.tables import RequestLog

#: How long to wait for clients to be free of errors.
STEADY_DEADLINE_S: Final = 120.0
#: Without these there is nothing that a fault could interrupt.
NEEDED: Final = frozenset({"lookup", "note"})
#: How long to wait, when all is steady, for operations that few users would ask for.
PATIENCE_S: Final = 45.0


def wait_until_steady(load: LoadProcess, steady_s: float, operations: Collection[str]) -> float:
    """Wait until nothing went wrong for ``steady_s`` seconds; returns when those began.

    Each of ``operations`` must have been served since, so that the fault meets a system that is
    warm; those beyond :data:`NEEDED` are waited for up to :data:`PATIENCE_S` seconds longer.

    Raises:
        NotSteadyError: naming the errors that kept coming.
        LoadError: when the load ended by itself.
    """
    log = RequestLog(load.request_log)
    began_s = time.monotonic()
    clean_from_s = began_s
    served: set[str] = set()
    errors: list[Attempt] = []
    while True:
        for attempt in log.new_attempts():
            if attempt.finished_s < began_s:
                continue
            if attempt.outcome == "ok":
                served.add(attempt.operation)
            else:
                errors.append(attempt)
                clean_from_s = max(clean_from_s, attempt.finished_s)
        now_s = time.monotonic()
        clean_s = now_s - clean_from_s
        wanted = NEEDED if clean_s >= steady_s + PATIENCE_S else NEEDED.union(operations)
        if clean_s >= steady_s and served >= wanted:
            return clean_from_s
        if not load.running:
            raise LoadError("the load ended by itself before it was steady")
        if now_s - began_s > steady_s + STEADY_DEADLINE_S:
            raise NotSteadyError(describe(errors, served))
        time.sleep(0.2)


def describe(errors: Sequence[Attempt], served: Collection[str]) -> str:
    """Why clients are not steady, in words: the commonest errors, or what nobody was served."""
    if not errors:
        return f"nobody was served: {', '.join(sorted(NEEDED.difference(served)))}"
    counts = Counter(f"{error.operation}: {error.error}" for error in errors)
    words = "; ".join(f"{count} × {what}" for what, count in counts.most_common(3))
    return f"clients see errors without any fault: {words}"
