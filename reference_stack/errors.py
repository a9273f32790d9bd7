"""What can go wrong with the stack, in words for the person who can mend it."""

from __future__ import annotations


class StackError(Exception):
    """The stack, or a part of it, did not do what was asked."""


class PreconditionError(StackError):
    """The machine is not fit: a missing binary, a busy port, a full disk. Nothing was started."""


class StackNotRunningError(PreconditionError):
    """There is no stack to attach to in the given directory."""
