"""What a search on data has found: trials, the winner, its network, reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from archwright.data import Dataset
from archwright.errors import StoreError
from archwright.evaluate import TrainEvaluator
from archwright.evaluate.final import Final, finalize
from archwright.frontdoor.places import made_folders
from archwright.run import Callback, Job, Result, execute
from archwright.seeding import derive_seed
from archwright.space import Architecture
from archwright.store import Store, StudyRecord
from archwright.trial import Budget, Constraint, Objective, Trial

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

__all__ = ["Best", "SearchResult"]


@dataclass(frozen=True)
class Best:
    """The winner of a search.

    Args:
        trial: Its trial.
        result: The search it won.
    """

    trial: Trial
    result: SearchResult = field(repr=False)

    @property
    def architecture(self) -> Architecture:
        """The architecture that won."""
        return self.trial.architecture

    @property
    def metrics(self) -> Mapping[str, float]:
        """What the search measured, and what the test split said once it was read."""
        return {**self.trial.metrics, **self.result.test_metrics}

    def network(self) -> nn.Module:
        """Return the trained network, in evaluation mode; trains it if that is still to do."""
        return self.result.finalize().network


class SearchResult:
    """What a search on data has found: trials, the winner, reports, the exported network.

    Args:
        result: The study's result.
        data: With its test split.
        job: The study as its workers see it; evaluates with a `TrainEvaluator`.
        store: Where the trials are.
        out: Folder for the report and the exported model; None writes neither.

    Raises:
        StoreError: If the study did not train networks on data.
    """

    def __init__(
        self, result: Result, data: Dataset, job: Job, store: Store, out: Path | None = None
    ) -> None:
        if not isinstance(job.evaluator, TrainEvaluator):
            raise StoreError(f"study {result.study.name!r} did not train networks on data")
        self._result = result
        self.data = data
        self.job = job
        self.recipe = job.evaluator.recipe
        self.store = store
        self.out = out
        self._final: tuple[int, Final] | None = None  # of which trial, and what

    def __repr__(self) -> str:
        completed = sum(not trial.status.failed for trial in self.trials)
        return (
            f"SearchResult({self.study.name!r}, {len(self.trials)} trials, {completed} completed)"
        )

    @property
    def study(self) -> StudyRecord:
        """The study's record."""
        return self._result.study

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials in the order of asking."""
        return self._result.trials

    @property
    def objectives(self) -> Sequence[Objective]:
        """What was wanted; the first one ranks."""
        return self.job.objectives

    @property
    def constraints(self) -> Sequence[Constraint]:
        """What was refused."""
        return self.job.constraints

    @property
    def reason(self) -> str:
        """Why the search ended."""
        return self._result.reason

    @property
    def best(self) -> Best:
        """The best feasible trial by the first objective.

        Raises:
            StoreError: If no trial was completed within the constraints.
        """
        return Best(self._result.best, self)

    @property
    def front(self) -> list[Trial]:
        """The feasible trials that no other one dominates."""
        return self._result.front

    @property
    def test_metrics(self) -> Mapping[str, float]:
        """Metrics of the winner on the test split; empty until `finalize` has read it."""
        final = self._known_final()
        return final.metrics if final else {}

    @property
    def readings(self) -> int:
        """How often the test split was read: once for each winner that was finalized."""
        finalized = self.store.study(self.study.name).extra.get("finalized") or {}
        return int(finalized.get("readings", 0))

    def resume(
        self,
        *,
        budget: Budget | None = None,
        workers: int = 1,
        executor: str | None = None,
        finalize: bool = True,
        callback: Callback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search on, finish as `archwright.search` does, and return the new result.

        Args:
            budget: What may be spent in all from now on; None keeps the recorded one.
            workers: As for `search`, and so are the others.
            executor: Who starts them.
            finalize: Whether to train the winner and read the test split.
            callback: Hears of every trial.
            should_stop: Asked now and then.
        """
        job = self.job.with_budget(budget) if budget else self.job
        found = execute(
            self.store,
            self.study,
            job,
            workers=workers,
            executor=executor,
            callback=callback,
            should_stop=should_stop,
        )
        again = SearchResult(found, self.data, job, self.store, self.out)
        return again.finish(finalize=finalize)

    def finish(self, *, finalize: bool = True) -> SearchResult:
        """Train and test the winner, and write report and model to `out`, if there is one."""
        if finalize:
            self.finalize()
        if self.out is not None:
            with made_folders(self.out):
                self.report(self.out / "report.html")
                if finalize:
                    self.export("archwright", self.out / "model", overwrite=True)
        return self

    def finalize(self) -> Final:
        """Train the winner on training and validation data, and read the test split, once.

        Repeated calls return the first one's result.
        """
        if (known := self._known_final()) is not None:
            return known
        winner = self._result.best
        measured = winner.outcome.measurement if winner.outcome else None
        epochs = measured.info.get("best_epoch") if measured else None
        earlier = self.store.study(self.study.name).extra.get("finalized") or {}
        same = earlier.get("trial") == winner.number
        final = finalize(
            winner.architecture,
            self.data,
            self.recipe,
            epochs=int(epochs or self.recipe.epochs),
            seed=derive_seed(winner.seed, "final"),
            before=earlier if same else None,
        )
        readings = int(earlier.get("readings", 0)) + (bool(final.metrics) and not same)
        facts = {"trial": winner.number, "readings": readings, **final.to_json()}
        self.store.annotate(self.study, "finalized", facts)
        self._final = (winner.number, final)
        return final

    def history(self) -> pd.DataFrame:
        """Return one row a trial: decisions, metrics, status, cost."""
        from archwright import report

        return report.history(self.trials)

    def leaderboard(self, n: int = 10) -> pd.DataFrame:
        """Return the n best distinct architectures."""
        from archwright import report

        return report.leaderboard(self.trials, self.objectives, self.constraints, n=n)

    def report(self, path: str | Path) -> Path:
        """Write the report, one self-contained HTML page, and return its path."""
        from archwright import report

        return report.report_study(self.store, self.study.name, Path(path))

    def export(self, format: str, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the trained winner with its preprocessing, and return its path.

        Raises:
            UnknownNameError: If the format is not one of `archwright.export.EXPORTERS`.
            ExportError: If something else is at the path.
        """
        from archwright import export

        export.EXPORTERS.entry(format)  # a name that is not known must not cost a training
        final = self.finalize()
        best = self.best
        return export.export(
            format,
            Path(path),
            network=final.network,
            architecture=best.architecture,
            data=self.data,
            metrics=best.metrics,
            provenance={
                "study": self.study.name,
                "trial": best.trial.number,
                "seed": self.study.seed,
                "recipe": self.recipe.to_json(),
                "epochs": final.epochs,
                "hashes": dict(self.data.hashes),
            },
            overwrite=overwrite,
        )

    def _known_final(self) -> Final | None:
        if self._final is None or self._final[0] != self._result.best.number:
            return None
        return self._final[1]
