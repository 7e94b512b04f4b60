"""Look evaluations up in a benchmark table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from archwright.benchmark import Table, open_table
from archwright.errors import (
    BenchmarkError,
    EvaluationError,
    OutOfDomainError,
    StoreError,
    UnknownNameError,
)
from archwright.evaluate.evaluator import NO_CONTEXT, Context, Evaluator, outcome_of
from archwright.space import Architecture, Space
from archwright.trial import Measurement, MetricInfo, Outcome, Proposal

__all__ = ["EvaluatorLike", "TableEvaluator", "as_evaluator", "drawn_repeat", "from_spec"]

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = 2**64 - 1

EvaluatorLike: TypeAlias = Evaluator | Table
"""What measures proposals: an evaluator, or a table to look them up in."""


class _Budget(NamedTuple):
    """How to read the metrics at one epoch budget, for each training that may be drawn."""

    readers: list[Callable[[Architecture | int], tuple[float, ...]]]
    step: int


class TableEvaluator(Evaluator):
    """Looks proposals up in a table; their cost is the recorded one.

    A trial's seed says which of the recorded trainings it sees (`drawn_repeat`), so another seed
    of the study gives other draws and the same one the same. Nothing is remembered: what is
    proposed again is looked up and paid again. A proposal's fidelity may set `epochs`, one of the
    budgets that the table has. Metrics of the test split are reported beside the others; a study
    refuses them as objectives.

    A table of a part of its space restricts the study to that part.

    Args:
        table: What was recorded, its dataset bound.
        epochs: The budget to look up; the full one by default.
        repeat: "drawn" for a random training of each trial, "mean" over all, or the number of
            one.
        metrics: Names of the metrics to report; all of the table's by default.

    Raises:
        UnknownNameError: If the table has no such metric.
        BenchmarkError: If it lacks the budget or the repeat.
    """

    seed_by = "trial"

    def __init__(
        self,
        table: Table,
        *,
        epochs: int | None = None,
        repeat: int | str = "drawn",
        metrics: Sequence[str] | None = None,
    ) -> None:
        self.table = table
        self.epochs = epochs
        self.repeat = repeat
        self.metrics = _chosen(table, metrics)
        self._names = tuple(info.name for info in self.metrics)
        cost = table.cost_metric
        self._read = self._names
        if cost is not None and cost not in self._names:
            self._read = (*self._names, cost)
        self._cost = None if cost is None else self._read.index(cost)
        self._repeats: tuple[Any, ...] = (repeat,)
        if repeat == "drawn":
            self._repeats = tuple(range(table.repeats)) or ("mean",)
        self._draws = len(self._repeats)
        self._budgets: dict[int | None, _Budget] = {}
        self._open(epochs)

    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Look up one proposal.

        Raises:
            EvaluationError: If the table does not have it; the status is "invalid".
        """
        del context
        architecture, epochs = proposal.architecture, self._budget(proposal)
        budget = self._budgets.get(epochs) or self._open(epochs)
        place = drawn_repeat(seed, self._draws) if self._draws > 1 else 0
        try:
            values = budget.readers[place](architecture)
        except BenchmarkError:  # it, or a part of it, is missing
            return self._incomplete(architecture, epochs, seed)
        metrics = dict(zip(self._names, values, strict=False))
        cost = 0.0 if self._cost is None else values[self._cost]
        return Measurement(metrics, cost, budget.step, {}, {"repeat": self._repeats[place]})

    def evaluate_batch(
        self, proposals: Sequence[Proposal], *, seeds: Sequence[int], context: Context = NO_CONTEXT
    ) -> list[Outcome]:
        """Look up several proposals; a failed look-up costs nothing."""
        outcomes = []
        for proposal, seed in zip(proposals, seeds, strict=True):
            try:
                outcomes.append(Outcome.completed(self.evaluate(proposal, seed=seed)))
            except Exception as error:  # noqa: BLE001 - a failed trial is data, whatever it raised
                outcomes.append(outcome_of(error))
        return outcomes

    def rows(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return their rows in the table, int64 `(architectures,)`; -1 where it has none."""
        if not architectures:
            return np.zeros(0, dtype=np.int64)
        try:
            return self.table.rows_of(np.array([one.codes for one in architectures]))
        except OutOfDomainError:
            have = [self.table.row(one) if one in self.table else -1 for one in architectures]
            return np.array(have, dtype=np.int64)

    def rules(self) -> Sequence[tuple[str, Callable[[Architecture], bool]]]:
        """Return that an architecture is in the table, if the table is a part of its space."""
        if len(self.table) == self.table.space.size:
            return ()
        return ((f"it is in the table {self.table.name!r}", self.table.__contains__),)

    def describe(self) -> dict[str, Any]:
        """Return the table's name, size and checksum, and what is looked up."""
        table = self.table
        return {
            "table": table.name,
            "rows": len(table),
            "sha256": table.sha256,
            **self._options(),
        }

    def to_spec(self) -> dict[str, Any]:
        """Return the JSON from which `from_spec` opens the table again."""
        return {
            "kind": "table",
            "table": self.table.name,
            "path": str(self.table.path.resolve()),
            **self._options(),
        }

    def _options(self) -> dict[str, Any]:
        options = {
            "dataset": self.table.dataset,
            "epochs": self.epochs,
            "repeat": self.repeat,
            "metrics": list(self._names),
        }
        return {name: value for name, value in options.items() if value not in (None, "")}

    def _open(self, epochs: int | None) -> _Budget:
        """Return one reader for each training that may be drawn."""
        reader, every = self.table.reader, self.table.epochs
        readers = [reader(self._read, epochs=epochs, repeat=repeat) for repeat in self._repeats]
        self._budgets[epochs] = _Budget(readers, epochs or (every[-1] if every else 0))
        return self._budgets[epochs]

    def _budget(self, proposal: Proposal) -> int | None:
        fidelity = proposal.fidelity
        if fidelity.fraction is not None or fidelity.resolution is not None:
            raise EvaluationError(
                f"table {self.table.name!r} has the fidelity 'epochs' only; got "
                f"{fidelity.to_json()}",
                status="invalid",
            )
        epochs = fidelity.epochs
        if epochs is None:
            return self.epochs
        if epochs not in self.table.epochs:
            raise EvaluationError(
                f"table {self.table.name!r} has the epoch budgets "
                f"{', '.join(map(str, self.table.epochs)) or '(none)'}; got {epochs}",
                status="invalid",
            )
        return epochs

    def _incomplete(self, architecture: Architecture, epochs: int | None, seed: int) -> Measurement:
        """Return what there is of an architecture: another training, or fewer metrics."""
        query, repeat = self.table.query, self._repeats[0]
        try:
            if self._draws > 1:
                there = query(architecture, epochs=epochs, repeat="all")
                measured = there[drawn_repeat(seed, len(there), again=True)]
            else:
                measured = query(architecture, epochs=epochs, repeat=repeat)
        except BenchmarkError as error:
            raise EvaluationError(str(error), status="invalid") from error
        metrics = {name: measured.metrics[name] for name in self._names if name in measured.metrics}
        return replace(measured, metrics=metrics)


def as_evaluator(evaluator: EvaluatorLike, space: Space | None = None) -> Evaluator:
    """Return the evaluator of a table, or the evaluator itself.

    Args:
        evaluator: Either.
        space: What will be proposed.

    Raises:
        BenchmarkError: If the table is one of another space.
        EvaluationError: If it is neither.
    """
    made = TableEvaluator(evaluator) if isinstance(evaluator, Table) else evaluator
    if not isinstance(made, Evaluator):
        raise EvaluationError(f"an evaluator or a table is needed; got {evaluator!r:.200}")
    if space is not None and isinstance(made, TableEvaluator) and made.table.space != space:
        raise BenchmarkError(
            f"table {made.table.name!r} covers the space {made.table.space.to_json()!r:.200}; got "
            f"the space {space.to_json()!r:.200}; search `table.space`"
        )
    return made


def from_spec(spec: Mapping[str, Any]) -> tuple[Space, TableEvaluator]:
    """Open the table of a study again; see `build_evaluator`.

    Raises:
        StoreError: If the file is not there any more.
    """
    described = spec["evaluator"]
    path = Path(described["path"])
    if not path.is_file():
        raise StoreError(
            f"the trials of this study are looked up in the table {described['table']!r}, but "
            f"there is no file {str(path)!r} any more; put it back"
        )
    table = open_table(path, dataset=described.get("dataset", ""))
    options = {key: described[key] for key in ("epochs", "repeat", "metrics") if key in described}
    return table.space, TableEvaluator(table, **options)


def drawn_repeat(seed: int, repeats: int, *, again: bool = False) -> int:
    """Return which of some recorded trainings a trial with this seed sees.

    The first (or, `again`, the second) number of SplitMix64 [Steele2014splittable]_ that starts at
    the seed, scaled to [0, repeats).

    Example:
        >>> [drawn_repeat(seed, 3) for seed in range(8)]
        [2, 1, 1, 0, 1, 1, 2, 1]
    """
    word = (seed + (_GOLDEN << again)) & _WORD
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return ((word ^ (word >> 31)) >> 32) * repeats >> 32


def _chosen(table: Table, names: Sequence[str] | None) -> tuple[MetricInfo, ...]:
    known = {info.name: info for info in table.metrics}
    for name in names or ():
        if name not in known:
            raise UnknownNameError(f"metric of table {table.name!r}", name, known)
    return tuple(known.values()) if names is None else tuple(known[name] for name in names)
