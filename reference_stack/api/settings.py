"""What one API process is told: read once from a JSON file, validated, never changed."""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from reference_stack.cache.settings import CacheSettings
from reference_stack.documents.settings import DEFAULT_SIZE_LIMIT_BYTES

Mode = Literal["normal", "emergency"]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^/]+")]
PostgresUrl = Annotated[str, StringConstraints(pattern=r"^postgres(ql)?://")]

DEFAULT_SYSTEM_PROMPT = (
    "You assist the clinicians of a hospital. Answer briefly and say what you are unsure of. "
    "Never invent facts about a patient. The clinician decides."
)


class SettingsError(ValueError):
    """The settings file can't be used; the message is one line: file, key, what is allowed."""


class ApiSettings(BaseModel):
    """Settings of one API process. Durations are seconds, ports are TCP ports."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=0, le=65535, description="0 lets the system choose a free port")
    site: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    mode: Mode
    database_url: PostgresUrl = Field(
        repr=False, description="write path: the edge for hospital nodes, the local server at gcp"
    )
    database_pool_size: int = Field(
        default=10, ge=2, description="connections in all, split between reads and writes"
    )
    inference_url: HttpUrl
    inference_model: str | None = Field(
        default=None,
        min_length=1,
        description="asked for by name; none: the one served",
    )
    token_secret: str = Field(
        min_length=32, repr=False, description="the same on every site, so that a token survives"
    )
    token_lifetime_s: int = Field(default=8 * 3600, ge=1)
    chat_max_answer_tokens: int = Field(default=256, ge=1)
    chat_system_prompt: str = Field(default=DEFAULT_SYSTEM_PROMPT, min_length=1)
    chat_idle_timeout_s: float = Field(
        default=60.0, gt=0, description="longest silence of inference, also before the first token"
    )
    audio_size_limit_bytes: int = Field(
        default=25 * 1024**2, ge=1, description="largest recording that is passed on"
    )
    audio_timeout_s: float = Field(
        default=120.0, gt=0, description="longest silence of inference on speech"
    )
    documents_urls: tuple[HttpUrl, ...] = Field(
        default=(), description="document services to ask in turn, the site's own first"
    )
    documents_secret: str = Field(default="", repr=False)
    document_size_limit_bytes: int = Field(default=DEFAULT_SIZE_LIMIT_BYTES, ge=1)
    bodies_limit_bytes: int = Field(
        default=512 * 1024**2,
        ge=1,
        description="of the bodies of all requests under way; beyond it requests are refused",
    )
    request_timeout_s: float = Field(default=5.0, gt=0)
    password_threads: int = Field(default=2, ge=1)
    fallback_url: HttpUrl | None = Field(
        default=None, description="of the fallback controller, which knows who leads"
    )
    cache: CacheSettings | None = Field(
        default=None, description="none: this site has no Redis, and counts for itself"
    )
    audit_folder: Path | None = Field(
        default=None,
        description="where audit events wait while the database is away; none: nothing is served",
    )
    emergency_users: int = Field(
        default=50, ge=1, description="clinicians served at once in emergency mode (B-17)"
    )
    watchers: tuple[UUID, ...] = Field(
        default=(), description="accounts that watch the system and take no clinician's place"
    )
    chat_context_tokens: int = Field(
        default=4096, ge=64, description="prompt and answer together (A-09)"
    )
    chat_patient_tokens: int = Field(
        default=2048, ge=16, description="of these, what may be told of a patient"
    )
    face_threshold: float = Field(
        default=0.5,
        gt=0,
        lt=2,
        description="largest Euclidean distance of two embeddings of one face",
    )
    report_worker: bool = Field(
        default=True, description="whether this process works on the queue of reports"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="balancers, whose word on the client's address counts"
    )


def load_settings(path: Path) -> ApiSettings:
    """Read and validate a settings file.

    Raises `SettingsError`, one line that names the file, the keys and what they allow.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    try:
        return ApiSettings.model_validate_json(text)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"{path}: {reasons}") from error
