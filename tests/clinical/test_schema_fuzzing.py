"""Whatever a client sends that fits the schema or nearly does, the service does not fail.

Requests are drawn by schemathesis from the published schema, good and bad ones, as each role that
may send them. The service is real, with a real database and inference that answers.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from reference_stack.api.app import create_app
from reference_stack.api.permissions import PERMISSIONS
from tests.api.api_server import CLINICIAN, api_settings
from tests.clinical.ward import Ward, some_patient

pytestmark = pytest.mark.servers

SCHEMA = schemathesis.openapi.from_dict(create_app(api_settings("postgresql://nobody")).openapi())
EXAMPLES = 8
# Real ids among the drawn ones, so that more than the first look-up is tried.
KNOWN = [str(some_patient(n)) for n in range(3)] + [str(CLINICIAN.id)]


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_request_makes_the_service_fail(case: Any, documented_ward: Ward) -> None:
    line = PERMISSIONS[case.operation.method.upper(), case.operation.path]
    ward = documented_ward
    for name in list(case.path_parameters):
        if name.endswith("_id"):
            case.path_parameters[name] = KNOWN[len(str(case.path_parameters[name])) % len(KNOWN)]
    headers = ward.as_role(min(line.roles)) if line.roles else {}
    answer = case.call(base_url=str(ward.client.base_url), headers=headers)
    if answer.status_code >= 500:
        # What is away says so; nothing is away here but what a drawn id names.
        raise AssertionError(f"{answer.status_code}: {answer.text[:500]}")
    if answer.status_code >= 400:
        assert answer.headers["content-type"][0].startswith("application/problem+json")
