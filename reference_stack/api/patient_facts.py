"""What a Patient resource says beyond who it is: allergies, conditions, medicines, place.

The hospital keeps them as extensions under ``urn:prontuario:``.
"""

from dataclasses import dataclass
from typing import Any, Final

OWN: Final = "urn:prontuario:"


@dataclass(frozen=True)
class PatientFacts:
    """Words as recorded, in their order."""

    allergies: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    medications: tuple[str, ...] = ()
    place: str = ""


def patient_facts(resource: dict[str, Any]) -> PatientFacts:
    """Read the extensions; what is not there or is something else is left out."""
    found: dict[str, list[str]] = {}
    for extension in resource.get("extension", []):
        url, concept = str(extension.get("url", "")), extension.get("valueCodeableConcept", {})
        word = extension.get("valueString") or concept.get("text")
        if url.startswith(OWN) and word:
            found.setdefault(url.removeprefix(OWN), []).append(str(word))
    return PatientFacts(
        allergies=tuple(found.get("allergy", ())),
        conditions=tuple(found.get("condition", ())),
        medications=tuple(found.get("medication", ())),
        place=", ".join([*found.get("ward", []), *found.get("bed", [])]),
    )
