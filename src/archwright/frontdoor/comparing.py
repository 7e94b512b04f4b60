"""One call from a benchmark to a comparison of strategies, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright import run
from archwright.frontdoor.places import made_folders
from archwright.strategy import Guide, ScoresGuide
from archwright.trial import Budget, Comparison, Scores

if TYPE_CHECKING:
    import pandas as pd

    from archwright.report.statistics import Band
    from archwright.run.recorded import TableLike

__all__ = ["FILES", "ComparisonResult", "compare"]

FILES = ("curves.png", "table.csv", "runs.csv", "report.html")
"""What `ComparisonResult.save` writes."""


def compare(
    table: TableLike | str,
    strategies: Sequence[str | tuple[str, Mapping[str, Any]]],
    *,
    repeats: int = 10,
    budget: Budget | int,
    path: str | Path | None = None,
    dataset: str | None = None,
    guide: Guide | Scores | None = None,
    **settings: Any,
) -> ComparisonResult:
    """Run strategies many times on a benchmark table and compare what they found.

    Random search takes part as the baseline unless `include_random=False`. Repeat `i` of every
    strategy has the same seed.

    Args:
        table: A table, or the name of a benchmark for `load_benchmark`.
        strategies: Names, or pairs of name and options.
        repeats: Independent searches of each.
        budget: What each search may spend: `Budget(trials=500)` or 500 evaluations,
            `Budget(cost_seconds=5e6)` recorded seconds, `Budget(seconds=...)` simulated clock.
        path: The benchmark's file, if `table` is a name.
        dataset: Which of the table's data sets to search on; its first one if not given.
        guide: Scores for the strategies that look at some before they propose, "filtered" say;
            the stored ones of `score_space` or a guide of your own. ("predictor", {"guide":
            "naswot"}) looks at one of them, {"guide": None} at none.
        **settings: Any of

            - seed: root of all randomness (0);
            - workers: simulated workers that evaluate at the same time (1);
            - processes: real processes that share the work; never changes a result (1);
            - objective: by what strategies choose ("max:val_accuracy");
            - epochs: length of the recorded trainings that they see (the longest);
            - report: what is told of answers, such as "test_accuracy@200" or
              "cifar10/test_accuracy"; the objective's twin on the test split if not given;
            - recorded: which recorded training an evaluation sees: "drawn", "mean" or a number;
            - include_random: whether random search is added (True);
            - progress: called with (strategy, repeats done, repeats in all).

    Raises:
        UnknownNameError: If a strategy, an option, a metric or a benchmark is not known.
        StrategyError: If the objective is on the test split, a setting is out of range, or a
            strategy needs a guide and there is none.
        BenchmarkError: If the table does not record what the comparison needs.
    """
    if isinstance(table, str):
        from archwright.benchmark import load_benchmark

        table = load_benchmark(table, path, dataset=dataset or "")
    elif dataset is not None:
        table = table.with_dataset(dataset)
    guided = ScoresGuide(guide, table.space) if isinstance(guide, Scores) else guide
    found = run.compare(table, strategies, repeats=repeats, budget=budget, guide=guided, **settings)
    return ComparisonResult(found)


class ComparisonResult:
    """What strategies found on a benchmark: tables, figures, a page.

    Args:
        comparison: The record of every repeat.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.comparison!r})"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of values that it can tell: "validation", "mean_test", "test_regret" ..."""
        return self.comparison.kinds

    def frame(self, kind: str | None = None) -> pd.DataFrame:
        """Return the final table: one row per strategy, the baseline first.

        Args:
            kind: By which value of the answers; the mean test value, or the mean validation value
                of a benchmark without one, if not given.
        """
        from archwright import report

        return report.final_table(self.comparison, kind)

    def answers(self) -> pd.DataFrame:
        """Return one row per repeat: what it answered at the end of its budget."""
        from archwright import report

        return report.answers_frame(self.comparison)

    def runs(self) -> pd.DataFrame:
        """Return how each repeat got there: a row per new incumbent, and one for the end."""
        from archwright import report

        return report.run_frame(self.comparison)

    def curves(
        self, kind: str | None = None, *, by: str = "evaluations", band: Band = "quantile"
    ) -> pd.DataFrame:
        """Return the anytime curves: mean and quartiles of each strategy at each point.

        Args:
            kind: Which value of the incumbent.
            by: "evaluations" or "seconds" of simulated time.
            band: How quartiles are taken: "quantile" or "published".
        """
        from archwright import report

        return report.curve_frame(self.comparison, kind, by=by, band=band)

    def summary(self) -> str:
        """Return what was found, in sentences."""
        from archwright import report

        return "\n".join(report.sentences(self.comparison))

    def plot(self, path: str | Path, *, log: bool = False, band: Band = "quantile") -> Path:
        """Draw the anytime curves to a PNG, SVG or PDF file, and return its path.

        Args:
            path: Where; the ending says in which format.
            log: Whether the horizontal axes are logarithmic.
            band: How quartiles are taken.
        """
        from archwright import report

        figure = report.comparison_curves(self.comparison, log=log, band=band)
        return report.save_figure(figure, path)

    def html(self, path: str | Path) -> Path:
        """Write the page, one self-contained HTML file, and return its path."""
        from archwright import report

        return report.write_comparison_html(self.comparison, path)

    def csv(self, path: str | Path) -> Path:
        """Write the final table as a CSV file, and return its path."""
        from archwright.report import write_csv

        return write_csv(self.frame(), path)

    def save(self, folder: str | Path) -> Path:
        """Write curves.png, table.csv, runs.csv and report.html to a folder, and return it.

        Each file is replaced in one step.

        Raises:
            EnvironmentProblem: If the folder cannot be made or written.
        """
        from archwright.report import write_csv

        place = Path(folder)
        with made_folders(place):
            self.plot(place / FILES[0])
            self.csv(place / FILES[1])
            write_csv(self.runs(), place / FILES[2])
            self.html(place / FILES[3])
        return place
