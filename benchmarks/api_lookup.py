"""What the clinical API adds to a look-up, and a hospital that logs in all at once.

*Look-up*: one patient by id, asked by 1 and by 8 clients that wait for each answer, of three
services on one PostgreSQL: `bare` (FastAPI, a psycopg pool, one SELECT), `bare + trail` (it also
commits one row) and the API (token, role, rate, entity tag, and the sealed audit event committed
before the answer). Rounds are interleaved, so that a change of the machine's speed hits all three;
each ratio compares services within one round. Nothing is cached in either.

*Log-in storm*: 200 clinicians log in once each, at even distances over 10 s, by password (argon2id
at OWASP's parameters in the API's threads). Time counts from the intended start.

PostgreSQL flushes every commit to the disk and has no standby here: see ``commit-latency`` for what
a synchronous one adds.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commit_latency import Server
from reference_stack import binaries
from reference_stack.api.migrate import migrate
from reference_stack.api.settings import ApiSettings
from reference_stack.api.tokens import Clinician, issue_token, utc_now
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians
from reference_stack.hospital.patients import generate_patients
from reference_stack.hospital.seed import seed_hospital

SECRET = "benchmark"  # noqa: S105 - of synthetic clinicians
SEED, PATIENTS, USERS = 5, 1000, 200
CLIENTS = (1, 8)
ROUNDS, ROUND_S = 7, 3.0
STORM_S = 10.0
WAYS = ("bare", "bare + trail", "api")
START_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Round:
    """Latencies of one round in milliseconds, and answers a second."""

    median_ms: float
    p99_ms: float
    rate: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(argv: Sequence[str], port: int, path: str) -> Iterator[int]:
    """A process that answers ``path`` on its port until the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", *argv])
    try:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            with contextlib.suppress(OSError):
                if ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), path, "") < 500:
                    break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{argv[0]} does not start")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def ask(connection: http.client.HTTPConnection, path: str, token: str) -> int:
    """One GET; the status."""
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def look_up(port: int, tokens: Sequence[str], clients: int) -> Round:
    """Clients that ask one after another for `ROUND_S` seconds, as everybody in turn.

    One clinician alone would run into the rate limit.
    """
    patients = [str(patient.id) for patient in generate_patients(SEED, 200)]
    taken: list[float] = []
    gathered = threading.Lock()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        mine: list[float] = []
        turn = number * 17
        end = time.perf_counter() + ROUND_S
        while (began := time.perf_counter()) < end:
            path = f"/v1/patients/{patients[turn % len(patients)]}"
            status = ask(connection, path, tokens[turn % len(tokens)])
            assert status == 200, status
            mine.append(time.perf_counter() - began)
            turn += 1
        connection.close()
        with gathered:
            taken.extend(mine)

    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(client, range(clients)))
    hundredths = statistics.quantiles(taken, n=100)
    return Round(1000 * statistics.median(taken), 1000 * hundredths[98], len(taken) / ROUND_S)


@dataclass(frozen=True)
class LogIn:
    """Seconds from the intended start to the token, and how often it was put off (503)."""

    waited_s: float
    put_off: int


def storm(port: int) -> list[LogIn]:
    """Everybody's log-in; whoever is put off comes back when told to."""
    clinicians = generate_clinicians(SEED, USERS)
    began = time.perf_counter() + 0.5

    def log_in(number: int) -> LogIn:
        clinician = clinicians[number]
        intended = began + number * STORM_S / USERS
        time.sleep(max(0.0, intended - time.perf_counter()))
        password = clinician_password(SECRET, clinician.username)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"username": clinician.username, "password": password})
        put_off = 0
        while True:
            connection.request("POST", "/v1/login", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return LogIn(time.perf_counter() - intended, put_off)
            assert answer.status == 503, answer.status
            put_off += 1
            time.sleep(float(answer.headers["Retry-After"]))

    with ThreadPoolExecutor(USERS) as threads:
        return list(threads.map(log_in, range(USERS)))


def settings_of(database_url: str, port: int, folder: Path) -> ApiSettings:
    return ApiSettings.model_validate(
        {
            "host": "127.0.0.1", "port": port, "site": "mac-1", "mode": "normal",
            "database_url": database_url, "inference_url": "http://127.0.0.1:9",
            "token_secret": "0123456789abcdef0123456789abcdef", "audit_folder": folder / "audit",
        }
    )  # fmt: skip


def main() -> None:
    """Run both and print them."""
    programs = binaries.require("postgres").path.resolve().parent
    with tempfile.TemporaryDirectory(prefix="prontuario-api-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(programs, folder / "pg")
        server.create()
        with server.running():
            migrate(server.url)
            seed_hospital(server.url, secret=SECRET, patients=PATIENTS, clinicians=USERS, seed=SEED)
            server.execute("CREATE TABLE bare_trail (patient_id uuid)")
            measure(server.url, folder)


def measure(database_url: str, folder: Path) -> None:
    """Start the three services, compare them, then let everybody log in."""
    ports = {way: free_port() for way in WAYS}
    settings = settings_of(database_url, ports["api"], folder)
    path = folder / "api.json"
    path.write_text(settings.model_dump_json(exclude_none=True))
    first = generate_clinicians(SEED, 1)[0]
    tokens = [
        issue_token(settings, Clinician(one.id, one.name, one.role), utc_now())
        for one in generate_clinicians(SEED, USERS)
    ]
    nobody = f"/v1/patients/{first.id}"
    bare = "benchmarks.api_bare"
    with (
        service([bare, database_url, str(ports["bare"])], ports["bare"], nobody),
        service(
            [bare, database_url, str(ports["bare + trail"]), "record"],
            ports["bare + trail"], nobody,
        ),
        service(["reference_stack.api", "--settings", str(path)], ports["api"], "/health"),
    ):  # fmt: skip
        compare(ports, tokens)
        load = os.getloadavg()[0]
        done = storm(ports["api"])
        waits = sorted(one.waited_s for one in done)
        print(
            f"log-in storm, {USERS} in {STORM_S:g} s: p50 {waits[USERS // 2]:.2f} s, "
            f"p95 {waits[int(0.95 * USERS)]:.2f} s, longest {waits[-1]:.2f} s, "
            f"put off {sum(one.put_off for one in done)} times (load {load:.1f})"
        )


def compare(ports: dict[str, int], tokens: Sequence[str]) -> None:
    """Print medians over the rounds, and the API's latency as a multiple of the others'."""
    for clients in CLIENTS:
        rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                rounds[way].append(look_up(ports[way], tokens, clients))
        for way in WAYS:
            latencies = [one.median_ms for one in rounds[way]]
            ratios = [
                api.median_ms / one.median_ms
                for api, one in zip(rounds["api"], rounds[way], strict=True)
            ]
            print(
                f"{clients} client(s), {way:12}: median {statistics.median(latencies):6.2f}"
                f" ms ({min(latencies):.2f} to {max(latencies):.2f}), "
                f"p99 {statistics.median(one.p99_ms for one in rounds[way]):6.1f} ms, "
                f"{statistics.median(one.rate for one in rounds[way]):5.0f}/s, "
                f"api/{way} {statistics.median(ratios):.2f} ({min(ratios):.2f} to "
                f"{max(ratios):.2f})"
            )
    print(f"n = {ROUNDS} rounds of {ROUND_S:g} s each way; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
