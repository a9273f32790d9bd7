"""A part that is slow is asked again and said to be slow; one that is away is said to be away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reference_stack.silence import NotInTime, asked_again, unanswered


class Time:
    """A clock that only rests move."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def rest(self, pause_s: float) -> None:
        self.now_s += pause_s


@contextmanager
def server(*answers: bytes) -> Iterator[str]:
    """Gives one connection after the other its answer; an empty one is silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                held.append(connection)
                if answer:
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield "http://{}:{}/".format(*listener.getsockname())
        for connection in held:
            connection.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BAD = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_silent_part_did_not_answer_in_time() -> None:
    with server(b"") as url:
        problem = unanswered("mac-1: the api", url, 0.1)
    assert isinstance(problem, NotInTime)
    assert problem == "mac-1: the api did not answer in time (0.1 s)"


def test_a_part_that_refuses_is_away_whatever_the_load() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unheard:
        port = unheard.getsockname()[1]
    problem = unanswered("mac-1: the api", f"http://127.0.0.1:{port}/", 30)
    assert problem is not None
    assert not isinstance(problem, NotInTime)
    assert problem.startswith("mac-1: the api does not answer: ")


def test_a_part_that_says_no_is_taken_at_its_word() -> None:
    with server(BAD, OK) as url:
        assert unanswered("mac-1: the api", url, 30) == "mac-1: the api answers 503"
        assert unanswered("mac-1: the api", url, 30) is None


def test_only_who_was_late_is_asked_again_until_it_answers() -> None:
    asked = {"slow": 0, "away": 0, "well": 0}

    def slow() -> list[str]:
        asked["slow"] += 1
        return [NotInTime("slow")] if asked["slow"] < 3 else []

    def away() -> list[str]:
        asked["away"] += 1
        return ["away"]

    def well() -> list[str]:
        asked["well"] += 1
        return []

    time = Time()
    found = asked_again([slow, away, well], 5.0, clock=lambda: time.now_s, rest=time.rest)
    assert found == ["away"]
    assert asked == {"slow": 3, "away": 1, "well": 1}


def test_patience_ends_and_the_word_stays_that_it_did_not_answer_in_time() -> None:
    time = Time()

    def silent() -> list[str]:
        time.rest(2.0)
        return [NotInTime("mac-1: the api did not answer in time (2 s)")]

    found = asked_again([silent], 5.0, clock=lambda: time.now_s, rest=time.rest)
    assert found == ["mac-1: the api did not answer in time (2 s)"]
    assert 5.0 <= time.now_s <= 5.0 + 2 * 2.25


def test_without_patience_everyone_is_asked_once() -> None:
    time = Time()
    asked = []
    asked_again(
        [lambda: asked.append(1) or [NotInTime("late")]],  # type: ignore[func-returns-value]
        0.0, clock=lambda: time.now_s, rest=time.rest,
    )  # fmt: skip
    assert len(asked) == 1
