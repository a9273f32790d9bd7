"""What can go wrong on the way from a profile name to a usable model folder."""


class ModelError(Exception):
    """Base of every error here; its message says what to change."""


class UnknownProfileError(ModelError):
    """No profile has this name; the message lists the names there are."""


class ProfileFileError(ModelError):
    """A profiles file can't be read or breaks the schema; the message names file and key."""


class PackageGoneError(ModelError):
    """The package index no longer offers the pinned version."""


class FetchFailedError(ModelError):
    """pip could not run or could not reach the index."""


class ChecksumMismatchError(ModelError):
    """What was fetched is not what the profile pinned; nothing of it is kept."""


class DiskFullError(ModelError):
    """The cache's disk has no room for the model; the message gives both sizes."""


class CacheUnusableError(ModelError):
    """The cache folder can't be made or written to."""


class ConversionError(ModelError):
    """The source file is of a kind, or has contents, the converter doesn't support."""


class BadModelFolderError(ModelError):
    """A folder is not a model of the form that is needed, or is damaged."""
