"""A small real server in place of a node, for tests: ``site_server.py SITE API PATRONI DATABASE``.

The last three are HOST:PORT. The API answers every path with the site's name (``/slow`` after a
second), and names the client it was told of; Patroni says that the site is the primary while its
working directory holds a file ``primary``; the database says the site's name and then echoes.
"""

from __future__ import annotations

import signal
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLOW_S = 1.0
site = sys.argv[1]


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(SLOW_S)
        self.answer(200)

    def answer(self, status: int) -> None:
        body = site.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Prontuario-Site", site)
        self.send_header("X-Told-Client", self.headers.get("X-Forwarded-For", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Patroni(Api):
    def do_GET(self) -> None:
        self.answer(200 if Path("primary").exists() else 503)


class Database(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(f"{site}\n".encode())
        while line := self.rfile.readline():
            self.wfile.write(line)


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def place(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    servers: list[socketserver.BaseServer] = [
        ThreadingHTTPServer(place(sys.argv[2]), Api),
        ThreadingHTTPServer(place(sys.argv[3]), Patroni),
        Tcp(place(sys.argv[4]), Database),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        signal.pause()
