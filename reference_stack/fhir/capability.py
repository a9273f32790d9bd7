"""The CapabilityStatement: which resources can be read and how they can be searched."""

from typing import Any, Final

_SEARCHES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "Patient": (("name", "string"), ("identifier", "token"), ("birthdate", "date")),
    "Practitioner": (),
    "Observation": (("patient", "reference"), ("code", "token")),
    "DocumentReference": (("patient", "reference"),),
    "DiagnosticReport": (("patient", "reference"),),
    "Flag": (("patient", "reference"),),
    "Communication": (("patient", "reference"),),
}
_READABLE: Final = {"Patient", "Practitioner", "Observation", "DiagnosticReport"}


def capability_statement() -> dict[str, Any]:
    """An R4 CapabilityStatement of this service."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-01",
        "kind": "instance",
        "software": {"name": "Prontuário testbed"},
        "implementation": {"description": "Synthetic hospital"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": False,
                    "description": "Bearer token of /v1/login; roles by route",
                },
                "resource": [_resource(name) for name in _SEARCHES],
            }
        ],
    }


def _resource(name: str) -> dict[str, Any]:
    codes = ["search-type", *(["read"] if name in _READABLE else [])]
    described: dict[str, Any] = {
        "type": name,
        "interaction": [{"code": code} for code in codes],
    }
    if _SEARCHES[name]:
        described["searchParam"] = [
            {"name": parameter, "type": kind} for parameter, kind in _SEARCHES[name]
        ]
    return described
