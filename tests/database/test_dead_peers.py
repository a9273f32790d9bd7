"""What Patroni and the failure detector ask other servers with: a dead peer ends it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from architecture import load_design
from reference_stack.database.dead_peers import SETTINGS
from reference_stack.site.description import SiteSpec
from tests.stack.test_render import rendered

#: As much of a PostgreSQL server as a client needs to connect.
SERVER = """
import socket
def message(kind, body):
    return kind + (len(body) + 4).to_bytes(4, "big") + body
told = {"server_version": "15.0", "server_encoding": "UTF8", "client_encoding": "UTF8",
        "DateStyle": "ISO, MDY", "integer_datetimes": "on", "standard_conforming_strings": "on"}
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    connection, _ = server.accept()
    connection.recv(1000)
    connection.sendall(
        message(b"R", bytes(4))
        + b"".join(message(b"S", f"{name}\\0{value}\\0".encode()) for name, value in told.items())
        + message(b"Z", b"I")
    )
    connection.recv(1000)
"""
#: Connects as Patroni does, and says what libpq made of it.
CLIENT = """
import sys
import psycopg2
connection = psycopg2.connect(
    host="127.0.0.1", port=int(sys.argv[1]), user="postgres", dbname="postgres",
    sslmode="disable", gssencmode="disable", options="-c statement_timeout=2000",
)
print(connection.get_dsn_parameters())
"""


@pytest.mark.servers
@pytest.mark.parametrize(("site", "service"), [("mac-2", "patroni"), ("edge", "failure-detector")])
def test_connections_to_other_servers_end_with_a_peer_that_lost_its_power(
    tmp_path: Path, site: str, service: str
) -> None:
    """TCP alone would send a question again for a quarter of an hour, and nobody be promoted."""
    rendered(load_design("local"), tmp_path)
    spec = SiteSpec.model_validate_json((tmp_path / site / "site.json").read_text())
    (environment,) = (one.environment for one in spec.services if one.name == service)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            said = subprocess.run(
                [sys.executable, "-c", CLIENT, port], env={**os.environ, **environment},
                capture_output=True, text=True, check=True, timeout=120,
            ).stdout  # fmt: skip
        finally:
            server.kill()
    used = ast.literal_eval(said)
    assert {name: used[name] for name in SETTINGS} == {n: str(v) for n, v in SETTINGS.items()}
