"""The report on a patient, Markdown in Portuguese: a pure function of what is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reference_stack.api.patient_facts import PatientFacts
from reference_stack.api.vital_signs import Insights

CONTENT_TYPE: Final = "text/markdown"
NOTICE: Final = (
    "Relatório gerado automaticamente a partir do prontuário. Não é um dispositivo médico nem um "
    "diagnóstico: a decisão é do profissional de saúde."
)
_DIRECTIONS: Final = {
    "rising": "em alta",
    "falling": "em queda",
    "steady": "estável",
    "unknown": "sem tendência",
}
_RISKS: Final = {
    "low": "baixo",
    "low-medium": "baixo a médio",
    "medium": "médio",
    "high": "alto",
    None: "não calculado",
}


@dataclass(frozen=True)
class ReportSource:
    """What a report is made of; notes as (time, author's name, text), the latest first."""

    resource: dict[str, Any]
    facts: PatientFacts
    insights: Insights
    notes: Sequence[tuple[datetime, str, str]]
    alerts: Sequence[tuple[datetime, str, str]]
    documents: Sequence[str]


def report_title(source: ReportSource) -> str:
    """The document's title."""
    return f"Relatório do paciente {_name(source.resource)}"[:200]


def conclusion(source: ReportSource) -> str:
    """One sentence for lists."""
    insights = source.insights
    score = insights.early_warning_score
    said = "NEWS2 não calculado" if score is None else f"NEWS2 {score}"
    return f"{said}, risco {_RISKS[insights.risk]}; {len(source.alerts)} alerta(s) em aberto."


def report_text(source: ReportSource, made_at: datetime) -> str:
    """The whole report."""
    resource, facts = source.resource, source.facts
    lines = [
        f"# {report_title(source)}",
        "",
        f"Emitido em {_when(made_at)}. {NOTICE}",
        "",
        "## Identificação",
        "",
        f"- Nome: {_name(resource)}",
        f"- Nascimento: {resource.get('birthDate', 'desconhecido')}",
        *(f"- {_system(item)}: {item.get('value')}" for item in resource.get("identifier", [])),
        *_listed("Alergias", facts.allergies),
        *_listed("Condições", facts.conditions),
        *_listed("Medicamentos", facts.medications),
        "",
        "## Sinais vitais",
        "",
        conclusion(source),
        "",
        *_signs(source.insights),
        "",
        "## Alertas em aberto",
        "",
        *([f"- {_when(at)} ({priority}): {text}" for at, priority, text in source.alerts]
          or ["Nenhum."]),
        "",
        "## Evolução",
        "",
        *(line for at, author, text in source.notes for line in
          (f"### {_when(at)}, {author}", "", text, "")),
        *([] if source.notes else ["Nenhuma nota.", ""]),
        "## Documentos",
        "",
        *([f"- {title}" for title in source.documents] or ["Nenhum."]),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _signs(insights: Insights) -> list[str]:
    rows = [
        f"| {sign.display} | {sign.latest:g} {sign.unit} | {_when(sign.latest_at)} "
        f"| {_DIRECTIONS[sign.direction]} | {len(sign.anomalous_at)} |"
        for sign in insights.signs
    ]
    head = ["| Sinal | Último | Quando | Tendência | Atípicos |", "| --- | --- | --- | --- | --- |"]
    return [*head, *rows] if rows else ["Nenhum registro no período."]


def _listed(name: str, words: Sequence[str]) -> list[str]:
    return [f"- {name}: {', '.join(words)}"] if words else []


def _name(resource: dict[str, Any]) -> str:
    names = resource.get("name") or [{}]
    return str(names[0].get("text", "sem nome"))


def _system(identifier: dict[str, Any]) -> str:
    """The last word of an identifier's system: cpf, cns, medical-record-number."""
    last = str(identifier.get("system", "")).rstrip("/").replace(":", "/").rsplit("/", 1)[-1]
    return {"medical-record-number": "Prontuário"}.get(last, last.upper())


def _when(at: datetime) -> str:
    return at.strftime("%d/%m/%Y %H:%M %Z").strip()
