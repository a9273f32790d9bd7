"""What happened in the failover?"""

from __future__ import annotations

import streamlit as st

from dashboard import source, views
from reports import wording
from reports.findings import picture_of
from reports.html import recovered
from reports.picture import in_words
from reports.timeline import svg

st.title("What happened in the failover?")
found, _ = source.current()
trials = views.trial_names(found.trials, found.runs)
if not trials:
    st.info(
        "No experiment is among these runs. `testbed chaos run primary-power-loss` makes one.",
        icon=":material/science:",
    )
    st.stop()
trial = trials[st.selectbox("Experiment", list(trials))]
if not trial.confirmed:
    st.warning(
        f"The fault was not confirmed ({trial.detail}): nothing can be concluded from it.",
        icon=":material/warning:",
    )

for column, operation in zip(st.columns(4), ("read", "write", "chat", ""), strict=True):
    with column:
        if operation:
            st.metric(f"{wording.OPERATIONS[operation]}: again after", recovered(trial, operation))
        else:
            st.metric("Users at work", trial.users)

if trial.requests:
    picture = picture_of(trial, found.judgements)
    st.image(svg(picture, "wide"), width="stretch", alt=in_words(picture))
    st.caption(
        "Every attempt of every user: one row of marks a user, a mark where the answer came, a "
        "thin line while the user waited. Time counts from the fault's landing."
    )

st.subheader("Were notes lost?")
figures = views.ledger_figures(trial)
if figures:
    for column, (label, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, value)
    lost = views.lost_notes(trial.run.table("ledger"), trial.zero_s)
    if len(lost):
        st.dataframe(lost, hide_index=True)
else:
    st.caption("There is no ledger: nothing can be said about losses.")

st.subheader("Events")
if "events" in trial.run.record.tables:
    events = views.events_table(trial.run.table("events"), trial.zero_s)
    st.dataframe(
        events,
        hide_index=True,
        width="stretch",
        column_config={
            "Seconds after landing": st.column_config.NumberColumn(format="%.2f", width="small"),
            "Detail": st.column_config.TextColumn(width="large"),
        },
    )
else:
    st.caption("This run recorded no events.")
