"""How a site's processes are held together so that they start, freeze and die as one.

``namespace`` (Linux, root or not): a PID namespace of its own. Killing its first process ends all
others by the kernel's hand, also those that left their parents. The user is mapped to an ordinary
one, because PostgreSQL refuses to run as root, and the files stay readable.

``tree`` (anywhere): the process tree below the first process. A process that escapes it (on macOS
only PostgreSQL does) is found by its pid file.
"""

from __future__ import annotations

import contextlib
import functools
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

Backend = Literal["namespace", "tree"]

# Ordinary users, of which every system has one; PostgreSQL wants its user to have a name.
ORDINARY_USERS = ("postgres", "daemon", "nobody")
_NAMESPACE = ("--pid", "--fork", "--mount", "--mount-proc", "--kill-child=SIGKILL", "--")
_DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@functools.cache
def best_backend() -> Backend:
    """The strongest backend that works on this machine, found by trying it."""
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("setpriv")):
        return "tree"
    try:
        attempt = subprocess.run(
            [*_DIES_WITH_PARENT, *unprivileged_prefix(), *_NAMESPACE, "true"],
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "tree"
    return "namespace" if attempt.returncode == 0 else "tree"


def unprivileged_prefix() -> tuple[str, ...]:
    """Beginning of a command under which a program runs as an ordinary user in its own eyes.

    To the outside it stays whoever starts it, so it can read and write the same files.
    """
    for name in ORDINARY_USERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return ("unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}")
    return ("unshare", "--user")


def first_process_command(
    backend: Backend, site_file: Path, *, own_network: bool = False
) -> list[str]:
    """The command that starts a site's first process; it dies with the thread that starts it.

    With a network of its own it is root there and in its own eyes (not outside), so that services
    that need it can change the site's network; the others run as an ordinary user.
    """
    init = [sys.executable, "-m", "reference_stack.site.init", str(site_file)]
    if backend == "tree":
        return init
    if own_network:
        user = ("unshare", "--user", "--map-root-user", "--net")
        return [*_DIES_WITH_PARENT, *user, *_NAMESPACE, *init]
    return [*_DIES_WITH_PARENT, *unprivileged_prefix(), *_NAMESPACE, *init]
