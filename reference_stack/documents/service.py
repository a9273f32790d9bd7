"""One document service put together from its settings, and what runs beside its requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

from reference_stack.addresses import Endpoint
from reference_stack.bucket.client import bucket_client
from reference_stack.documents.app import build_app
from reference_stack.documents.blobs import BlobStore
from reference_stack.documents.catalogue import Catalogue
from reference_stack.documents.catching_up import BucketKeeper, PairKeeper
from reference_stack.documents.cloud import CloudDocuments
from reference_stack.documents.disk import Disk
from reference_stack.documents.google_bucket import GoogleBucket
from reference_stack.documents.http_peer import HttpPeer
from reference_stack.documents.metrics import DocumentMetrics
from reference_stack.documents.node import DocumentNode
from reference_stack.documents.outbox import Outbox, utc_now
from reference_stack.documents.pairing import Pairing
from reference_stack.documents.peer_routes import peer_routes
from reference_stack.documents.rsync import RsyncLoop
from reference_stack.documents.scrubber import scrub_for_ever
from reference_stack.documents.settings import DocumentSettings

log = logging.getLogger("documents")

Task = Callable[[], Coroutine[Any, Any, None]]
#: A task that fails unforeseen is started again after this long.
RESTART_PAUSE_S = 1.0


def service_app(settings: DocumentSettings) -> ASGIApp:
    """The application of one service."""
    metrics = DocumentMetrics()
    bucket = None
    if settings.bucket is not None:
        place = Endpoint(settings.bucket.host, settings.bucket.port)
        bucket = GoogleBucket(bucket_client(place), timeout_s=settings.bucket_timeout_s)
    if settings.mode == "emergency" and bucket is not None:
        return _cloud_app(settings, bucket, metrics)
    return _node_app(settings, bucket, metrics)


def _cloud_app(
    settings: DocumentSettings, bucket: GoogleBucket, metrics: DocumentMetrics
) -> ASGIApp:
    return build_app(
        CloudDocuments(settings.site, bucket, metrics=metrics, now=utc_now),
        secret=settings.secret,
        size_limit_bytes=settings.size_limit_bytes,
        metrics=metrics,
        status=lambda: {"site": settings.site, "mode": "emergency"},
        background=lambda: _beside([], [bucket.close]),
        more_routes=[],
    )


def _node_app(
    settings: DocumentSettings, bucket: GoogleBucket | None, metrics: DocumentMetrics
) -> ASGIApp:
    disk = Disk(settings.folder)
    peer = (
        HttpPeer(settings.peer_url, settings.secret, timeout_s=settings.peer_timeout_s)
        if settings.peer_url is not None and settings.method == "acknowledged-by-both"
        else None
    )
    blobs = BlobStore(settings.folder, disk)
    node = DocumentNode(
        settings.site, blobs, Catalogue(settings.folder, disk, settings.conflicts),
        Pairing(settings.folder, has_peer=peer is not None, now=utc_now),
        method=settings.method, peer=peer, bucket=bucket,
        peer_timeout_s=settings.peer_timeout_s, metrics=metrics, now=utc_now,
    )  # fmt: skip
    outbox = Outbox(node, bucket) if bucket is not None else None
    rsync = (
        RsyncLoop(
            settings.rsync, settings.folder, settings.secret, interval_s=settings.interval_s,
            metrics=metrics,
        )
        if settings.rsync is not None
        else None
    )  # fmt: skip
    metrics.watch(
        degraded=lambda: node.pairing.state in {"degraded", "catching-up"},
        outbox=lambda: len(node.catalogue.unsent()) if outbox else 0,
        oldest_s=lambda: outbox.oldest_s() if outbox else 0.0,
    )

    def status() -> Mapping[str, object]:
        return {
            "site": settings.site,
            "mode": "normal",
            "method": settings.method,
            "pair": node.pairing.state,
            "since": node.pairing.since.isoformat(),
            "unsent": len(node.catalogue.unsent()) if outbox else 0,
            "rsync": rsync.complaint() if rsync is not None else None,
        }

    def background() -> AbstractAsyncContextManager[None]:
        closing = [bucket.close] if bucket is not None else []
        return _beside(_tasks(settings, node, outbox, rsync), closing, peer)

    return build_app(
        node, secret=settings.secret, size_limit_bytes=settings.size_limit_bytes,
        metrics=metrics, status=status, background=background,
        more_routes=peer_routes(node, settings.size_limit_bytes),
    )  # fmt: skip


def _tasks(
    settings: DocumentSettings, node: DocumentNode, outbox: Outbox | None, rsync: RsyncLoop | None
) -> list[Task]:
    tasks: list[Task] = [lambda: scrub_for_ever(node, settings.scrub_interval_s)]
    if node.peer is not None:
        keeper = PairKeeper(
            node, node.peer, primary=settings.primary, peer_timeout_s=settings.peer_timeout_s
        )
        tasks.append(keeper.run)
    if rsync is not None:
        tasks.append(rsync.run)
    if outbox is not None and node.bucket is not None:
        tasks.append(outbox.run)
        tasks.append(BucketKeeper(node, node.bucket, settings.bucket_poll_s).run)
    return tasks


@asynccontextmanager
async def _beside(
    tasks: list[Task], closing: list[Callable[[], None]], peer: HttpPeer | None = None
) -> AsyncIterator[None]:
    running = [asyncio.create_task(_kept_running(task)) for task in tasks]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for close in closing:
            close()
        if peer is not None:
            await peer.close()


async def _kept_running(task: Task) -> None:
    while True:
        try:
            await task()
        except Exception:
            # One bad file or answer must not end what keeps the promises; the log has it all.
            log.exception("a background task failed and is started again")
        await asyncio.sleep(RESTART_PAUSE_S)
