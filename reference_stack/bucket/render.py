"""The process that serves the bucket."""

from __future__ import annotations

from pathlib import Path

from reference_stack.bucket.client import BUCKETS
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec


def bucket_services(context: SiteContext) -> list[ServiceSpec]:
    """The emulator with its buckets as folders of the site, so that they survive a restart.

    The emulator takes every folder of its root for a bucket. It writes without fsync: objects
    survive the death of its process, not that of this machine. Two things it does otherwise than
    Google: a precondition is not looked at when an upload takes several steps (8 MB and more), and
    an empty object can't be downloaded (416).
    """
    here = context.endpoint("bucket")
    root = context.folder / "bucket"
    for bucket in BUCKETS:
        (root / bucket).mkdir(parents=True, exist_ok=True)
    argv: list[str | Path] = [
        context.programs.paths["bucket"], "-backend", "filesystem", "-filesystem-root", root,
        # Its own default for examples to load is a folder of the machine.
        "-data", "",
        "-scheme", "http", "-host", here.host, "-port", str(here.port),
        # Uploads in several steps go on at the URL the server names, which must be itself.
        "-external-url", here.url, "-public-host", str(here),
        "-log-level", "warn",
    ]  # fmt: skip
    return [context.service("bucket", argv)]
