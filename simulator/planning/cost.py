"""What a design costs: machines, energy and cloud, over some years, in Brazilian reais."""

from __future__ import annotations

from dataclasses import dataclass

from architecture import catalogue
from architecture.design import Design
from architecture.values import Level, Range

YEARS = 5
HOURS_A_YEAR = 8766.0
LEVELS: tuple[Level, ...] = ("low", "typical", "high")

ENERGY_BRL_KWH = Range(
    low=0.65, typical=0.90, high=1.20,
    source="commercial low voltage (B3) in Brazil with taxes, 2025; engineering estimate",
)  # fmt: skip
COOLING_FACTOR = Range(
    low=1.2, typical=1.5, high=2.0,
    source="power usage effectiveness of a small server room; engineering estimate",
)  # fmt: skip
BRL_A_USD = Range(
    low=5.0,
    typical=5.6,
    high=6.3,
    source="exchange rate of 2024 and 2025 (Banco Central do Brasil), rounded",
)
EMERGENCY_HOURS_A_YEAR = Range(
    low=30.0, typical=60.0, high=8766.0,
    source="drills of B-19 (24 h a year of GCP fallback, 24 of others) and some emergencies; high: "
    "it runs all the time to be ready",
)  # fmt: skip
STORAGE_USD_A_YEAR = Range(
    low=100.0,
    typical=600.0,
    high=3000.0,
    source="some terabytes of bucket, backups and egress; engineering estimate",
)


@dataclass(frozen=True)
class Amount:
    """Money with its range."""

    low: float
    typical: float
    high: float

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.low + other.low, self.typical + other.typical, self.high + other.high)


NOTHING = Amount(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Cost:
    """Of a design, in reais over :attr:`years`. The ends assume that all figures err together."""

    years: float
    capital: Amount
    energy: Amount
    cloud: Amount
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> Amount:
        """Capital, energy and cloud."""
        return self.capital + self.energy + self.cloud

    def document(self) -> dict[str, object]:
        """As JSON."""
        parts = {
            "capital_brl": self.capital, "energy_brl": self.energy, "cloud_brl": self.cloud,
            "total_brl": self.total,
        }  # fmt: skip
        amounts = {name: vars(amount) for name, amount in parts.items()}
        return {"years": self.years, **amounts, "unpriced": list(self.unpriced)}


def cost_of(design: Design, *, years: float = YEARS) -> Cost:
    """Total cost of ownership without people, software licences and the network.

    Machines are bought once; their typical power is drawn all the time (idle is the low end); cloud
    sites that stand by for an emergency are paid for some hours a year, others all the time.

    Raises:
        InputError: when the catalogue lacks a hardware.
    """
    capital = energy = cloud = NOTHING
    unpriced: list[str] = []
    for name, site in design.sites.items():
        machine = catalogue.hardware(site.hardware)
        if site.location == "hospital":
            if machine.purchase_price_brl is None:
                unpriced.append(name)
                continue
            capital += _amount(machine.purchase_price_brl, site.count)
            if machine.power_w is not None:
                energy += _energy(machine.power_w, site.count, years)
        elif machine.hourly_price_usd is None:
            unpriced.append(name)
        else:
            standing_by = site.role == "emergency"
            cloud += _cloud(machine.hourly_price_usd, site.count, years, standing_by=standing_by)
    return Cost(years, capital, energy, cloud, tuple(unpriced))


def _amount(figure: Range, times: float) -> Amount:
    return Amount(*(figure.at(level) * times for level in LEVELS))


def _energy(power_w: Range, count: int, years: float) -> Amount:
    hours = HOURS_A_YEAR * years
    return Amount(
        *(
            power_w.at(level) / 1000 * hours * count
            * COOLING_FACTOR.at(level) * ENERGY_BRL_KWH.at(level)
            for level in LEVELS
        )
    )  # fmt: skip


def _cloud(hourly_usd: Range, count: int, years: float, *, standing_by: bool) -> Amount:
    def yearly_usd(level: Level) -> float:
        hours = EMERGENCY_HOURS_A_YEAR.at(level) if standing_by else HOURS_A_YEAR
        return hourly_usd.at(level) * count * hours + STORAGE_USD_A_YEAR.at(level)

    return Amount(*(yearly_usd(level) * years * BRL_A_USD.at(level) for level in LEVELS))
