"""The address that the balancers share: when there is one."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.addresses import AddressPlan


def shared_address(design: Design, addresses: AddressPlan) -> str | None:
    """The address that moves between the balancers, or None.

    It takes a design that wants it, two balancers, and a network in which addresses can move.
    Without it clients know every balancer, in order: the stated substitute.
    """
    balancers = design.sites_with("balancer")
    if design.edge.shared_address is None or len(balancers) < 2:  # noqa: PLR2004
        return None
    return addresses.shared_address
