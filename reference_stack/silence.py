"""Telling a part that is away from one that is merely slow, when it did not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from reference_stack import plain_http

ASK_AGAIN_EVERY_S: Final = 0.25

#: Something that looks once, and says in words what is wrong.
Check = Callable[[], list[str]]


class NotInTime(str):
    """A problem that may be nothing but a busy machine: no answer came within the time-out.

    A refused connection is none: nobody is there.
    """

    __slots__ = ()


def silent(what: str, error: Exception | None, timeout_s: float) -> str:
    """What an unanswered question amounts to, in words; ``error`` is how it ended.

    A time-out is a :class:`NotInTime`, everything else is said as it is.
    """
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return NotInTime(f"{what} did not answer in time ({timeout_s:g} s)")
    return f"{what} does not answer{f': {error}' if error is not None and str(error) else ''}"


def unanswered(what: str, url: str, timeout_s: float) -> str | None:
    """Ask with HTTP; None when ``what`` answers 200, else what is wrong in words."""
    try:
        status = plain_http.get(url, timeout=timeout_s).status_code
    except httpx.HTTPError as error:
        return silent(what, error, timeout_s)
    return None if status == httpx.codes.OK else f"{what} answers {status}"


def asked_again(
    checks: Sequence[Check], patience_s: float, *, clock: Callable[[], float] = time.monotonic,
    rest: Callable[[float], None] = time.sleep,
) -> list[str]:  # fmt: skip
    """The problems that all checks find, in their order.

    A check that missed an answer only for want of time is made again, alone, until it has one or
    ``patience_s`` are over: on a busy machine all of many answers never come in time at once.
    """
    end = clock() + patience_s
    found = [check() for check in checks]
    while late := [
        number
        for number, problems in enumerate(found)
        if any(isinstance(problem, NotInTime) for problem in problems)
    ]:
        if clock() >= end:
            break
        rest(ASK_AGAIN_EVERY_S)
        for number in late:
            found[number] = checks[number]()
    return [problem for problems in found for problem in problems]
