"""Runs as experiments leave them, from a small generative model of clinicians and an outage.

Users think, ask, wait and go on, as in the design's workload. Between the landing of the fault and
the moment an operation is served again, an attempt hangs until the balancer notices (its outcome is
then unknown) and is refused at once afterwards; the client tries the same request again.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import JsonValue

from architecture import Design, load_design
from evidence.estimate import sample_interval
from evidence.record import RunRecord, RunWriter, json_document, load_run

EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OPERATION_OF = {"read": "lookup", "write": "note", "chat": "chat"}
CLIENT_TIMEOUT_S = 10.0
BACKOFF_S = 1.0
GIVES_UP = 0.1
"""Share of attempts without a certain answer after which the app is closed."""
CLOCK_START_S = 5_000.0


@dataclass(frozen=True)
class Situation:
    """What happens in one experiment. Times in seconds after the landing of the fault."""

    name: str
    read_s: float = 6.4
    write_s: float = 17.8
    chat_s: float = 7.9
    detected_s: float = 5.6
    lost_notes: int = 0
    confirmed: bool = True
    ledger_read: bool = True
    prediction_first: bool = True
    users: int = 200
    before_s: float = 60.0
    after_s: float = 75.0
    lookup_mean_s: float = 0.022
    seed: int = 7
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)

    def served_again_s(self, operation: str) -> float:
        """Seconds after landing from which the operation is answered again."""
        return {"lookup": self.read_s, "note": self.write_s, "chat": self.chat_s}.get(
            operation, self.read_s
        )


HELD_SO_FAR = Situation("held-so-far")
REFUTED = Situation("refuted", write_s=45.0, lost_notes=3, after_s=90.0, seed=8)
UNCONFIRMED = Situation("unconfirmed", read_s=0, write_s=0, chat_s=0, detected_s=0, confirmed=False)
NO_LEDGER = Situation("no-ledger", ledger_read=False)
LATE_PREDICTION = Situation("late-prediction", prediction_first=False)
SITUATIONS = (HELD_SO_FAR, REFUTED, UNCONFIRMED, NO_LEDGER, LATE_PREDICTION)


def local_design() -> Design:
    """The design every fixture is a record of."""
    return load_design("local")


def write_situation(root: Path, situation: Situation, *, trials: int = 1) -> list[Path]:
    """Write a prediction and ``trials`` chaos runs; paths in the order they were recorded."""
    design = local_design()
    experiments = [replace(situation, seed=situation.seed + k) for k in range(trials)]
    start = EPOCH
    paths = []
    if situation.prediction_first:
        paths.append(write_prediction(root, design, started=start))
    for k, experiment in enumerate(experiments):
        begun = start + timedelta(minutes=10 + 6 * k)
        paths.append(write_chaos(root, design, experiment, started=begun))
    if not situation.prediction_first:
        paths.append(write_prediction(root, design, started=start + timedelta(hours=2)))
    return paths


def write_prediction(
    root: Path,
    design: Design,
    *,
    started: datetime = EPOCH,
    replications: int = 200,
    seed: int = 11,
) -> Path:
    """A prediction run: failover samples and latencies drawn from plausible distributions."""
    random = np.random.default_rng(seed)
    detect = random.uniform(1.0, 10.5, replications)
    lease = random.uniform(10.0, 20.0, replications)
    promote = random.triangular(0.3, 1.0, 3.0, replications)
    reroute = random.uniform(0.0, 1.6, replications)
    outage = {
        "read": detect + random.uniform(0.0, 1.2, replications),
        "write": lease + promote + reroute,
        "chat": detect + random.uniform(0.0, 2.5, replications),
    }
    samples = pd.concat(
        pd.DataFrame(
            {
                "replication": np.arange(replications),
                "fault": "primary-power-loss",
                "operation": operation,
                "detect_s": detect,
                "lease_s": lease,
                "promote_s": promote,
                "reroute_s": reroute,
                "outage_s": outage[operation],
            }
        )
        for operation in outage
    )
    latency = _predicted_latency(random)
    lookup = latency[latency["operation"] == "lookup"]
    zero = np.zeros(replications)
    predictions = {
        "B-20.primary.rto-write": sample_interval(outage["write"]),
        "B-20.primary.rto-read": sample_interval(outage["read"]),
        "B-13.rto-chat": sample_interval(outage["chat"]),
        "B-20.primary.rpo": sample_interval(zero),
        "B-20.primary.lost": sample_interval(zero),
        "B-17.lookup-p95": sample_interval(lookup["p95"].to_numpy()),
        "B-01.availability": sample_interval(random.normal(0.99962, 0.00006, replications)),
    }
    bounds = {operation: float(values.max()) for operation, values in outage.items()}
    with _writer(root, "prediction", design, seed, {"replications": replications}) as run:
        run.write_table("failover_samples", samples)
        run.write_table("latency", latency)
        run.finish(
            {
                "predictions": {key: json_document(value) for key, value in predictions.items()},
                "failover_bound_s": {"primary-power-loss": bounds},
                "notes": [],
            }
        )
    return _dated(run.path, started, timedelta(seconds=41))


def write_chaos(
    root: Path, design: Design, situation: Situation, *, started: datetime = EPOCH
) -> Path:
    """A chaos run of ``situation``."""
    random = np.random.default_rng(situation.seed)
    landed_s = CLOCK_START_S + situation.before_s
    requests = _requests(situation, landed_s, random)
    ledger = _ledger(requests, situation, landed_s, random)
    faults = pd.DataFrame(
        [
            {
                "fault": "primary-power-loss",
                "site": "mac-1",
                "injected_s": landed_s - 0.08,
                "landed_s": landed_s if situation.confirmed else math.nan,
                "restored_s": landed_s + situation.after_s,
                "confirmed": situation.confirmed,
                "detail": "all processes of mac-1 frozen; Patroni and API of mac-1 silent"
                if situation.confirmed
                else "mac-1 still answers",
            }
        ]
    )
    with _writer(root, "chaos", design, situation.seed, situation.parameters) as run:
        run.write_table("requests", requests)
        run.write_table("ledger", ledger)
        run.write_table("faults", faults)
        run.write_table("events", _events(situation, landed_s))
        run.finish(
            {
                "experiment": "primary-power-loss",
                "fault": "primary-power-loss",
                "confirmed": situation.confirmed,
                "prediction": None,
            }
        )
    length = timedelta(seconds=situation.before_s + situation.after_s + 30)
    return _dated(run.path, started, length)


def copy_of(path: Path, *, started: datetime) -> Path:
    """The same run once more, as if repeated at another time."""
    record = load_run(path).record
    length = datetime.fromisoformat(record.finished) - datetime.fromisoformat(record.started)
    copied = path.parent / f"copy-{started:%Y%m%dT%H%M%S}"
    shutil.copytree(path, copied)
    return _dated(copied, started, length)


def write_load(
    root: Path, design: Design, situation: Situation, *, started: datetime = EPOCH,
    duration_s: float = 180.0,
) -> Path:  # fmt: skip
    """A load run without any fault."""
    random = np.random.default_rng(situation.seed)
    calm = replace(
        situation, read_s=0, write_s=0, chat_s=0, detected_s=0, before_s=duration_s, after_s=0
    )
    requests = _requests(calm, CLOCK_START_S + duration_s, random)
    with _writer(root, "load", design, situation.seed, {}) as run:
        run.write_table("requests", requests)
        run.write_table("ledger", _ledger(requests, calm, CLOCK_START_S + duration_s, random))
        run.finish(
            {
                "users": situation.users,
                "duration_s": duration_s,
                "requests": len(requests),
                "throughput_per_s": len(requests) / duration_s,
                "errors": 0,
            }
        )
    return _dated(run.path, started, timedelta(seconds=duration_s + 10))


def _predicted_latency(random: np.random.Generator, replications: int = 20) -> pd.DataFrame:
    centres = {"login": 0.16, "lookup": 0.021, "note": 0.028, "chat": 1.15}
    rows = []
    for replication in range(replications):
        for operation, centre in centres.items():
            mean = centre * random.normal(1.0, 0.04)
            rows.append(
                {
                    "replication": replication,
                    "operation": operation,
                    "mean": mean,
                    "p50": mean * 0.9 * random.normal(1, 0.02),
                    "p95": mean * 1.9 * random.normal(1, 0.05),
                    "p99": mean * 2.6 * random.normal(1, 0.08),
                    "throughput_per_s": random.normal(6.0, 0.2),
                }
            )
    return pd.DataFrame(rows)


def _requests(situation: Situation, landed_s: float, random: np.random.Generator) -> pd.DataFrame:
    end_s = landed_s + situation.after_s
    rows: list[dict[str, Any]] = []
    for user in range(situation.users):
        now_s = CLOCK_START_S + 15.0 * user / situation.users
        plan = ["login"]
        while now_s < end_s:
            operation = plan.pop(0)
            if not plan:
                plan = ["lookup", "note", *(["chat"] if random.random() < 0.2 else [])]
            now_s = _one_request(
                rows, situation, landed_s,
                user=user, operation=operation, intended_s=now_s, random=random,
            )  # fmt: skip
            now_s += float(random.lognormal(math.log(13.0), 0.5))
    table = pd.DataFrame(rows)
    table = table[table["sent_s"] < end_s]
    return table.sort_values("sent_s", ignore_index=True)


def _one_request(
    rows: list[dict[str, Any]], situation: Situation, landed_s: float, *, user: int, operation: str,
    intended_s: float, random: np.random.Generator,
) -> float:  # fmt: skip
    request_id = f"{user}-{len(rows)}"
    sent_s = intended_s
    again_s = landed_s + situation.served_again_s(operation)
    detected_s = landed_s + situation.detected_s
    for attempt in range(1, 61):
        service_s = _service_s(operation, situation, random)
        out = situation.confirmed and sent_s + service_s >= landed_s and sent_s < again_s
        if not out:
            outcome, finished_s = "ok", sent_s + service_s
        elif sent_s < detected_s:
            outcome, finished_s = "unknown", min(sent_s + CLIENT_TIMEOUT_S, detected_s)
        else:
            outcome, finished_s = "refused", sent_s + float(random.uniform(0.002, 0.02))
        after = sent_s >= landed_s and outcome == "ok"
        rows.append(
            {
                "request_id": request_id,
                "user": user,
                "journey": "ward-round",
                "operation": operation,
                "attempt": attempt,
                "intended_s": intended_s,
                "sent_s": sent_s,
                "first_byte_s": sent_s + service_s * 0.4 if outcome == "ok" else math.nan,
                "finished_s": finished_s,
                "outcome": outcome,
                "status": {"ok": 200, "refused": 503}.get(outcome, 0),
                "site": ("mac-2" if after else "mac-1") if outcome == "ok" else "",
                "mode": "normal" if outcome == "ok" else "",
                "tokens": 12 if operation == "chat" and outcome == "ok" else 0,
                "error": {"refused": "503", "unknown": "connection reset"}.get(outcome, ""),
            }
        )
        if outcome == "ok":
            return finished_s
        if outcome == "unknown" and random.random() < GIVES_UP:
            return finished_s
        sent_s = finished_s + BACKOFF_S
    return sent_s


def _service_s(operation: str, situation: Situation, random: np.random.Generator) -> float:
    mean = {"login": 0.15, "lookup": situation.lookup_mean_s, "note": 0.029, "chat": 1.2}[operation]
    return float(mean * random.gamma(4.0, 0.25))


def _ledger(
    requests: pd.DataFrame, situation: Situation, landed_s: float, random: np.random.Generator
) -> pd.DataFrame:
    rows = []
    notes: dict[str, list[dict[str, Any]]] = {}
    for attempt in requests[requests["operation"] == "note"].to_dict("records"):
        notes.setdefault(attempt["request_id"], []).append(attempt)
    for sequence, (client_id, attempts) in enumerate(notes.items()):
        answered_s = [one["finished_s"] for one in attempts if one["outcome"] == "ok"]
        unknown = any(one["outcome"] == "unknown" for one in attempts)
        outcome = "acknowledged" if answered_s else "unknown" if unknown else "refused"
        rows.append(
            {
                "client_id": client_id,
                "writer": attempts[0]["user"],
                "sequence": sequence,
                "intended_s": attempts[0]["intended_s"],
                "sent_s": attempts[0]["sent_s"],
                "acknowledged_s": min(answered_s, default=math.nan),
                "outcome": outcome,
                "found": outcome == "acknowledged"
                or (outcome == "unknown" and bool(random.random() < 0.4)),
            }
        )
    ledger = pd.DataFrame(rows).astype({"found": "boolean"})
    at_risk = ledger[ledger["acknowledged_s"] < landed_s].sort_values("acknowledged_s")
    ledger.loc[at_risk.tail(situation.lost_notes).index, "found"] = False
    if not situation.ledger_read:
        ledger["found"] = pd.array([None] * len(ledger), dtype="boolean")
    return ledger


def _events(situation: Situation, landed_s: float) -> pd.DataFrame:
    rows = [
        (-9.0, "haproxy api", "mac-1 UP", "L7OK"),
        (-9.0, "haproxy database", "mac-1 UP", "L7OK"),
        (-9.0, "haproxy database", "mac-2 DOWN", "L7STS"),
        (-9.0, "patroni mac-1", "primary", "running, timeline 1, mac-2 streaming sync"),
        (-9.0, "patroni mac-2", "replica", "running, timeline 1"),
    ]
    if situation.confirmed:
        promoted_s = situation.write_s - 1.1
        rows += [
            (0.6, "patroni mac-1", "silent", "no answer within 0.5 s"),
            (situation.detected_s - 1, "haproxy api", "mac-1 UP 1/3", "L4TOUT"),
            (situation.detected_s, "haproxy api", "mac-1 DOWN", "L4TOUT"),
            (situation.detected_s + 0.4, "haproxy database", "mac-1 DOWN", "L4TOUT"),
            (promoted_s, "patroni mac-2", "primary", "running, timeline 2"),
            (promoted_s + 0.6, "haproxy database", "mac-2 UP", "L7OK"),
        ]
    table = pd.DataFrame(rows, columns=["time_s", "source", "event", "detail"])
    table["time_s"] += landed_s
    return table


def _writer(
    root: Path, kind: str, design: Design, seed: int, parameters: Mapping[str, JsonValue]
) -> RunWriter:
    return RunWriter.of_design(
        root,
        kind=kind,
        design=design,
        seed=seed,
        parameters=parameters,
    )


def _dated(path: Path, started: datetime, length: timedelta) -> Path:
    """Give a just written run the times it would have had; its folder's name follows."""
    record = load_run(path).record
    name = f"{started:%Y%m%dT%H%M%S}-{record.kind}-{record.design}"
    dated: RunRecord = record.model_copy(
        update={
            "name": name,
            "started": started.isoformat(),
            "finished": (started + length).isoformat(),
        }
    )
    (path / "run.json").write_text(dated.model_dump_json(indent=2), encoding="utf-8")
    return path.rename(path.parent / name)
