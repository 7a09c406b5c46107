"""From pairs of seconds to a ratio: what is printed, computed and never measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["SLOWEST", "Comparison", "Series", "compare", "is_valid", "per_second"]

SLOWEST = 60.0
"""Steps per second below which the baseline's server is not the one it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one contestant took for one shape, in seconds.

    Attributes:
        cold: the first round, which warms it up and is not counted.
        seconds: the rounds that count.
    """

    cold: float
    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One line of the result.

    Attributes:
        name: by which it is found in the output.
        title: what people read.
        baseline: who it is compared with.
        target: the ratio to reach, where there is one.
        ours: our seconds.
        theirs: the baseline's, of the same rounds.
    """

    name: str
    title: str
    baseline: str
    target: float | None
    ours: Series
    theirs: Series

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: what slows a whole pair cancels out."""
        pairs = zip(self.ours.seconds, self.theirs.seconds, strict=True)
        return median(a / b for a, b in pairs)

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached, where there is one."""
        return None if self.target is None else self.ratio <= self.target

    def to_data(self) -> dict[str, object]:
        """Give it as `--json` prints it."""
        return {
            "ratio": round(self.ratio, 3),
            "target": self.target,
            "baseline": self.baseline,
            "seconds": round(self.ours.median, 4),
            "baseline_seconds": round(self.theirs.median, 4),
            "cold": round(self.ours.cold, 4),
            "baseline_cold": round(self.theirs.cold, 4),
            "cold_ratio": round(self.ours.cold / self.theirs.cold, 3),
            "pairs": [
                [round(a, 4), round(b, 4)]
                for a, b in zip(self.ours.seconds, self.theirs.seconds, strict=True)
            ],
        }


def compare(
    ours: Series,
    theirs: Series,
    *,
    name: str,
    title: str,
    baseline: str,
    target: float | None = None,
) -> Comparison:
    """Pair what two contestants took in the same rounds.

    Raises:
        ValueError: there is no round, or not the same number of them.
    """
    if not ours.seconds or len(ours.seconds) != len(theirs.seconds):
        raise ValueError(f"{len(ours.seconds)} and {len(theirs.seconds)} rounds")  # noqa: EM102
    return Comparison(
        name=name,
        title=title,
        baseline=baseline,
        target=target,
        ours=ours,
        theirs=theirs,
    )


def per_second(series: Series, steps: int) -> float:
    """Give how many steps were taken in a second."""
    return steps / series.median


def is_valid(steps_per_second: float) -> bool:
    """Tell whether a baseline is fast enough to be compared with."""
    return steps_per_second >= SLOWEST
