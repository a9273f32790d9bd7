"""What the clinicians are told, in their language (B-14)."""

from __future__ import annotations

from datetime import datetime, timedelta

from architecture.services import Emergency
from reference_stack.fallback.state import State

_FUNCTIONS = {
    "basic-chat": "chat médico básico",
    "emergency-lookup": "consulta de pacientes em emergência",
    "critical-alerts": "alertas críticos",
}


def users_message(state: State, emergency: Emergency | None) -> str | None:
    """The message for everyone at work; None when there is nothing to say."""
    if state.leader == "hospital":
        return None
    if state.procedure == "promotion":
        return (
            "Os servidores do hospital estão fora do ar. O modo de emergência está sendo ativado; "
            "as anotações podem ser gravadas de novo em instantes."
        )
    words = ["Modo de emergência: o atendimento segue pelo Google Cloud, com funções reduzidas"]
    if emergency is not None:
        listed = ", ".join(_FUNCTIONS.get(name, name) for name in emergency.functions)
        words.append(f" ({listed})")
    words.append(f".{_recovery(state, emergency)}")
    if state.procedure == "way-back":
        words.append(
            " Os servidores do hospital estão voltando; haverá uma pausa de alguns segundos "
            "na gravação."
        )
    return "".join(words)


def _recovery(state: State, emergency: Emergency | None) -> str:
    if emergency is None or emergency.recovery_h is None or state.since is None:
        return ""
    shortest, longest = emergency.recovery_h
    until = datetime.fromisoformat(state.since) + timedelta(hours=longest)
    return (
        f" Previsão de retorno: entre {shortest:g} e {longest:g} horas "
        f"(até {until:%H:%M} UTC de {until:%d/%m})."
    )
