"""D-12, D-13, D-14, D-17, D-18: what follows from the catalogue of machines and models."""

from __future__ import annotations

from architecture import load_design
from architecture.catalogue import hardware, model, performance, transcription
from architecture.design import Design
from architecture.values import Level
from evidence import Estimate
from simulator.findings.finding import Finding, Mend, calculated, exactly, over, within
from simulator.findings.inquiry import Inquiry
from simulator.findings.single_points import DESIGN_A

PROMISED_S = 0.1
# Google Cloud, locations: southamerica-east1 is in Osasco, São Paulo; southamerica-west1 in Chile.
BRAZILIAN_REGIONS = ("southamerica-east1",)
REGIONS_SOURCE = (
    "Google Cloud, TPU regions and zones (2025): all v4 configurations in us-central2-b; "
    "locations: southamerica-east1 is São Paulo, the one region in Brazil"
)
# Apple, Mac mini (2024) technical specifications, support article 121555.
M4_PRO_MEMORY_GB = (24, 48, 64)
# A-03 says 32 GB, A-08 244 MB.
A_03_GB = 32
CLAIMED_BYTES = 244e6
LEVELS: tuple[Level, ...] = ("low", "typical", "high")
GIB = 2**30


def hundred_milliseconds(inquiry: Inquiry) -> Finding:
    """D-12: to what < 100 ms can apply on the design's own hardware."""
    design = inquiry.design
    site = next(site for site in design.sites.values() if "inference" in site.services)
    speed = performance(design.inference.model, site.hardware)
    chat = design.workload.demands["chat"]
    if speed is None or chat.prompt_tokens is None or chat.answer_tokens is None:
        return _unknown("D-12", "the catalogue has no speed of the model on this machine")
    prompt, answer = chat.prompt_tokens.mean, chat.answer_tokens.mean
    first = within(*(speed.prefill_s(prompt, level) for level in LEVELS))
    whole = within(*(
        speed.prefill_s(prompt, level) + answer * speed.decode_step_s(1, level)
        for level in LEVELS
    ))  # fmt: skip
    look_up = design.workload.demands["lookup"]
    short = look_up.cpu_s.mean + look_up.database_s.mean + _wifi_s(design)
    figures = [
        calculated(f"first token of a prompt of {prompt:g} tokens, nobody else there", first, "s"),
        calculated(f"whole answer of {answer:g} tokens, nobody else there", whole, "s"),
    ]
    companion = design.companions.get("speech-to-text")
    voice = transcription(companion.model, site.hardware) if companion is not None else None
    if voice is not None:
        figures.append(calculated("one window of dictation", over(voice.window_s), "s"))
    figures.append(calculated("look-up: processor, database and WiFi", short, "s"))
    cannot = whole.lower > PROMISED_S and all(
        figure.value.lower > PROMISED_S for figure in figures[2:-1]
    )
    return Finding(
        id="D-12",
        claim="< 100 ms cannot hold for a whole answer or a whole dictation",
        method="calculation",
        how="the catalogue's step times for the workload's mean lengths; an idle machine",
        evidence=tuple(figures),
        verdict="held" if cannot else "refuted",
        reason=f"the fastest whole answer takes {whole.lower:.2f} s, a look-up {short:.3f} s",
        mend=Mend(
            what="promise < 100 ms of look-ups and notes, and a time to first token of the chat",
            changes=("objectives.B-17.lookup-p95",),
            evidence=(calculated("look-up, before any waiting", short, "s"),),
        ),
        experiment="testbed load --design local (this machine's processor)",
    )


def _wifi_s(design: Design) -> float:
    for link in design.links:
        if "clients" in link.between:
            return link.round_trip_s.high
    return 0.0


def tpu_residency(inquiry: Inquiry) -> Finding:
    """D-13: regions that offer the accelerator, and those in Brazil."""
    design = inquiry.design
    emergency = design.emergency
    if emergency is None:
        return _unknown("D-13", "the design has no emergency site")
    machine = hardware(design.sites[emergency.site].hardware)
    if not machine.regions:
        return _unknown("D-13", "the catalogue names no regions of the emergency site's hardware")
    brazilian = sorted(set(machine.regions) & set(BRAZILIAN_REGIONS))
    price = machine.hourly_price_usd
    evidence = [
        calculated("regions that offer it", float(len(machine.regions)),
                   source=", ".join(machine.regions)),
        calculated("… of them in Brazil", float(len(brazilian)), source=REGIONS_SOURCE),
    ]  # fmt: skip
    return Finding(
        id="D-13",
        claim="Cloud TPU v4 is offered in one region, in the United States; residency rules it out",
        method="calculation",
        how="regions of the catalogue's emergency hardware, cut with the provider's Brazilian ones",
        evidence=tuple(evidence),
        verdict="refuted" if brazilian else "held",
        reason=f"{len(brazilian)} of {len(machine.regions)} regions in Brazil",
        mend=Mend(
            what="a GPU of the L4 or T4 class in southamerica-east1 in its stead",
            changes=(f"sites.{emergency.site}.hardware",),
            evidence=(
                calculated("regions in Brazil", float(len(BRAZILIAN_REGIONS)),
                           source=REGIONS_SOURCE),
                *((calculated("an hour of it, US$", exactly(price.low), "US$/h", price.source),)
                  if price is not None else ()),
            ),
        ),
    )  # fmt: skip


def metal_in_a_pod(inquiry: Inquiry) -> Finding:
    """D-14: needs a Mac; what the catalogue can say is what is at stake."""
    design = inquiry.design
    site = next(site for site in design.sites.values() if "inference" in site.services)
    with_gpu = performance(design.inference.model, site.hardware)
    on_cpu = performance("smollm2-135m", "this-machine")
    big, small = model(design.inference.model).parameters, model("smollm2-135m").parameters
    if with_gpu is None or on_cpu is None or big is None or small is None:
        return _unknown("D-14", "the catalogue has no speed with and without a GPU")
    ratio = big.typical / small.typical
    slow = within(*(on_cpu.decode_step_s(1, level) * ratio for level in LEVELS))
    return Finding(
        id="D-14",
        claim="Pods on a Mac run in a Linux machine without Metal: MLX must run beside them",
        method="experiment",
        how="the catalogue's decoding steps with the GPU, and of one processor core of the machine "
        "measured, by parameters: what a pod without Metal would stand to lose",
        evidence=(
            calculated("a token with the GPU", over_step(with_gpu.decode_base_s.low,
                       with_gpu.decode_base_s.typical, with_gpu.decode_base_s.high), "s"),
            calculated("a token on one core of the machine measured, by parameters", slow, "s",
                       on_cpu.decode_base_s.source),
        ),
        verdict="inconclusive",
        reason="MLX has a Metal backend on macOS only and a processor's (or CUDA) on Linux; what a "
        "Mac's Linux virtual machine reaches has to be measured on a Mac",
        experiment="on a Mac: testbed calibrate as a host process, and again in a Linux container",
    )  # fmt: skip


def over_step(low: float, typical: float, high: float) -> Estimate:
    """A step's time as a figure."""
    return within(low, typical, high)


def memory(inquiry: Inquiry) -> Finding:
    """D-17: how much of the memory the models can ever use."""
    design = inquiry.design
    site = next(site for site in design.sites.values() if "inference" in site.services)
    machine = hardware(site.hardware)
    if machine.memory_bytes is None:
        return _unknown("D-17", "the catalogue has no memory of this machine")
    names = [design.inference.model, *(c.model for c in design.companions.values())]
    weights = [found.weight_bytes for name in names if (found := model(name)).weight_bytes]
    cache = model(design.inference.model).kv_bytes_per_token
    limits = design.inference
    tokens = limits.max_batch * (limits.max_prompt_tokens + limits.max_answer_tokens)
    used = within(*(
        (sum(w.at(level) for w in weights) + (cache.at(level) * tokens if cache else 0)) / GIB
        for level in LEVELS
    ))  # fmt: skip
    has = machine.memory_bytes / GIB
    small = 96.0
    return Finding(
        id="D-17",
        claim="Memory is not the bottleneck: most of it is never used",
        method="calculation",
        how="weights of all models plus the attention cache of a full batch at full length",
        evidence=(
            calculated("used at most by models", used, "GiB"),
            calculated("memory of a node", has, "GiB", machine.source),
            calculated(
                "share used", within(used.lower / has, used.estimate / has, used.upper / has)
            ),
        ),
        verdict="held" if used.upper / has < 0.5 else "refuted",  # noqa: PLR2004
        reason=f"{used.upper / has:.0%} at the most",
        mend=Mend(
            what="the same machine with 96 GB; what the money buys instead, `testbed plan` answers",
            changes=("sites.*.hardware",),
            evidence=(calculated("share of 96 GB used at most", used.upper / small),),
        ),
        experiment="testbed plan (what the money buys instead)",
    )  # fmt: skip


def sizes(_inquiry: Inquiry) -> Finding:
    """D-18: parameters are not bytes, and which memory an M4 Pro is sold with."""
    design = load_design(DESIGN_A)
    name = design.companions["speech-to-text"].model
    whisper = model(name)
    if whisper.parameters is None or whisper.weight_bytes is None:
        return _unknown("D-18", "the catalogue has no size of the model")
    mega, sold = whisper.weight_bytes, A_03_GB in M4_PRO_MEMORY_GB
    return Finding(
        id="D-18",
        claim="Whisper Small has 244 million parameters, not 244 MB; an M4 Pro has no 32 GB",
        method="calculation",
        how="the catalogue's sizes against A-08's and A-03's",
        evidence=(
            calculated("parameters", over(whisper.parameters, 1e-6), "million",
                       whisper.parameters.source),
            calculated("weights", over(mega, 1e-6), "MB", mega.source),
            calculated("memory sizes of a Mac mini M4 Pro", float(len(M4_PRO_MEMORY_GB)),
                       source=f"{', '.join(map(str, M4_PRO_MEMORY_GB))} GB (Apple, support article "
                       "121555)"),
            calculated("… of them 32 GB", float(sold)),
        ),
        verdict="held" if mega.low > CLAIMED_BYTES and not sold else "refuted",
        reason=f"{mega.low / 1e6:.0f} MB at the least",
        mend=Mend(
            what="name it 244 million parameters, 488 MB; take the M4 Pro with 48 GB",
            changes=("sites.control-plane.hardware",),
            evidence=(
                calculated("memory of the catalogue's M4 Pro",
                           (hardware("mac-mini-m4-pro").memory_bytes or 0) / GIB, "GiB"),
            ),
        ),
    )  # fmt: skip


def _unknown(finding_id: str, reason: str) -> Finding:
    return Finding(
        id=finding_id, claim=reason, method="calculation", how="the catalogue",
        evidence=(calculated("figures found", 0.0),), verdict="inconclusive", reason=reason,
    )  # fmt: skip
