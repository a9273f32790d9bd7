"""Nobody does what the table of roles and routes does not allow, on any route there is."""

from __future__ import annotations

import re
import uuid

import pytest
from fastapi import FastAPI

from reference_stack.api.app import _demand_permissions, create_app
from reference_stack.api.permissions import PERMISSIONS, ROLES, WEBSOCKET, Role, functions
from tests.api.api_server import api_settings, problem
from tests.clinical.ward import Ward, key, some_patient

#: Of WebSockets see test_real_inference.
ROUTES = sorted(route for route in PERMISSIONS if route[0] != WEBSOCKET)


def described_routes() -> set[tuple[str, str]]:
    paths = create_app(api_settings("postgresql://nobody")).openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_the_table_has_one_line_for_every_route_of_the_schema_and_no_other() -> None:
    assert described_routes() == set(ROUTES)


def test_a_route_without_a_line_does_not_start() -> None:
    app = create_app(api_settings("postgresql://nobody"))
    app.add_api_route("/v1/secrets", lambda: None, methods=["GET"])
    app.add_api_websocket_route("/v1/whispers", lambda: None)
    app.openapi_schema = None
    with pytest.raises(RuntimeError, match="GET /v1/secrets, WEBSOCKET /v1/whispers"):
        _demand_permissions(app)


def test_a_line_without_its_route_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="GET /v1/patients"):
        _demand_permissions(FastAPI())


def test_only_those_who_care_for_patients_or_register_them_have_anything_of_theirs() -> None:
    """Of an auditor and an administrator no line gives patients' records away."""
    for line in PERMISSIONS.values():
        if line.roles is not None and line.purpose not in {"session", "staff", "audit"}:
            assert not line.roles & {"auditor", "administrator"}


def test_a_quarter_or_so_of_the_functions_is_left_in_an_emergency() -> None:
    left = functions(in_emergency=True)
    assert {"chat", "look-up", "alert"} < set(left)
    assert set(left) == {"login", "look-up", "note", "alert", "chat", "dictation"}
    assert not {"document", "search", "analytics", "report", "image-analysis"} & set(left)


def concrete(path: str) -> str:
    patient = str(some_patient())
    return re.sub(
        r"\{(\w+)\}", lambda m: patient if m[1] == "patient_id" else str(uuid.uuid4()), path
    )


@pytest.mark.servers
@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_into_its_own_routes_and_into_no_other(role: Role, ward: Ward) -> None:
    for method, path in ROUTES:
        line = PERMISSIONS[method, path]
        if (method, path) == ("POST", "/v1/logout"):
            continue
        answer = ward.client.request(
            method, concrete(path), headers={**ward.as_role(role), **key()}, json={}
        )
        denied = line.roles is not None and role not in line.roles
        if denied:
            assert problem(answer) == (403, "not-permitted"), (method, path)
            assert ward.events_of(answer) == (
                []
                if not line.audited
                else [
                    (
                        role,
                        [some_patient()] if "patient_id" in path else [],
                        line.purpose,
                        "denied",
                        403,
                    )
                ]
            )
        else:
            assert answer.status_code != 403, (method, path, answer.text)
            if line.roles is not None:
                assert answer.status_code != 401, (method, path, answer.text)


@pytest.mark.servers
def test_without_a_token_only_the_open_routes_are_served(ward: Ward) -> None:
    for method, path in ROUTES:
        answer = ward.client.request(
            method, concrete(path), headers={"Authorization": "", **key()}, json={}
        )
        if PERMISSIONS[method, path].roles is not None:
            assert problem(answer) == (401, "not-authenticated"), (method, path)
        else:
            assert answer.status_code != 403, (method, path)


@pytest.mark.servers
def test_a_role_that_nobody_knows_may_do_nothing(ward: Ward) -> None:
    headers = ward.as_role("surgeon")  # type: ignore[arg-type]
    answer = ward.client.get(f"/v1/patients/{some_patient()}", headers=headers)
    assert problem(answer) == (403, "not-permitted")
