"""Reading every content again and again, so that a damaged one is found while others are sound."""

from __future__ import annotations

import asyncio
import logging

from reference_stack.documents.errors import NotFoundError, UnavailableError
from reference_stack.documents.node import DocumentNode

log = logging.getLogger("documents")

#: Between two contents: the scrubber must not be felt.
PAUSE_S = 0.02


async def scrub(node: DocumentNode, pause_s: float = PAUSE_S) -> list[str]:
    """Check every recorded version's content and mend what is damaged or missing.

    Args:
        node: Whose contents.
        pause_s: Rest after each.

    Returns:
        SHA-256 of the contents that could not be mended now.
    """
    beyond_mending = []
    seen: set[str] = set()
    for record in list(node.catalogue.records()):
        if record.sha256 in seen:
            continue
        seen.add(record.sha256)
        try:
            await node.content(record)
        except (NotFoundError, UnavailableError) as error:
            beyond_mending.append(record.sha256)
            log.warning("version %s: %s", record.version_id, error)
        node.metrics.scrubbed.inc()
        await asyncio.sleep(pause_s)
    return beyond_mending


async def scrub_for_ever(node: DocumentNode, every_s: float) -> None:
    """Scrub at intervals until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        await scrub(node)
