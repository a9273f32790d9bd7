"""The whole process's application behind a real socket, and a client of it."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from reference_stack.inference.__main__ import other_services
from reference_stack.inference.app import build_app
from reference_stack.inference.engine import Engine
from reference_stack.inference.jobs import EngineLimits
from reference_stack.inference.metrics import InferenceMetrics
from reference_stack.inference.settings import InferenceSettings
from tests.inference.inference_bench import DEADLINE_S, mlx_loader, wait_until

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
#: A busy machine is not a worker that hangs.
PATIENCE = {
    "vision": {
        "queue_timeout_s": DEADLINE_S, "work_timeout_s": DEADLINE_S, "start_timeout_s": DEADLINE_S,
    },
    "speech": {"queue_timeout_s": DEADLINE_S, "start_timeout_s": DEADLINE_S},
    "voice": {"queue_timeout_s": DEADLINE_S, "synthesis_timeout_s": DEADLINE_S},
}  # fmt: skip


class Service:
    """A served engine and a client of it."""

    def __init__(self, client: httpx.Client, services: list) -> None:
        self.client = client
        self.services = services

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return str(self.client.base_url).rstrip("/")

    def value(self, sample: str) -> float:
        for line in self.client.get("/metrics").text.splitlines():
            name, _, number = line.rpartition(" ")
            if name == sample:
                return float(number)
        raise KeyError(sample)

    def ask(self, **body: Any) -> httpx.Response:
        return self.client.post(PATH, json={"messages": HELLO, **body})

    def ask_and_leave(self, when: Callable[[], bool], path: str, **request: Any) -> None:
        """POST, and close the connection once `when` holds, before any answer."""
        message = self.client.build_request("POST", path, **request)
        lines = [b"POST %s HTTP/1.1" % message.url.raw_path]
        lines += [b"%s: %s" % header for header in message.headers.raw]
        with socket.create_connection((message.url.host, message.url.port)) as connection:
            connection.sendall(b"\r\n".join([*lines, b"", b""]) + message.read())
            wait_until(when, "the service has the request")

    @contextlib.contextmanager
    def endless(self) -> Iterator[Iterator[str]]:
        """A streaming answer that has begun and won't end by itself."""
        body = {"messages": HELLO, "stream": True, "max_tokens": 100_000}
        with self.client.stream("POST", PATH, json=body) as response:
            assert response.status_code == 200
            lines = response.iter_lines()
            next(lines)
            yield lines


MakeService = Callable[..., Service]


@contextlib.contextmanager
def served(model_dir: Path, load: Any = None, **options: Any) -> Iterator[Service]:
    """A served engine with the tiny model of `model_dir`, and what else `options` ask for."""
    for part, patience in PATIENCE.items():
        if options.get(part) is not None:
            options[part] = {**patience, **options[part]}
    settings = InferenceSettings(
        **{
            "port": 0,
            "site": "mac-1",
            "model_dir": model_dir,
            "model_name": "tiny",
            "max_answer_tokens": 100_000,
            "queue_timeout_s": DEADLINE_S,
            **options,
        }
    )
    metrics = InferenceMetrics()
    limits = EngineLimits(
        settings.max_batch, settings.max_queue, settings.queue_timeout_s, settings.stall_timeout_s
    )
    engine = Engine(load or mlx_loader(model_dir, settings.max_batch), limits, metrics)
    services = other_services(settings, metrics)
    config = uvicorn.Config(
        build_app(settings, engine, metrics, "openblas", services=services),
        port=0,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server listens")
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as client:
            wait_until(
                lambda: client.get("/health").json()["status"] != "loading", "the model is loaded"
            )
            yield Service(client, services)
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
