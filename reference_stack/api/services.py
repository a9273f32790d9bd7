"""What the routes of one API process work with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from reference_stack.api.database import Database
from reference_stack.api.inference_client import InferenceClient
from reference_stack.api.metrics import Metrics
from reference_stack.api.passwords import PasswordVerifier
from reference_stack.api.settings import ApiSettings


@dataclass(frozen=True)
class Services:
    """Opened with the process, closed with it."""

    settings: ApiSettings
    database: Database
    passwords: PasswordVerifier
    inference: InferenceClient
    metrics: Metrics


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDependency = Annotated[Services, Depends(_services)]
