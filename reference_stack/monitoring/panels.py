"""What an operator is shown: questions, the queries that answer them, and how to read these.

Two programs draw it: Prometheus's own page (:mod:`reference_stack.monitoring.console`) and Grafana
(:mod:`reference_stack.monitoring.grafana`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from architecture.design import Design
from reference_stack.database.patroni import HOSPITAL_SCOPE
from reference_stack.edge import haproxy
from reference_stack.monitoring import names
from reference_stack.monitoring.pace import duration, pace
from reference_stack.monitoring.rules.mended import bound_of, replication_lag
from reference_stack.monitoring.rules.objectives import (
    BURNS,
    api_requests,
    availability,
    burn_rate,
)

Unit = Literal["", "s", "/s", "%"]
Kind = Literal["good", "bad", "note"]
Words = tuple[tuple[float, str, Kind], ...]
# A rate needs two scrapes; of four one may be missed. Grafana's $__rate_interval takes as many.
SCRAPES_PER_RATE = 4
# A line's colour is its site's, in the design's order; what is no site takes them in turn.
COLOURS = ("#2563a8", "#d9772b", "#6b7785", "#8b5fbf", "#1a7f4b", "#b3261e")
# The parts of a dead site would hide the alerts that matter: they are counted instead.
TOLD_ALONE = 'alertname!~"Watchdog|ComponentDown"'
ALERTS = f"ALERTS{{{TOLD_ALONE}}}"
SILENT_PARTS = 'count by (severity, alertstate, site) (ALERTS{alertname="ComponentDown"})'


@dataclass(frozen=True)
class Chart:
    """A quantity over time, one line for each answer of the query.

    ``legend`` is the label that names a line; ``limit`` is drawn as a line of its own.
    """

    title: str
    query: str
    legend: str
    unit: Unit = ""
    limit: float | None = None


@dataclass(frozen=True)
class Who:
    """Who holds a role, large: the ``label`` of every series of ``query``.

    ``good`` is a query with an answer only while all is well.
    """

    title: str
    query: str
    good: str
    label: str = "site"
    nothing: str = "nobody"


@dataclass(frozen=True)
class Figure:
    """One number, large; all is well within its bounds.

    ``words`` are shown for their values in place of the number.
    """

    title: str
    query: str
    at_most: float | None = None
    at_least: float | None = None
    unit: Unit = ""
    words: Words = ()
    nothing: str = "none"

    @property
    def good(self) -> str:
        """A query with an answer only while the number is within its bounds."""
        query = f"({self.query})"
        if self.at_least is not None:
            query += f" >= {self.at_least:.12g}"
        if self.at_most is not None:
            query += f" <= {self.at_most:.12g}"
        return query


Tile = Who | Figure


@dataclass(frozen=True)
class Column:
    """A column of the sites' table: a query by site, and the words for its values."""

    title: str
    query: str
    words: Words = ()
    unit: Unit = ""


def tiles(design: Design) -> tuple[Tile, ...]:
    """The answers an operator wants first."""
    hospital = f'scope="{HOSPITAL_SCOPE}"'
    objective = availability(design)
    share = objective.at_least if objective else None
    read = f'time() - {names.PROBE_LAST_SUCCESS}{{path="read"}}'
    write = f'time() - {names.PROBE_LAST_SUCCESS}{{path="write"}}'
    # A scrape's age, and one missed beat of the probe, are no outage.
    fresh_s = 10
    return (
        Who(
            "Primary database", f"patroni_primary{{{hospital}}} == 1",
            f"sum(patroni_primary{{{hospital}}}) == 1",
        ),
        Who(
            "Synchronous standby", f"patroni_sync_standby{{{hospital}}} == 1",
            f"sum(patroni_sync_standby{{{hospital}}}) >= 1",
        ),
        Who(
            "Serving clinicians", f"{names.SERVING_SITE} == 1",
            f'{names.SERVING_SITE}{{mode="normal"}} == 1', label="serving",
        ),
        Figure("Last write", write, at_most=fresh_s, unit="s"),
        Figure("Last look-up", read, at_most=fresh_s, unit="s"),
        Figure(
            "Replication lag", f"max({replication_lag(design)})",
            at_most=bound_of(design, "replication_lag_s"), unit="s",
        ),
        Figure(
            "Answered, 5 min", "100 * sli:request_success:ratio_rate5m",
            at_least=None if share is None else 100 * share, unit="%", nothing="no requests",
        ),
        Figure(
            "Google Cloud fallback", "max(gcp_fallback_active)", at_most=0,
            words=((0, "not active", "good"), (1, "ACTIVE", "bad")), nothing="unknown",
        ),
    )  # fmt: skip


def columns(design: Design) -> tuple[Column, ...]:
    """What each site is and does; a site without such a part has an empty cell."""
    up: Words = ((1, "up", "good"), (0, "DOWN", "bad"))
    leader = f'max by (site) (etcd_server_has_leader or up{{job="{names.ETCD}"}} - 1)'
    return (
        Column("API", f'up{{job="{names.API}"}}', up),
        Column(
            "Database", _database_role(),
            ((4, "primary", "good"), (3, "sync standby", "good"), (2, "replica", "note"),
             (1, "cloud standby", "note"), (0, "DOWN", "bad")),
        ),
        Column("Lag", "pg_replication_lag", unit="s"),
        Column(
            "etcd", leader,
            ((1, "has leader", "good"), (0, "NO LEADER", "bad"), (-1, "DOWN", "bad")),
        ),
        Column("Balancer", f'up{{job="{names.HAPROXY}"}}', up),
        Column(
            "Shared address",
            f'haproxy_server_status{{proxy="{haproxy.SHARED_ADDRESS}",state="UP"}}',
            ((1, "holds it", "good"), (0, "waits", "note")),
        ),
        *_as_balancers_see(design),
        Column("Documents", f'up{{job="{names.DOCUMENTS}"}}', up),
        Column("Redis", f'redis_up{{job="{names.REDIS}"}} or up{{job="{names.REDIS}"}} == 0', up),
        Column("Model", f'up{{job="{names.INFERENCE}"}}', up),
    )  # fmt: skip


def _as_balancers_see(design: Design) -> list[Column]:
    """The servers behind each balancer; only one of the database's is ever to be used."""
    down: dict[str, tuple[float, str, Kind]] = {
        haproxy.API: (0, "DOWN", "bad"),
        haproxy.DATABASE: (0, "not used", "note"),
    }
    titles = {haproxy.API: "API", haproxy.DATABASE: "Writes"}
    return [
        Column(
            f"{titles[listener]}, seen by {balancer}",
            _server_state(listener, balancer),
            ((1, "used" if listener == haproxy.DATABASE else "up", "good"), down[listener],
             (2, "draining", "note"), (3, "maintenance", "note")),
        )
        for listener in (haproxy.API, haproxy.DATABASE)
        for balancer in design.sites_with("balancer")
    ]  # fmt: skip


def _server_state(listener: str, balancer: str) -> str:
    """By the server's site: 0 down, 1 up, 2 draining, 3 in maintenance."""

    def status(state: str) -> str:
        return (
            f'(haproxy_server_status{{proxy="{listener}",site="{balancer}",state="{state}"}} == 1)'
        )

    values = " or ".join(
        f"{value} * {status(state)}" for value, state in enumerate(("DOWN", "UP", "DRAIN", "MAINT"))
    )
    by_server = f"max by (server) ({values})"
    return f'label_replace({by_server}, "site", "$1", "server", "(.*)")'


def _database_role() -> str:
    """4 primary, 3 synchronous standby, 2 replica, 1 leader of the cloud's standby cluster."""
    up = f'up{{job="{names.PATRONI}"}} * 0'
    return (
        "max by (site) (4 * (patroni_primary == 1) or 1 * (patroni_standby_leader == 1) "
        f"or 3 * (patroni_sync_standby == 1) or 2 * (patroni_replica == 1) or {up})"
    )


def charts(design: Design, window: str | None = None) -> tuple[Chart, ...]:
    """How it came to this, over the last minutes.

    ``window`` is what rates are taken over, in Prometheus's notation or as a variable of Grafana;
    when left out, four scrapes.
    """
    window = window or duration(SCRAPES_PER_RATE * pace(design).scrape_s)
    buckets = f'prontuario_api_request_duration_seconds_bucket{{job="{names.API}"'
    look_up = next((o.at_most for o in design.objectives if o.metric == "latency_s"), None)
    errors = api_requests('status=~"5.."')
    attempts = f'{names.PROBE_ATTEMPTS}_total{{outcome="failed"'
    return (
        Chart("Requests by site",
              f"sum by (site) (rate({api_requests()}[{window}]))", "site", "/s"),
        Chart("Errors (5xx) by site",
              f"sum by (site) (rate({errors}[{window}]))", "site", "/s"),
        Chart("Look-up, 95th percentile by site", "histogram_quantile(0.95, sum by (site, le) "
              f'(rate({buckets},method="GET",route="/v1/patients/{{patient_id}}"}}'
              f"[{window}])))", "site", "s", look_up),
        Chart("Failed attempts of the probe", f"sum by (path) (rate({attempts}}}"
              f"[{window}]))", "path", "/s"),
        *_budget(design),
        Chart("Replication lag of the hospital's standby", replication_lag(design), "site", "s",
              bound_of(design, "replication_lag_s")),
        Chart("Chats waiting for a model", "inference_queue_length", "site", "",
              float(design.inference.max_queue)),
    )  # fmt: skip


def _budget(design: Design) -> list[Chart]:
    """How fast the error budget burns in the window of the quickest alert, and its bound."""
    rate = burn_rate(design, BURNS[0])
    title = f"Error budget: times faster than allowed, {duration(BURNS[0].long_s)}"
    return [Chart(title, rate, "sli", limit=BURNS[0].factor)] if rate else []
