"""What answers the clinicians: the API, the models, and the emergency mode."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from architecture.edge import HealthCheck
from architecture.values import ModelName, Positive, Share, Strict


class Api(Strict):
    """The FastAPI service, one per site."""

    workers: int = Field(default=1, ge=1, le=64, description="server processes per site")
    database_pool_size: int = Field(default=10, ge=1, le=200, description="connections per worker")
    request_timeout_s: Positive = 5.0
    token_lifetime_s: Positive = 43_200.0
    requirements: tuple[str, ...] = ()


class ModelSync(Strict):
    """How the second node gets the models of the first."""

    when: Literal["on-update", "continuous"]
    checksum: bool = Field(description="a copy whose checksum differs is not used")
    integrity_check: bool = Field(description="a model is loaded and tried before it serves")


class Inference(Strict):
    """The language model server: one process per node, continuous batching."""

    model: ModelName = Field(description="name in the model catalogue")
    max_batch: int = Field(ge=1, le=512, description="sequences decoded together")
    max_queue: int = Field(ge=0, le=10_000, description="waiting requests; one more gets a 503")
    queue_timeout_s: Positive
    max_prompt_tokens: int = Field(ge=1, le=1_000_000)
    max_answer_tokens: int = Field(ge=1, le=100_000)
    prefill_chunk_tokens: int | None = Field(
        default=None, ge=1, le=1_000_000,
        description="prompts are read in pieces beside decoding; null: whole, and decoding waits",
    )  # fmt: skip
    kv_cache_bytes: int | None = Field(
        default=None, ge=1, description="for attention caches; null: what the machine has left"
    )
    model_sync: ModelSync | None = None
    requirements: tuple[str, ...] = ()


class Companion(Strict):
    """Another model that shares the machine (speech, voice, face).

    ``promised_latency_s`` is a promise the workload has no request for: it is held against the
    model's speed in the catalogue, not against measured requests.
    """

    model: ModelName
    sites: tuple[str, ...] = Field(min_length=1)
    workers: int = Field(default=1, ge=1, le=64, description="requests worked on at once per site")
    promised_latency_s: Positive | None = None
    requirements: tuple[str, ...] = ()


class Emergency(Strict):
    """What the cloud offers when the hospital's nodes are gone (B-14, B-17)."""

    site: str
    users: int = Field(ge=1)
    functions_share: Share
    chat_max_answer_tokens: int = Field(ge=1)
    functions: tuple[str, ...] = Field(min_length=1)
    login: Literal["face", "password"] = "password"
    voice: Literal["full", "limited"] = "limited"
    records: Literal["full", "emergency"] = "emergency"
    users_notified: bool = True
    response_s: tuple[Positive, Positive] | None = Field(
        default=None, description="promised shortest and longest response time"
    )
    recovery_h: tuple[Positive, Positive] | None = Field(
        default=None, description="estimated shortest and longest time until the nodes are back"
    )
    requirements: tuple[str, ...] = ()


class SiteLoss(Strict):
    """What happens when nothing of the hospital answers any more.

    From the cloud, a lost hospital and a cut WAN look the same. ``operator``: a person confirms
    that the hospital is gone. ``automatic``: after ``after_s`` of silence the cloud takes over,
    which makes two primaries when only the WAN was cut.
    """

    decided_by: Literal["operator", "automatic"] = "operator"
    after_s: Positive = Field(default=900, description="silence that counts as the loss")


class Fallback(Strict):
    """The controller that promotes the cloud when both nodes are down, and leads the way back."""

    site: str = Field(description="site of the controller, outside those that may fail")
    check: HealthCheck
    site_loss: SiteLoss = SiteLoss()
    requirements: tuple[str, ...] = ()
