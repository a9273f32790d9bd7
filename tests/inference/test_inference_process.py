"""The service as the stack runs it: a process of its own."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from reference_stack.inference.__main__ import main
from reference_stack.models.manifest import Manifest, record_files, write_manifest
from reference_stack.speech.audio import RATE, write_audio
from tests.inference import tiny_model
from tests.inference.inference_bench import DEADLINE_S, wait_until

pytestmark = pytest.mark.servers

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "hello"}], "stream": True, "max_tokens": 100_000}


def _settings_file(folder: Path, model: Path, **changes: object) -> Path:
    settings: dict[str, object] = {
        "port": 0,
        "site": "mac-1",
        "model_dir": str(model),
        "model_name": "tiny",
        "max_answer_tokens": 100_000,
        **changes,
    }
    path = folder / "inference.json"
    path.write_text(json.dumps(settings))
    return path


@dataclass
class Process:
    child: subprocess.Popen[bytes]
    client: httpx.Client


@contextlib.contextmanager
def running(folder: Path, model_dir: Path, **changes: object) -> Iterator[Process]:
    command = [sys.executable, "-m", "reference_stack.inference", "--settings"]
    log = folder / "log"
    with log.open("wb") as file:
        child = subprocess.Popen(
            [*command, _settings_file(folder, model_dir, **changes)], stderr=file
        )
    try:
        wait_until(lambda: re.search(r"port \d+", log.read_text()) is not None, "it listens")
        port = re.search(r"port (\d+)", log.read_text())[1]
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as client:
            wait_until(lambda: _status(client) not in {"", "loading"}, "the model is loaded")
            yield Process(child, client)
    finally:
        child.kill()
        child.wait()


def _status(client: httpx.Client) -> str:
    try:
        return client.get("/health").json()["status"]
    except httpx.ConnectError:
        return ""


def test_sigterm_lets_a_running_answer_finish(tmp_path: Path, endless_dir: Path) -> None:
    with running(tmp_path, endless_dir, drain_timeout_s=DEADLINE_S) as process:
        body = {**BODY, "max_tokens": 300}
        with process.client.stream("POST", PATH, json=body) as response:
            lines = response.iter_lines()
            next(lines)
            process.child.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["usage"]["completion_tokens"] == 300
        assert process.child.wait(DEADLINE_S) == 0


def test_while_it_drains_newcomers_are_told_and_no_accepted_answer_is_lost(
    tmp_path: Path, endless_dir: Path
) -> None:
    with running(tmp_path, endless_dir, drain_timeout_s=DEADLINE_S, max_batch=2) as process:

        def ask(_number: int) -> list[str]:
            url = str(process.client.base_url)
            with httpx.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as client:
                text = client.post(PATH, json={**BODY, "max_tokens": 300}).text
            return [line for line in text.splitlines() if line]

        with ThreadPoolExecutor(4) as executor:
            answers = [executor.submit(ask, number) for number in range(4)]
            wait_until(lambda: _in_hand(process) == (2, 2), "two run and two wait")
            process.child.send_signal(signal.SIGTERM)
            wait_until(lambda: _status(process.client) == "draining", "it drains")
            refused = process.client.post(PATH, json=BODY)
            assert (refused.status_code, refused.json()["code"]) == (503, "draining")
            assert int(refused.headers["Retry-After"]) >= 1
            for answer in answers:
                lines = answer.result()
                assert lines[-1] == "data: [DONE]"
                usage = json.loads(lines[-2].removeprefix("data: "))["usage"]
                assert usage["completion_tokens"] == 300
        assert process.child.wait(DEADLINE_S) == 0


def _in_hand(process: Process) -> tuple[float, float]:
    """Running and waiting requests."""
    return (
        _metric(process, "inference_running_requests"),
        _metric(process, "inference_queue_length"),
    )


def _metric(process: Process, name: str) -> float:
    lines = process.client.get("/metrics").text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return float(values[name])


def _services(process: Process) -> dict[str, str]:
    return process.client.get("/health").json()["services"]


def test_sigterm_ends_an_endless_answer_with_an_error_when_the_time_is_over(
    tmp_path: Path, endless_dir: Path
) -> None:
    with running(tmp_path, endless_dir, drain_timeout_s=0.3) as process:
        with process.client.stream("POST", PATH, json=BODY) as response:
            lines = response.iter_lines()
            next(lines)
            process.child.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert rest[-2] == "event: error"
        assert json.loads(rest[-1].removeprefix("data: "))["code"] == "shutting_down"
        assert process.child.wait(DEADLINE_S) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path, endless_dir: Path) -> None:
    with (
        running(tmp_path, endless_dir, drain_timeout_s=DEADLINE_S) as process,
        process.client.stream("POST", PATH, json=BODY) as response,
    ):
        next(response.iter_lines())
        process.child.send_signal(signal.SIGTERM)
        wait_until(lambda: _status(process.client) == "draining", "it drains")
        process.child.send_signal(signal.SIGTERM)
        # The stream is neither read nor closed: nothing waits for it.
        assert process.child.wait(DEADLINE_S / 4) == 0


def test_sound_that_is_not_understood_when_the_time_is_over_ends_with_an_error_that_says_so(
    tmp_path: Path, script_dir: Path, whisper_dir: Path
) -> None:
    speech = {"model_dir": str(whisper_dir), "model_name": "toy", "preload": True}
    clip = write_audio(np.full(RATE, 0.5, np.float32), RATE, "wav")
    with (
        running(tmp_path, script_dir, drain_timeout_s=0.3, speech=speech) as process,
        ThreadPoolExecutor(1) as executor,
    ):
        (worker,) = psutil.Process(process.child.pid).children()
        wait_until(lambda: _services(process) == {"speech-to-text": "ready"}, "it is loaded")
        worker.suspend()
        url = str(process.client.base_url).rstrip("/").replace("http", "ws")
        with connect(f"{url}/v1/audio/dictation", proxy=None) as dictation:
            dictation.recv()
            answer = executor.submit(
                process.client.post, "/v1/audio/transcriptions", files={"file": ("a.wav", clip)}
            )
            wait_until(lambda: _metric(process, "speech_running_requests") == 1, "it is heard")
            process.child.send_signal(signal.SIGTERM)
            refusal = answer.result()
            assert (refusal.status_code, refusal.json()["code"]) == (503, "shutting_down")
            with pytest.raises(ConnectionClosed):
                dictation.recv(DEADLINE_S)
            assert dictation.close_code == 1012
        assert process.child.wait(DEADLINE_S) == 0
        assert not worker.is_running()


def test_a_model_whose_bytes_changed_is_refused_before_it_serves(tmp_path: Path) -> None:
    model_dir = _with_manifest(tiny_model.random_model(tmp_path / "model"))
    weights = model_dir / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0xFF
    weights.write_bytes(content)
    with running(tmp_path, model_dir) as process:
        health = process.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "failed")
    assert "model.safetensors has another sha256" in health.json()["detail"]


def _with_manifest(folder: Path) -> Path:
    files = record_files(folder)
    manifest = Manifest(
        profile="tiny", licence="none", source="test", source_sha256="0" * 64, files=files
    )
    write_manifest(folder, manifest)
    return folder


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"max_batch": 0}, "max_batch"),
        ({"colour": "red"}, "colour"),
        ({"port": "http"}, "port"),
        ({"model_dir": "nowhere"}, "model_dir"),
    ],
)
def test_bad_settings_are_one_line_naming_file_and_key_and_exit_2(
    tmp_path: Path, random_dir: Path, capsys: pytest.CaptureFixture[str], changes: Any, names: str
) -> None:
    path = _settings_file(tmp_path, random_dir, **changes)
    assert main(["--settings", str(path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(path) in message
    assert names in message


def test_a_truncated_model_is_bad_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_dir = _with_manifest(tiny_model.random_model(tmp_path / "model"))
    with (model_dir / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    assert main(["--settings", str(_settings_file(tmp_path, model_dir))]) == 2
    assert "model.safetensors has 1000 bytes" in capsys.readouterr().err


def test_a_busy_port_is_one_clear_line(
    tmp_path: Path, random_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["--settings", str(_settings_file(tmp_path, random_dir, port=port))]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err
