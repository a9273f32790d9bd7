"""What keeps the bucket from being whole."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.bucket.client import BUCKETS
from reference_stack.silence import unanswered

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """A sentence for each bucket that can't be seen."""
    answers = (
        unanswered(
            f"{site}: the bucket '{bucket}'",
            f"{addresses.endpoint(site, 'bucket').url}/storage/v1/b/{bucket}",
            TIMEOUT_S,
        )
        for site in design.sites_with("bucket")
        for bucket in BUCKETS
    )
    return [problem for problem in answers if problem is not None]
