"""Ten clinicians against a real HTTP server."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest

from architecture import Design, InputError
from load.errors import LoadError
from load.process import LoadProcess, start_load
from load.settings import PROBE_JOURNEY, ChatProbe
from load.tables import RequestLog, requests_table
from tests.load.ward import WardServer
from tests.load.ward_server import SECRET

pytestmark = pytest.mark.servers

USERS = 10
ACCOUNTS = [f"ana.silva.{number:04}" for number in range(1, USERS + 1)]
SPAWN_DEADLINE_S = 180


def start(
    server: WardServer, design: Design, output: Path, duration_s: float = 60,
    chat_probe: ChatProbe | None = None,
) -> LoadProcess:  # fmt: skip
    output.mkdir()
    return start_load(
        [server.url], design, SECRET, usernames=ACCOUNTS, users=USERS, duration_s=duration_s,
        seed=7, output=output, chat_probe=chat_probe,
    )  # fmt: skip


def wait_for(log: RequestLog, enough: Callable[[pd.DataFrame], bool]) -> None:
    """Wait until the attempts that end from now on are enough."""
    attempts: list[object] = []
    deadline = time.monotonic() + SPAWN_DEADLINE_S
    while not (attempts and enough(requests_table(attempts))):  # type: ignore[arg-type]
        assert time.monotonic() < deadline, "not enough requests in time"
        time.sleep(0.1)
        attempts.extend(log.new_attempts())


def acknowledged_notes(count: int) -> Callable[[pd.DataFrame], bool]:
    return lambda table: (
        ((table["operation"] == "note") & (table["outcome"] == "ok")).sum() >= count
    )


def failed_notes(count: int) -> Callable[[pd.DataFrame], bool]:
    return lambda table: (
        ((table["operation"] == "note") & (table["outcome"] == "failed")).sum() >= count
    )


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(folder / "requests.parquet"), pd.read_parquet(folder / "ledger.parquet")


def test_every_attempt_is_a_complete_row_and_every_note_a_ledger_row(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with start(server, design, tmp_path / "load") as load:
        load.wait_until_spawned(SPAWN_DEADLINE_S)
        wait_for(
            RequestLog(load.request_log),
            lambda table: acknowledged_notes(20)(table) and chats(1, "ok")(table),
        )
        requests, ledger = tables(load.stop())

    assert set(requests["user"]) == set(range(USERS))
    assert set(requests["operation"]) == {"login", "lookup", "note", "chat"}
    done = requests[requests["error"] != "stopped"]
    assert set(done["outcome"]) == {"ok"}
    assert (done["intended_s"] <= done["sent_s"]).all()
    assert (done["sent_s"] <= done["first_byte_s"]).all()
    assert (done["first_byte_s"] <= done["finished_s"]).all()
    assert (done.loc[done["operation"] == "chat", "tokens"] >= 8).all()
    assert set(done["site"]) == {"a"}

    written = requests[requests["operation"] == "note"]
    assert sorted(ledger["client_id"]) == sorted(written["request_id"].unique())
    acknowledged = ledger[ledger["outcome"] == "acknowledged"]
    assert set(acknowledged["client_id"]) <= set(server.stored_ids())
    assert ledger["found"].isna().all()
    for _, mine in ledger.groupby("writer"):
        assert mine.sort_values("sent_s")["sequence"].tolist() == list(range(1, len(mine) + 1))


def chats(count: int, outcome: str) -> Callable[[pd.DataFrame], bool]:
    def enough(table: pd.DataFrame) -> bool:
        return bool(((table["operation"] == "chat") & (table["outcome"] == outcome)).sum() >= count)

    return enough


def test_chats_stream_take_their_own_time_and_may_break_off(
    server: WardServer, impatient: Design, tmp_path: Path
) -> None:
    with start(server, impatient, tmp_path / "load") as load:
        log = RequestLog(load.request_log)
        wait_for(log, chats(5, "ok"))
        changed_s = time.monotonic()
        server.set_mode("broken")
        wait_for(log, chats(2, "refused"))
        server.set_mode("pensive")
        wait_for(log, chats(2, "ok"))
        requests, _ = tables(load.stop())

    asked = requests[(requests["operation"] == "chat") & (requests["error"] != "stopped")]
    streamed = asked[(asked["outcome"] == "ok") & (asked["finished_s"] < changed_s)]
    # The server pauses 10 ms before each token, and sends at least 8 of them. A client that a busy
    # machine held up may find all of them at once; but not every client.
    assert (streamed["finished_s"] - streamed["sent_s"] >= 0.07).all()
    assert (streamed["finished_s"] - streamed["first_byte_s"]).max() >= 0.07
    assert (streamed["first_byte_s"] - streamed["sent_s"] >= 0.01).all()
    broken = asked[asked["outcome"] == "refused"]
    assert set(broken["error"]) == {"broken off: inference-broken"}
    # The pause before the first token is longer than the time-out of other requests, 1 s.
    pensive = asked[asked["first_byte_s"] - asked["sent_s"] > 1.5]
    assert set(pensive["outcome"]) == {"ok"}


def test_a_note_retried_through_an_outage_keeps_its_client_id_and_is_one_ledger_row(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with start(server, design, tmp_path / "load") as load:
        load.wait_until_spawned(SPAWN_DEADLINE_S)
        log = RequestLog(load.request_log)
        wait_for(log, acknowledged_notes(5))
        server.stop()
        wait_for(log, failed_notes(3))
        server.start()
        wait_for(log, acknowledged_notes(20))
        requests, ledger = tables(load.stop())

    notes = requests[requests["operation"] == "note"]
    attempts = notes.groupby("request_id")["attempt"]
    retried = attempts.max()[attempts.max() > 1].index
    assert len(retried) > 0
    assert (ledger["client_id"].value_counts() == 1).all()
    assert set(retried) <= set(ledger["client_id"])
    for _, mine in notes[notes["request_id"].isin(retried)].groupby("request_id"):
        assert mine["intended_s"].nunique() == 1
        assert mine["attempt"].tolist() == list(range(1, len(mine) + 1))
        assert (mine["outcome"].iloc[:-1] != "ok").all()
    saved = ledger[ledger["client_id"].isin(retried) & (ledger["outcome"] == "acknowledged")]
    assert len(saved) > 0
    assert set(saved["client_id"]) <= set(server.stored_ids())


def test_no_answer_in_time_and_outcome_unknown_leave_the_note_unknown(
    server: WardServer, impatient: Design, tmp_path: Path
) -> None:
    def unknown_notes(error: str) -> Callable[[pd.DataFrame], bool]:
        def enough(table: pd.DataFrame) -> bool:
            notes = table[(table["operation"] == "note") & (table["outcome"] == "unknown")]
            return bool(notes["error"].str.contains(error).sum() >= 3)

        return enough

    with start(server, impatient, tmp_path / "load") as load:
        log = RequestLog(load.request_log)
        server.set_mode("silent")
        wait_for(log, unknown_notes("no whole answer within 1 s"))
        server.set_mode("lost")
        wait_for(log, unknown_notes("503 outcome-unknown"))
        _, ledger = tables(load.stop())
    assert set(ledger["outcome"]) == {"unknown"}
    assert ledger["acknowledged_s"].isna().all()


def test_an_expired_token_makes_the_clinician_log_in_again(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with start(server, design, tmp_path / "load") as load:
        load.wait_until_spawned(SPAWN_DEADLINE_S)
        log = RequestLog(load.request_log)
        wait_for(log, acknowledged_notes(3))
        server.set_mode("expired")
        wait_for(log, lambda table: (table["status"] == 401).any())
        wait_for(log, acknowledged_notes(10))
        requests, _ = tables(load.stop())
    assert (requests["operation"] == "login").sum() > USERS
    turned_away = requests[requests["status"] == 401]
    assert set(turned_away["outcome"]) == {"refused"}
    again = requests[requests["request_id"].isin(turned_away["request_id"])]
    assert (again.groupby("request_id")["outcome"].last() != "refused").any()


def test_a_probe_asks_the_chat_at_even_distances_beside_as_many_clinicians(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    def enough(table: pd.DataFrame) -> bool:
        chats = (table["journey"] == PROBE_JOURNEY) & (table["operation"] == "chat")
        return bool(chats.sum() >= 5) and table["user"].nunique() == USERS + 1

    probe = ChatProbe(every_s=0.4)
    with start(server, design, tmp_path / "load", chat_probe=probe) as load:
        wait_for(RequestLog(load.request_log), enough)
        requests, ledger = tables(load.stop())
    probing = requests[requests["journey"] == PROBE_JOURNEY]
    assert set(probing["user"]) == {USERS}
    assert set(probing["operation"]) == {"login", "chat"}
    assert set(requests.loc[requests["journey"] != PROBE_JOURNEY, "user"]) == set(range(USERS))
    assert set(ledger["writer"]) <= set(range(USERS))
    asked = probing[probing["operation"] == "chat"]
    assert (asked["intended_s"].diff().dropna() >= probe.every_s - 1e-6).all()


def test_a_probe_never_has_two_questions_under_way(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    """Each answer takes 1.5 s and a question is due every 0.1 s: it waits, and does not give up."""
    server.set_mode("pensive")

    def enough(table: pd.DataFrame) -> bool:
        return bool(((table["user"] == USERS) & (table["operation"] == "chat")).sum() >= 3)

    with start(server, design, tmp_path / "load", chat_probe=ChatProbe(every_s=0.1)) as load:
        wait_for(RequestLog(load.request_log), enough)
        requests, _ = tables(load.stop())
    chats = requests[(requests["user"] == USERS) & (requests["operation"] == "chat")]
    chats = chats.sort_values("sent_s")
    assert (chats["sent_s"].to_numpy()[1:] >= chats["finished_s"].to_numpy()[:-1]).all()
    assert set(chats["outcome"].iloc[:3]) == {"ok"}


def test_the_load_ends_by_itself_when_its_time_is_over(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with start(server, design, tmp_path / "load", duration_s=3) as load:
        load.wait(SPAWN_DEADLINE_S)
        assert not load.running
        requests, _ = tables(load.stop())
    assert len(requests) > 0


def test_the_tables_are_written_when_the_process_is_interrupted(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with start(server, design, tmp_path / "load") as load:
        wait_for(RequestLog(load.request_log), acknowledged_notes(3))
        os.kill(load.pid, signal.SIGINT)
        load.wait(SPAWN_DEADLINE_S)
        requests, _ = tables(tmp_path / "load")
    assert len(requests) > 0


def test_nothing_is_lost_when_the_process_is_killed(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with start(server, design, tmp_path / "load") as load:
        wait_for(RequestLog(load.request_log), acknowledged_notes(3))
        os.kill(load.pid, signal.SIGKILL)
        _, ledger = tables(load.stop())
    assert (ledger["outcome"] == "acknowledged").sum() >= 3


def test_the_load_does_not_outlive_its_parent(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    (tmp_path / "load").mkdir()
    (tmp_path / "design.json").write_text(design.model_dump_json())
    program = f"""
import time
from pathlib import Path
from architecture import Design
from load.process import start_load
folder = Path({str(tmp_path)!r})
load = start_load(
    [{server.url!r}], Design.model_validate_json((folder / "design.json").read_text()), {SECRET!r},
    usernames={ACCOUNTS!r}, users={USERS}, duration_s=600, seed=1, output=folder / "load",
)
load.wait_until_spawned({SPAWN_DEADLINE_S})
print(load.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    child.wait(timeout=SPAWN_DEADLINE_S)
    requests, _ = tables(tmp_path / "load")
    assert len(requests) > 0


def test_a_wrong_secret_is_said_before_anything_is_started(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with pytest.raises(LoadError, match="0001 cannot log in"):
        start_load(
            [server.url], design, "another secret", usernames=ACCOUNTS, users=1, duration_s=1,
            seed=1, output=tmp_path,
        )  # fmt: skip
    assert list(tmp_path.glob("*.json")) == []


def test_more_users_than_accounts_are_refused(design: Design, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed: 1 to 10"):
        start_load(
            ["http://127.0.0.1:9"], design, SECRET, usernames=ACCOUNTS, users=11, duration_s=1,
            seed=1, output=tmp_path,
        )  # fmt: skip


def test_two_loads_of_one_seed_write_different_notes_at_the_same_think_times(
    server: WardServer, design: Design, tmp_path: Path
) -> None:
    with (
        start(server, design, tmp_path / "first") as one,
        start(server, design, tmp_path / "second") as other,
    ):
        for load in (one, other):
            wait_for(
                RequestLog(load.request_log),
                lambda table: acknowledged_notes(15)(table) and everybody_looked_up(table),
            )
        (first, first_ledger), (second, second_ledger) = tables(one.stop()), tables(other.stop())
    assert not set(first_ledger["client_id"]) & set(second_ledger["client_id"])
    thinking = [[_first_think_s(table, user) for user in range(USERS)] for table in (first, second)]
    # A busy machine may hold one or another client up before it begins to think.
    apart_s = [abs(one_s - other_s) for one_s, other_s in zip(*thinking, strict=True)]
    assert statistics.median(apart_s) < 0.05


def everybody_looked_up(table: pd.DataFrame) -> bool:
    return set(table.loc[table["operation"] == "lookup", "user"]) == set(range(USERS))


def _first_think_s(requests: pd.DataFrame, user: int) -> float:
    mine = requests[requests["user"] == user]
    login = mine.loc[mine["operation"] == "login", "finished_s"].iloc[0]
    lookups = mine.loc[mine["operation"] == "lookup", "intended_s"]
    return float(lookups.iloc[0] - login)
