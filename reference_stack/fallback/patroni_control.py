"""What the controller asks of one Patroni, and what it orders. Silence is None, never an error."""

from __future__ import annotations

from typing import Any

import httpx

from reference_stack import plain_http
from reference_stack.addresses import Endpoint

PATCH_TIMEOUT_S = 5.0


class PatroniControl:
    """One site's Patroni by its REST interface."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = 1.0) -> None:
        self._url = endpoint.url
        self._timeout_s = timeout_s

    def is_primary(self) -> bool:
        """Whether ``/primary`` answers 200."""
        return self._status("/primary") == httpx.codes.OK

    def is_standby_leader(self) -> bool:
        """Whether ``/standby-leader`` answers 200."""
        return self._status("/standby-leader") == httpx.codes.OK

    def answers(self) -> bool:
        """Whether anything answers."""
        return self._status("/liveness") is not None

    def state(self) -> dict[str, Any] | None:
        """The member's own account of itself."""
        return self._get("/patroni")

    def members(self) -> dict[str, dict[str, Any]]:
        """Members of its cluster by name."""
        document = self._get("/cluster") or {}
        return {member["name"]: member for member in document.get("members", [])}

    def config(self) -> dict[str, Any] | None:
        """The cluster's dynamic configuration."""
        return self._get("/config")

    def patch(self, change: dict[str, Any]) -> bool:
        """Change the dynamic configuration; its leader acts at once, not at its next turn."""
        try:
            answer = plain_http.patch(f"{self._url}/config", json=change, timeout=PATCH_TIMEOUT_S)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    def _get(self, path: str) -> dict[str, Any] | None:
        try:
            answer = plain_http.get(f"{self._url}{path}", timeout=self._timeout_s)
            document = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def _status(self, path: str) -> int | None:
        try:
            return plain_http.get(f"{self._url}{path}", timeout=self._timeout_s).status_code
        except httpx.HTTPError:
            return None


def role(state: dict[str, Any] | None) -> str | None:
    """``primary``, ``replica``, … of a running member; None when it doesn't run."""
    if state is None or state.get("state") != "running":
        return None
    return str(state.get("role"))


def received_bytes(state: dict[str, Any] | None) -> int | None:
    """How far a standby has its WAL, received or replayed, in bytes."""
    xlog = (state or {}).get("xlog") or {}
    known = [
        int(xlog[name]) for name in ("received_location", "replayed_location") if xlog.get(name)
    ]
    return max(known) if known else None
