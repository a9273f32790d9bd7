"""When clinicians are at the device: shifts, sessions, and the pauses between them."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence

from simpy import Environment, Timeout

from architecture.workload import HOURS, Day
from simulator.events import Fired
from simulator.hospital.requests import Sender
from simulator.streams import Streams

HOUR_S = 3600.0
DAY_S = HOURS * HOUR_S


class Shifts:
    """A day's shifts come and go, its hours differ in intensity; work is done in sessions.

    Args:
        env: The simulation.
        day: The workload's.
        streams: Of this replication.
        begin_session: Told who sits down at a device, with the session's rounds set.
    """

    def __init__(
        self, env: Environment, day: Day, streams: Streams,
        begin_session: Callable[[Sender], None],
    ) -> None:  # fmt: skip
        self.on_duty = 0
        self._env = env
        self._intensities = day.intensity
        self._rounds = streams.variate("session.rounds", day.session_rounds)
        self._pause = streams.variate("session.pause", day.pause_s)
        self._arrival = streams.uniform("shift.arrival")
        self._arrive_within_s = day.arrive_within_s
        self._shifts = list(day.shifts.values())
        self._begin = begin_session

    def assign(self, clinicians: Sequence[Sender]) -> None:
        """Users fill the shifts in order; who is on duty at midnight comes at once."""
        bounds = list(itertools.accumulate(shift.share for shift in self._shifts))
        count = len(clinicians)
        for clinician in clinicians:
            place = (clinician.number + 0.5) / count
            clinician.shift = min(bisect.bisect(bounds, place), len(bounds) - 1)
            shift = self._shifts[clinician.shift]
            begins_s = shift.starts_h * HOUR_S
            if shift.starts_h + shift.hours > HOURS:
                begins_s -= DAY_S
            self._come(clinician, begins_s)

    def stays(self, clinician: Sender) -> bool:
        """Whether a clinician who ended a round goes on with the next at once.

        If not, the next session is scheduled: after a pause, or on the next day.
        """
        clinician.rounds_left -= 1
        if self._env.now >= clinician.off_duty_s:
            self._go_home(clinician)
            return False
        if clinician.rounds_left <= 0:
            self._pause_begins(clinician)
            return False
        return True

    def intensity(self) -> float:
        """How fast people work at this hour, as a factor."""
        return self._intensities[int(self._env.now / HOUR_S) % HOURS]

    def _come(self, clinician: Sender, begins_s: float) -> None:
        """Schedule the duty whose shift begins at ``begins_s``, which may have been."""
        late_s = self._arrival() * self._arrive_within_s
        clinician.off_duty_s = begins_s + self._shifts[clinician.shift].hours * HOUR_S
        wait_s = max(begins_s, 0.0) + late_s - self._env.now
        Timeout(self._env, max(wait_s, 0.0), clinician).callbacks.append(self._comes)

    def _comes(self, event: Fired) -> None:
        clinician: Sender = event.value
        self.on_duty += 1
        clinician.first_round = True
        clinician.position = 0
        self._begin_session(clinician)

    def _begin_session(self, clinician: Sender) -> None:
        clinician.session_begins = True
        clinician.rounds_left = max(round(self._rounds()), 1)
        clinician.connection = -1
        self._begin(clinician)

    def _pause_begins(self, clinician: Sender) -> None:
        """Away from the device; a pause that outlasts the shift ends with it."""
        pause_s = self._pause() / self.intensity()
        left_s = clinician.off_duty_s - self._env.now
        if pause_s < left_s:
            Timeout(self._env, pause_s, clinician).callbacks.append(self._session_begins)
        else:
            Timeout(self._env, max(left_s, 0.0), clinician).callbacks.append(self._shift_ends)

    def _session_begins(self, event: Fired) -> None:
        self._begin_session(event.value)

    def _shift_ends(self, event: Fired) -> None:
        self._go_home(event.value)

    def _go_home(self, clinician: Sender) -> None:
        self.on_duty -= 1
        shift = self._shifts[clinician.shift]
        next_s = clinician.off_duty_s - shift.hours * HOUR_S + DAY_S
        self._come(clinician, next_s)
