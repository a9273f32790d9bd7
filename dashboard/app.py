"""Entry of the dashboard: ``streamlit run dashboard/app.py``, or ``testbed dashboard``."""

from __future__ import annotations

import streamlit as st

from dashboard import source, views
from dashboard.settings import runs_root

st.set_page_config(
    page_title="Prontuário testbed", page_icon=":material/monitor_heart:", layout="wide"
)

page = st.navigation(
    [
        st.Page(
            "app_pages/promises.py",
            title="Are the promises kept?",
            icon=":material/verified:",
            default=True,
        ),
        st.Page(
            "app_pages/failover.py",
            title="What happened in the failover?",
            icon=":material/timeline:",
        ),
        st.Page(
            "app_pages/predictions.py",
            title="How does prediction compare?",
            icon=":material/target:",
        ),
        st.Page("app_pages/runs.py", title="Runs", icon=":material/folder_open:"),
    ]
)

designs = views.designs(source.judged_runs())
with st.sidebar:
    if len(designs) > 1:
        chosen = st.selectbox("Design", list(designs))
        st.session_state[source.DESIGN_KEY] = designs[chosen]
    elif designs:
        st.session_state[source.DESIGN_KEY] = next(iter(designs.values()))
        st.caption(f"Design **{next(iter(designs))}**")
    st.caption(f"Runs in `{runs_root()}`")
    st.button("Look for new runs", icon=":material/refresh:", width="stretch")

page.run()
