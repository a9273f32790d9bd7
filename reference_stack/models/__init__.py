"""Models as data: named profiles turned into local folders, checked by hash."""

from reference_stack.models.errors import (
    BadModelFolderError,
    CacheUnusableError,
    ChecksumMismatchError,
    ConversionError,
    DiskFullError,
    FetchFailedError,
    ModelError,
    PackageGoneError,
    ProfileFileError,
    UnknownProfileError,
)
from reference_stack.models.profiles import load_profiles
from reference_stack.models.store import check_model_folder, ensure_model, model_cache

__all__ = [
    "BadModelFolderError",
    "CacheUnusableError",
    "ChecksumMismatchError",
    "ConversionError",
    "DiskFullError",
    "FetchFailedError",
    "ModelError",
    "PackageGoneError",
    "ProfileFileError",
    "UnknownProfileError",
    "check_model_folder",
    "ensure_model",
    "load_profiles",
    "model_cache",
]
