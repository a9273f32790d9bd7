"""What can go wrong with the load generator itself, as against the system under load."""

from __future__ import annotations

from evidence.verdict import NoVerdictError


class LoadError(NoVerdictError):
    """The load could not be started, or ended by itself before it was told to."""
