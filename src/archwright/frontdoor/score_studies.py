"""What scores are worth: against a benchmark, in searches, and what moves them.

    judged = judge(scores, "nasbench201.table", metric="val_accuracy")
    CorrelationResult(judged).save("found")

`correlate` does both, from files if need be.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright.errors import BenchmarkError, OutOfDomainError, ProxyError, UnknownNameError
from archwright.frontdoor.places import made_folders
from archwright.frontdoor.score_files import read_scores, write_scores
from archwright.frontdoor.scoring import with_ensembles
from archwright.report import Judged
from archwright.trial import Measured, Scores

if TYPE_CHECKING:
    import pandas as pd

    from archwright.benchmark import Table

__all__ = ["CORRELATION_FILES", "CorrelationResult", "correlate", "judge"]

CORRELATION_FILES = ("correlation.csv", "scatter.png", "scores.csv", "report.html")
"""What `CorrelationResult.save` writes."""


def correlate(
    scores: Scores | str | Path | Sequence[str | Path],
    benchmark: Table | str,
    *,
    path: str | Path | None = None,
    dataset: str | None = None,
    metric: str = "val_accuracy",
    epochs: int | None = None,
    ensembles: bool = True,
) -> CorrelationResult:
    """Compare scores with what a benchmark recorded of the same architectures.

    Args:
        scores: Scores, or files that `archwright score` wrote; several are joined.
        benchmark: A table, or the name of a benchmark for `load_benchmark`.
        path: The benchmark's file, if `benchmark` is a name.
        dataset: Which of the table's data sets; its first one if not given.
        metric: What the scores should order.
        epochs: Length of the recorded trainings; the longest if not given.
        ensembles: Whether to add `ENSEMBLES` for which all proxies are there.

    Raises:
        ProxyError: If there are no such files, or fewer than three architectures are recorded.
        UnknownNameError: If the table has no such data set or metric.
        BenchmarkError: If the table is of another space, or cannot be opened.
    """
    if isinstance(benchmark, str):
        from archwright.benchmark import load_benchmark

        benchmark = load_benchmark(benchmark, path, dataset=dataset or "")
    elif dataset is not None:
        benchmark = benchmark.with_dataset(dataset)
    if not isinstance(scores, Scores):
        files = [scores] if isinstance(scores, str | Path) else list(scores)
        scores = _joined([read_scores(file) for file in files])
    return CorrelationResult(
        judge(scores, benchmark, metric=metric, epochs=epochs, ensembles=ensembles)
    )


def judge(
    scores: Scores,
    table: Table,
    *,
    metric: str = "val_accuracy",
    epochs: int | None = None,
    ensembles: bool = True,
) -> Judged:
    """Return scores beside the recorded results of the same architectures; see `correlate`."""
    info = next((info for info in table.metrics if info.name == metric), None)
    if info is None:
        known = [info.name for info in table.metrics]
        raise UnknownNameError(f"metric of table {table.name!r}", metric, known)
    if scores.space != table.space.name:
        raise BenchmarkError(
            f"these are scores of the space {scores.space!r}, but table {table.name!r} is of the "
            f"space {table.space.name!r}; give a benchmark of the same space"
        )
    rows = np.array([_row(table, text) for text in scores.architectures], dtype=np.int64)
    every = table.values(metric, epochs=epochs)
    target = np.where(rows >= 0, every[np.maximum(rows, 0)], np.nan)
    there = np.flatnonzero(np.isfinite(target))
    if len(there) < 3:
        raise ProxyError(
            f"table {table.name!r} has recorded {metric} of {len(there)} of {len(scores)} scored "
            "architectures, and a rank correlation needs at least 3; score more of them"
        )
    some = scores.take(there)
    best = int(np.nanargmax(every if info.direction == "max" else -every))
    shown = epochs or (table.epochs[-1] if table.epochs else None)
    measured = Measured(
        *(metric, info.unit, info.direction, table.dataset, shown, float(every[best]), best)
    )
    return Judged(
        with_ensembles(some) if ensembles else some,
        target[there],
        measured,
        {"name": table.name, "rows": len(table), "sha256": table.sha256},
        len(scores) - len(there),
    )


class CorrelationResult:
    """Scores beside recorded results: tables, figures, a page.

    Args:
        judged: Both.
    """

    def __init__(self, judged: Judged) -> None:
        self.judged = judged

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.judged.scores!r})"

    @cached_property
    def _frame(self) -> pd.DataFrame:
        from archwright import report

        return report.correlation_frame(self.judged)

    def frame(self) -> pd.DataFrame:
        """Return the table: one row per proxy, the sizes first, see `report.correlation_frame`."""
        return self._frame.copy()

    def searches(self, **settings: Any) -> pd.DataFrame:
        """Return what searches by score find; `settings` as for `report.search_frame`."""
        from archwright import report

        results = {self.judged.measured.metric: self.judged.wanted}
        return report.search_frame(self.judged.scores, results, **settings)

    def summary(self) -> str:
        """Return what was found, in sentences."""
        from archwright import report

        return "\n".join(report.correlation_sentences(self.judged, self._frame))

    def save(self, folder: str | Path) -> Path:
        """Write table, figure, joined scores and page to a folder, and return it.

        Raises:
            EnvironmentProblem: If the folder cannot be made or written.
        """
        from archwright import report

        place = Path(folder)
        table, scatter, scores, page = CORRELATION_FILES
        with made_folders(place):
            report.write_csv(self._frame, place / table)
            report.save_figure(report.score_scatter(self.judged), place / scatter)
            write_scores(self.judged.scores, place / scores)
            report.write_correlation_html(self.judged, place / page, searches=self.searches())
        return place


def _joined(parts: Sequence[Scores]) -> Scores:
    if not parts:
        raise ProxyError("a correlation needs at least one file of scores; got none")
    first, *others = parts
    for other in others:
        first = first.joined(other)
    return first


def _row(table: Table, text: str) -> int:
    try:
        return table.row(text)
    except OutOfDomainError:
        return -1
