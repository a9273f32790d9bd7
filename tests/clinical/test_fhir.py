"""Resources are what FHIR R4 says they are, by the word of an independent validator."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from reference_stack.fhir.capability import capability_statement
from reference_stack.fhir.codes import CNS_SYSTEM, CPF_SYSTEM, VITAL_SIGNS
from reference_stack.fhir.resources import (
    Alert,
    DiagnosticReport,
    Exchange,
    Observation,
    communication_resource,
    diagnostic_report_resource,
    document_reference_resource,
    flag_resource,
    observation_resource,
    practitioner_resource,
)
from tests.api.api_server import CLINICIAN, OTHERS, PATIENT, problem
from tests.clinical.ward import Ward, key, some_patient

AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
A, B, C = (uuid.uuid4() for _ in range(3))


def validated(resource: dict[str, Any]) -> dict[str, Any]:
    """Raises unless the resource is valid; R4B differs from R4 in none of what is used here."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


@pytest.mark.parametrize("sign", VITAL_SIGNS, ids=lambda sign: sign.name)
def test_an_observation_is_valid(sign: Any) -> None:
    value, unit, word = (36.5, sign.unit, None) if sign.unit else (None, None, "A")
    made = validated(observation_resource(Observation(A, B, C, sign.code, value, unit, word, AT)))
    assert made["code"]["coding"][0]["code"] == sign.code
    assert made["effectiveDateTime"] == "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize(
    "resource",
    [
        observation_resource(Observation(A, B, None, "1234-5", 1.0, "g", None, AT)),
        practitioner_resource(A, "Ana", "nurse"),
        flag_resource(Alert(A, B, C, "critical", "Sepse?", AT, 1, None, None)),
        flag_resource(Alert(A, B, C, "routine", "x", AT, 2, C, AT)),
        diagnostic_report_resource(
            DiagnosticReport(A, B, C, "image-analysis", A, B, {}, "x", AT)
        ),
        diagnostic_report_resource(
            DiagnosticReport(A, B, C, "patient-report", A, B, {}, "x", AT)
        ),
        communication_resource(Exchange(A, B, C, A, "?", "!", AT), "notice"),
        communication_resource(Exchange(A, B, C, None, "?", "!", AT), "notice"),
        document_reference_resource(
            document_id=A, version_id=B, patient_id=C, author_id=A, title="Raio-X",
            content_type="image/png", size_bytes=3, sha256="0" * 64, recorded_at=AT,
            is_current=True,
        ),
        capability_statement(),
    ],
    ids=lambda resource: resource["resourceType"],
)  # fmt: skip
def test_each_kind_of_resource_is_valid(resource: dict[str, Any]) -> None:
    validated(resource)


def pages(ward: Ward, path: str) -> list[dict[str, Any]]:
    """All resources of a search, by following the links."""
    found: list[dict[str, Any]] = []
    while path:
        answer = ward.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/fhir+json"
        bundle = validated(answer.json())
        found += [entry["resource"] for entry in bundle.get("entry", [])]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        path = links.get("next", "")
    return found


@pytest.mark.servers
def test_all_patients_are_paged_through_once_each_in_the_order_of_names(ward: Ward) -> None:
    found = pages(ward, "/v1/fhir/Patient?_count=37")
    ids = [resource["id"] for resource in found]
    assert len(ids) == len(set(ids)) == len(OTHERS) + 1
    names = [resource["name"][0]["text"] for resource in found]
    assert names == sorted(names)
    for resource in found[:20]:
        validated(resource)


@pytest.mark.servers
def test_a_patient_is_found_by_cpf_cns_birth_date_and_name(ward: Ward) -> None:
    resource = ward.get(f"/v1/fhir/Patient/{PATIENT.id}").json()
    numbers = {item["system"]: item["value"] for item in resource["identifier"]}
    for query in (
        f"identifier={CPF_SYSTEM}|{numbers[CPF_SYSTEM]}",
        f"identifier={CNS_SYSTEM}|{numbers[CNS_SYSTEM]}",
        f"identifier={numbers[CPF_SYSTEM]}",
        f"name={PATIENT.name}&birthdate={PATIENT.birth_date}",
    ):
        assert [one["id"] for one in pages(ward, f"/v1/fhir/Patient?{query}")] == [str(PATIENT.id)]
    assert pages(ward, f"/v1/fhir/Patient?identifier={CNS_SYSTEM}|{numbers[CPF_SYSTEM]}") == []
    assert pages(ward, "/v1/fhir/Patient?name=!!!") == []


@pytest.mark.servers
def test_vital_signs_taken_at_the_bedside_are_observations(ward: Ward) -> None:
    patient = some_patient(20)
    before = len(pages(ward, f"/v1/fhir/Observation?patient={patient}&_count=100"))
    taken = {
        "effective_at": datetime.now(UTC).isoformat(), "heart_rate": 72, "temperature": 36.6,
        "consciousness": "A",
    }  # fmt: skip
    stored = ward.post(f"/v1/patients/{patient}/vital-signs", json=taken, role="nurse")
    assert stored.status_code == 201, stored.text
    bundle = validated(stored.json())
    assert len(bundle["entry"]) == 3
    found = pages(ward, f"/v1/fhir/Observation?patient=Patient/{patient}&_count=2")
    assert len(found) == before + 3
    one = ward.get(f"/v1/fhir/Observation/{found[0]['id']}").json()
    assert validated(one) == found[0]
    rates = pages(ward, f"/v1/fhir/Observation?patient={patient}&code=http://loinc.org|8867-4")
    assert rates[0]["valueQuantity"]["value"] == 72


@pytest.mark.servers
def test_unchanged_resources_are_not_sent_again(ward: Ward) -> None:
    path = f"/v1/fhir/Patient/{PATIENT.id}"
    first = ward.get(path)
    again = ward.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.servers
def test_alerts_are_flags_and_staff_are_practitioners(ward: Ward) -> None:
    patient = some_patient(21)
    raised = ward.post(f"/v1/patients/{patient}/alerts", json={"message": "Queda"}, headers=key())
    assert raised.status_code == 201
    (flag,) = pages(ward, f"/v1/fhir/Flag?patient={patient}")
    assert (flag["id"], flag["status"]) == (raised.json()["id"], "active")
    names = [one["name"][0]["text"] for one in pages(ward, "/v1/fhir/Practitioner?_count=2")]
    assert CLINICIAN.name in names
    assert ward.get("/v1/fhir/metadata").json()["fhirVersion"] == "4.0.1"


@pytest.mark.servers
@pytest.mark.parametrize(
    "query",
    ["Observation", "Observation?patient=x", "Patient?_count=0", "Patient?cursor=x",
     "Patient?birthdate=today", f"Flag?patient={'g' * 36}"],
)  # fmt: skip
def test_a_search_that_does_not_fit_is_a_problem(query: str, ward: Ward) -> None:
    assert problem(ward.get(f"/v1/fhir/{query}")) == (422, "invalid-request")
