"""Scores against recorded results: how well proxies order architectures, beside plain size.

Every number is taken for each initialisation by itself, over the architectures that have a score,
and then averaged over the initialisations; `n` and the number left out stand beside it.
`rho_all` ranks those without a score last instead of leaving them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import ProxyError
from archwright.report.correlation_statistics import (
    bootstrapped_difference,
    kendall,
    partial_spearman,
    spearman,
    top_correlation,
    top_overlap,
)
from archwright.seeding import generator
from archwright.trial import Measured, Scores

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judged", "correlation_frame", "correlation_sentences", "status_frame"]

Floats = NDArray[np.float64]

TOP = 0.1
"""Share of the architectures that count as the top."""

_BASE = "params"


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores beside what a benchmark recorded of the same architectures.

    Args:
        scores: Of architectures that are in the benchmark.
        target: Recorded values `(architectures,)`, all finite.
        measured: What they are.
        benchmark: JSON facts of the benchmark.
        left_out: How many scored architectures the benchmark does not have.

    Raises:
        ProxyError: If the numbers of architectures differ, a value is not finite, or there are
            fewer than three.
    """

    scores: Scores
    target: Floats
    measured: Measured
    benchmark: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0

    def __post_init__(self) -> None:
        if self.target.shape != (len(self.scores),) or not np.isfinite(self.target).all():
            raise ProxyError(
                f"{len(self.scores)} architectures need as many finite recorded values; got "
                f"{int(np.isfinite(self.target).sum())} in an array of shape {self.target.shape}"
            )
        if len(self.target) < 3:
            raise ProxyError(
                f"a rank correlation needs at least 3 architectures; got {len(self.target)}"
            )

    @property
    def wanted(self) -> Floats:
        """The recorded values turned so that higher is better."""
        return self.target if self.measured.direction == "max" else -self.target

    def pair(self, proxy: str, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the values of one proxy and initialisation, and where there are any."""
        values = self.scores.of(proxy)[:, seed]
        return values, ~np.isnan(values)


def correlation_frame(judged: Judged) -> pd.DataFrame:
    """Return one row per proxy, `params` and `flops` first, then the best rho first.

    Columns: proxy; n (architectures with a score, mean over seeds), omitted, seeds; rho and tau
    with their deviations over seeds (missing for one seed); rho_all; top_overlap (of the best
    tenth) and top_rho (within the recorded best tenth); regret (of the architecture with the
    highest score, in the unit of the target); size_rho (of the score with the number of
    parameters); partial_rho (given the number of parameters); difference_low and difference_high
    (95 % interval of rho minus that of the number of parameters); verdict ("better", "worse",
    "not told apart", empty for the number of parameters itself); seconds (mean of one score).
    """
    import pandas as pd

    rows = [_row(judged, proxy) for proxy in judged.scores.proxies]
    sizes = [row for row in rows if row["proxy"] in ("params", "flops")]
    others = [row for row in rows if row["proxy"] not in ("params", "flops")]
    others.sort(key=lambda row: (-np.nan_to_num(row["rho"], nan=-2.0), row["proxy"]))
    return pd.DataFrame([*sizes, *others])


def _row(judged: Judged, proxy: str) -> dict[str, Any]:
    seeds = range(judged.scores.seeds)
    by_seed = [_one(judged, proxy, seed) for seed in seeds]
    mean = {name: _mean([one[name] for one in by_seed]) for name in by_seed[0]}
    seconds = judged.scores.only([proxy]).seconds
    return {
        "proxy": proxy,
        "n": mean.pop("n"),
        "omitted": mean.pop("omitted"),
        "seeds": len(seeds),
        "rho": mean.pop("rho"),
        "rho_sd": _deviation([one["rho"] for one in by_seed]),
        "tau": mean.pop("tau"),
        "tau_sd": _deviation([one["tau"] for one in by_seed]),
        **mean,
        **_against_size(judged, proxy),
        "seconds": float(seconds.mean()),
    }


def _one(judged: Judged, proxy: str, seed: int) -> dict[str, float]:
    """Return the statistics of one initialisation."""
    values, there = judged.pair(proxy, seed)
    wanted, size = judged.wanted, judged.scores.of(_BASE)[:, seed]
    some, right = values[there], wanted[there]
    lowest = np.where(there, values, -np.inf)
    best = int(np.argmax(lowest))
    top = max(1, math.ceil(TOP * len(wanted)))
    return {
        "n": float(there.sum()),
        "omitted": float((~there).sum()),
        "rho": spearman(some, right),
        "tau": kendall(some, right),
        "rho_all": spearman(lowest, wanted),
        "top_overlap": top_overlap(lowest, wanted, top),
        "top_rho": top_correlation(some, right, TOP) if len(some) else math.nan,
        "regret": float(wanted.max() - wanted[best]) if there.any() else math.nan,
        "size_rho": spearman(some, size[there]),
        "partial_rho": partial_spearman(some, right, size[there]),
    }


def _against_size(judged: Judged, proxy: str) -> dict[str, Any]:
    """Compare with the number of parameters on the architectures that have a score."""
    none = {"difference_low": math.nan, "difference_high": math.nan, "verdict": ""}
    if proxy == _BASE:
        return none
    means = judged.scores.mean(proxy)
    there = ~np.isnan(means)
    size = judged.scores.mean(_BASE)
    low, high = bootstrapped_difference(
        means[there], size[there], judged.wanted[there], rng=generator(0, "report", proxy)
    )
    if math.isnan(low):
        return none
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return {"difference_low": low, "difference_high": high, "verdict": verdict}


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _deviation(values: Sequence[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return float(np.std(finite, ddof=1)) if len(finite) > 1 else math.nan


def status_frame(scores: Scores) -> pd.DataFrame:
    """Return why scores are missing: proxy, status, count over architectures and seeds."""
    import pandas as pd

    rows = [
        {"proxy": proxy, "status": status, "count": count}
        for proxy in scores.proxies
        for status, count in scores.reasons(proxy).items()
    ]
    return pd.DataFrame(rows, columns=["proxy", "status", "count"])


def correlation_sentences(judged: Judged, frame: pd.DataFrame | None = None) -> list[str]:
    """Return what was found, in sentences: who beats the number of parameters and who does not."""
    found = correlation_frame(judged) if frame is None else frame
    rows = [dict(zip(found, row, strict=True)) for row in found.itertuples(index=False)]
    base = next(row for row in rows if row["proxy"] == _BASE)
    proxies = [row for row in rows if row["proxy"] not in ("params", "flops")]
    said = [
        f"The number of parameters alone ranks {len(judged.target):,} architectures by "
        f"{judged.measured.metric} with rho {base['rho']:.3f} and tau {base['tau']:.3f}."
    ]
    for verdict, text in (
        ("better", "Better than the number of parameters"),
        ("worse", "Worse than the number of parameters"),
        ("not told apart", "Not told apart from the number of parameters"),
    ):
        names = [f"{row['proxy']} ({row['rho']:.3f})" for row in proxies if _is(row, verdict)]
        if names:
            said.append(f"{text}, by rho: {', '.join(names)}.")
    lacking = [f"{row['proxy']} ({row['omitted']:g})" for row in proxies if row["omitted"] > 0]
    if lacking:
        said.append(
            f"Architectures without a score, left out of rho and tau: {', '.join(lacking)}."
        )
    if judged.left_out:
        said.append(f"{judged.left_out:,} scored architectures are not in the benchmark.")
    return said


def _is(row: Mapping[Any, Any], verdict: str) -> bool:
    return bool(row["verdict"] == verdict)
