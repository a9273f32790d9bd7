"""Why an experiment gives no evidence."""

from __future__ import annotations

from evidence.verdict import NoVerdictError


class ExperimentError(NoVerdictError):
    """The experiment could not be carried out; no run was recorded."""


class StackNotWholeError(ExperimentError):
    """The stack is not fit for a fault: the message says what is missing."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"the stack is not whole: {'; '.join(problems)}")


class NotSteadyError(ExperimentError):
    """Clients already see errors before any fault: the message says which."""
