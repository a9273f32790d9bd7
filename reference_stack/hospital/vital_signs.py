"""Vital signs as time series: a person's own level, the day's rhythm, drift, illness, a device.

value(t) = baseline(age, conditions) + rhythm(t) + drift(t) + severity(t)·effect + reading error

Drift is an Ornstein–Uhlenbeck process (standard deviation and correlation time below), sampled
exactly as a first-order autoregression. Severity is a logistic rise over a few hours, held while
the patient deteriorates and decaying once treated. Normal levels of adults lie in the zero bands of
NEWS2 (Royal College of Physicians, 2017); those of children follow the American Heart Association's
Pediatric Advanced Life Support tables. Effects are the directions and sizes textbooks give for
sepsis, respiratory failure and haemorrhage; they are assumptions, not a fit to patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from reference_stack.hospital.admissions import INTENSIVE, Admission, Episode

Values = npt.NDArray[np.float64]

STREAM: Final = 5
#: The last of these hours of a stay are recorded.
RECORDED_HOURS: Final = 72
WARD_INTERVAL_MIN: Final = 60
INTENSIVE_INTERVAL_MIN: Final = 15
CORRELATION_HOURS: Final = 3.0
RISE_HOURS: Final = 1.2
RECOVERY_HOURS: Final = 6.0
#: From onset to the treatment that turns a recovering patient.
TREATED_AFTER_HOURS: Final = 8.0
#: Level of consciousness by severity, from the worst; alert otherwise.
CONSCIOUSNESS: Final = ((0.97, "V"), (0.85, "C"))
HOSPITAL_ZONE: Final = ZoneInfo("America/Sao_Paulo")


@dataclass(frozen=True, slots=True)
class Sign:
    """One vital sign: LOINC code, UCUM unit, and how it varies.

    `drift` and `error` are standard deviations; `rhythm` the day's amplitude, highest at 17 h.
    """

    key: str
    loinc: str
    unit: str
    decimals: int
    low: float
    high: float
    drift: float
    rhythm: float
    error: float


SIGNS: Final = (
    Sign("heart_rate", "8867-4", "/min", 0, 30, 230, 4.0, 3.0, 1.5),
    Sign("respiratory_rate", "9279-1", "/min", 0, 6, 70, 0.9, 0.5, 0.6),
    Sign("oxygen_saturation", "59408-5", "%", 0, 60, 100, 0.5, 0.2, 0.4),
    Sign("temperature", "8310-5", "Cel", 1, 34, 41.5, 0.12, 0.25, 0.05),
    Sign("systolic_pressure", "8480-6", "mm[Hg]", 0, 50, 240, 5.0, 4.0, 2.0),
    Sign("diastolic_pressure", "8462-4", "mm[Hg]", 0, 25, 140, 3.5, 2.5, 2.0),
)
#: Oxygen is given from this severity of a respiratory episode on, at this flow in L/min.
OXYGEN_FROM: Final = 0.4
OXYGEN_FLOW: Final = 4.0
#: The pulse pressure never gets smaller than this, in mmHg.
NARROWEST_PULSE: Final = 12.0

_EFFECTS: Final[dict[Episode, tuple[float, ...]]] = {
    "sepsis": (45, 12, -5, 2.2, -38, -20),
    "respiratory": (28, 16, -11, 0.8, 6, 3),
    "bleeding": (50, 9, -2, -0.6, -48, -26),
}
# Age in years: heart rate, breaths, systolic pressure.
_BY_AGE: Final = np.array(
    ((0, 138, 42, 74), (1, 118, 30, 90), (5, 98, 22, 98), (10, 86, 19, 106),
     (16, 76, 16, 116), (40, 73, 15, 122), (90, 72, 16, 134))
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    """The series of one stay: `times` (aware, ascending), `values` of shape times × `SIGNS`.

    `consciousness` is a letter at each time: A alert, C newly confused, V answers to voice;
    `oxygen` the flow given, in L/min.
    """

    admission: Admission
    times: tuple[datetime, ...]
    values: Values
    consciousness: tuple[str, ...]
    oxygen: tuple[float, ...]

    def readings(self) -> Iterator[tuple[datetime, dict[str, float]]]:
        """Each time with its readings by the signs' keys."""
        for at, row in zip(self.times, self.values.tolist(), strict=True):
            yield at, {sign.key: value for sign, value in zip(SIGNS, row, strict=True)}


def baseline(admission: Admission) -> Values:
    """The patient's own levels, in the order of `SIGNS`."""
    age = admission.patient.age_years(admission.admitted_at.date())
    heart, breaths, systolic = (
        float(np.interp(age, _BY_AGE[:, 0], _BY_AGE[:, column])) for column in (1, 2, 3)
    )
    codes = {condition.code for condition in admission.patient.conditions}
    # Treated hypertension still lies above; chronic lung disease lives with less oxygen.
    systolic += 10.0 if "I10" in codes else 0.0
    saturation = 93.0 if "J44" in codes else 97.5
    return np.array((heart, breaths, saturation, 36.5, systolic, 0.62 * systolic))


def severity(hours: npt.NDArray[np.floating[Any]], *, recovering: bool) -> Values:
    """How far the episode has come, 0 to 1, by hours since its onset.

    A logistic with its middle three rise times after the onset; once treated it decays.
    """
    rise = 1.0 / (1.0 + np.exp(-(hours / RISE_HOURS - 3.0)))
    risen: Values = np.where(hours < -3 * RISE_HOURS, 0.0, rise)
    if recovering:
        risen *= np.exp(-np.maximum(0.0, hours - TREATED_AFTER_HOURS) / RECOVERY_HOURS)
    return risen


def record(admission: Admission, generator: np.random.Generator, *, as_of: datetime) -> Recording:
    """The recorded hours of a stay up to `as_of` (aware)."""
    minutes = INTENSIVE_INTERVAL_MIN if admission.ward == INTENSIVE else WARD_INTERVAL_MIN
    since = max(admission.admitted_at, as_of - timedelta(hours=RECORDED_HOURS))
    steps = int((as_of - since).total_seconds() // (60 * minutes)) + 1
    start = as_of - timedelta(minutes=minutes * (steps - 1))
    times = tuple(start + timedelta(minutes=minutes * step) for step in range(steps))
    hours = np.arange(steps) * (minutes / 60.0)

    levels = baseline(admission) * (1 + 0.03 * generator.standard_normal(len(SIGNS)) * _PERSONAL)
    local = start.astimezone(HOSPITAL_ZONE)
    clock = local.hour + local.minute / 60 + hours
    rhythm = np.cos(2 * np.pi * (clock - 17.0) / 24.0)[:, None] * _column("rhythm")
    values = levels + rhythm + _drift(generator, steps, minutes / 60.0)
    course = np.zeros(steps)
    if admission.onset_at is not None:
        since_onset = hours + (start - admission.onset_at).total_seconds() / 3600.0
        effect = np.array(_EFFECTS[admission.reason.episode])
        course = severity(since_onset, recovering=admission.course == "recovering")
        values += course[:, None] * effect
    values += generator.standard_normal(values.shape) * _column("error")
    values = np.clip(values, _column("low"), _column("high"))
    systolic, diastolic = values[:, 4], values[:, 5]
    values[:, 5] = np.minimum(diastolic, systolic - NARROWEST_PULSE)
    for column, sign in enumerate(SIGNS):
        values[:, column] = np.round(values[:, column], sign.decimals)
    breathless = admission.reason.episode == "respiratory"
    flow = np.where(breathless & (course > OXYGEN_FROM), OXYGEN_FLOW, 0.0)
    words = tuple(map(_consciousness, course.tolist()))
    return Recording(admission, times, values, words, tuple(flow.tolist()))


def _consciousness(severity_now: float) -> str:
    for above, letter in CONSCIOUSNESS:
        if severity_now > above:
            return letter
    return "A"


# Saturation and temperature differ little between people.
_PERSONAL: Final = np.array((1.5, 1.0, 0.15, 0.1, 1.5, 1.5))


def _column(name: str) -> Values:
    return np.array([getattr(sign, name) for sign in SIGNS], dtype=np.float64)


def _drift(generator: np.random.Generator, steps: int, step_hours: float) -> Values:
    keep = float(np.exp(-step_hours / CORRELATION_HOURS))
    shocks = generator.standard_normal((steps, len(SIGNS)))
    # The first value has the stationary distribution, so no part of the series is a warm-up.
    shocks[1:] *= np.sqrt(1.0 - keep**2)
    drift: Values = lfilter((1.0,), (1.0, -keep), shocks, axis=0)
    return drift * _column("drift")


def recordings(
    seed: int, block: int, stays: list[Admission], *, as_of: datetime
) -> Iterator[Recording]:
    """The series of a block's stays, each from a stream of its own."""
    for index, admission in enumerate(stays):
        stream = np.random.SeedSequence([seed, STREAM, block, index])
        yield record(admission, np.random.default_rng(stream), as_of=as_of)
