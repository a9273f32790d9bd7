"""What clinicians write: short notes and questions, put together from a ward's common words."""

from __future__ import annotations

from typing import Final

import numpy as np

FINDINGS: Final = (
    "fever", "cough", "pain", "nausea", "headache", "rash", "dizziness", "swelling", "fatigue",
    "chills", "low blood pressure", "fast heart rate", "poor appetite", "short breath", "dry skin",
    "weak pulse",
)  # fmt: skip
STATES: Final = ("stable", "better than yesterday", "unchanged", "resting", "awake and oriented")
PLANS: Final = (
    "Check again in four hours.", "Continue the treatment.", "Ask for a blood count.",
    "Give fluids.", "Discuss on the ward round.",
)  # fmt: skip

_OPENING = "What needs attention first:"
# Measured with SmolLM2's tokenizer; another model's differs a little.
_OPENING_TOKENS = 5
_TOKENS_PER_FINDING = 2.5
#: What the API adds to a question: its system prompt, the chat template, and the patient as far as
#: local's budget goes; the median of 64 patients (55 to 97).
ADDED_TOKENS: Final = 85


def note_text(rng: np.random.Generator) -> str:
    """A note of about a dozen words."""
    finding, state, plan = (
        str(words[int(rng.integers(len(words)))]) for words in (FINDINGS, STATES, PLANS)
    )
    return f"Patient {state}, reports {finding}. {plan}"


def question(rng: np.random.Generator, prompt_tokens: float) -> str:
    """A question that makes a prompt of roughly ``prompt_tokens`` tokens in all.

    It is never shorter than its opening and one finding, so that the shortest prompt has about
    ``ADDED_TOKENS`` + 8 tokens.
    """
    spare = prompt_tokens - ADDED_TOKENS - _OPENING_TOKENS
    count = max(1, round(spare / _TOKENS_PER_FINDING))
    chosen = [FINDINGS[int(index)] for index in rng.integers(len(FINDINGS), size=count)]
    return f"{_OPENING} {', '.join(chosen)}?"
