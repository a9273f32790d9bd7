"""A program that replicates slowly until it is interrupted: ``FOLDER JOBS``."""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.replications import Store, progress_bar, replicate
from tests.replications.tasks import Counted

REPLICATIONS = 40
SLEEP_S = 0.2


def main(folder: Path, jobs: int) -> int:
    """Replicate; 130 when interrupted."""
    task = Counted(folder / "ran", sleep_s=SLEEP_S)
    store = Store(folder / "kept", {"task": "interrupted"}, seed=1, code="1")
    try:
        with progress_bar("replications") as tell:
            replicate(task, seed=1, replications=REPLICATIONS, store=store, jobs=jobs, tell=tell)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
