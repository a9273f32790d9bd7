"""Are the promises kept?"""

from __future__ import annotations

import streamlit as st

from dashboard import source, views
from reports import wording
from reports.bullet import bullet
from reports.headline import answer, counts, sentences
from reports.judge import Judgement
from reports.palette import VERDICT_WORDS

BADGES = {
    "held": ("green", ":material/check:"),
    "refuted": ("red", ":material/close:"),
    "inconclusive": ("gray", ":material/question_mark:"),
}
CARDS_A_ROW = 3


def card(judgement: Judgement) -> None:
    """One promise: verdict, measured figure, and how it lies to prediction and promise."""
    verdict = judgement.verdict
    colour, icon = BADGES[verdict.verdict]
    with st.container(border=True, height="stretch"):
        st.badge(VERDICT_WORDS[verdict.verdict], icon=icon, color=colour)  # type: ignore[arg-type]
        st.markdown(f"**{verdict.title}**")
        measured = verdict.measured
        words = "–" if measured is None else wording.figure(measured.estimate, verdict.unit)
        st.metric(verdict.title, words, label_visibility="collapsed")
        if judgement.objective.at_most:
            graph = bullet(
                verdict.measured, verdict.predicted, judgement.objective.at_most, verdict.unit
            )
            st.image(graph, width="stretch")
        else:
            st.caption(f"promised {wording.target(verdict.target, verdict.unit)}")
        told = "no prediction before the experiment"
        if verdict.predicted is not None:
            told = f"predicted {wording.interval(verdict.predicted, verdict.unit)}"
        st.caption(f"{told}; {verdict.reason}")


found, runs = source.current()
st.title(answer(found))
number = counts(found)
report = views.newest_report(runs, found.design_hash)
with st.container(horizontal=True, vertical_alignment="center"):
    for outcome, (colour, icon) in BADGES.items():
        st.badge(f"{number[outcome]} {VERDICT_WORDS[outcome].lower()}", icon=icon, color=colour)  # type: ignore[arg-type, index]
    st.caption(f"exit code {found.exit_code}: {views.EXIT_WORDS[found.exit_code]}")
st.markdown("\n".join(f"- {sentence}" for sentence in sentences(found)))

featured = views.featured(found)
for first in range(0, len(featured), CARDS_A_ROW):
    row = featured[first : first + CARDS_A_ROW]
    for column, judgement in zip(st.columns(CARDS_A_ROW), row, strict=False):
        with column:
            card(judgement)
if featured:
    st.caption("Light violet: predicted interval. Dark bar: measured. Dashed: promised.")

st.subheader("Every promise")
st.table(views.verdict_table(found), hide_index=True, border="horizontal")
st.caption("n: trials, or requests; needed: as many before a promise can count as held.")
if report is None:
    st.caption("No report has been written on this design yet: `testbed report` writes one.")
else:
    st.download_button(
        f"Newest report: {report.name}",
        (report.path / "report.html").read_bytes(),
        file_name=f"{report.name}.html",
        mime="text/html",
        icon=":material/download:",
    )
