"""A simulated clock: what a search would take with some number of workers, without waiting.

Evaluations are looked up and take the recorded seconds on the clock, not ours. A worker that is
free asks the strategy and is busy until its evaluation ends; results are told in the order in
which they end. So a table answers how a strategy does with 1,000 asynchronous workers.

At one instant first everything that ends is told, by trial number; then the workers that are free
ask, by worker number. Asking, telling and proposing take no time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archwright.errors import GoalError, StrategyError
from archwright.evaluate import Evaluator, EvaluatorLike, TableEvaluator, as_evaluator
from archwright.run.seeds import trial_seeds
from archwright.strategy import Strategy
from archwright.trial import Budget, Outcome, Proposal, Trial

__all__ = ["Timeline", "simulate"]

_STILL = 100_000  # evaluations in a row that cost nothing: a budget in seconds would never end


def simulate(
    strategy: Strategy,
    evaluator: EvaluatorLike,
    budget: Budget | int,
    *,
    workers: int = 1,
    seed: int = 0,
) -> Timeline:
    """Search on a simulated clock, with workers that never wait for each other.

    Nothing is remembered between evaluations: an architecture that is proposed again is evaluated
    and paid again, as in the published loops.

    Args:
        strategy: Not asked yet. When it proposes nothing although it has not stopped, free
            workers wait for the next result.
        evaluator: A table, or an evaluator; `cost_seconds` of its outcomes is the time they take.
        budget: `trials` (or a number) limits the evaluations; `seconds` the clock and
            `cost_seconds` the sum of the costs told, both as the published loops do: no
            evaluation begins once the limit is exceeded, those that run are finished and told.
        workers: How many evaluate at the same time.
        seed: Root of the randomness of the evaluations; trials have the seeds that a study with
            this seed gives them.

    Raises:
        StrategyError: If there is not at least one worker, or the strategy was asked before.
        GoalError: If the budget would never be spent, for evaluations cost nothing.

    Example:
        >>> from archwright.evaluate import FunctionEvaluator
        >>> from archwright.space import Integer, Space
        >>> from archwright.strategy import make_strategy
        >>> from archwright.trial import Measurement, MetricInfo
        >>> space = Space(seconds=Integer(1, 9))
        >>> evaluator = FunctionEvaluator(
        ...     lambda a, seed: Measurement({"val_score": 0.5}, cost_seconds=a["seconds"]),
        ...     metrics=[MetricInfo("val_score", "max", split="val")],
        ... )
        >>> strategy = make_strategy("grid", space, ["max:val_score"])
        >>> timeline = simulate(strategy, evaluator, 9, workers=3)
        >>> timeline.makespan, timeline.speed_up
        (18.0, 2.5)
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise StrategyError(f"workers must be a whole number of at least 1; got {workers!r}")
    if strategy.asked:
        raise StrategyError(
            f"a simulation needs a strategy that was not asked yet; got one that was asked "
            f"{strategy.asked} times"
        )
    limits = Budget(trials=budget) if isinstance(budget, int) else budget
    made = as_evaluator(evaluator)
    return _Simulation(strategy, made, limits, workers, seed).run()


@dataclass(frozen=True, eq=False)
class Timeline:
    """What happened when. Arrays have one element for each evaluation, in the order of telling.

    Args:
        trials: The finished trials; times are simulated seconds from 0.
        worker: int64 `(evaluations,)`: who evaluated, 0 to `workers` - 1.
        workers: How many there were.
        reason: Why no more evaluations began.
        row: int64 `(evaluations,)`: rows of the table, -1 where it has none; None without a table.
    """

    trials: Sequence[Trial]
    worker: NDArray[np.int64]
    workers: int
    reason: str
    row: NDArray[np.int64] | None = None

    @cached_property
    def number(self) -> NDArray[np.int64]:
        """Trial numbers: the order of asking."""
        return np.array([trial.number for trial in self.trials], dtype=np.int64)

    @cached_property
    def start(self) -> NDArray[np.float64]:
        """When each evaluation began, seconds."""
        return np.array([trial.started_at for trial in self.trials], dtype=np.float64)

    @cached_property
    def finish(self) -> NDArray[np.float64]:
        """When each evaluation ended, seconds; ascending."""
        return np.array([trial.finished_at for trial in self.trials], dtype=np.float64)

    @cached_property
    def cost(self) -> NDArray[np.float64]:
        """What each evaluation took, seconds."""
        return np.array([trial.cost_seconds for trial in self.trials], dtype=np.float64)

    @cached_property
    def metrics(self) -> Mapping[str, NDArray[np.float64]]:
        """Metrics by name; NaN where an evaluation failed or lacks it."""
        names = dict.fromkeys(name for trial in self.trials for name in trial.metrics)
        return {
            name: np.array([trial.metrics.get(name, math.nan) for trial in self.trials])
            for name in names
        }

    @property
    def makespan(self) -> float:
        """When the last evaluation ended, seconds."""
        return float(self.finish[-1]) if self.trials else 0.0

    @property
    def speed_up(self) -> float:
        """Summed costs over the makespan: how many times sooner than one worker would end.

        NaN if nothing took any time.
        """
        return float(self.cost.sum() / self.makespan) if self.makespan > 0 else math.nan

    @property
    def utilization(self) -> float:
        """The busy part of the workers' time until the makespan, in (0, 1]; NaN as `speed_up`."""
        return self.speed_up / self.workers


class _Running(NamedTuple):
    """An evaluation whose end is known to us, but not yet to the strategy."""

    number: int
    proposal: Proposal
    seed: int
    outcome: Outcome
    told_before: int
    begun: float


class _Simulation:
    def __init__(
        self,
        strategy: Strategy,
        evaluator: Evaluator,
        budget: Budget,
        workers: int,
        seed: int,
    ) -> None:
        self._strategy = strategy
        self._evaluator = evaluator
        self._budget = budget
        self._workers = workers
        self._seed_of = trial_seeds(seed, evaluator)
        self._clock = 0.0
        self._spent = 0.0
        self._still = 0
        self._trials: list[Trial] = []
        self._worker: list[int] = []

    def run(self) -> Timeline:
        reason = self._serially() if self._workers == 1 else self._asynchronously()
        worker = np.array(self._worker, dtype=np.int64)
        rows = None
        if isinstance(self._evaluator, TableEvaluator):
            rows = self._evaluator.rows([trial.architecture for trial in self._trials])
        return Timeline(tuple(self._trials), worker, self._workers, reason, rows)

    def _serially(self) -> str:
        """Ask, evaluate, tell: what the heaps do for one worker, without them."""
        ask, evaluate, seed_of = self._strategy.ask, self._evaluator.evaluate_batch, self._seed_of
        while self._room(number := len(self._trials)):
            asked = ask(1)
            if not asked:
                return self._why_idle()
            seed = seed_of(number, asked[0])
            outcome = evaluate(asked, seeds=(seed,))[0]
            begun, self._clock = self._clock, self._clock + outcome.cost_seconds
            self._tell(_Running(number, asked[0], seed, outcome, number, begun), 0)
        return self._why_full()

    def _asynchronously(self) -> str:
        free = list(range(self._workers))  # a heap, as the next one
        ends: list[tuple[float, int]] = []
        running: dict[int, tuple[_Running, int]] = {}
        begun = 0
        while True:
            room = min(len(free), self._room(begun))
            began = self._begin(self._strategy.ask(room), begun) if room else []
            for one in began:
                running[one.number] = one, heappop(free)
                heappush(ends, (self._clock + one.outcome.cost_seconds, one.number))
            begun += len(began)
            if not ends:
                return self._why_idle() if room else self._why_full()
            self._clock = ends[0][0]
            while ends and ends[0][0] == self._clock:
                one, worker = running.pop(heappop(ends)[1])
                heappush(free, worker)
                self._tell(one, worker)

    def _begin(self, proposals: Sequence[Proposal], first: int) -> list[_Running]:
        """Evaluate proposals, the first of which has the number `first`."""
        if not proposals:
            return []
        told, clock = len(self._trials), self._clock
        seeds = [self._seed_of(number, p) for number, p in enumerate(proposals, first)]
        outcomes = self._evaluator.evaluate_batch(proposals, seeds=seeds)
        begun = zip(proposals, seeds, outcomes, strict=True)
        return [_Running(number, *one, told, clock) for number, one in enumerate(begun, first)]

    def _tell(self, one: _Running, worker: int) -> None:
        """Tell what ends now."""
        trial = Trial(
            one.number,
            one.proposal,
            one.seed,
            one.outcome.status,
            one.told_before,
            1,
            len(self._trials),
            one.outcome,
            str(worker),
            one.begun,
            one.begun,
            self._clock,
        )
        self._strategy.tell(trial)
        self._trials.append(trial)
        self._worker.append(worker)
        self._spent += one.outcome.cost_seconds
        self._still = 0 if one.outcome.cost_seconds else self._still + 1
        if self._still >= _STILL and self._budget.trials is None:
            raise GoalError(
                f"the last {_STILL:,} evaluations cost no time, so the budget of "
                f"{self._budget.to_json()} would never be spent; give a number of trials"
            )

    def _room(self, begun: int) -> int:
        """Return how many more evaluations may begin now."""
        budget = self._budget
        if budget.seconds is not None and self._clock > budget.seconds:
            return 0
        if budget.cost_seconds is not None and self._spent > budget.cost_seconds:
            return 0
        return sys.maxsize if budget.trials is None else budget.trials - begun

    def _why_full(self) -> str:
        budget = self._budget
        if budget.trials is not None and len(self._trials) >= budget.trials:
            return f"all {budget.trials} trials done"
        if budget.seconds is not None and self._clock > budget.seconds:
            return f"{budget.seconds:g} seconds of simulated time spent"
        return f"{budget.cost_seconds:g} seconds of trial cost spent"

    def _why_idle(self) -> str:
        return self._strategy.stopped or "the strategy proposes nothing and nothing is running"
