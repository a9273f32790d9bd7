"""What keeps the bucket from being whole."""

from __future__ import annotations

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan
from reference_stack.bucket.client import BUCKETS

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """A sentence for each bucket that can't be seen."""
    return [
        f"{site}: the bucket '{bucket}' {fault}"
        for site in design.sites_with("bucket")
        for bucket in BUCKETS
        if (fault := _fault(f"{addresses.endpoint(site, 'bucket').url}/storage/v1/b/{bucket}"))
    ]


def _fault(url: str) -> str | None:
    try:
        status = plain_http.get(url, timeout=TIMEOUT_S).status_code
    except httpx.HTTPError as error:
        return f"does not answer: {error}"
    return None if status == httpx.codes.OK else f"answers {status}"
