"""FHIR R4 resources of the synthetic hospital (http://hl7.org/fhir/R4/).

Identifiers follow Brazil's national network RNDS (naming systems of CPF and CNS). What the API has
no resource of its own for (blood type, allergies, conditions, medicines, ward and bed) stands on
the Patient as extensions under ``urn:prontuario:``; `resources` gives it as proper resources.
"""

from collections.abc import Iterator
from typing import Any, Final

from reference_stack.fhir.codes import CNS_SYSTEM, CPF_SYSTEM, LOINC, UCUM
from reference_stack.hospital.admissions import Admission
from reference_stack.hospital.clinicians import Clinician
from reference_stack.hospital.patients import Patient
from reference_stack.hospital.vital_signs import SIGNS, Recording

IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
RECORD_NUMBER_SYSTEM = "urn:prontuario:medical-record-number"
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"
OWN: Final = "urn:prontuario:"
# FHIR's own mark for data that describe nobody.
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
Resource = dict[str, Any]


def patient_resource(patient: Patient, admission: Admission | None = None) -> Resource:
    """The patient as an R4 Patient resource, labelled as test data."""
    return {
        "resourceType": "Patient",
        "id": str(patient.id),
        "meta": {"security": [TEST_DATA]},
        "extension": _extensions(patient, admission),
        "identifier": [
            {
                "use": "usual",
                "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "MR"}]},
                "system": RECORD_NUMBER_SYSTEM,
                "value": patient.medical_record_number,
            },
            {"use": "official", "system": CPF_SYSTEM, "value": patient.cpf},
            {"use": "official", "system": CNS_SYSTEM, "value": patient.cns},
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


def _extensions(patient: Patient, admission: Admission | None) -> list[Resource]:
    words = [
        ("blood-type", patient.blood_type),
        *(("allergy", allergy) for allergy in patient.allergies),
        *(("medication", taken.name) for taken in patient.medications),
    ]
    if admission is not None:
        words += [("ward", admission.ward), ("bed", admission.bed)]
    conditions = list(patient.conditions)
    if admission is not None:
        conditions.insert(0, admission.reason.condition)
    return [
        *({"url": f"{OWN}{name}", "valueString": value} for name, value in words),
        *(
            {"url": f"{OWN}condition", "valueCodeableConcept": _icd(condition.code, condition.name)}
            for condition in conditions
        ),
    ]


def _icd(code: str, name: str) -> Resource:
    return {"coding": [{"system": ICD_10, "code": code, "display": name}], "text": name}


def _about(kind: str, patient: Patient, number: int) -> Resource:
    return {
        "resourceType": kind,
        "id": f"{patient.id}-{kind[:3].lower()}-{number}",
        "meta": {"security": [TEST_DATA]},
    }


def resources(patient: Patient) -> Iterator[Resource]:
    """The patient's conditions, allergies and medicines, each a resource."""
    subject = {"reference": f"Patient/{patient.id}"}
    for number, condition in enumerate(patient.conditions):
        yield {
            **_about("Condition", patient, number),
            "code": _icd(condition.code, condition.name),
            "subject": subject,
        }
    for number, allergy in enumerate(patient.allergies):
        yield {
            **_about("AllergyIntolerance", patient, number),
            "code": {"text": allergy},
            "patient": subject,
        }
    for number, medication in enumerate(patient.medications):
        yield {
            **_about("MedicationStatement", patient, number),
            "status": "active",
            "medicationCodeableConcept": {"text": medication.name},
            "subject": subject,
            "dosage": [{"text": medication.directions}],
        }


def encounter_resource(admission: Admission) -> Resource:
    """The stay as an R4 Encounter that is in progress."""
    condition = admission.reason.condition
    return {
        "resourceType": "Encounter",
        "id": str(admission.id),
        "meta": {"security": [TEST_DATA]},
        "status": "in-progress",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "IMP",
            "display": "inpatient encounter",
        },
        "subject": {"reference": f"Patient/{admission.patient.id}"},
        "period": {"start": admission.admitted_at.isoformat()},
        "reasonCode": [_icd(condition.code, condition.name)],
        "location": [{"location": {"display": f"{admission.ward}, {admission.bed}"}}],
    }


def observation_resources(recording: Recording) -> Iterator[Resource]:
    """Each reading of each vital sign as an R4 Observation."""
    admission = recording.admission
    for number, (at, reading) in enumerate(recording.readings()):
        for sign in SIGNS:
            yield {
                "resourceType": "Observation",
                "id": f"{admission.id}-{sign.loinc}-{number}",
                "meta": {"security": [TEST_DATA]},
                "status": "final",
                "code": {"coding": [{"system": LOINC, "code": sign.loinc}]},
                "subject": {"reference": f"Patient/{admission.patient.id}"},
                "encounter": {"reference": f"Encounter/{admission.id}"},
                "effectiveDateTime": at.isoformat(),
                "valueQuantity": {
                    "value": reading[sign.key],
                    "unit": sign.unit,
                    "system": UCUM,
                    "code": sign.unit,
                },
            }


def practitioner_resource(clinician: Clinician) -> Resource:
    """A member of staff as an R4 Practitioner; the council's number is the identifier."""
    return {
        "resourceType": "Practitioner",
        "id": str(clinician.id),
        "meta": {"security": [TEST_DATA]},
        "identifier": [{"value": clinician.registration}] if clinician.registration else [],
        "name": [{"text": clinician.name}],
        "qualification": [{"code": {"text": clinician.role}}],
    }
