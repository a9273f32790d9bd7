"""How does prediction compare with measurement?"""

from __future__ import annotations

import streamlit as st

from dashboard import source, views
from reports.html import short_names

st.title("How does prediction compare?")
found, _ = source.current()
short = short_names(found.runs)
pairs = found.pairs
if not pairs:
    st.info(
        "No measured figure has a prediction that was recorded before its experiment. "
        "`testbed predict` records one; run it before `testbed chaos run`.",
        icon=":material/target:",
    )
else:
    covered = sum(pair.covered for pair in pairs)
    st.markdown(
        f"**{covered} of {len(pairs)}** measured figures lay in the interval that had been "
        "predicted before their experiment. Figures of one experiment depend on each other, so "
        "with few experiments this says little."
    )

recoveries = views.recovery_intervals(pairs, short)
if len(recoveries):
    st.subheader("Recovery after the fault")
    st.altair_chart(views.interval_chart(recoveries), width="stretch")
latencies = views.latency_intervals(found.latency)
if len(latencies):
    st.subheader("Response times when nothing is broken")
    st.altair_chart(views.interval_chart(latencies, logarithmic=True), width="stretch")
    st.caption("Logarithmic scale. Percentiles with too few requests are left out.")
if pairs:
    st.subheader("Every pair")
    st.dataframe(views.pairs_table(pairs, short), hide_index=True, width="stretch")
