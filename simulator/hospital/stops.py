"""What each stop on a request's way does with it.

Faults and the emergency change what answers, see :mod:`simulator.hospital.disturbance`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from simpy import Environment, Timeout

from architecture.design import Design
from simulator.events import Fired
from simulator.hospital.assumptions import HANDSHAKE_ROUND_TRIPS, UNSEEN_S
from simulator.hospital.autoscaling import ElasticProcessor
from simulator.hospital.booking import BookedStation
from simulator.hospital.cells import Cell, Cells
from simulator.hospital.clinicians import Population
from simulator.hospital.link import NetworkLink
from simulator.hospital.requests import Attempt
from simulator.hospital.world import World
from simulator.language_model import Ending, Sequence
from simulator.streams import Variate

Stop = Callable[[Attempt], None]


class Stops:
    """The stops, on stations that :class:`simulator.hospital.plant.Plant` sets up.

    Each takes an attempt and ends in :meth:`_proceed`, which leads it to the next on its route, in
    a refusal, or, when the site that worked on it is gone, in nothing.

    Attributes:
        epoch: Grows when sites are lost: what was sent before is worked on no more.
        connection_epoch: Grows when clients must connect anew.
        way_s: Added to each way to the edge, beside the WLAN's.
        cold_since_s: When the database began with empty caches.
        standby_waited_for: Whether commits and documents wait for the other node.
        most_prompt: Tokens, longer prompts are cut; so ``most_answer`` and ``most_audio_s``.
    """

    env: Environment
    design: Design
    world: World
    population: Population
    cells: list[Cell]
    epoch: int
    connection_epoch: int
    way_s: float
    cold_since_s: float
    standby_waited_for: bool
    most_prompt: int
    most_answer: int
    most_audio_s: float
    _scale: float
    _cells: Cells
    _balancer: BookedStation
    _wifi: NetworkLink | None
    _copies: NetworkLink | None
    _bucket: NetworkLink | None
    _nodes: ElasticProcessor | None
    _flush_spread: Variate

    def cold(self) -> float:
        """Factor of the database's work: its caches fill again after a takeover."""
        since_s = self.env.now - self.cold_since_s
        if since_s > 10.0 * self.world.cold_s:
            return 1.0
        return 1.0 + (self.world.cold_factor - 1.0) * math.exp(-since_s / self.world.cold_s)

    def database_reachable(self, _attempt: Attempt) -> bool:
        """Whether transactions can run; faults say otherwise."""
        return True

    def writes_reachable(self, _attempt: Attempt) -> bool:
        """Whether transactions that write can run; faults say otherwise."""
        return True

    def site_reachable(self, _site: str) -> bool:
        """Whether a service of that site can be used; faults say otherwise."""
        return True

    def _proceed(self, attempt: Attempt) -> None:
        if attempt.epoch != self.epoch:
            return  # The site that worked on it is gone.
        stage = attempt.stage
        attempt.stage = stage + 1
        attempt.route[stage](attempt)

    def _wait(self, delay_s: float, attempt: Attempt) -> None:
        if delay_s > UNSEEN_S:
            Timeout(self.env, delay_s, attempt).callbacks.append(self._waited)
        else:
            attempt.extra_s += delay_s
            self._proceed(attempt)

    def _waited(self, event: Fired) -> None:
        self._proceed(event.value)

    def _front(self, attempt: Attempt) -> None:
        """WLAN and balancer; a new connection is greeted first."""
        needed_s = self.world.proxy_request_s
        delay_s = self.way_s
        sender = attempt.sender
        if sender.connection != self.connection_epoch and sender.journey >= 0:
            sender.connection = self.connection_epoch
            if self.design.edge.tls:
                needed_s += self.world.tls_handshake_s
                delay_s += HANDSHAKE_ROUND_TRIPS * (self.world.network_s + self.way_s)
        self._wait(delay_s + self._balancer.book(needed_s), attempt)

    def _upload(self, size: Variate, attempt: Attempt) -> None:
        attempt.size_bytes = size_bytes = size()
        self._over_wifi(size_bytes, attempt)

    def _over_wifi(self, size_bytes: float, attempt: Attempt) -> None:
        wifi = self._wifi
        if wifi is None:
            self._proceed(attempt)
        elif wifi.is_small(size_bytes):
            self._wait(wifi.small_s(size_bytes), attempt)
        else:
            wifi.send(size_bytes, self._proceed, attempt)

    def _api(self, cpu_s: Variate, attempt: Attempt) -> None:
        self.cells[attempt.site].api.request(cpu_s() * self._scale, self._proceed, attempt)

    def _cache(self, accesses: int, attempt: Attempt) -> None:
        cell = self.cells[attempt.site]
        if not self.site_reachable(cell.cache_site):
            self._proceed(attempt)  # What a cache has can be had elsewhere.
            return
        trip_s = self.world.round_trip_s(cell.site, cell.cache_site)
        self._wait(
            accesses * trip_s + cell.cache.book(accesses * self.world.cache_command_s), attempt
        )

    def _database(
        self, database_s: Variate, round_trips: int, commits: int, attempt: Attempt
    ) -> None:
        if not self.database_reachable(attempt):
            self.population.refused(attempt)
            return
        cell = self.cells[attempt.site]
        cpu_s = database_s() * self._scale * self.cold()
        delay_s = round_trips * self.world.round_trip_s(cell.site, cell.database_site)
        for _ in range(commits):
            delay_s += self._commit_s()
        if cpu_s > 0.0 or delay_s > 0.0:
            cell.database.request(cpu_s, delay_s, self._proceed, attempt)
        else:
            self._proceed(attempt)

    def _commit_s(self) -> float:
        """One commit, drawn: the log's flush, and the standby's while it is waited for."""
        commit_s = self.world.flush_s
        if self.standby_waited_for:
            commit_s += self.world.standby_s
        return commit_s * self._flush_spread()

    def _audit(self, attempt: Attempt) -> None:
        """The access's event is committed; the node's own disk has it when nobody can commit."""
        cell = self.cells[attempt.site]
        if self.writes_reachable(attempt):
            trip_s = self.world.round_trip_s(cell.site, cell.database_site)
            self._wait(trip_s + cell.audit.join(self._commit_s()), attempt)
        else:
            self._wait(self.world.flush_s * self._flush_spread(), attempt)

    def _service(self, service: str, cpu_s: Variate, attempt: Attempt) -> None:
        """A service that another site may run for the API; one that nobody runs costs nothing."""
        here = self.cells[attempt.site].site
        sites = [name for name, site in self.design.sites.items() if service in site.services]
        place = here if here in sites or not sites else sites[0]
        if not self.site_reachable(place):
            self.population.refused(attempt)
            return
        needed_s = cpu_s() * self._scale
        trip_s = self.world.round_trip_s(here, place)
        self._cells.processor(place).start(needed_s, partial(self._served, trip_s), attempt)

    def _served(self, trip_s: float, attempt: Attempt) -> None:
        self._wait(trip_s, attempt)

    def _companion(self, name: str, units: Variate, attempt: Attempt) -> None:
        amount = units()
        server = self.cells[attempt.site].companions.get(name)
        if server is None:
            self._proceed(attempt)
            return
        if not self.site_reachable(server.site):
            self.population.refused(attempt)
            return
        if name == "speech-to-text":
            amount = min(amount, self.most_audio_s)
        if attempt.open:
            server.station.request(server.cost.needed_s(amount), self._proceed, attempt)

    def _model(self, prompts: Variate, answers: Variate, attempt: Attempt) -> None:
        prompt = _tokens(prompts(), self.most_prompt)
        answer = _tokens(answers(), self.most_answer)
        if not attempt.open:
            return
        cell = self.cells[attempt.site]
        if not self.site_reachable(cell.model_site):
            self.population.refused(attempt)
            return
        sequence = cell.model.submit(prompt, answer, self._model_ended, attempt)
        if sequence is None:
            self.population.refused(attempt)
        attempt.sequence = sequence

    def _model_ended(self, sequence: Sequence, how: Ending) -> None:
        attempt: Attempt = sequence.token
        attempt.sequence = None
        if attempt.epoch != self.epoch:
            return
        if how == "expired":
            self.population.refused(attempt)
        else:
            attempt.first_token_s = sequence.first_token_s
            self._proceed(attempt)

    def _store(self, attempt: Attempt) -> None:
        """Write what was sent where the design keeps documents, as often as it promises."""
        if self._bucket is not None:
            if not self.database_reachable(attempt):
                self.population.refused(attempt)
                return
            self._bucket.send(attempt.size_bytes, self._stored_far, attempt)
            return
        written_s = self.cells[attempt.site].disk.book(attempt.size_bytes / self.world.disk_bytes_s)
        if self._copies is not None and self.standby_waited_for:
            # The other node writes while the bytes arrive, so its disk adds nothing of note.
            written_s += self._copies.round_trip_s
            self._copies.send(attempt.size_bytes, partial(self._served, written_s), attempt)
        else:
            self._wait(written_s, attempt)

    def _stored_far(self, attempt: Attempt) -> None:
        trip_s = 0.0 if self._bucket is None else self._bucket.round_trip_s
        self._wait(trip_s + self.world.object_store_s, attempt)

    def _download(self, size: Variate, stored: bool, attempt: Attempt) -> None:
        size_bytes = size()
        if not stored:
            self._over_wifi(size_bytes, attempt)
        elif self._bucket is not None:
            attempt.size_bytes = size_bytes
            self._bucket.send(size_bytes, self._fetched, attempt)
        else:
            cell = self.cells[attempt.site]
            attempt.size_bytes = size_bytes
            read_s = cell.disk.book(size_bytes / self.world.disk_bytes_s)
            Timeout(self.env, read_s, attempt).callbacks.append(self._read)

    def _fetched(self, attempt: Attempt) -> None:
        trip_s = 0.0 if self._bucket is None else self._bucket.round_trip_s
        delay_s = trip_s + self.world.object_store_s
        Timeout(self.env, delay_s, attempt).callbacks.append(self._read)

    def _read(self, event: Fired) -> None:
        attempt: Attempt = event.value
        if attempt.epoch == self.epoch:
            self._over_wifi(attempt.size_bytes, attempt)

    def _cloud(self, cpu_s: Variate, attempt: Attempt) -> None:
        """Processing in the cloud that nobody waits for."""
        if self._nodes is not None:
            self._nodes.start(cpu_s() * self._scale, _forget, None)
        self._proceed(attempt)

    def _answer(self, attempt: Attempt) -> None:
        self.population.answered(attempt)


def _forget(_token: object) -> None:
    return


def _tokens(drawn: float, at_most: int) -> int:
    return min(max(round(drawn), 1), at_most)
