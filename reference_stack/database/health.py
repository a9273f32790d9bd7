"""What keeps the database's part from being whole, beside replication (see the stack's handle)."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.silence import unanswered

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """A sentence for each keeper (lag, backups, abandoned commits) that does not answer."""
    answers = (
        unanswered(
            f"{site}: the database's keeper",
            f"{addresses.endpoint(site, 'database-keeper').url}/metrics",
            TIMEOUT_S,
        )
        for site in design.sites_with("database")
    )
    return [problem for problem in answers if problem is not None]
