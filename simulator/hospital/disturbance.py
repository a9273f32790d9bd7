"""A plant that faults strike: outages, takeovers, the reconnect storm and the emergency (D-16)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from simpy import Environment, Event, Timeout

from architecture.design import Design
from simulator.events import Fired
from simulator.figures import Figures
from simulator.hospital.assumptions import EMERGENCY_PLACE_S, REFUSAL_S
from simulator.hospital.clinicians import Population
from simulator.hospital.demands import emergency_operations
from simulator.hospital.faults import Outage, Relogin
from simulator.hospital.plant import Plant
from simulator.hospital.requests import Attempt
from simulator.hospital.world import World
from simulator.language_model import LanguageModelServer
from simulator.streams import Streams

LIMITED_AUDIO_S = 30.0


class StruckPlant(Plant):
    """What answers while faults come and go on a timetable.

    - While no API can be reached, requests hang until the way is open again (the balancer then
      closes the dead site's sessions and the clients try again at once, all of them) or their
      time-out; clients without a balancer to hold them fail at their connect time-out.
    - A takeover makes every client connect anew (a TLS handshake each), finds cold caches, and, by
      ``relogin``, makes everybody log in again first.
    - The emergency admits so many users; others are refused and try again. A place is free after
      some minutes without a request. Functions it does not have are declined.
    """

    def __init__(
        self, env: Environment, design: Design, figures: Figures, *, world: World,
        streams: Streams, population: Population, outages: Sequence[Outage],
        relogin: Relogin = "emergency",
    ) -> None:  # fmt: skip
        super().__init__(
            env, design, figures, world=world, streams=streams, population=population, standby=True
        )
        self._relogin = relogin
        self._api_back_s = -math.inf
        self._reads_back_s = -math.inf
        self._writes_back_s = -math.inf
        self._wan_back_s = -math.inf
        self._down: set[str] = set()
        self._held = True
        self._emergency = False
        self._allowed = (
            emergency_operations(design, design.emergency)
            if design.emergency is not None
            else frozenset()
        )
        self._admitted: dict[Any, float] = {}
        self.turned_away = 0
        for outage in outages:
            Timeout(env, outage.fault.at_s, outage).callbacks.append(self._strike)

    @property
    def in_emergency(self) -> bool:
        """Whether the cloud's emergency mode answers."""
        return self._emergency

    def send(self, attempt: Attempt) -> None:
        """Take a request in, if anything can be reached."""
        if self.env.now < self._api_back_s:
            attempt.epoch = -1
            if not self._held:
                wait_s = self.design.workload.client.connect_timeout_s
                Timeout(self.env, wait_s, attempt).callbacks.append(self._refuse)
        elif self._emergency:
            self._in_emergency(attempt)
        else:
            self.take(attempt, attempt.operation)

    def database_reachable(self, attempt: Attempt) -> bool:
        """Whether the database answers what the request wants, seen from its site."""
        if self.design.workload.demands[attempt.operation].commits > 0:
            return self.writes_reachable(attempt)
        return self._reachable(attempt, self._reads_back_s)

    def writes_reachable(self, attempt: Attempt) -> bool:
        """Whether a primary that takes writes can be reached from the request's site."""
        return self._reachable(attempt, self._writes_back_s)

    def _reachable(self, attempt: Attempt, back_s: float) -> bool:
        now = self.env.now
        if now < back_s:
            return False
        cell = self.cells[attempt.site]
        far = (
            self.design.sites[cell.database_site].location != self.design.sites[cell.site].location
        )
        return not (far and now < self._wan_back_s)

    def site_reachable(self, site: str) -> bool:
        """Whether the site is up."""
        return site not in self._down

    def _in_emergency(self, attempt: Attempt) -> None:
        if attempt.operation not in self._allowed:
            Timeout(self.env, REFUSAL_S, attempt).callbacks.append(self._decline)
        elif not self._admit(attempt):
            self.turned_away += 1
            Timeout(self.env, REFUSAL_S, attempt).callbacks.append(self._refuse)
        else:
            by_password = attempt.operation == "face-login" and "login" in self._routes
            self.take(attempt, "login" if by_password else attempt.operation)

    def _admit(self, attempt: Attempt) -> bool:
        emergency, sender, now = self.design.emergency, attempt.sender, self.env.now
        if emergency is None or sender.journey < 0:
            return True
        if sender not in self._admitted and len(self._admitted) >= emergency.users:
            oldest = now - EMERGENCY_PLACE_S
            self._admitted = {who: at for who, at in self._admitted.items() if at > oldest}
            if len(self._admitted) >= emergency.users:
                return False
        self._admitted[sender] = now
        return True

    def _strike(self, event: Fired) -> None:
        outage: Outage = event.value
        now = self.env.now
        if outage.fault.what == "wan-cut":
            self._wan_back_s = outage.mended_s
            return
        self._down |= set(outage.sites)
        if outage.epoch:
            self.epoch += 1
        # Behind a balancer that lives, requests hang; without one the connection fails.
        self._held = not outage.emergency and math.isfinite(outage.api_back_s)
        if outage.api_back_s > now:
            self._api_back_s = max(self._api_back_s, outage.api_back_s)
            self._at(outage.api_back_s, outage, self._taken_over)
        self._reads_back_s = max(self._reads_back_s, outage.reads_back_s)
        self._writes_back_s = max(self._writes_back_s, outage.writes_back_s)
        if outage.writes_back_s > now:
            self._at(outage.writes_back_s, outage, self._database_back)
        self._at(outage.mended_s, outage, self._mended)
        for site, model in self.models().items():
            if site in outage.sites:
                self._lose_sequences(model)

    def _lose_sequences(self, model: LanguageModelServer) -> None:
        """What a dead model server worked on is gone; its clients are told by whoever led them."""
        for attempt in self.population.open_attempts():
            sequence = attempt.sequence
            if sequence is not None and self.cells[attempt.site].model is model:
                attempt.sequence = None
                model.cancel(sequence)
                if attempt.epoch == self.epoch:
                    self.population.refused(attempt)

    def _at(self, when_s: float, outage: Outage, then: Any) -> None:
        if math.isfinite(when_s):
            Timeout(self.env, when_s - self.env.now, outage).callbacks.append(then)

    def _taken_over(self, event: Fired) -> None:
        """Requests reach an API again: another site's, the cloud's, or the mended one's."""
        outage: Outage = event.value
        if outage.emergency:
            self._emergency = True
            self.serve([len(self.cells) - 1])
            balancer, cloud = self.design.sites_with("balancer")[0], self.cells[-1].site
            self.way_s = self.world.round_trip_s(balancer, cloud)
            self._limit()
        else:
            alive = [n for n, cell in enumerate(self.cells) if self._serves(cell.site)]
            if alive:
                self.serve(alive if self.design.edge.routing == "roundrobin" else alive[:1])
        self.standby_waited_for = not outage.sites
        self.cold_since_s = self.env.now
        self._storm(login=outage.emergency)

    def _serves(self, site: str) -> bool:
        emergency = self.design.emergency
        return site not in self._down and (emergency is None or site != emergency.site)

    def _limit(self) -> None:
        emergency = self.design.emergency
        if emergency is not None:
            self.most_answer = min(self.most_answer, emergency.chat_max_answer_tokens)
            if emergency.voice == "limited":
                self.most_audio_s = LIMITED_AUDIO_S

    def _storm(self, *, login: bool) -> None:
        """Everybody's connection and, it may be, session is gone; who waited tries again now."""
        self.connection_epoch += 1
        if self._relogin == "always" or (login and self._relogin == "emergency"):
            self.population.session += 1
        if self.design.edge.api_check.close_sessions_when_down or login:
            for attempt in self.population.open_attempts():
                if attempt.epoch != self.epoch:
                    self.population.refused(attempt)

    def _database_back(self, _event: Event) -> None:
        self.cold_since_s = self.env.now

    def _mended(self, event: Fired) -> None:
        outage: Outage = event.value
        self._down -= set(outage.sites)
        if self._emergency and outage.emergency:
            self._emergency = False
            self._admitted.clear()
            self.most_answer = self.design.inference.max_answer_tokens
            self.most_audio_s = math.inf
            self.way_s = 0.0
            self.epoch += 1
            self.serve(range(len(self.active)))
            self.cold_since_s = self.env.now
            self._storm(login=True)
        self.standby_waited_for = not self._down

    def _refuse(self, event: Fired) -> None:
        self.population.refused(event.value)

    def _decline(self, event: Fired) -> None:
        self.population.declined(event.value)
