"""Service level indicators, and alerts on how fast they burn the error budget.

Every window's error ratio is computed from the raw counters, so it is weighted by requests. A
long window that reaches back before the first sample is weighted by the part of it that was
watched: what nobody measured counts as good, or one short failover of a young stack would have
spent a month's budget.
Windows and budget shares are those of the Site Reliability Workbook (Google, 2018), chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts", with the one-day ticket of Sloth between its two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from architecture.design import Design
from architecture.objectives import Objective
from reference_stack.edge import haproxy
from reference_stack.monitoring import names
from reference_stack.monitoring.pace import duration
from reference_stack.monitoring.rules.mended import replication_lag
from reference_stack.monitoring.rules.model import Alerting, Group, Recording, Severity

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 24 * HOUR_S

#: The budget is counted over this long.
PERIOD_S: Final = 30 * DAY_S
#: The short window ends an alert soon after its cause; the workbook takes a twelfth of the long.
SHORT_SHARE: Final = 12
EVALUATION_S: Final = 30.0
#: Indicators for people, not for budgets, look back this long.
INDICATOR_WINDOW_S: Final = 5 * MINUTE_S

_ROUTES = {
    "login": 'method="POST",route="/v1/login"',
    "lookup": 'method="GET",route="/v1/patients/{patient_id}"',
    "note": 'method="POST",route="/v1/patients/{patient_id}/notes"',
    "chat": 'method="POST",route="/v1/chat"',
}


@dataclass(frozen=True)
class Burn:
    """An alert when ``budget_share`` of a period's budget is gone within ``long_s`` seconds."""

    budget_share: float
    long_s: int
    severity: Severity

    @property
    def short_s(self) -> int:
        """The window that must burn as fast right now."""
        return self.long_s // SHORT_SHARE

    @property
    def factor(self) -> float:
        """Times faster than a budget spent evenly over its period: share · period / window."""
        return self.budget_share * PERIOD_S / self.long_s


#: 14.4 times over 1 h, 6 over 6 h, 3 over 1 d, 1 over 3 d.
BURNS: Final = (
    Burn(0.02, HOUR_S, "critical"),
    Burn(0.05, 6 * HOUR_S, "critical"),
    Burn(0.10, DAY_S, "warning"),
    Burn(0.10, 3 * DAY_S, "warning"),
)
LONGEST_WINDOW_S: Final = max(burn.long_s for burn in BURNS)


@dataclass(frozen=True)
class Indicator:
    """Bad events and all events, as selectors of counters."""

    name: str
    title: str
    bad: str
    all: str

    def error_ratio(self, window_s: float) -> str:
        """Share of bad events in the last ``window_s`` seconds; no answer without events."""
        window = duration(window_s)
        return f"sum(rate({self.bad}[{window}])) / sum(rate({self.all}[{window}]))"


def indicators() -> tuple[Indicator, ...]:
    """What clinicians notice: their requests at the edge, and two paths that are always tried."""
    answers = f'haproxy_frontend_http_responses_total{{proxy="{haproxy.API}"'

    def probe(path: str, title: str) -> Indicator:
        attempts = f'{names.PROBE_ATTEMPTS}_total{{path="{path}"'
        return Indicator(path, title, f'{attempts},outcome="failed"}}', f"{attempts}}}")

    return (
        Indicator(
            "requests", "Requests of clients at the edge", f'{answers},code="5xx"}}', f"{answers}}}"
        ),
        probe("read", "A patient is looked up through the edge"),
        probe("write", "A row is written through the edge's database path"),
    )


def objective_groups(design: Design) -> tuple[Group, ...]:
    """Recording rules of the indicators, and the alerts on their budgets and latencies."""
    recordings = tuple(_error_ratios()) + tuple(_people_s_indicators(design))
    alerts = tuple(_burn_alerts(design)) + tuple(_latency_alerts(design))
    return (
        Group("indicators", EVALUATION_S, recordings),
        Group("error-budget", EVALUATION_S, alerts),
    )


def availability(design: Design) -> Objective | None:
    """The design's objective of availability, for example 99.9 % (B-01)."""
    return next((o for o in design.objectives if o.metric == "availability"), None)


def api_requests(*matchers: str) -> str:
    """The API's count of clients' requests, without what balancers and Prometheus ask it."""
    chosen = (f'job="{names.API}"', 'route!~"/(health.*|ready|metrics)"', *matchers)
    return f"prontuario_api_requests_total{{{','.join(chosen)}}}"


def _windows() -> tuple[int, ...]:
    return tuple(sorted({window for burn in BURNS for window in (burn.long_s, burn.short_s)}))


def _ratio_name(window_s: int) -> str:
    return f"sli:error_ratio:rate{duration(window_s)}"


def _error_ratios() -> list[Recording]:
    return [
        Recording(_ratio_name(window), one.error_ratio(window), {"sli": one.name})
        for window in _windows()
        for one in indicators()
    ]


def _people_s_indicators(design: Design) -> list[Recording]:
    window = duration(INDICATOR_WINDOW_S)
    errors = api_requests('status=~"5.."')
    bad = f"sum by (site) (rate({errors}[{window}]))"
    every = f"sum by (site) (rate({api_requests()}[{window}]))"
    attempts = f'{names.PROBE_ATTEMPTS}_total{{path="write"'
    return [
        Recording("sli:request_success:ratio_rate5m", _success(indicators()[0])),
        Recording("sli:write_availability:ratio_rate5m", _success(indicators()[2])),
        Recording("sli:api_success:ratio_rate5m", f"1 - ({bad} or 0 * {every}) / {every}"),
        Recording("sli:write_attempts:rate5m", f"sum(rate({attempts}}}[{window}]))"),
        Recording(
            "sli:replication_lag_seconds:max",
            f"max({replication_lag(design)})",
        ),
        *(
            Recording(_latency_name(objective), _latency(objective), _latency_labels(objective))
            for objective in _latency_objectives(design)
        ),
    ]


def _success(indicator: Indicator) -> str:
    return f"1 - {indicator.error_ratio(INDICATOR_WINDOW_S)}"


def _burn_alerts(design: Design) -> list[Alerting]:
    objective, budget = availability(design), _budget(design)
    if objective is None or budget is None:
        return []
    return [
        Alerting(
            "ErrorBudgetBurn",
            f"{_watched_ratio(burn, one)} > {burn.factor:g} * {budget:g}"
            f' and {_ratio_name(burn.short_s)}{{sli="{one.name}"}} > {burn.factor:g} * {budget:g}',
            0,
            burn.severity,
            f"{one.title}: {{{{ $value | humanizePercentage }}}} failed within "
            f"{duration(burn.long_s)}, {burn.factor:g} times what {objective.at_least:.4g} allows",
            {"sli": one.name, "window": duration(burn.long_s), "objective": objective.id},
        )
        for one in indicators()
        for burn in BURNS
    ]


def burn_rate(design: Design, burn: Burn) -> str | None:
    """Times faster than an even spending of the budget, by indicator (``sli``), as alerts see it.

    None without an objective of availability.
    """
    budget = _budget(design)
    return f"{_watched_ratio(burn)} / {budget:g}" if budget else None


def _budget(design: Design) -> float | None:
    """The share of events that may be bad."""
    objective = availability(design)
    if objective is None or objective.at_least is None:
        return None
    # Rounded, because 1 - 0.999 is 0.0010000000000000009 in binary.
    return round(1 - objective.at_least, 12)


def _watched_ratio(burn: Burn, one: Indicator | None = None) -> str:
    """The long window's share of bad events, of one indicator or each."""
    chosen = f'{{sli="{one.name}"}}' if one else ""
    return f"{_ratio_name(burn.long_s)}{chosen} * on () group_left () {_watched_share(burn.long_s)}"


def _watched_share(window_s: int) -> str:
    """The part of a window for which there are samples; all of it when Prometheus can't tell."""
    oldest = f'min(prometheus_tsdb_lowest_timestamp_seconds{{job="{names.PROMETHEUS}"}})'
    return f"(clamp((time() - {oldest}) / {window_s}, 0, 1) or vector(1))"


def _latency_objectives(design: Design) -> list[Objective]:
    return [o for o in design.objectives if o.metric == "latency_s" and o.operation in _ROUTES]


def _latency_name(objective: Objective) -> str:
    percent = f"{100 * (objective.quantile or 0):g}".replace(".", "_")
    return f"sli:{objective.operation}_latency_seconds:p{percent}_rate5m"


def _latency_labels(objective: Objective) -> dict[str, str]:
    return {"objective": objective.id}


def _latency(objective: Objective) -> str:
    route = _ROUTES[str(objective.operation)]
    buckets = (
        f'prontuario_api_request_duration_seconds_bucket{{job="{names.API}",{route}}}'
        f"[{duration(INDICATOR_WINDOW_S)}]"
    )
    return f"histogram_quantile({objective.quantile:g}, sum by (le) (rate({buckets})))"


def _latency_alerts(design: Design) -> list[Alerting]:
    return [
        Alerting(
            "LatencyObjectiveMissed",
            f"{_latency_name(objective)} > {objective.at_most:g}",
            INDICATOR_WINDOW_S,
            "warning",
            f"{objective.title}: {{{{ $value | humanizeDuration }}}}, "
            f"promised {objective.target} s",
            {"objective": objective.id},
        )
        for objective in _latency_objectives(design)
        if objective.at_most is not None
    ]
