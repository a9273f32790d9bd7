"""Commits of one writer: what comes while one is under way shares the next."""

from __future__ import annotations

from simpy import Environment


class GroupCommit:
    """One process's audit writer: it stores all events that wait in one transaction.

    No event of its own: when a batch ends is known as soon as it is filled for the first time.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._begins_s = 0.0
        self._ends_s = 0.0

    def join(self, commit_s: float) -> float:
        """Seconds until an event that comes now is committed.

        Args:
            commit_s: How long the commit takes should the event be the first of its batch; the
                others take what the first drew.
        """
        now = self._env.now
        if now >= self._ends_s:
            self._begins_s, self._ends_s = now, now + commit_s
        elif now >= self._begins_s:
            self._begins_s, self._ends_s = self._ends_s, self._ends_s + commit_s
        return self._ends_s - now
