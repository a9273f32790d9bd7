"""What the model is told stays within its tokens, and what matters most is told first."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from reference_stack.api.chat_context import (
    MESSAGE_TOKENS,
    PatientContext,
    context_text,
    messages_within,
    tokens_at_most,
)
from reference_stack.api.patient_facts import PatientFacts, patient_facts

words = st.text(st.characters(codec="utf-8"), max_size=400)
contexts = st.builds(
    PatientContext,
    sex=st.sampled_from(["female", "male"]),
    birth_date=st.dates(date(1900, 1, 1), date(2025, 1, 1)),
    facts=st.builds(
        PatientFacts,
        allergies=st.lists(words, max_size=3).map(tuple),
        conditions=st.lists(words, max_size=3).map(tuple),
        medications=st.lists(words, max_size=3).map(tuple),
    ),
    signs=words,
    alerts=st.lists(words, max_size=2),
    notes=st.lists(words, max_size=5),
)
FEWEST = 14  # sex and year, which are always told


@given(contexts, st.integers(FEWEST, 2000))
def test_a_patients_context_keeps_to_its_budget(context: PatientContext, budget: int) -> None:
    assert tokens_at_most(context_text(context, budget)) <= budget


@given(
    st.none() | contexts,
    st.lists(st.tuples(words, words), max_size=6),
    st.text(max_size=200),
    st.integers(500, 4096),
)
def test_all_messages_together_keep_to_the_prompts_budget(
    context: PatientContext | None, history: list[tuple[str, str]], question: str, budget: int
) -> None:
    messages = messages_within(
        "Be brief.", context, history, question, prompt_tokens=budget, patient_tokens=budget
    )
    assert messages[-1] == {"role": "user", "content": question}
    cost = sum(tokens_at_most(one["content"]) + MESSAGE_TOKENS for one in messages)
    assert cost <= max(budget, tokens_at_most(question) + FEWEST + 2 * MESSAGE_TOKENS + 6)
    roles = [one["role"] for one in messages]
    assert roles == ["system", *["user", "assistant"] * ((len(roles) - 2) // 2), "user"]


def test_allergies_are_told_before_notes_and_the_latest_note_before_earlier_ones() -> None:
    context = PatientContext(
        "female", date(1950, 5, 1), PatientFacts(allergies=("dipirona",)), "", [],
        ["nova " * 100, "velha " * 100],
    )  # fmt: skip
    told = context_text(context, 100)
    assert told.startswith("Patient: female, born 1950.\nAllergies: dipirona.\nLatest note: nova")
    assert told.endswith("…")
    assert "velha" not in told
    everything = context_text(context, 4096)
    assert "Earlier note: velha" in everything


def test_history_is_kept_from_its_end_and_in_order() -> None:
    history = [("terceira", "3"), ("segunda", "2"), ("primeira" * 500, "1")]
    messages = messages_within("s", None, history, "quarta", prompt_tokens=200, patient_tokens=0)
    assert [one["content"] for one in messages] == ["s", "segunda", "2", "terceira", "3", "quarta"]


def test_facts_are_read_from_the_extensions_and_nothing_else() -> None:
    resource = {
        "extension": [
            {"url": "urn:prontuario:allergy", "valueString": "penicilina"},
            {"url": "urn:prontuario:condition", "valueCodeableConcept": {"text": "asma"}},
            {"url": "urn:prontuario:ward", "valueString": "UTI"},
            {"url": "urn:elsewhere:allergy", "valueString": "pó"},
            {"url": "urn:prontuario:medication"},
        ]
    }
    assert patient_facts(resource) == PatientFacts(("penicilina",), ("asma",), (), "UTI")
