"""Patroni's dynamic configuration, read and written in etcd itself.

Patroni's own REST interface can do that only while Patroni runs; the order to follow the cloud must
be there before it starts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import httpx

from reference_stack import plain_http

ATTEMPTS = 3


class EtcdConfig:
    """One cluster's ``config`` key. Calls are bounded by ``timeout_s`` for each member asked."""

    def __init__(self, urls: Sequence[str], key: str, timeout_s: float = 2.0) -> None:
        self._urls = tuple(urls)
        self._key = _encoded(key)
        self._timeout_s = timeout_s

    def read(self) -> dict[str, Any] | None:
        """The configuration by a quorum's word; None when there is none to be had."""
        found = self._get()
        return None if found is None else found[0]

    def change(self, name: str, value: object) -> bool:
        """Set one top-level entry (None removes it); True when a quorum has taken it."""
        for _ in range(ATTEMPTS):
            found = self._get()
            if found is None:
                return False
            document, revision = found
            if document.get(name) == value:
                return True
            wanted = {**document, name: value}
            if value is None:
                del wanted[name]
            request = {
                "compare": [{"key": self._key, "target": "MOD", "modRevision": revision,
                             "result": "EQUAL"}],
                "success": [{"requestPut": {"key": self._key,
                                            "value": _encoded(json.dumps(wanted))}}],
            }  # fmt: skip
            answer = self._post("/v3/kv/txn", request)
            if answer is not None and answer.get("succeeded"):
                return True
        return False

    def _get(self) -> tuple[dict[str, Any], str] | None:
        answer = self._post("/v3/kv/range", {"key": self._key})
        if answer is None or not answer.get("kvs"):
            return None
        (row,) = answer["kvs"]
        return json.loads(base64.b64decode(row["value"])), row["mod_revision"]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        for url in self._urls:
            try:
                answer = plain_http.post(f"{url}{path}", json=body, timeout=self._timeout_s)
                document: dict[str, Any] = answer.json()
            except (httpx.HTTPError, ValueError):
                continue
            if answer.status_code == httpx.codes.OK:
                return document
        return None


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
