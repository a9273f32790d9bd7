"""What 200 clinicians do: journeys of requests, think times, shifts, how their clients retry."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from architecture.errors import misplaced
from architecture.topology import Service
from architecture.values import Distribution, Name, NonNegative, Positive, Share, Strict

RequestName = Literal[
    "login", "face-login", "lookup", "note", "chat", "dictation", "speech", "document-upload",
    "document-read", "image-analysis", "search", "analytics", "report", "alert",
]  # fmt: skip

HOURS = 24


class Step(Strict):
    """One request of a journey, after a pause."""

    request: RequestName
    think_s: Distribution = Field(description="pause before the request")
    probability: Share = 1.0
    once: bool = Field(default=False, description="only in the first round of a shift")
    session_start: bool = Field(default=False, description="only in a session's first round")
    patience_s: Distribution | None = Field(
        default=None, description="after which the answer is no longer waited for, nor asked again"
    )


class Journey(Strict):
    """A round of steps that a clinician repeats."""

    title: str
    weight: Positive = 1.0
    steps: tuple[Step, ...] = Field(min_length=1)


class Arrivals(Strict):
    """Requests that come by themselves, whoever waits: messages of monitors, critical alerts."""

    title: str
    request: RequestName
    every_s: Distribution = Field(description="time between two arrivals")
    source: str


class Shift(Strict):
    """Users who come to work together."""

    share: Share = Field(description="of all users")
    starts_h: float = Field(ge=0, lt=HOURS, description="hour of the day")
    hours: float = Field(gt=0, le=HOURS)


class Day(Strict):
    """The day's profile: who is on duty when, and how busy each hour is.

    On duty a clinician works in sessions at the device, with pauses away from it between them.
    """

    shifts: dict[Name, Shift] = Field(min_length=1)
    arrive_within_s: Positive = Field(description="a shift's users come over this time")
    intensity: tuple[Positive, ...] = Field(
        min_length=HOURS, max_length=HOURS,
        description="by hour from midnight: think times and pauses are divided by it",
    )  # fmt: skip
    session_rounds: Distribution = Field(description="rounds of a journey in one session")
    pause_s: Distribution = Field(description="away from the device between two sessions")
    source: str

    @model_validator(mode="after")
    def _everybody_has_a_shift(self) -> Self:
        total = sum(shift.share for shift in self.shifts.values())
        if abs(total - 1.0) > 1e-6:  # noqa: PLR2004
            raise misplaced("shifts", f"the shares must sum to 1, they sum to {total:g}")
        return self


class Demand(Strict):
    """Work one request causes, on the design's API hardware.

    ``companions`` names models beside the language model and how much of their work a request is:
    seconds of audio for speech, items (photos, images, queries) for the others. A companion the
    design does not have costs it nothing: the phone does that part, or nobody.
    """

    cpu_s: Distribution = Field(description="API processor time")
    database_s: Distribution = Field(description="PostgreSQL processor time")
    commits: int = Field(default=0, ge=0, le=10)
    database_round_trips: int = Field(
        default=0, ge=0, le=50,
        description="statements sent one after the other; each waits for the network",
    )  # fmt: skip
    cache_accesses: int = Field(default=0, ge=0, le=50, description="commands the cache is sent")
    needs_database: bool = Field(
        default=True, description="false: answered without it, so its loss goes unnoticed"
    )
    audited: bool = Field(
        default=False,
        description="a read whose event in the audit trail is committed before its answer leaves",
    )
    prompt_tokens: Distribution | None = None
    answer_tokens: Distribution | None = None
    upload_bytes: Distribution | None = None
    download_bytes: Distribution | None = None
    documents: Literal["none", "write", "read"] = Field(
        default="none", description="whether what is sent is stored, or what is answered was"
    )
    companions: dict[Name, Distribution] = Field(default_factory=dict)
    service: Service | None = Field(default=None, description="a service of its own that works too")
    service_cpu_s: Distribution | None = None
    cloud_cpu_s: Distribution | None = Field(
        default=None, description="processing in the cloud afterwards, which nobody waits for"
    )
    source: str

    @property
    def by_model(self) -> bool:
        """Whether a model works on it, so that the client waits longer."""
        return self.prompt_tokens is not None or bool(self.companions)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.prompt_tokens is None) != (self.answer_tokens is None):
            raise ValueError("prompt_tokens and answer_tokens go together")
        if (self.service is None) != (self.service_cpu_s is None):
            raise ValueError("service and service_cpu_s go together")
        if self.documents == "write" and self.upload_bytes is None:
            raise ValueError("documents 'write' needs upload_bytes")
        if self.documents == "read" and self.download_bytes is None:
            raise ValueError("documents 'read' needs download_bytes")
        return self


class Client(Strict):
    """How the app behaves when an answer does not come.

    The n-th pause before a retry is ``retry_backoff_s · retry_multiplier^(n−1)``, at most
    ``retry_backoff_max_s``, times a value uniform on 1 ± ``retry_jitter``.
    """

    timeout_s: Positive = Field(description="time-out of a request that no model works on")
    chat_timeout_s: Positive = Field(
        description="of one that a model works on: chat, dictation, images"
    )
    retry_backoff_s: NonNegative = Field(description="pause before the same request is tried again")
    retry_multiplier: float = Field(default=1.0, ge=1, le=10)
    retry_backoff_max_s: Positive = 60.0
    retry_jitter: Share = 0.0
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
    """A closed population: each user thinks, asks, waits for the answer, and goes on.

    ``arrivals`` come on top, an open stream.
    """

    users: int = Field(ge=1, le=1_000_000)
    ramp_s: NonNegative = Field(default=0, description="seconds over which users log in")
    journeys: dict[Name, Journey] = Field(min_length=1)
    arrivals: dict[Name, Arrivals] = Field(default_factory=dict)
    day: Day | None = None
    demands: dict[RequestName, Demand]
    client: Client
    requirements: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _demands_known(self) -> Self:
        used = {step.request for journey in self.journeys.values() for step in journey.steps}
        used |= {stream.request for stream in self.arrivals.values()}
        missing = sorted(used - set(self.demands))
        if missing:
            raise ValueError(f"journeys use requests without a demand: {', '.join(missing)}")
        return self
