"""A user's connection to the system: kept open between requests, opened anew after any failure.

geventhttpclient is the client below Locust's FastHttpUser. It is used directly because FastHttpUser
closes the connection of an error answer before its problem document can be read, and hides whether
a request was sent at all.
"""

from __future__ import annotations

import functools
import ssl
import time
from pathlib import Path
from typing import cast

import gevent
import gevent.ssl
from geventhttpclient import HTTPClient

from architecture.workload import Client
from load.route import Clock, Route


class NotConnectedError(Exception):
    """No connection opened, so nothing was sent; the message says why."""


class Line:
    """Opens connections along a route.

    Args:
        urls: Ways in, in the order of preference.
        client: How patient the client is.
        authority: The certificate (PEM) it trusts, for https.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, urls: tuple[str, ...], client: Client, authority: Path | None = None,
        clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        self._route = Route(
            urls, leave_after_s=client.leave_after_s, return_after_s=client.return_after_s,
            clock=clock,
        )  # fmt: skip
        self._connect_timeout_s = client.connect_timeout_s
        # Bounds any single wait on the socket; each attempt has a time-out of its own.
        self._longest_s = max(client.timeout_s, client.chat_timeout_s)
        self._authority = authority
        self._clock = clock
        self._open: _Connection | None = None
        self._better: tuple[str, _Connection] | None = None
        self._looking: gevent.Greenlet | None = None

    @property
    def endpoint(self) -> str:
        """HOST:PORT of the way in that is used now."""
        return self._route.url.split("//", 1)[1]

    def connected(self) -> HTTPClient:
        """An open connection, the one kept from before or a new one.

        Raises:
            NotConnectedError: when none opened.
        """
        self._go_back()
        complaints = []
        for _ in range(2):  # the way in, and the next one when that is given up
            if self._open is None:
                self._open = self._make(self._route.url)
            began_s = self._clock()
            complaint = self._open.try_open(self._connect_timeout_s)
            if not complaint:
                self._route.opened()
                return self._open
            complaints.append(f"{self.endpoint}: {complaint}")
            self.hang_up()
            if not self._route.failed(began_s):
                break
        raise NotConnectedError("; ".join(complaints))

    def hang_up(self) -> None:
        """Close the connection; the next attempt opens a new one."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def close(self) -> None:
        """Close everything, when the user leaves."""
        if self._looking is not None:
            self._looking.kill()
        if self._better is not None:
            self._better[1].close()
            self._better = None
        self.hang_up()

    def _go_back(self) -> None:
        """Use an earlier way in that was found open, or look for one in the background."""
        if self._better is not None:
            url, connection = self._better
            self._better = None
            self.hang_up()
            self._route.back_to(url)
            self._open = connection
        elif urls := self._route.better():
            self._looking = gevent.spawn(self._look_back, urls)

    def _look_back(self, urls: tuple[str, ...]) -> None:
        for url in urls:
            connection = self._make(url)
            if not connection.try_open(self._connect_timeout_s):
                self._better = url, connection
                return
            connection.close()

    def _make(self, url: str) -> _Connection:
        connection = _Connection.from_url(
            url, concurrency=1, connection_timeout=self._connect_timeout_s,
            network_timeout=self._longest_s,
            ssl_context_factory=lambda **_: tls_context(self._authority),
        )  # fmt: skip
        return cast(_Connection, connection)


class _Connection(HTTPClient):
    """An HTTP client that can say whether its connection opens, before anything is sent."""

    def try_open(self, timeout_s: float) -> str:
        """Open the connection unless it is open; what went wrong, or nothing."""
        try:
            with gevent.Timeout(timeout_s) as timeout:
                self._connection_pool.return_socket(self._connection_pool.get_socket())
        except gevent.Timeout as expired:
            if expired is not timeout:
                raise
            return f"no connection within {timeout_s:g} s"
        except TimeoutError:
            return f"no connection within {timeout_s:g} s"
        except ConnectionRefusedError:
            return "connection refused"
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        return ""


@functools.cache
def tls_context(authority: Path | None) -> ssl.SSLContext:
    """The TLS context of all connections of a process that trust ``authority``.

    Made of gevent's own class: `gevent.ssl.create_default_context` gives the standard one, on which
    no time-out of an attempt fires, wherever the process was not patched.
    """
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(str(authority))
    return context
