"""What the language model is told of a patient, within a budget of tokens.

Never a name or a number that identifies somebody. The API has no tokenizer (the model is a
setting), so tokens are bounded by bytes: see `tokens_at_most`. What does not fit is left out in the
order of the list below, from its end; notes are cut, the latest is cut last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from reference_stack.api.patient_facts import PatientFacts

#: Bytes of UTF-8 that a token stands for at least, in clinicians' Portuguese and English.
BYTES_PER_TOKEN: Final = 2
#: What the chat template adds to a message.
MESSAGE_TOKENS: Final = 8
_SHORTEST_CUT: Final = 20

Message = dict[str, str]


@dataclass(frozen=True)
class PatientContext:
    """What may be told. ``notes`` are texts, the latest first."""

    sex: str
    birth_date: date
    facts: PatientFacts
    signs: str
    alerts: Sequence[str]
    notes: Sequence[str]


def tokens_at_most(text: str) -> int:
    """An upper bound of the tokens of a text."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def context_text(context: PatientContext, budget: int) -> str:
    """The context in at most ``budget`` tokens (by `tokens_at_most`); sex and year always fit."""
    facts = context.facts
    lines = [f"Patient: {context.sex}, born {context.birth_date.year}."]
    wanted = [
        *_listed("Allergies", facts.allergies),
        *(f"Alert: {alert}" for alert in context.alerts),
        *_listed("Conditions", facts.conditions),
        *_listed("Medication", facts.medications),
        *([f"Vital signs: {context.signs}"] if context.signs else []),
        *(f"{'Earlier' if place else 'Latest'} note: {note}"
          for place, note in enumerate(context.notes)),
    ]  # fmt: skip
    for line in wanted:
        room = budget - tokens_at_most("\n".join([*lines, ""]))
        if tokens_at_most(line) <= room:
            lines.append(line)
            continue
        if " note: " in line and room > _SHORTEST_CUT:
            lines.append(_cut(line, room))
        if " note: " in line:
            break
    return "\n".join(lines)


def messages_within(
    system_prompt: str, context: PatientContext | None, history: Sequence[tuple[str, str]],
    question: str, *, prompt_tokens: int, patient_tokens: int,
) -> list[Message]:  # fmt: skip
    """The messages to send, in at most ``prompt_tokens`` unless the question alone exceeds it.

    ``history`` holds earlier questions and answers, the latest first; it is kept as far as it fits
    after the patient, whole exchanges only.
    """
    used = tokens_at_most(system_prompt) + tokens_at_most(question) + 2 * MESSAGE_TOKENS
    system = system_prompt
    if context is not None:
        told = context_text(context, max(0, min(patient_tokens, prompt_tokens - used - 1)))
        system = f"{system_prompt}\n{told}"
        used += tokens_at_most(told) + 1
    kept: list[Message] = []
    for asked, answered in history:
        cost = tokens_at_most(asked) + tokens_at_most(answered) + 2 * MESSAGE_TOKENS
        if used + cost > prompt_tokens:
            break
        used += cost
        kept = [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answered},
            *kept,
        ]
    return [
        {"role": "system", "content": system},
        *kept,
        {"role": "user", "content": question},
    ]


def signs_text(readings: Sequence[tuple[str, float | None, str | None, str | None]]) -> str:
    """Readings (display, value, unit, word) on one line."""
    return ", ".join(
        f"{display} {value:g} {unit}" if value is not None else f"{display} {word}"
        for display, value, unit, word in readings
    )


def _listed(name: str, words: Sequence[str]) -> list[str]:
    return [f"{name}: {', '.join(words)}."] if words else []


def _cut(line: str, room: int) -> str:
    """The line's beginning with an ellipsis, in at most ``room`` tokens."""
    ellipsis = "…"
    size = room * BYTES_PER_TOKEN - len(ellipsis.encode())
    return line.encode()[:size].decode(errors="ignore") + ellipsis
