"""Why a document can't be stored or found, as the service and its callers tell it apart."""

from __future__ import annotations


class DocumentError(Exception):
    """Base of everything the store refuses."""


class VersionTakenError(DocumentError):
    """The version's id belongs to other content already; nothing was stored."""


class UnknownBaseError(DocumentError):
    """The version says that it replaces one that nobody here knows; nothing was stored."""


class NotStoredError(DocumentError):
    """No copy is durable, or whether one is isn't known: the same request may be sent again."""


class NotFoundError(DocumentError):
    """Every place that may hold it answered, and none does."""


class CorruptedError(DocumentError):
    """Content whose SHA-256 is not its name."""


class UnavailableError(DocumentError):
    """Nobody who answered holds it, and somebody who may hold it did not answer."""


class PeerUnreachableError(DocumentError):
    """The other node did not answer, or not in time."""


class BucketUnreachableError(DocumentError):
    """The bucket did not answer, or not in time."""
