"""What an operator asks of the controller, as the command line does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from reference_stack import plain_http
from reference_stack.errors import StackError
from reference_stack.handle import StackHandle

Progress = Callable[[str], None]

ASK_TIMEOUT_S = 20.0
POLL_S = 0.3
PROMOTION_DEADLINE_S = 120.0
WAY_BACK_DEADLINE_S = 900.0


class ControllerAwayError(StackError):
    """The controller does not answer."""


class NotFinishedError(StackError):
    """The controller goes on, but did not come to its end in time."""


class Controls:
    """The controller of one stack."""

    def __init__(self, handle: StackHandle, progress: Progress) -> None:
        """
        Raises:
            StackError: when the design has no controller.
        """
        fallback = handle.design.fallback
        if fallback is None:
            raise StackError(f"design {handle.design.name} has no fallback controller")
        self._url = handle.endpoint(fallback.site, "fallback").url
        self._token = handle.secret("fallback")
        self._progress = progress

    def status(self) -> dict[str, Any]:
        """The controller's own account."""
        return self._ask("GET", "/status")

    def promote(self, *, site_lost: bool, force: bool) -> dict[str, Any]:
        """Have the cloud take over and wait until it leads.

        Raises:
            StackError: when the controller refuses, with its reason.
        """
        self._ask("POST", "/promote", {"site_lost": site_lost, "force": force})
        return self._follow("cloud", PROMOTION_DEADLINE_S)

    def fail_back(self, *, required: int, set_aside: Sequence[str]) -> dict[str, Any]:
        """Have the hospital lead again and wait until it does.

        Raises:
            StackError: when the controller refuses, with its reason.
        """
        self._ask("POST", "/failback", {"required": required, "set_aside": list(set_aside)})
        return self._follow("hospital", WAY_BACK_DEADLINE_S)

    def cancel(self) -> dict[str, Any]:
        """Give up the way back while the cloud is still primary."""
        return self._ask("POST", "/cancel")

    def _follow(self, goal: str, deadline_s: float) -> dict[str, Any]:
        """Tell each phase until the goal is reached at rest.

        Raises:
            NotFinishedError: when it was not, or the procedure ended elsewhere.
        """
        told, end = "", time.monotonic() + deadline_s
        moved = False
        while time.monotonic() < end:
            try:
                status = self.status()
            except ControllerAwayError:
                time.sleep(POLL_S)  # it may have crashed: it resumes by itself
                continue
            words = f"{status['phase']}{': ' if status['missing'] else ''}{status['missing']}"
            if words != told:
                self._progress(words)
                told = words
            if status["phase"] == goal:
                return status
            moved = moved or "." in status["phase"]
            if moved and "." not in status["phase"]:
                raise NotFinishedError(f"it ended with the lead at the {status['leader']}")
            time.sleep(POLL_S)
        raise NotFinishedError(f"not finished after {deadline_s:.0f} s; it goes on ({told})")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            answer = plain_http.request(
                method, f"{self._url}{path}", json=body or {}, headers=headers,
                timeout=ASK_TIMEOUT_S,
            )  # fmt: skip
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ControllerAwayError(
                f"the fallback controller does not answer ({error}): start it, or do the same "
                "by hand with --by-hand"
            ) from None
        if answer.is_error:
            raise StackError(str(document.get("error", answer.status_code)))
        return document
