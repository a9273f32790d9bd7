"""What 200 clinicians do: journeys of requests, think times, and how their clients retry."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from architecture.values import Distribution, Name, NonNegative, Positive, Share, Strict

RequestName = Literal["login", "lookup", "note", "chat"]


class Step(Strict):
    """One request of a journey, after a pause."""

    request: RequestName
    think_s: Distribution = Field(description="pause before the request")
    probability: Share = 1.0
    once: bool = Field(default=False, description="only in a session's first round")


class Journey(Strict):
    """A round of steps that a clinician repeats."""

    title: str
    weight: Positive = 1.0
    steps: tuple[Step, ...] = Field(min_length=1)


class Demand(Strict):
    """Work one request causes, on the design's API hardware."""

    cpu_s: Distribution = Field(description="API processor time")
    database_s: Distribution = Field(description="PostgreSQL processor time")
    commits: int = Field(default=0, ge=0, le=10)
    needs_database: bool = Field(
        default=True, description="false: answered without it, so its loss goes unnoticed"
    )
    prompt_tokens: Distribution | None = None
    answer_tokens: Distribution | None = None
    source: str

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.prompt_tokens is None) != (self.answer_tokens is None):
            raise ValueError("prompt_tokens and answer_tokens go together")
        return self


class Client(Strict):
    """How the app behaves when an answer does not come."""

    timeout_s: Positive = Field(description="time-out of a request other than chat")
    chat_timeout_s: Positive
    retry_backoff_s: NonNegative = Field(description="pause before the same request is tried again")
    attempts: int = Field(ge=1, le=1000)
    connect_timeout_s: Positive = Field(default=2, description="for TCP and TLS together")
    leave_after_s: Positive = Field(
        default=5,
        description="to which no connection opened for so long, that way in is left for the next",
    )
    return_after_s: Positive = Field(
        default=30, description="how often a client looks whether an earlier way in is back"
    )


class Workload(Strict):
    """A closed population: each user thinks, asks, waits for the answer, and goes on."""

    users: int = Field(ge=1, le=1_000_000)
    ramp_s: NonNegative = Field(default=0, description="seconds over which users log in")
    journeys: dict[Name, Journey] = Field(min_length=1)
    demands: dict[RequestName, Demand]
    client: Client
    requirements: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _demands_known(self) -> Self:
        used = {step.request for journey in self.journeys.values() for step in journey.steps}
        missing = sorted(used - set(self.demands))
        if missing:
            raise ValueError(f"journeys use requests without a demand: {', '.join(missing)}")
        return self
