"""What moves a score: other minibatches, weights, batch sizes and inputs, and training.

The ablations of NASWOT's authors [Mellor2021without]_: the same few architectures are scored again
and again, and what counts is whether they can still be told apart, and in which order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import ProxyError
from archwright.report.correlation_statistics import spearman
from archwright.trial import Measured

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DRAWS", "Ablation", "ablation_frame", "ablation_sentences", "ablation_values"]

Floats = NDArray[np.float64]

DRAWS: Mapping[str, str] = {
    "batches": "other minibatches of the data",
    "noise": "normal random inputs in the place of data",
    "initialisations": "other initial weights",
}
"""Parts in which one thing is drawn again and again, and what it is."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """Scores of some architectures under changes; NaN where there is no score.

    Args:
        proxy: Its name.
        space: Name of the space.
        architectures: Published texts.
        draws: By part of `DRAWS`, `(architectures, draws)`.
        sizes: By batch size, `(architectures, draws)`.
        training: `(architectures, epochs + 1)`, before training and after each epoch.
        accuracy: Validation accuracy (or R2) after each of these; NaN before training.
        recorded: What a benchmark has recorded of each `(architectures,)`; None without one.
        measured: What that is.
        facts: JSON: data, settings, versions.

    Raises:
        ProxyError: If a part does not have a row for each architecture, or there is no part.
    """

    proxy: str
    space: str
    architectures: tuple[str, ...]
    draws: Mapping[str, Floats] = field(default_factory=dict)
    sizes: Mapping[int, Floats] = field(default_factory=dict)
    training: Floats | None = None
    accuracy: Floats | None = None
    recorded: Floats | None = None
    measured: Measured | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = dict(self.parts)
        if not parts:
            raise ProxyError("an ablation needs at least one part; got none")
        for name, values in parts.items():
            if values.ndim != 2 or len(values) != len(self.architectures):
                raise ProxyError(
                    f"part {name!r} of an ablation must have a row for each of "
                    f"{len(self.architectures)} architectures; got the shape {values.shape}"
                )

    @property
    def parts(self) -> list[tuple[str, Floats]]:
        """Every part by name: those of `DRAWS`, "batch size N", "training"."""
        found = [*self.draws.items(), *((f"batch size {n}", v) for n, v in self.sizes.items())]
        return found if self.training is None else [*found, ("training", self.training)]

    @property
    def order(self) -> list[int]:
        """Places of the architectures, by what is recorded, or by mean score; ascending."""
        by = self.recorded
        if by is None:
            every = np.concatenate([values for _, values in self.parts], axis=1)
            count = np.maximum(1, (~np.isnan(every)).sum(axis=1))
            by = np.nan_to_num(every).sum(axis=1) / count
        elif self.measured is not None and self.measured.direction == "min":
            by = -by
        places: list[int] = np.argsort(by, kind="stable").tolist()
        return places

    def label(self, place: int) -> str:
        """Return what an architecture is called: what is recorded of it, or its rank."""
        if self.recorded is None:
            return str(self.order.index(place) + 1)
        value = self.recorded[place]
        return (
            f"{value:.1f}" if self.measured and self.measured.unit == "percent" else f"{value:.3f}"
        )


def ablation_frame(ablation: Ablation) -> pd.DataFrame:
    """Return one row per part.

    Columns: part; draws; missing (scores that do not exist); within (mean deviation of one
    architecture's score over the draws) and between (deviation of the architectures' means);
    agreement (mean rank correlation of the single draws' orders with that of the means);
    rho (rank correlation of the means with what is recorded; missing without). For training the
    draws are the epochs, and agreement is with the order before training.
    """
    import pandas as pd

    return pd.DataFrame([_row(ablation, name, values) for name, values in ablation.parts])


def _row(ablation: Ablation, name: str, values: Floats) -> dict[str, Any]:
    whole = values[~np.isnan(values).any(axis=1)]
    means = whole.mean(axis=1)
    first = whole[:, 0] if name == "training" else means
    later = whole[:, 1:] if name == "training" else whole
    orders = [spearman(first, column) for column in later.T]
    rho = math.nan
    if ablation.recorded is not None:
        there = ~np.isnan(values).any(axis=1)
        sign = -1.0 if ablation.measured and ablation.measured.direction == "min" else 1.0
        rho = spearman(means, sign * ablation.recorded[there])
    several = whole.shape[1] > 1 and len(whole) > 0
    return {
        "part": name,
        "draws": values.shape[1],
        "missing": int(np.isnan(values).sum()),
        "within": float(whole.std(axis=1, ddof=1).mean()) if several else math.nan,
        "between": float(means.std(ddof=1)) if len(means) > 1 else math.nan,
        "agreement": float(np.mean(orders)) if orders else math.nan,
        "rho": rho,
    }


def ablation_values(ablation: Ablation) -> pd.DataFrame:
    """Return every score: part, architecture, recorded, draw (epoch for training), score."""
    import pandas as pd

    rows = [
        {
            "part": name,
            "architecture": text,
            "recorded": math.nan if ablation.recorded is None else float(ablation.recorded[place]),
            "draw": draw,
            "score": float(values[place, draw]),
        }
        for name, values in ablation.parts
        for place, text in enumerate(ablation.architectures)
        for draw in range(values.shape[1])
    ]
    return pd.DataFrame(rows)


def ablation_sentences(ablation: Ablation) -> list[str]:
    """Return what was found, in sentences."""
    frame = ablation_frame(ablation)
    count = len(ablation.architectures)
    said = [f"{ablation.proxy} of {count} networks of {ablation.space}."]
    for row in (dict(zip(frame, one, strict=True)) for one in frame.itertuples(index=False)):
        name = str(row["part"])
        if name == "training":
            said.append(
                f"Over {row['draws'] - 1} epochs of training the order agrees with that before "
                f"training by rho {row['agreement']:.3f} on average."
            )
            continue
        what = DRAWS.get(name, f"minibatches at {name}")
        said.append(
            f"Over {row['draws']} draws of {what} the order agrees with the mean order by rho "
            f"{row['agreement']:.3f}; one network's score moves by {row['within']:.3g}, networks "
            f"differ by {row['between']:.3g} (standard deviations)."
        )
    return said
