"""Secrets of one stack: made once, kept in files only their owner may read."""

from __future__ import annotations

import secrets
from pathlib import Path

NAMES = (
    "superuser", "replication", "rewind", "application", "token", "clinicians", "cache", "fallback",
    "documents", "monitoring",
)  # fmt: skip


def make_secrets(directory: Path) -> None:
    """Write a fresh random secret for each name that has none yet."""
    folder = directory / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in NAMES:
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="ascii")


def read_secret(directory: Path, name: str) -> str:
    """Read one secret; the names are those of ``NAMES``."""
    if name not in NAMES:
        raise KeyError(name)
    return (directory / "secrets" / name).read_text(encoding="ascii")
