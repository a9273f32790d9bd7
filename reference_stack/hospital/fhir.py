"""FHIR R4 resources of the synthetic hospital (http://hl7.org/fhir/R4/patient.html)."""

from typing import Any

from reference_stack.hospital.patients import Patient

IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
RECORD_NUMBER_SYSTEM = "urn:prontuario:medical-record-number"
# FHIR's own mark for data that describe nobody.
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


def patient_resource(patient: Patient) -> dict[str, Any]:
    """The patient as an R4 Patient resource, labelled as test data."""
    return {
        "resourceType": "Patient",
        "id": str(patient.id),
        "meta": {"security": [TEST_DATA]},
        "identifier": [
            {
                "use": "usual",
                "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "MR"}]},
                "system": RECORD_NUMBER_SYSTEM,
                "value": patient.medical_record_number,
            }
        ],
        "active": True,
        "name": [
            {
                "use": "official",
                "text": patient.name,
                "family": patient.family,
                "given": patient.given.split(),
            }
        ],
        "gender": patient.sex,
        "birthDate": patient.birth_date.isoformat(),
        "address": [{"use": "home", "city": patient.city, "state": patient.state, "country": "BR"}],
    }
