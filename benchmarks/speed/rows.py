"""What a measurement says: a number with its spread, what it stands against, and the bar it has to pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Spread:
        low, median, high = np.quantile(np.asarray(values, dtype=np.float64), [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high))

    @classmethod
    def single(cls, value: float) -> Spread:
        """Of what can be measured only once, such as a slope."""
        return cls(float(value), float(value), float(value))


@dataclass(frozen=True)
class Bar:
    """What a median must reach: ``low`` or more, ``high`` or less, or both."""

    low: float | None = None
    high: float | None = None

    def holds(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else f"at most {self.high:g}"


@dataclass(frozen=True)
class Row:
    """One line of a part's table.

    Attributes:
        case: what it was measured on, such as "GloVe, 100,000 x 50".
        measure: what was measured, and for a ratio which way it goes, such as "p50 at batch 1, ours to theirs".
        value: the number.
        against: the rival or the limit, where the value is a ratio.
        unit: of the value; nothing for ratios and slopes.
        bar: what the value must reach, where a promise was made.
        figures: absolute figures of the same run by name and unit, such as ``{"ours ms": 0.4}``. They go to the JSON
            file and not into the table: they are those of this machine at that hour.
    """

    case: str
    measure: str
    value: Spread
    against: str = ""
    unit: str = ""
    bar: Bar | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: dict) -> Row:
        bar = stored["bar"]
        parts = {"value": Spread(**stored["value"]), "bar": None if bar is None else Bar(**bar)}
        return cls(**(stored | parts))
