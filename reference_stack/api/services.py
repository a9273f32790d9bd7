"""What the routes of one API process work with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from reference_stack.api.audit_trail import AuditTrail
from reference_stack.api.cache import LookupCache
from reference_stack.api.database import Database
from reference_stack.api.document_store import DocumentStore
from reference_stack.api.emergency import EmergencyPlaces
from reference_stack.api.inference_client import InferenceClient
from reference_stack.api.limits import RateLimits
from reference_stack.api.metrics import Metrics
from reference_stack.api.passwords import PasswordVerifier
from reference_stack.api.sessions import Sessions
from reference_stack.api.settings import ApiSettings


@dataclass(frozen=True)
class Services:
    """Opened with the process, closed with it."""

    settings: ApiSettings
    database: Database
    passwords: PasswordVerifier
    inference: InferenceClient
    documents: DocumentStore
    metrics: Metrics
    sessions: Sessions
    limits: RateLimits
    lookups: LookupCache
    trail: AuditTrail
    places: EmergencyPlaces


async def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


ServicesDependency = Annotated[Services, Depends(_services)]
