"""Addresses, rendered sites and their processes for tests of single services."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from architecture.design import Design
from reference_stack import binaries
from reference_stack.addresses import (
    INSTANCES,
    PORTS,
    AddressPlan,
    busy,
    plan,
    reserved_instance,
)
from reference_stack.errors import PreconditionError
from reference_stack.rendering import Programs, SiteContext
from reference_stack.secrets import make_secrets
from reference_stack.site.description import ServiceSpec


@contextlib.contextmanager
def reserved_plan(sites: Sequence[str]) -> Iterator[AddressPlan]:
    """Addresses nobody else has; from the top, as stacks take theirs from the bottom."""
    for number in reversed(range(INSTANCES)):
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(reserved_instance(number))
            except PreconditionError:
                continue
            addresses = plan(sites, number)
            # What a killed run left may still listen there, and answer in this run's place.
            if busy([addresses.endpoint(site, port) for site in sites for port in PORTS]):
                continue
            yield addresses
            return
    raise AssertionError("every instance is taken")


def contexts(
    design: Design, addresses: AddressPlan, directory: Path, sites: Sequence[str]
) -> dict[str, SiteContext]:
    """What the parts' renderers are given, by site."""
    make_secrets(directory)
    found = {name: binaries.find(name) for name in ("bucket", "rsync")}
    programs = Programs(
        paths={name: binary.path for name, binary in found.items() if binary is not None},
        postgresql=directory,
        model=directory,
    )
    made = {}
    for site in sites:
        made[site] = SiteContext(design, addresses, directory, programs, site)
        made[site].folder.mkdir(parents=True, exist_ok=True)
    return made


class Running:
    """One service as its site would run it, to be killed and started again."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = Path(self.spec.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.spec.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.spec.working_directory, env={**os.environ, **self.spec.environment},
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """End it politely; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(120)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def log(self) -> str:
        return Path(self.spec.log).read_text(errors="replace")


@contextlib.contextmanager
def services(specs: Sequence[ServiceSpec]) -> Iterator[dict[str, Running]]:
    """Run services until the block ends, by name."""
    running = {spec.name: Running(spec) for spec in specs}
    try:
        for service in running.values():
            service.start()
        yield running
    finally:
        for service in running.values():
            service.end()
