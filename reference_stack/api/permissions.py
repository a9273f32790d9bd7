"""Who may do what: one table of roles by route, and what is left of it in an emergency.

The table is the only place that grants anything. `access.authorize` enforces it on every request,
and the application does not start with a route that has no line here.

In an emergency (B-14, B-17) three functions stay: basic chat, emergency look-up and critical
alerts. Notes stay with the look-up: B-15 promises "emergency read and write", and what is written
at the bedside must not wait for the hospital. A route that is off says so.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Role = Literal["physician", "nurse", "pharmacist", "receptionist", "administrator", "auditor"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

#: Stands for the method of a WebSocket's route.
WEBSOCKET: Final = "WEBSOCKET"

#: What a route is for; the audit trail calls it the purpose of an access.
Purpose = Literal[
    "operation",
    "login",
    "face-login",
    "session",
    "look-up",
    "registration",
    "note",
    "chat",
    "dictation",
    "live-dictation",
    "speech",
    "document",
    "image-analysis",
    "vital-signs",
    "analytics",
    "search",
    "report",
    "alert",
    "staff",
    "audit",
]


@dataclass(frozen=True)
class Permission:
    """One line of the table.

    Attributes:
        roles: Who may; None: anybody, also without a token.
        audited: Whether each request leaves an event in the audit trail.
        in_emergency: Whether the emergency site serves it.
        unlimited: Whether limits of users and requests let it pass (critical alerts).
    """

    purpose: Purpose
    roles: frozenset[Role] | None
    audited: bool = True
    in_emergency: bool = False
    unlimited: bool = False


_EVERYBODY: Final[frozenset[Role]] = frozenset(ROLES)
_CARE: Final[frozenset[Role]] = frozenset({"physician", "nurse"})
_CLINICAL: Final[frozenset[Role]] = _CARE | {"pharmacist"}
_FRONT_DESK: Final[frozenset[Role]] = _CLINICAL | {"receptionist"}


def _open(purpose: Purpose, *, audited: bool = False, in_emergency: bool = True) -> Permission:
    return Permission(purpose, None, audited=audited, in_emergency=in_emergency)


def _session(*, unlimited: bool = False) -> Permission:
    return Permission("session", _EVERYBODY, audited=False, in_emergency=True, unlimited=unlimited)


def _alert(roles: frozenset[Role]) -> Permission:
    return Permission("alert", roles, in_emergency=True, unlimited=True)


def _only(*roles: Role) -> frozenset[Role]:
    return frozenset(roles)


_PATIENT: Final = "/v1/patients/{patient_id}"
_VERSION: Final = "/v1/documents/{document_id}/versions/{version_id}"

PERMISSIONS: Final[dict[tuple[str, str], Permission]] = {
    ("GET", "/health"): _open("operation"),
    ("GET", "/health/chat"): _open("operation"),
    ("GET", "/ready"): _open("operation"),
    ("GET", "/metrics"): _open("operation"),
    ("GET", "/v1/status"): _open("operation"),
    ("GET", "/v1/fhir/metadata"): _open("operation"),
    ("POST", "/v1/login"): _open("login", audited=True),
    ("POST", "/v1/login/face"): _open("face-login", audited=True, in_emergency=False),
    ("POST", "/v1/logout"): _session(unlimited=True),
    ("GET", "/v1/sessions"): _session(),
    ("GET", "/v1/patients"): Permission("look-up", _FRONT_DESK, in_emergency=True),
    ("GET", _PATIENT): Permission("look-up", _FRONT_DESK, in_emergency=True),
    ("PATCH", _PATIENT): Permission("registration", _only("receptionist", "nurse")),
    ("GET", f"{_PATIENT}/notes"): Permission("note", _CLINICAL, in_emergency=True),
    ("POST", f"{_PATIENT}/notes"): Permission("note", _CLINICAL, in_emergency=True),
    ("GET", f"{_PATIENT}/documents"): Permission("document", _CLINICAL),
    ("POST", f"{_PATIENT}/documents"): Permission("document", _CARE),
    ("GET", "/v1/documents/{document_id}"): Permission("document", _CLINICAL),
    ("POST", "/v1/documents/{document_id}/versions"): Permission("document", _CARE),
    ("GET", _VERSION): Permission("document", _CLINICAL),
    ("POST", f"{_VERSION}/analysis"): Permission("image-analysis", _only("physician")),
    ("POST", f"{_PATIENT}/vital-signs"): Permission("vital-signs", _CARE),
    ("GET", f"{_PATIENT}/insights"): Permission("analytics", _CARE),
    ("GET", "/v1/search"): Permission("search", _CLINICAL),
    ("POST", f"{_PATIENT}/reports"): Permission("report", _CARE),
    ("GET", f"{_PATIENT}/reports"): Permission("report", _CARE),
    ("GET", "/v1/reports/{report_id}"): Permission("report", _CARE),
    ("GET", "/v1/alerts"): _alert(_CLINICAL),
    ("POST", f"{_PATIENT}/alerts"): _alert(_CLINICAL),
    ("POST", "/v1/alerts/{alert_id}/acknowledgement"): _alert(_CARE),
    ("POST", "/v1/chat"): Permission("chat", _CLINICAL, in_emergency=True),
    ("POST", "/v1/audio/transcriptions"): Permission("dictation", _CLINICAL, in_emergency=True),
    (WEBSOCKET, "/v1/audio/dictation"): Permission("live-dictation", _CLINICAL),
    ("POST", "/v1/audio/speech"): Permission("speech", _CLINICAL),
    ("GET", "/v1/conversations/{conversation_id}"): Permission("chat", _CLINICAL),
    ("GET", "/v1/clinicians"): Permission("staff", _only("administrator"), audited=False),
    ("PATCH", "/v1/clinicians/{clinician_id}"): Permission("staff", _only("administrator")),
    ("PUT", "/v1/clinicians/{clinician_id}/face"): Permission("staff", _only("administrator")),
    ("DELETE", "/v1/clinicians/{clinician_id}/face"): Permission("staff", _only("administrator")),
    ("GET", "/v1/audit/events"): Permission("audit", _only("auditor")),
    ("GET", "/v1/audit/seals"): Permission("audit", _only("auditor")),
    ("GET", "/v1/fhir/Patient"): Permission("look-up", _FRONT_DESK, in_emergency=True),
    ("GET", "/v1/fhir/Patient/{patient_id}"): Permission("look-up", _FRONT_DESK, in_emergency=True),
    ("GET", "/v1/fhir/Practitioner"): Permission("staff", _EVERYBODY, audited=False),
    ("GET", "/v1/fhir/Practitioner/{clinician_id}"): Permission("staff", _EVERYBODY, audited=False),
    ("GET", "/v1/fhir/Observation"): Permission("vital-signs", _CLINICAL),
    ("GET", "/v1/fhir/Observation/{observation_id}"): Permission("vital-signs", _CLINICAL),
    ("GET", "/v1/fhir/DocumentReference"): Permission("document", _CLINICAL),
    ("GET", "/v1/fhir/DiagnosticReport"): Permission("report", _CLINICAL),
    ("GET", "/v1/fhir/DiagnosticReport/{report_id}"): Permission("report", _CLINICAL),
    ("GET", "/v1/fhir/Flag"): _alert(_CLINICAL),
    ("GET", "/v1/fhir/Communication"): Permission("chat", _CLINICAL),
}


def functions(*, in_emergency: bool) -> list[Purpose]:
    """What clinicians can do here, in the table's order; operation and sessions not counted."""
    served = [
        line.purpose for line in PERMISSIONS.values() if line.in_emergency or not in_emergency
    ]
    return [name for name in dict.fromkeys(served) if name not in {"operation", "session"}]
