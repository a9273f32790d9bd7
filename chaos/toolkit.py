"""Chaos Toolkit inside this process: experiments by name, run so that rollbacks always play.

What the Toolkit (1.19, chaoslib 1.44) does by itself and what is done about it here:

- Its SIGTERM handler raises an exception that a running Python activity turns into a failed
  activity, and the method goes on. Here SIGTERM ends the method like Ctrl-C.
- It swallows Ctrl-C after the rollbacks; the journal's ``interrupted`` tells, and
  :func:`interrupted` asks for it.
- A second Ctrl-C ends the rollbacks: :mod:`chaos.experiment` mends the stack once more by itself.
- The journal holds the machine's name, which is taken out.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from chaoslib.experiment import run_experiment as run_with_toolkit
from chaoslib.run import RunEventHandler
from chaoslib.types import Strategy

from architecture.errors import InputError
from architecture.yaml_files import read_yaml
from chaos.guard import raise_interrupt

EXPERIMENTS: Final = Path(__file__).parent / "experiments"

Document = dict[str, Any]
Journal = dict[str, Any]
Progress = Callable[[str], None]


def experiment_names() -> tuple[str, ...]:
    """Names of the experiments that come with the testbed."""
    return tuple(sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")))


def load_experiment(name: str) -> Document:
    """An experiment's document.

    Raises:
        InputError: naming the experiments there are.
    """
    if name not in experiment_names():
        raise InputError(
            f"there is no experiment '{name}'",
            where="experiment",
            allowed=", ".join(experiment_names()),
        )
    document: Document = read_yaml(EXPERIMENTS / f"{name}.yaml")
    return document


def play(
    experiment: Document, configuration: Mapping[str, str], *, log: Path, progress: Progress
) -> Journal:
    """Run an experiment, and its rollbacks whatever happens; must be called by the main thread.

    Args:
        experiment: The document; its ``runtime`` block is obeyed.
        configuration: Values for the document's ``configuration`` keys.
        log: Where the Toolkit's own messages go.
        progress: Told each step as it begins, and each that fails.
    """
    runtime = experiment["runtime"]
    with _logging_to(log):
        journal: Journal = run_with_toolkit(
            experiment,
            settings={"runtime": {"rollbacks": dict(runtime["rollbacks"])}},
            experiment_vars=(dict(configuration), None),
            strategy=Strategy.from_string(runtime["hypothesis"]["strategy"]),
            event_handlers=[_Narrator(progress)],
        )
    journal.pop("node", None)
    return journal


def interrupted(journal: Journal) -> bool:
    """Whether the run was ended by Ctrl-C or SIGTERM."""
    return bool(journal["status"] == "interrupted")


def gate_failure(journal: Journal) -> str | None:
    """Why the hypothesis kept the method from being played; None when it did not."""
    before = journal["steady_states"]["before"]
    if before is None or before["steady_state_met"]:
        return None
    last = before["probes"][-1]
    words = "".join(last.get("exception") or []).strip().splitlines()
    return f"{last['activity']['name']}: {words[-1] if words else last['output']}"


def failures(journal: Journal) -> list[str]:
    """Activities of method and rollbacks that failed, each with the reason."""
    failed = [run for run in [*journal["run"], *journal["rollbacks"]] if run["status"] == "failed"]
    return [
        f"{run['activity']['name']}: {''.join(run.get('exception') or []).strip().splitlines()[-1]}"
        for run in failed
    ]


class _Narrator(RunEventHandler):  # type: ignore[misc] # chaoslib has no types
    """Passes the steps on, and makes SIGTERM end the method."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def started(self, experiment: Document, journal: Journal) -> None:  # noqa: ARG002
        signal.signal(signal.SIGTERM, raise_interrupt)

    def start_activity(self, activity: Document) -> None:
        self._progress(str(activity["name"]))

    def activity_completed(self, activity: Document, run: Document) -> None:
        if run["status"] == "failed":
            reason = "".join(run.get("exception") or []).strip().splitlines()[-1]
            self._progress(f"failed: {activity['name']}: {reason}")


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    logger = logging.getLogger("chaostoolkit")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    propagate, level = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.propagate, logger.level = propagate, level
