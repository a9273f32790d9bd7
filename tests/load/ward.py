"""The test server as a process that can be stopped and started on one port."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.ports import free_port

SERVER = Path(__file__).with_name("ward_server.py")


class WardServer:
    """``ward_server.py`` as a process; over TLS with a ``certificate`` (PEM with its key)."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder = folder
        self._certificate = certificate
        self.port = free_port()
        self.endpoint = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if certificate else 'http'}://{self.endpoint}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(SERVER), str(self.port), str(self.folder)]
        if self._certificate is not None:
            command.append(str(self._certificate))
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
            except OSError:
                assert time.monotonic() < deadline, "the test server did not start"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, for example SIGSTOP: connections are then accepted, and nothing more."""
        assert self._process is not None
        self._process.send_signal(number)

    def reset(self) -> None:
        (self.folder / "mode").unlink(missing_ok=True)
        (self.folder / "notes").write_text("")
        if self._process is None:
            self.start()

    def set_mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def stored_ids(self) -> list[str]:
        return [json.loads(line)["client_id"] for line in (self.folder / "notes").open()]
