"""What of a design the programs of this machine can run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from architecture.design import Design
from reference_stack.inference.render import voice_program

VOICE = "text-to-speech"


def as_far_as_possible(design: Design, programs: Mapping[str, Path]) -> Design:
    """The design without what needs a program that is not among ``programs``.

    Without keepalived there is no shared address, without its program no voice.
    """
    if design.edge.shared_address is not None and "keepalived" not in programs:
        edge = design.edge.model_copy(update={"shared_address": None})
        design = design.model_copy(update={"edge": edge})
    voice = design.companions.get(VOICE)
    if voice is not None and voice_program(voice.model, programs) is None:
        design = _without_service(design, VOICE)
    return design


def _without_service(design: Design, service: str) -> Design:
    sites = {
        name: site.model_copy(
            update={"services": tuple(one for one in site.services if one != service)}
        )
        for name, site in design.sites.items()
    }
    companions = {name: one for name, one in design.companions.items() if name != service}
    return design.model_copy(update={"sites": sites, "companions": companions})
