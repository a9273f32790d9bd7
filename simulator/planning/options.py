"""Variants of a design: node hardware, how many nodes, which model, how large a batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from architecture import catalogue
from architecture.design import Design
from architecture.errors import InputError
from architecture.topology import Site
from simulator.figures import Figures, step_times_on
from simulator.hospital.cells import cache_tokens
from simulator.hospital.companions import companion_range
from simulator.hospital.roofline import extrapolated
from simulator.planning.cost import Cost, cost_of
from simulator.step_times import StepTimesRange

NODE_ROLES = frozenset({"active", "standby", "worker"})


@dataclass(frozen=True)
class Choice:
    """What may be chosen; an empty list leaves the design's own.

    ``nodes`` counts machines that serve at once: 1 is active and standby as the design has them,
    more share the load (round robin) and each can take the others' place.
    """

    hardware: Sequence[str] = ()
    nodes: Sequence[int] = ()
    model: Sequence[str] = ()
    max_batch: Sequence[int] = ()


@dataclass(frozen=True)
class Option:
    """One variant; ``problem`` says why it can't even be simulated."""

    hardware: str
    nodes: int
    model: str
    max_batch: int
    design: Design
    cost: Cost
    figures: Figures | None = None
    problem: str = ""
    extrapolated: bool = field(default=False)

    @property
    def words(self) -> str:
        """One clause, for people."""
        serving = "1 of 2 nodes" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{serving} {self.hardware}, {self.model}, batch {self.max_batch}"


def options(design: Design, choice: Choice) -> list[Option]:
    """Every combination, cheapest first (typical total cost, then fewer nodes).

    Raises:
        InputError: when a choice is not in the catalogue, or the design has no node to vary.
    """
    found = list(_options(design, choice))
    return sorted(found, key=lambda option: (option.cost.total.typical, option.nodes, option.words))


def _options(design: Design, choice: Choice) -> Iterator[Option]:
    nodes = _nodes(design)
    own = design.sites[nodes[0]].hardware
    serving = 1 if design.edge.routing == "active-standby" else len(nodes)
    for hardware, count, model, batch in itertools.product(
        choice.hardware or (own,),
        choice.nodes or (serving,),
        choice.model or (design.inference.model,),
        choice.max_batch or (design.inference.max_batch,),
    ):
        catalogue.hardware(hardware)
        catalogue.model(model)
        if count < 1 or batch < 1:
            raise InputError("must be at least 1", where="choices", key="nodes, max_batch")
        variant = _variant(design, hardware, count, model, batch)
        cost = cost_of(variant)
        figures, problem, guessed = _figures(variant, hardware, model)
        yield Option(hardware, count, model, batch, variant, cost, figures, problem, guessed)


def _nodes(design: Design) -> list[str]:
    """The sites that run API and language model in the hospital, of one kind."""
    emergency = design.emergency.site if design.emergency is not None else None
    found = [
        name
        for name in design.sites_with("api")
        if name != emergency and "inference" in design.sites[name].services
    ]
    if not found:
        raise InputError(
            "no site of the hospital runs both api and inference, so there is no node to choose",
            where=f"design {design.name}", key="sites",
        )  # fmt: skip
    return found


def _variant(design: Design, hardware: str, count: int, model: str, batch: int) -> Design:
    nodes = _nodes(design)
    sites: dict[str, Site] = {}
    for name, site in design.sites.items():
        sites[name] = site.model_copy(update={"hardware": hardware}) if name in nodes else site
    extra = [f"node-{number}" for number in range(len(nodes) + 1, max(count, len(nodes)) + 1)]
    copied = sites[nodes[-1]]
    kept = tuple(s for s in copied.services if s not in {"etcd", "database", "cache", "documents"})
    for name in extra:
        sites[name] = copied.model_copy(update={"title": f"further node {name}", "services": kept})
    companions = {
        name: companion.model_copy(update={"sites": (*companion.sites, *extra)})
        if set(nodes) & set(companion.sites) else companion
        for name, companion in design.companions.items()
    }  # fmt: skip
    routing = "active-standby" if count == 1 else "roundrobin"
    return design.model_copy(
        update={
            "sites": sites,
            "companions": companions,
            "edge": design.edge.model_copy(update={"routing": routing}),
            "inference": design.inference.model_copy(update={"model": model, "max_batch": batch}),
        }
    )


def _figures(design: Design, hardware: str, model: str) -> tuple[Figures | None, str, bool]:
    try:
        steps = step_times_on(model, hardware)
        guessed = steps is None
        if steps is None:
            steps = extrapolated(model, hardware)
        nodes = set(_nodes(design))
        for companion in design.companions.values():
            if nodes & set(companion.sites):
                companion_range(companion.model, hardware)
        problem = _too_big(design, _nodes(design)[0])
        return planned_figures(design, steps), problem, guessed
    except InputError as error:
        return None, error.message, False


def _too_big(design: Design, site: str) -> str:
    """Why the models and one longest conversation don't fit the memory; empty when they do."""
    tokens = cache_tokens(design, site)
    limits = design.inference
    needed = limits.max_prompt_tokens + limits.max_answer_tokens
    if tokens is None or tokens >= needed:
        return ""
    return f"memory: beside the models' weights only {tokens} tokens fit, {needed} are needed"


def planned_figures(design: Design, steps: StepTimesRange) -> Figures:
    """Figures with these step times on the nodes, and the catalogue's elsewhere."""
    model = design.inference.model
    machines = sorted({design.sites[site].hardware for site in design.sites_with("inference")})
    known = {hardware: step_times_on(model, hardware) for hardware in machines}
    return Figures(
        cores={
            site.hardware: catalogue.hardware(site.hardware).processors
            for site in design.sites.values()
        },
        step_times=steps,
        elsewhere={hardware: found for hardware, found in known.items() if found is not None},
    )
