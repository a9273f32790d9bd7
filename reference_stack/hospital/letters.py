"""Documents of patients: a discharge summary as PDF, and the same as plain text."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Final

from fpdf import FPDF

from reference_stack.hospital.notes import Note
from reference_stack.hospital.patients import Patient

TITLE: Final = "Resumo do prontuário"
SYNTHETIC: Final = "DOCUMENTO SINTÉTICO — paciente fictício, sem validade clínica"
_LATIN_1: Final = str.maketrans({"—": "-", "–": "-", "\u2028": " "})


def summary_text(patient: Patient, notes: list[Note], at: datetime) -> str:
    """The summary as lines of text."""
    conditions = [f"{condition.code} {condition.name}" for condition in patient.conditions]
    taken = [f"{medicine.name}: {medicine.directions}" for medicine in patient.medications]
    lines = [
        TITLE,
        SYNTHETIC,
        f"Emitido em {at:%d/%m/%Y %H:%M} UTC",
        "",
        f"Paciente: {patient.name}",
        f"Prontuário: {patient.medical_record_number}   CNS: {patient.cns}",
        f"Nascimento: {patient.birth_date:%d/%m/%Y}   Tipo sanguíneo: {patient.blood_type}",
        f"Alergias: {', '.join(patient.allergies) or 'nenhuma conhecida'}",
        "",
        "Diagnósticos",
        *(f"  - {line}" for line in conditions or ["nenhum registrado"]),
        "",
        "Medicamentos em uso",
        *(f"  - {line}" for line in taken or ["nenhum"]),
    ]
    for note in sorted(notes, key=lambda note: note.recorded_at):
        lines += ["", f"{note.recorded_at:%d/%m/%Y %H:%M} UTC", *note.text.splitlines()]
    return "\n".join(lines) + "\n"


def summary_pdf(patient: Patient, notes: list[Note], at: datetime) -> bytes:
    """The summary as a PDF; the same bytes for the same arguments."""
    page = FPDF(format="A4")
    page.set_creation_date(at)
    page.set_title(TITLE)
    page.set_subject(SYNTHETIC)
    page.set_lang("pt-BR")
    page.add_page()
    title, synthetic, *body = summary_text(patient, notes, at).split("\n")
    page.set_font("Helvetica", "B", 16)
    page.multi_cell(0, 9, title, new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", "B", 9)
    page.multi_cell(0, 6, _printable(synthetic), new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", size=10)
    for line in body:
        page.multi_cell(0, 5.2, _printable(line) or " ", new_x="LMARGIN", new_y="NEXT")
    target = BytesIO()
    page.output(target)
    return target.getvalue()


def _printable(text: str) -> str:
    """In the characters of PDF's built-in fonts, which hold all of Portuguese."""
    return text.translate(_LATIN_1).encode("latin-1", "replace").decode("latin-1")
