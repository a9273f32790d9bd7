"""What the report's words mean, and what its evidence cannot show."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.measures import SUSTAIN_S
from evidence.estimate import trials_needed
from load.settings import ChatProbe
from reports.findings import Findings


@dataclass(frozen=True)
class Entry:
    """A term, or a limit, and its explanation."""

    title: str
    text: str


_PROBE = ChatProbe()


def _entry(title: str, text: str) -> Entry:
    return Entry(title, " ".join(text.split()))


DEFINITIONS = (
    _entry(
        "RTO, recovery time",
        f"""From the confirmed landing of the fault to the end of the first successful attempt
        that was sent after it and after whose end no attempt sent within the next {SUSTAIN_S:g}
        s ends without success, while at least one more succeeds. Counted per operation: looking
        up (read), writing a note (write), chat.""",
    ),
    _entry(
        "Probe of the chat",
        f"""Few clinicians ask the chat, so that the end of its outage could go unseen. In
        experiments a synthetic user asks it one short question every {_PROBE.every_s:g} s as well,
        or as soon as the question before is answered, through the edge and as patient as everybody;
        the answer is cut at {_PROBE.answer_tokens} tokens. It counts for when the chat was back,
        and for nothing else: neither for response times nor for what users waited. Its answer is
        shorter than a clinician's.""",
    ),
    _entry(
        "RPO, loss in seconds",
        """From the acknowledgement of the oldest lost note to the landing of the fault; 0 when
        none is lost, unknown when no note had been acknowledged before it. A note is lost when
        it was acknowledged to its client and is not in the database after recovery.""",
    ),
    _entry(
        "Attempt outcomes",
        """Answered: success. Refused at once: the server clearly said no. No certain answer:
        sent, then a time-out or a broken connection, so that the client cannot know. Could not
        be sent: no connection.""",
    ),
    _entry(
        "Held, refuted, inconclusive",
        f"""A promise about a fault speaks of every such fault: one counterexample refutes it,
        and it is held after {trials_needed()} straight passes, which show that 95 % of faults
        are within the bound at 95 % confidence. A promise about a figure is held when its whole
        interval meets the bound and refuted when none of it does. Everything else is
        inconclusive: no request, a fault that was not confirmed, a ledger that was not read,
        too few trials.""",
    ),
    _entry(
        "Median of trials",
        """Shown between the smallest and the largest trial. That range holds the true median
        with probability 1 − 2^(1 − n) for n trials, so one trial has no interval.""",
    ),
    _entry(
        "Predicted",
        """From the newest simulation that was finished before the first experiment it is
        compared with. One recorded later is never used.""",
    ),
    _entry(
        "Clock",
        """All times of a run are read from one monotonic clock of the machine that holds
        clients and stack. Response times count from when the user would have sent the request,
        not from when it was sent (no coordinated omission).""",
    ),
)

_POWER_LOSS = _entry(
    "Power loss on one machine",
    """A site loses power by having its cable cut and then all its processes killed at once: its
    peers see silence, neither a reset nor a close, and nobody accepts a connection. On a machine
    that allows no networks of the stack's own (the fault's detail says "loopback") the processes
    are frozen instead; the kernel then still accepts connections for them until its backlog is
    full. Disks keep what the kernel was given, so a lost disk cache
    is not tested.""",
)


def limits(findings: Findings) -> list[Entry]:
    """What the evidence at hand cannot show, from the design and the runs."""
    design = findings.design
    entries = [Entry("Hardware", _hardware(findings))]
    if any(trial.fault.endswith("power-loss") for trial in findings.trials):
        entries.insert(0, _POWER_LOSS)
    unmeasured = [v.objective for v in findings.verdicts if v.measured is None]
    if unmeasured:
        entries.append(Entry("Promises without a measurement", ", ".join(unmeasured)))
    covered = {objective.requirement for objective in design.objectives}
    silent = [name for name in design.requirements if name not in covered]
    if silent:
        entries.append(
            Entry("Requirements without an objective", ", ".join(silent) + ": not judged here.")
        )
    entries += [
        Entry(f"Left out of the design: {name}", why) for name, why in design.left_out.items()
    ]
    return entries


def _hardware(findings: Findings) -> str:
    machines = sorted({site.hardware for site in findings.design.sites.values()})
    if machines == ["this-machine"]:
        return (
            "Measured on the machine named above, all sites side by side. Times that come from "
            "settings (detection, lease, health checks) carry over to other hardware; times that "
            "come from computing (chat, look-ups, start-up) do not, and are only predicted for it."
        )
    return (
        f"The design stands on {', '.join(machines)}. What runs on other machines measured is not "
        "evidence about it; its figures are extrapolated by the simulator with their uncertainty."
    )
