"""Value types shared by every part of a design: strict models, ranges, distributions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]

Level = Literal["low", "typical", "high"]


class Strict(BaseModel):
    """A frozen input: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Strict):
    """An uncertain figure: its plausible extremes, its typical value and where they come from.

    The three values share one unit, given by the key that holds the range.
    """

    low: NonNegative
    typical: NonNegative
    high: NonNegative
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.typical <= self.high:
            raise ValueError(
                f"low ≤ typical ≤ high is required, got {self.low}, {self.typical}, {self.high}"
            )
        return self

    def at(self, level: Level) -> float:
        """The low, typical or high value."""
        values = {"low": self.low, "typical": self.typical, "high": self.high}
        return values[level]


class Constant(Strict):
    """Always the same value."""

    kind: Literal["constant"]
    value: NonNegative

    @property
    def mean(self) -> float:
        """Expected value, in the unit of the key that holds the distribution."""
        return self.value


class Exponential(Strict):
    """Exponential with the given mean."""

    kind: Literal["exponential"]
    mean: Positive


class Lognormal(Strict):
    """Lognormal given by its mean and coefficient of variation (standard deviation / mean)."""

    kind: Literal["lognormal"]
    mean: Positive
    cv: Positive


class Gamma(Strict):
    """Gamma given by its mean and coefficient of variation."""

    kind: Literal["gamma"]
    mean: Positive
    cv: Positive


class Uniform(Strict):
    """Uniform on [low, high]."""

    kind: Literal["uniform"]
    low: NonNegative
    high: NonNegative

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ≤ high is required, got {self.low} and {self.high}")
        return self

    @property
    def mean(self) -> float:
        """Expected value, in the unit of the key that holds the distribution."""
        return (self.low + self.high) / 2


class Empirical(Strict):
    """Resampling from observed values."""

    kind: Literal["empirical"]
    values: tuple[NonNegative, ...] = Field(min_length=1)

    @property
    def mean(self) -> float:
        """Mean of the observed values."""
        return sum(self.values) / len(self.values)


Distribution = Annotated[
    Constant | Exponential | Lognormal | Gamma | Uniform | Empirical, Field(discriminator="kind")
]
