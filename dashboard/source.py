"""Where the pages get their data: the runs' root, the chosen design, the findings."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.settings import runs_root
from evidence import Run, list_runs
from evidence.record import RecordError
from reports.findings import Findings, findings
from reports.report import design_of

DESIGN_KEY = "design_hash"
# Of a network of stations, which promises nothing.
NETWORK_KIND = "network-simulation"

EMPTY = """
There are no runs in `{root}` yet. These commands make some, in the order of a proper test
(a prediction only counts when it was recorded before the experiment):

```
testbed predict                        # predict
testbed chaos run primary-power-loss   # run, load, break, measure
testbed report                         # judge
```

`testbed demo` does all of it. Set `PRONTUARIO_RUNS` to look at another folder.
"""


def all_runs() -> list[Run]:
    """Every finished run, oldest first; stops the page with the reason when one can't be read."""
    try:
        return list_runs(runs_root())
    except RecordError as error:
        st.error(f"A run record cannot be read: {error}", icon=":material/error:")
        st.stop()


def judged_runs() -> list[Run]:
    """Every finished run of a design, oldest first."""
    return [run for run in all_runs() if run.record.kind != NETWORK_KIND]


def current() -> tuple[Findings, list[Run]]:
    """Findings on the chosen design, and all runs; stops with advice when there are none."""
    runs = all_runs()
    chosen = st.session_state.get(DESIGN_KEY)
    own = [
        run
        for run in judged_runs()
        if chosen in {None, run.record.design_hash} and run.record.kind != "report"
    ]
    if not own:
        st.info(EMPTY.format(root=runs_root()), icon=":material/science:")
        st.stop()
    try:
        return _findings(str(runs_root().resolve()), tuple(run.name for run in own)), runs
    except RecordError as error:
        st.error(f"A run cannot be judged: {error}", icon=":material/error:")
        st.stop()


@st.cache_resource(show_spinner="Judging the runs …", max_entries=8)
def _findings(root: str, names: tuple[str, ...]) -> Findings:
    """Judged once for a set of runs: a finished run never changes."""
    runs = [run for run in list_runs(Path(root)) if run.name in set(names)]
    return findings(runs, design_of(runs))
