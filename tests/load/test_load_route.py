"""How a client chooses among the ways in: the rule by itself, and on real connections."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import gevent
import pandas as pd
import pytest
import trustme

from architecture import Design
from architecture.workload import Client
from load import calls
from load.exchange import Answer, attempt
from load.line import Line
from load.process import start_load
from load.route import Route
from load.settings import KnownPatient
from load.tables import RequestLog
from reference_stack.hospital.clinicians import clinician_password
from tests.load.ward import WardServer
from tests.load.ward_server import PATIENTS, SECRET

WAYS = ("https://edge", "https://edge-2", "https://cloud")
CLIENT = Client(
    timeout_s=20, chat_timeout_s=20, retry_backoff_s=0.1, attempts=9, connect_timeout_s=3,
    leave_after_s=3.5, return_after_s=0.3,
)  # fmt: skip
ACCOUNTS = [f"ana.silva.{number:04}" for number in range(1, 6)]
LOOKUP = calls.lookup(KnownPatient.model_validate(PATIENTS[0]), PATIENTS[0]["name"])


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def route(clock: Clock) -> Route:
    return Route(WAYS, leave_after_s=5, return_after_s=30, clock=clock)


def fail_for(route: Route, clock: Clock, seconds: float) -> bool:
    """Connections that take two seconds to fail, one after the other; whether it moved."""
    end_s = clock.now_s + seconds
    while clock.now_s < end_s:
        began_s = clock.now_s
        clock.now_s += 2
        if route.failed(began_s):
            return True
    return False


def test_a_way_in_is_left_once_it_has_failed_for_the_whole_time(route: Route, clock: Clock) -> None:
    assert not fail_for(route, clock, 4)
    assert route.url == "https://edge"
    assert fail_for(route, clock, 2)
    assert route.url == "https://edge-2"


def test_a_connection_in_between_forgives_what_failed_before(route: Route, clock: Clock) -> None:
    for _ in range(3):
        assert not fail_for(route, clock, 4)
        route.opened()
    assert route.url == "https://edge"


def test_after_the_last_way_comes_the_first_again(route: Route, clock: Clock) -> None:
    seen = []
    for _ in range(4):
        assert fail_for(route, clock, 6)
        seen.append(route.url)
    assert seen == ["https://edge-2", "https://cloud", "https://edge", "https://edge-2"]


def test_the_only_way_in_is_never_left(clock: Clock) -> None:
    lonely = Route(WAYS[:1], leave_after_s=5, return_after_s=30, clock=clock)
    assert not fail_for(lonely, clock, 600)


def test_earlier_ways_are_looked_at_now_and_then_and_used_when_open(
    route: Route, clock: Clock
) -> None:
    assert route.better() == ()
    assert fail_for(route, clock, 6)
    assert fail_for(route, clock, 6)
    assert route.better() == ()
    clock.now_s += 30
    assert route.better() == ("https://edge", "https://edge-2")
    assert route.better() == ()
    clock.now_s += 30
    assert route.better() != ()
    route.back_to("https://edge")
    clock.now_s += 300
    assert (route.url, route.better()) == ("https://edge", ())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return path


@pytest.fixture
def servers(authority: trustme.CA, tmp_path: Path) -> Iterator[tuple[WardServer, WardServer]]:
    """Two servers over TLS that keep the same notes."""
    pem = tmp_path / "server.pem"
    pem.write_bytes(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
    both = WardServer(tmp_path, pem), WardServer(tmp_path, pem)
    for server in both:
        server.reset()
    yield both
    for server in both:
        server.stop()


def line_to(servers: tuple[WardServer, WardServer], authority: Path | None) -> Line:
    return Line(tuple(server.url for server in servers), CLIENT, authority)


def ask(line: Line) -> Answer:
    answer = Answer()
    attempt(line, LOOKUP, "", CLIENT.timeout_s, answer)
    return answer


def ask_until(line: Line, enough: Callable[[Answer], bool]) -> list[Answer]:
    """Ask ten times a second, as the greenlet that looks back needs pauses, until ``enough``."""
    answers = []
    deadline = time.monotonic() + 60
    while not answers or not enough(answers[-1]):
        assert time.monotonic() < deadline, answers[-1]
        answers.append(ask(line))
        gevent.sleep(0.1)
    return answers


@pytest.mark.servers
@pytest.mark.parametrize("how", ["gone", "frozen"])
def test_a_client_moves_on_from_a_dead_way_in_and_comes_back(
    servers: tuple[WardServer, WardServer], trusted: Path, how: str
) -> None:
    first, second = servers
    line = line_to(servers, trusted)
    assert (ask(line).endpoint, ask(line).outcome) == (first.endpoint, "ok")
    if how == "gone":
        first.stop()
    else:
        first.signal(signal.SIGSTOP)
        line.hang_up()
    began_s = time.monotonic()
    answers = ask_until(line, lambda answer: answer.outcome == "ok")
    assert time.monotonic() - began_s >= CLIENT.leave_after_s
    assert answers[-1].endpoint == second.endpoint
    missed = [answer for answer in answers if answer.outcome == "failed"]
    assert {answer.endpoint for answer in missed} == {""}
    words = "connection refused" if how == "gone" else "no connection within 3 s"
    assert missed[0].error == f"{first.endpoint}: {words}"
    if how == "gone":
        first.start()
    else:
        first.signal(signal.SIGCONT)
    back = ask_until(line, lambda answer: answer.endpoint == first.endpoint)
    assert {answer.outcome for answer in back} == {"ok"}, "going back disturbed the user"
    line.close()


@pytest.mark.servers
def test_a_way_in_is_not_left_because_answers_are_slow(
    servers: tuple[WardServer, WardServer], trusted: Path
) -> None:
    first, _ = servers
    line = line_to(servers, trusted)
    note = calls.note(KnownPatient.model_validate(PATIENTS[0]), uuid4(), "text", 1)
    login = calls.login(ACCOUNTS[0], clinician_password(SECRET, ACCOUNTS[0]))
    answer = Answer()
    attempt(line, login, "", CLIENT.timeout_s, answer)
    token = answer.document["access_token"]
    first.set_mode("silent")
    for _ in range(4):
        answer = Answer()
        attempt(line, note, token, 1.5, answer)
        assert (answer.outcome, answer.endpoint) == ("unknown", first.endpoint)
    line.close()


@pytest.mark.servers
def test_a_client_that_does_not_know_the_authority_sends_nothing(
    servers: tuple[WardServer, WardServer],
) -> None:
    line = line_to(servers, None)
    answer = ask(line)
    assert (answer.outcome, answer.endpoint, answer.status) == ("failed", "", 0)
    assert "CERTIFICATE_VERIFY_FAILED" in answer.error
    line.close()


@pytest.mark.servers
def test_clinicians_go_on_at_the_second_way_in_and_no_note_is_lost(
    servers: tuple[WardServer, WardServer], trusted: Path, design: Design, tmp_path: Path
) -> None:
    first, second = servers
    patient = design.workload.client.model_copy(update={"leave_after_s": 0.5})
    workload = design.workload.model_copy(update={"client": patient})
    output = tmp_path / "load"
    output.mkdir()
    with start_load(
        [first.url, second.url], design.model_copy(update={"workload": workload}), SECRET,
        usernames=ACCOUNTS, users=5, duration_s=60, seed=3, output=output,
        certificate_authority=trusted,
    ) as load:  # fmt: skip
        log = RequestLog(load.request_log)
        used: list[str] = []

        def notes_at(server: WardServer) -> bool:
            used.extend(
                made.endpoint
                for made in log.new_attempts()
                if made.operation == "note" and made.outcome == "ok"
            )
            return used.count(server.endpoint) > 10

        for server in (first, second):
            deadline = time.monotonic() + 180
            while not notes_at(server):
                assert time.monotonic() < deadline, f"no notes at {server.endpoint}"
                time.sleep(0.1)
            first.stop()
        tables = load.stop()
    ledger = pd.read_parquet(tables / "ledger.parquet")
    acknowledged = ledger.loc[ledger["outcome"] == "acknowledged", "client_id"]
    assert set(acknowledged) <= set(first.stored_ids())
