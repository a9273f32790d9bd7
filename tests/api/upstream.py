"""A small real HTTP server that speaks the inference contract, well or badly as told.

A picture is the text ``face NAME`` (one face, always the same for a name), ``faces 2`` or anything
else, in which there is no face; its embedding is 128 numbers drawn from the name.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("Dor", " no", " peito:\u2028eletrocardiograma", ".")

#: How long a test waits for what must come: only a fault takes so long, on any machine.
DEADLINE_S = 120.0


class Upstream(ThreadingHTTPServer):
    """`script`: answer · busy · refuse · break · mute · error-event · empty · hang."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = "answer"
        self.requests: list[dict[str, Any]] = []
        #: It will say no more, and listens only to whether its client is there.
        self.silent = threading.Event()
        self.client_left = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass

    def do_GET(self) -> None:
        self._plain(200, {"status": "ok"})

    def do_POST(self) -> None:
        content = self._content()
        if self.path == "/v1/faces/embedding":
            self._plain(200, face(content))
            return
        if self.path == "/v1/images/analysis":
            self._image(content)
            return
        if self.path.startswith("/v1/audio/"):
            self._audio()
            return
        body = json.loads(content)
        self.server.requests.append(body)
        script = self.server.script
        if script == "busy":
            self._plain(503, {"detail": "queue full"}, {"Retry-After": "7"})
        elif script == "refuse":
            self._plain(400, {"detail": "the prompt has 900 tokens"})
        else:
            self._stream(script)

    def _content(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _audio(self) -> None:
        if self.server.script == "busy":
            self._plain(503, {"detail": "queue full"}, {"Retry-After": "7"})
        elif self.server.script == "mute":
            self._wait_for_client_to_leave()
        else:
            self._plain(200, {"text": "dor no peito"})

    def _image(self, content: bytes) -> None:
        if content == b"not an image":
            self._plain(422, {"detail": "no image"})
            return
        quality = {"contrast": 0.5, "sharpness": 0.01, "noise": 0.0}
        regions: dict[str, object] = {"threshold": None, "largest": []}
        measures = {"width_px": 512, "height_px": 256, "quality": quality, "regions": regions}
        self._plain(200, {"kind": "picture", **measures})

    def _plain(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, script: str) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if script == "empty":
            return
        if script == "mute":
            self._wait_for_client_to_leave()
            return
        for index, word in enumerate(WORDS):
            if index == 2 and script == "break":
                return
            if index == 2 and script == "error-event":
                self._event({"error": {"detail": "worker failed"}})
                return
            if index == 2 and script == "hang":
                self._wait_for_client_to_leave()
                return
            self._event({"choices": [{"index": 0, "delta": {"content": word}}]})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, document: object) -> None:
        text = json.dumps(document, ensure_ascii=False)
        # In two pieces, as networks deliver.
        data = f"data: {text}\n\n".encode()
        self._chunk(data[:9])
        self._chunk(data[9:])

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _wait_for_client_to_leave(self) -> None:
        self.connection.settimeout(DEADLINE_S)
        self.server.silent.set()
        try:
            if self.connection.recv(1) == b"":
                self.server.client_left.set()
        except ConnectionResetError:
            self.server.client_left.set()
        except TimeoutError:
            return


def face(picture: bytes) -> dict[str, object]:
    kind, _, name = picture.decode(errors="replace").partition(" ")
    if kind == "faces":
        return {"embedding": None, "faces": int(name), "model": "test"}
    if kind != "face":
        return {"embedding": None, "faces": 0, "model": "test"}
    draw = random.Random(name)
    return {"embedding": [draw.gauss(0, 0.1) for _ in range(128)], "faces": 1, "model": "test"}


@contextmanager
def serving_upstream() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_until(condition: Any, deadline_s: float = DEADLINE_S) -> float:
    """Poll until `condition()` is true; the seconds it took. Fails at the deadline."""
    started_at = time.monotonic()
    while not condition():
        assert time.monotonic() - started_at < deadline_s, "did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - started_at
