"""The four requests of a clinician, as HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from architecture.workload import RequestName
from load.settings import KnownPatient

#: Takes the answer's JSON document; says what is wrong with it, or nothing.
Check = Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class Call:
    """One request: what is sent, and what a right answer holds."""

    operation: RequestName
    method: str
    path: str
    body: bytes = b""
    key: str = ""
    streamed: bool = False
    check: Check = lambda _document: ""

    def headers(self, token: str) -> dict[str, str]:
        """Headers with a bearer token; without one when it is empty."""
        headers = {"Accept": "text/event-stream" if self.streamed else "application/json"}
        if self.body:
            headers["Content-Type"] = "application/json"
        if self.key:
            headers["Idempotency-Key"] = self.key
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers


def login(username: str, password: str) -> Call:
    """Log in with the clinician's own account."""
    return Call(
        "login",
        "POST",
        "/v1/login",
        _json({"username": username, "password": password}),
        check=lambda document: "" if document.get("access_token") else "no access token",
    )


def lookup(patient: KnownPatient, query: str) -> Call:
    """Look a patient up by ``query``; the answer is right when it holds that very patient."""

    def found(document: dict[str, Any]) -> str:
        ids = {item.get("id") for item in document.get("items", [])}
        return "" if str(patient.id) in ids else "the patient is not among the results"

    path = f"/v1/patients?{urlencode({'query': query, 'limit': 20})}"
    return Call("lookup", "GET", path, check=found)


def note(patient: KnownPatient, key: UUID, text: str, sequence: int) -> Call:
    """Write a note under its Idempotency-Key."""
    return Call(
        "note",
        "POST",
        f"/v1/patients/{patient.id}/notes",
        _json({"text": text, "sequence": sequence}),
        key=str(key),
        check=lambda document: (
            "" if document.get("client_id") == str(key) else "another note was acknowledged"
        ),
    )


def chat(patient: KnownPatient, message: str, max_tokens: int) -> Call:
    """Ask about a patient; the answer is streamed."""
    body = {"patient_id": str(patient.id), "message": message, "max_tokens": max_tokens}
    return Call("chat", "POST", "/v1/chat", _json(body), streamed=True)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
