"""Which runs are there, and what is on record?"""

from __future__ import annotations

import streamlit as st

from dashboard import source, views
from dashboard.settings import runs_root

st.title("Runs")
runs = source.all_runs()
if not runs:
    st.info(source.EMPTY.format(root=runs_root()), icon=":material/science:")
    st.stop()
table = views.runs_table(runs)
event = st.dataframe(
    table, hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row",
    column_config={"Began": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss")},
)  # fmt: skip
chosen = event.selection.rows[0] if event.selection.rows else 0
run = next(run for run in runs if run.name == table["Run"].iloc[chosen])
st.subheader(run.name)
st.caption(
    f"Design {run.record.design}, SHA-256 `{run.record.design_hash}`. "
    "Choose a row above for another."
)
outcome, record, tables = st.tabs(["Outcome", "Record", "Tables"])
with outcome:
    st.json(run.record.outcome, expanded=2)
with record:
    st.json(run.record.model_dump(mode="json", exclude={"outcome"}), expanded=1)
with tables:
    if run.record.tables:
        name = st.selectbox("Table", run.record.tables)
        rows = run.table(name)
        st.caption(f"{len(rows)} rows; the first 500 are shown")
        st.dataframe(rows.head(500), hide_index=True, width="stretch")
    else:
        st.caption("This run has no tables.")
