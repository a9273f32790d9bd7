"""A running pair of document services, the bucket and the emergency service, and their client."""

from __future__ import annotations

import contextlib
import json
import signal
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from architecture import load_design
from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.bucket.render import bucket_services
from reference_stack.documents.render import documents_services
from reference_stack.secrets import read_secret
from reference_stack.site.description import ServiceSpec
from tests.documents.places import Running, contexts, reserved_plan, services
from tests.waiting import wait_for

NODES = ("mac-1", "mac-2")
SITES = (*NODES, "gcp")
PEER_TIMEOUT_S = 5.0


class Pair:
    """Processes by (site, service); requests by site."""

    def __init__(
        self, design: Design, addresses: AddressPlan, directory: Path,
        processes: dict[tuple[str, str], Running],
    ) -> None:  # fmt: skip
        self.design = design
        self.addresses = addresses
        self.directory = directory
        self.processes = processes
        secret = read_secret(directory, "documents")
        self.client = httpx.Client(
            headers={"Authorization": f"Bearer {secret}"}, timeout=60, trust_env=False
        )

    def url(self, site: str) -> str:
        return self.addresses.endpoint(site, "documents").url

    def folder(self, site: str) -> Path:
        return self.directory / site / "documents"

    def put(
        self, site: str, content: bytes, *, document: uuid.UUID | None = None,
        version: uuid.UUID | None = None, replaces: Sequence[uuid.UUID] = (),
    ) -> httpx.Response:  # fmt: skip
        document = document or uuid.uuid4()
        version = version or document
        return self.client.put(
            f"{self.url(site)}/documents/{document}/versions/{version}",
            content=content,
            headers={
                "Content-Type": "application/pdf",
                "X-Replaces": ",".join(str(base) for base in replaces),
            },
        )

    def get(
        self, site: str, document: uuid.UUID, version: uuid.UUID | None = None
    ) -> httpx.Response:
        path = f"/documents/{document}/versions/{version or document}"
        return self.client.get(f"{self.url(site)}{path}")

    def state(self, site: str, document: uuid.UUID) -> dict[str, Any]:
        answer = self.client.get(f"{self.url(site)}/documents/{document}")
        document_state: dict[str, Any] = answer.json() if answer.is_success else {}
        return document_state

    def health(self, site: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.client.get(f"{self.url(site)}/health").json()
        except httpx.HTTPError:
            return {}
        return answer

    def metric(self, site: str, name: str) -> float:
        lines = self.client.get(f"{self.url(site)}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split()[0] == name)

    def service(self, site: str, name: str = "documents") -> Running:
        return self.processes[site, name]

    def freeze(self, site: str, name: str = "documents") -> None:
        process = self.service(site, name).process
        assert process is not None
        process.send_signal(signal.SIGSTOP)

    def thaw(self, site: str, name: str = "documents") -> None:
        process = self.service(site, name).process
        assert process is not None
        process.send_signal(signal.SIGCONT)

    def wait_until_paired(self) -> None:
        for site in NODES:
            wait_for(lambda site=site: self.health(site).get("pair") == "paired", "the pair")  # type: ignore[misc]

    def wait_until_sent(self, site: str) -> None:
        wait_for(lambda: self.health(site).get("unsent") == 0, f"{site}'s outbox")


def _be_patient(spec: ServiceSpec) -> None:
    """A service that takes a busy machine for the other node's silence degrades the pair."""
    path = Path(spec.argv[spec.argv.index("--settings") + 1])
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "peer_timeout_s": PEER_TIMEOUT_S}))


@contextlib.contextmanager
def running_pair(directory: Path, design_name: str = "local", *overrides: str) -> Iterator[Pair]:
    design = load_design(design_name, list(overrides))
    with reserved_plan(tuple(design.sites)) as addresses, contextlib.ExitStack() as held:
        made = contexts(design, addresses, directory, SITES)
        processes: dict[tuple[str, str], Running] = {}
        for site in SITES:
            specs = list(documents_services(made[site]))
            for spec in specs:
                if spec.name == "documents":
                    _be_patient(spec)
            if site == "gcp":
                specs += bucket_services(made[site])
            running = held.enter_context(services(specs))
            processes.update({(site, name): one for name, one in running.items()})
        pair = Pair(design, addresses, directory, processes)
        with pair.client:
            for site in NODES:
                wait_for(lambda site=site: bool(pair.health(site)), f"{site}'s service", 240)  # type: ignore[misc]
            yield pair
