"""HTTP between the stack's own parts: no TLS, no proxy, and no connection is kept.

The functions of httpx prepare TLS anew for every request, which costs more processor time than the
request itself. Here one client does for the whole process. A kept connection to a site that has
died would look alive for a while, so every request connects anew.
"""

from __future__ import annotations

import functools
from typing import Any

import httpx


@functools.cache
def _client() -> httpx.Client:
    return httpx.Client(
        verify=False,  # noqa: S501 - plain HTTP only, on the stack's own network
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def get(url: str, *, timeout: float, **options: Any) -> httpx.Response:
    """Like :func:`httpx.get`."""
    return _client().get(url, timeout=timeout, **options)


def post(url: str, *, timeout: float, **options: Any) -> httpx.Response:
    """Like :func:`httpx.post`."""
    return _client().post(url, timeout=timeout, **options)


def patch(url: str, *, timeout: float, **options: Any) -> httpx.Response:
    """Like :func:`httpx.patch`."""
    return _client().patch(url, timeout=timeout, **options)


def request(method: str, url: str, *, timeout: float, **options: Any) -> httpx.Response:
    """Like :func:`httpx.request`."""
    return _client().request(method, url, timeout=timeout, **options)
