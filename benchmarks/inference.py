"""Chats on the language model: this repository's service against ``mlx_lm.server``, side by side.

Both serve the same model folder on the same BLAS with the same number of threads (Linux: OpenBLAS,
preloaded for mlx_lm.server, which left alone would compute with the wheel's slow reference BLAS;
ours puts its own product for small batches before it, see `reference_stack.inference.skinny_gemm`),
with the same batch limit and as many conversations in their prompt caches. A round is N clients
that begin together, stream their answers, and ask again as soon as they have one, ``--chats`` times
each: different patients' questions behind one system prompt, the same for both servers.
Rounds of the two alternate, so that a change of the machine's speed hits both; each ratio compares
two rounds next to each other. Answers are as long as the model makes them, at most ``--tokens``.

Tokens a second: all generated tokens of a round (both servers count an answer's end mark) over the
time from its first request to its last token. Time to first token: from a request to its first
text, the median over a round's chats.

On two shared cores of an EPYC all of it takes about ten minutes, and about five with
``--chats 2 --tokens 16``, as in the table of docs/ai-services.md.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from reference_stack.models import ensure_model, model_cache

MODEL = "smollm2-135m"
CLIENTS = (1, 4, 8, 16)
ROUNDS = 5
CHATS = 3
TOKENS = 24
START_DEADLINE_S = 300.0
REQUEST_TIMEOUT_S = 600.0
MOST_RESETS = 100
RESET_PAUSE_S = 0.02
# What ours keeps, where its memory for them is not full before.
CONVERSATIONS_KEPT = 256
SYSTEM = (
    "You help the clinicians of a hospital. Answer in one or two short sentences. You are not a "
    "medical device and say so when you are asked for a diagnosis."
)
COMPLAINTS = (
    "a fever since yesterday", "pain in the left knee", "a cough that does not end", "a headache",
    "a rash on both arms", "trouble sleeping", "a swollen ankle", "little appetite",
)  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One round of one server: times in seconds."""

    tokens_per_s: float
    first_token_s: float
    tokens: int
    asked_again: int


@dataclass(frozen=True)
class Server:
    """A running server, by the name it has in the table."""

    name: str
    url: str
    model: str


def questions(number: int, count: int) -> list[list[dict[str, str]]]:
    """The chats of round `number`: all differ, in every round."""
    chats = []
    for place in range(count):
        complaint = COMPLAINTS[(number + place) % len(COMPLAINTS)]
        patient = 100 * number + place
        words = (
            f"Patient {patient}, {30 + (7 * patient) % 50} years old, has {complaint}. "
            "What should the nurse look at first, and what should she write down?"
        )
        chats.append([{"role": "system", "content": SYSTEM}, {"role": "user", "content": words}])
    return chats


def play(server: Server, number: int, *, clients: int, chats: int, tokens: int) -> Round:
    """One round: `clients` at once, each with `chats` chats one after another."""
    asked = questions(number, clients * chats)
    results: list[tuple[float, float, int, int]] = []
    begun: list[float] = []
    together = threading.Barrier(clients, action=lambda: begun.append(time.perf_counter()))

    def ask(first: int) -> None:
        with httpx.Client(timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
            together.wait()
            for messages in asked[first::clients]:
                body = {
                    "model": server.model,
                    "messages": messages,
                    "max_tokens": tokens,
                    "temperature": 0.0,
                    "stream": True,
                    "stream_options": {"include_usage": True},
                }
                results.append(_answer(client, f"{server.url}/v1/chat/completions", body))

    threads = [threading.Thread(target=ask, args=[first]) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(asked), f"{server.name}: {len(asked) - len(results)} chats failed"
    generated = sum(count for _, _, count, _ in results)
    ended = max(end for _, end, _, _ in results)
    return Round(
        generated / (ended - begun[0]),
        statistics.median(first for first, _, _, _ in results),
        generated,
        sum(again for _, _, _, again in results),
    )


def _answer(
    client: httpx.Client, url: str, body: dict[str, object]
) -> tuple[float, float, int, int]:
    """Seconds to the first text, when the last came, how many tokens, and how often asked again.

    mlx_lm.server lets five connections wait to be accepted and the system resets the others; a
    reset request is asked again at once, and its time goes on.
    """
    asked = time.perf_counter()
    for again in range(MOST_RESETS):
        with contextlib.suppress(httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError):
            return *_stream(client, url, body, asked), again
        time.sleep(RESET_PAUSE_S)
    raise AssertionError(f"{url}: {MOST_RESETS} connections in a row were reset")


def _stream(
    client: httpx.Client, url: str, body: dict[str, object], asked: float
) -> tuple[float, float, int]:
    first: float | None = None
    count = 0
    with client.stream("POST", url, json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if usage := chunk.get("usage"):
                count = usage["completion_tokens"]
            choices = chunk.get("choices") or [{}]
            if first is None and choices[0].get("delta", {}).get("content"):
                first = time.perf_counter()
    ended = time.perf_counter()
    return (ended if first is None else first) - asked, ended, count


@contextlib.contextmanager
def ours(folder: Path, model: Path, max_batch: int, threads: int) -> Iterator[Server]:
    """This repository's service."""
    settings = {
        "port": 0, "site": "benchmark", "model_dir": str(model), "model_name": MODEL,
        "max_batch": max_batch, "max_queue": 64, "queue_timeout_s": REQUEST_TIMEOUT_S,
        "blas_threads": threads,
    }  # fmt: skip
    path = folder / "ours.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    log = folder / "ours.log"
    command = [sys.executable, "-m", "reference_stack.inference", "--settings", str(path)]
    with _running(command, log, dict(os.environ)) as process:
        port = int(_wait_for_port(log, process))
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(f"{url}/health", process)
        yield Server("reference stack", url, MODEL)


@contextlib.contextmanager
def theirs(folder: Path, model: Path, max_batch: int, threads: int) -> Iterator[Server]:
    """mlx-lm's own server, on the BLAS that ours uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
    environment["OPENBLAS_NUM_THREADS"] = str(threads)
    library = ctypes.util.find_library("openblas")
    if sys.platform == "linux" and library is not None:
        environment["LD_PRELOAD"] = library
    command = [
        sys.executable, "-m", "mlx_lm", "server", "--model", str(model), "--host", "127.0.0.1",
        "--port", str(port), "--decode-concurrency", str(max_batch), "--prompt-concurrency",
        str(max_batch), "--prompt-cache-size", str(CONVERSATIONS_KEPT), "--log-level", "WARNING",
    ]  # fmt: skip
    with _running(command, folder / "theirs.log", environment) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(f"{url}/health", process)
        yield Server("mlx_lm.server", url, str(model))


@contextlib.contextmanager
def _running(
    command: Sequence[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for_port(log: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + START_DEADLINE_S
    while (found := re.search(r"port (\d+)", log.read_text(encoding="utf-8"))) is None:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < end, "the service did not listen in time"
        time.sleep(0.1)
    return found[1]


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_DEADLINE_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        assert process.poll() is None, f"{url}: the server ended"
        assert time.monotonic() < end, f"{url}: not healthy in time"
        time.sleep(0.2)


def compare(
    servers: Sequence[Server], *, clients: int, chats: int, rounds: int, tokens: int
) -> dict[str, list[Round]]:
    """`rounds` rounds of each server, alternating; who begins alternates too."""
    done: dict[str, list[Round]] = {server.name: [] for server in servers}
    for number in range(rounds):
        order = servers if number % 2 == 0 else list(reversed(servers))
        for server in order:
            done[server.name].append(
                play(server, 1000 * clients + number, clients=clients, chats=chats, tokens=tokens)
            )
    return done


def main(arguments: Sequence[str] | None = ()) -> None:
    """Run the rounds and print medians, ranges and ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference")
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--chats", type=int, default=CHATS)
    parser.add_argument("--blas-threads", type=int, default=1)
    options = parser.parse_args(arguments)
    model = ensure_model(MODEL, model_cache(), print)
    largest = max(options.clients)
    with tempfile.TemporaryDirectory(prefix="prontuario-bench-") as name:
        folder = Path(name)
        with (
            ours(folder, model, largest, options.blas_threads) as own,
            theirs(folder, model, largest, options.blas_threads) as other,
        ):
            servers = (own, other)
            for server in servers:  # the first round touches every weight and fills caches
                play(server, 0, clients=2, chats=1, tokens=4)
            for clients in options.clients:
                done = compare(
                    servers,
                    clients=clients,
                    chats=options.chats,
                    rounds=options.rounds,
                    tokens=options.tokens,
                )
                _print(clients, options, done)


def _print(clients: int, options: argparse.Namespace, done: dict[str, list[Round]]) -> None:
    load = os.getloadavg()[0]
    print(
        f"{MODEL}, {clients} client{'s' if clients > 1 else ''} at once, "
        f"{options.rounds} alternating rounds of {options.chats} chats each, at most "
        f"{options.tokens} tokens an answer, {options.blas_threads} thread (load of the machine "
        f"{load:.1f}): median (least to most)"
    )
    own, other = done.values()
    for name, rounds in done.items():
        print(
            f"  {name:<16} {_spread([one.tokens_per_s for one in rounds], '.1f')} tokens/s   "
            f"first token {_spread([one.first_token_s for one in rounds], '.2f')} s   "
            f"reset {sum(one.asked_again for one in rounds)}"
        )
    pairs = list(zip(own, other, strict=True))
    speed = _spread([one.tokens_per_s / two.tokens_per_s for one, two in pairs], ".2f")
    first = _spread([one.first_token_s / two.first_token_s for one, two in pairs], ".2f")
    print(
        f"  ratio            {speed} of its tokens/s   {first} of its time to first token",
        flush=True,
    )


def _spread(values: list[float], form: str) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main(None)
