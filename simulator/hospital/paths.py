"""Ways through the network: which link joins two places."""

from __future__ import annotations

from architecture.design import Design
from architecture.topology import Link
from architecture.values import Range


def link_between(design: Design, one: str, other: str) -> tuple[int, Link] | None:
    """The link whose ends these are, with its place in the design's list."""
    for number, link in enumerate(design.links):
        if set(link.between) == {one, other} and one != other:
            return number, link
    return None


def site_link(design: Design, one: str, other: str) -> tuple[int, Link] | None:
    """The link a message between two sites takes; None within a site or when the design has none.

    Sites without a link of their own are joined by the one between their locations.
    """
    direct = link_between(design, one, other)
    if direct is not None or one == other:
        return direct
    return link_between(design, design.sites[one].location, design.sites[other].location)


def round_trip_range(design: Design, one: str, other: str) -> tuple[int, Range] | None:
    """The link's number and round trip between two sites."""
    found = site_link(design, one, other)
    return None if found is None else (found[0], found[1].round_trip_s)
