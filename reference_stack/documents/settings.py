"""What one document service is told: a JSON file, read once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from architecture.values import NonNegative, Positive, Strict
from reference_stack.documents.records import Conflicts
from reference_stack.documents.rsync import RsyncTarget

DEFAULT_SIZE_LIMIT_BYTES = 16 * 1024 * 1024


class SettingsError(ValueError):
    """The settings file can't be used; the message is one line: file, key, what is allowed."""


class BucketPlace(Strict):
    """Where the bucket listens."""

    host: str
    port: int


class DocumentSettings(Strict):
    """Settings of one document service; ``port`` 0 takes any free one.

    ``normal`` is a hospital node with a folder; ``emergency`` works on the bucket alone.
    """

    host: str = Field(min_length=1)
    port: int = Field(ge=0, le=65535)
    site: str = Field(min_length=1)
    mode: Literal["normal", "emergency"]
    folder: Path
    secret: str = Field(min_length=16, repr=False)
    method: Literal["acknowledged-by-both", "rsync"]
    conflicts: Conflicts
    interval_s: NonNegative = Field(default=0, description="pause between two runs of rsync")
    primary: bool = Field(description="whether 'primary-wins' favours this node")
    peer_url: str | None = None
    rsync: RsyncTarget | None = Field(
        default=None, description="the other node's daemon; on the primary of the rsync method"
    )
    bucket: BucketPlace | None = None
    size_limit_bytes: int = Field(default=DEFAULT_SIZE_LIMIT_BYTES, ge=1)
    peer_timeout_s: Positive = Field(
        default=2.0, description="silence after which the pair is declared degraded"
    )
    bucket_timeout_s: Positive = 5.0
    bucket_poll_s: Positive = Field(
        default=5.0, description="how often to look for what was written in an emergency"
    )
    scrub_interval_s: Positive = 3600.0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode == "emergency" and self.bucket is None:
            raise ValueError("mode 'emergency' needs 'bucket'")
        return self


def load_settings(path: Path) -> DocumentSettings:
    """Read and validate a settings file.

    Raises:
        SettingsError: one line that names the file, the keys and what they allow.
    """
    try:
        return DocumentSettings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"{path}: {reasons}") from error
