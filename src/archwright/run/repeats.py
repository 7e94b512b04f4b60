"""Run the repeats of a comparison: together where the strategy can, else one after another."""

from __future__ import annotations

import math
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import BenchmarkError, EnvironmentProblem, StrategyError
from archwright.evaluate.evaluator import NO_CONTEXT, Context, Evaluator
from archwright.run.isolate import deaf_to_interrupts
from archwright.run.recorded import Draws, Recorded
from archwright.run.simulation import simulate
from archwright.strategy import (
    STRATEGIES,
    Batched,
    Columns,
    Guide,
    Strategy,
    batched,
    make_strategy,
)
from archwright.trial import (
    Budget,
    Contender,
    Measurement,
    MetricInfo,
    Outcome,
    Proposal,
    Runs,
)

__all__ = ["Crew", "Progress", "Searcher"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Called with a strategy's label, how many of its repeats are done, and how many there are."""

_CHUNKS = 4  # for each process, so that none waits long for the last one
_TOGETHER = 1000  # repeats that are advanced together


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Raw:
    """What repeats evaluated, `(repeats, evaluations)`; row -1 after the end of a repeat."""

    rows: Integers
    trainings: Integers
    finish: Floats | None
    utilization: Floats | None = None

    @classmethod
    def joined(cls, parts: Sequence[Raw]) -> Raw:
        """Put repeats under one another, the shorter ones filled up."""
        if len(parts) == 1:
            return parts[0]
        longest = max(part.rows.shape[1] for part in parts)
        busy = [part.utilization for part in parts if part.utilization is not None]
        ends = [part.finish for part in parts if part.finish is not None]
        return cls(
            _filled([part.rows for part in parts], longest, -1),
            _filled([part.trainings for part in parts], longest, 0),
            _filled(ends, longest, np.inf) if ends else None,
            utilization=np.concatenate(busy) if busy else None,
        )


def _filled(parts: Sequence[Any], longest: int, filler: float) -> Any:
    wide = [
        np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=filler)
        for part in parts
    ]
    return np.concatenate(wide)


class _LookUp(Evaluator):
    """Evaluates by looking up, and keeps what was looked up in the order of asking.

    Args:
        found: The columns.
        seed: Of the repeat.
    """

    def __init__(self, found: Recorded, seed: int) -> None:
        metric = found.objective.metric
        self.metrics = (MetricInfo(metric, found.objective.direction, split="val"),)
        self._metric = metric
        self._found = found
        self._draws = Draws([seed])
        self._row_of = found.table.row
        self.rows: list[int] = []
        self.trainings: list[int] = []

    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Look one proposal up; its training is that of its number."""
        found, number = self._found, len(self.rows)
        row = self._row_of(proposal.architecture)
        training = found.training(row, self._draws, number)
        self.rows.append(row)
        self.trainings.append(training)
        value = found.validation.item(row, training)
        return Measurement(
            {self._metric: value}, 0.0 if found.cost is None else found.cost.item(row, training)
        )

    def evaluate_batch(
        self, proposals: Sequence[Proposal], *, seeds: Sequence[int], context: Context = NO_CONTEXT
    ) -> list[Outcome]:
        """Look proposals up; what the table lacks ends the comparison, it is no failed trial."""
        return [Outcome.completed(self.evaluate(proposal, seed=0)) for proposal in proposals]


class Searcher:
    """Runs repeats of strategies; knows the table, the budget and the simulated workers.

    Args:
        found: The columns.
        budget: Of each repeat.
        workers: Simulated ones.
        guide: Scores for the strategies that look at some.
    """

    def __init__(
        self, found: Recorded, budget: Budget, workers: int, guide: Guide | None = None
    ) -> None:
        self.found = found
        self.budget = budget
        self.workers = workers
        self.guide = guide

    def together(self, contender: Contender) -> bool:
        """Whether repeats of this strategy can be advanced together."""
        return self._batched(contender, [0]) is not None

    def guide_of(self, contender: Contender) -> Guide | None:
        """Return what the strategy looks at: all scores, those that it asks for, or None.

        Raises:
            UnknownNameError: If its option "guide" names a score that there is not.
            StrategyError: If it has that option, but looks at no scores, or there are none.
        """
        takes = STRATEGIES.get(contender.name).takes_guide
        if "guide" not in contender.options:
            return self.guide if takes else None
        asked = contender.options["guide"]
        if not takes:
            raise StrategyError(
                f"strategy {contender.name!r} does not look at scores; leave out its option 'guide'"
            )
        if asked is None:
            return None
        if self.guide is None:
            raise StrategyError(
                f"strategy {contender.name!r} asks for the scores {asked!r}, but the comparison "
                "has none; give it a guide"
            )
        return Columns(self.guide, asked.split("+") if isinstance(asked, str) else asked)

    def made(self, contender: Contender, seed: int) -> Strategy:
        """Return the strategy for one repeat."""
        options = {**contender.options, "guide": self.guide_of(contender)}
        space, goals = self.found.space, [self.found.objective]
        return make_strategy(contender.name, space, goals, seed=seed, **options)

    def _batched(self, contender: Contender, seeds: Sequence[int]) -> Batched | None:
        if self.workers > 1 or STRATEGIES.get(contender.name).takes_guide:
            return None
        return batched(contender.name, self.found.space, seeds, contender.options)

    def run(
        self, contender: Contender, seeds: Sequence[int], should_stop: Callable[[], bool] = _never
    ) -> Raw:
        """Run one repeat for each seed.

        Args:
            contender: The strategy.
            seeds: Of the repeats.
            should_stop: Asked now and then.

        Raises:
            KeyboardInterrupt: Once `should_stop` says yes.
        """
        searches = self._batched(contender, seeds)
        if searches is not None:
            return self._together(searches, seeds, should_stop)
        alone = []
        for seed in seeds:
            _heed(should_stop)
            alone.append(self._alone(contender, seed))
        return Raw.joined(alone)

    def _together(
        self, searches: Batched, seeds: Sequence[int], should_stop: Callable[[], bool]
    ) -> Raw:
        """Advance all repeats by one evaluation at a time."""
        found, limit = self.found, self._seconds
        rows_by, draws, spent = found.row_of_number, Draws(seeds), np.zeros(len(seeds))
        rows: list[Integers] = []
        trainings: list[Integers] = []
        while len(rows) != self.budget.trials and (spent <= limit).any():
            _heed(should_stop)
            codes = searches.ask()
            if searches.stopped is not None:
                break
            row = found.table.rows_of(codes) if rows_by is None else rows_by[searches.numbers]
            training = found.trainings(row, draws, len(rows))
            searches.tell(found.sign * found.validation[row, training])
            if found.cost is not None:
                spent += found.cost[row, training]
            rows.append(row)
            trainings.append(training)
        return self._ended(np.stack(rows, axis=1), np.stack(trainings, axis=1))

    def _ended(self, rows: Integers, trainings: Integers) -> Raw:
        """Take away what came after the first evaluation beyond the budget of each repeat."""
        cost = self.found.cost
        if cost is None:
            return Raw(rows, trainings, None)
        finish = np.cumsum(cost[rows, trainings], axis=1)
        over = np.zeros(finish.shape, dtype=bool)
        over[:, 1:] = finish[:, :-1] > self._seconds
        longest = int((~over).sum(axis=1).max())
        rows, finish = np.where(over, -1, rows), np.where(over, np.inf, finish)
        return Raw(rows[:, :longest], trainings[:, :longest], finish[:, :longest])

    @property
    def _seconds(self) -> float:
        """What one simulated worker may spend."""
        limits = (self.budget.cost_seconds, self.budget.seconds)
        return min((limit for limit in limits if limit is not None), default=math.inf)

    def _alone(self, contender: Contender, seed: int) -> Raw:
        """Simulate one repeat."""
        found = self.found
        strategy = self.made(contender, seed)
        look_up = _LookUp(found, seed)
        timeline = simulate(strategy, look_up, self.budget, workers=self.workers, seed=seed)
        told = np.asarray(timeline.number)
        rows, trainings = np.array(look_up.rows)[told], np.array(look_up.trainings)[told]
        finish = None if found.cost is None else np.asarray(timeline.finish)[None]
        return Raw(rows[None], trainings[None], finish, np.array([timeline.utilization]))

    def record(self, contender: Contender, seeds: tuple[int, ...], raw: Raw) -> Runs:
        """Look up everything that is told of what was evaluated.

        Raises:
            BenchmarkError: If a repeat found nothing within the budget.
        """
        found, there = self.found, raw.rows >= 0

        def known(values: Floats | None, *where: Integers) -> Any:
            if values is None or there.all():
                return None if values is None else values[where]
            return np.where(there, values[where], np.nan)

        runs = Runs(
            contender,
            seeds,
            found.objective.direction,
            self._counted(raw, there),
            raw.rows,
            known(found.validation, raw.rows, raw.trainings),
            known(found.means[0], raw.rows),
            known(found.test, raw.rows, raw.trainings),
            known(found.means[1], raw.rows),
            raw.finish,
            utilization=raw.utilization,
        )
        rows = runs.last(raw.rows.astype(np.float64)) if runs.counted.all() else np.array([np.nan])
        if np.isnan(rows).any():
            repeat = int(np.argmax(np.isnan(rows) if runs.counted.all() else runs.counted == 0))
            raise BenchmarkError(
                f"strategy {contender.label!r}, repeat {repeat}: no evaluation that ended within "
                f"the budget has a recorded {found.objective.metric}; give a larger budget"
            )
        answers = rows.astype(np.int64).tolist()
        once = {row: found.table.architecture(row) for row in {*answers}}
        return replace(runs, answers=tuple(once[row] for row in answers))

    def _counted(self, raw: Raw, there: NDArray[np.bool_]) -> Integers:
        """Return how many evaluations of each repeat ended within the budget."""
        cost, within = self.found.cost, there
        if raw.finish is not None and self.budget.seconds is not None:
            within = within & (raw.finish <= self.budget.seconds)
        if cost is not None and self.budget.cost_seconds is not None:
            spent = np.cumsum(np.where(there, cost[raw.rows, raw.trainings], 0.0), axis=1)
            within = within & (spent <= self.budget.cost_seconds)
        counted: Integers = within.sum(axis=1)
        return counted


class Crew:
    """Spreads repeats over processes, or runs them here.

    Args:
        searcher: What every process gets.
        processes: How many; 1 is this one.
    """

    def __init__(self, searcher: Searcher, processes: int) -> None:
        self._searcher = searcher
        self._processes = processes

    def runs(
        self, contenders: Sequence[Contender], seeds: tuple[int, ...], progress: Progress
    ) -> Iterator[Runs]:
        """Yield the runs of each strategy in turn."""
        jobs = {c.label: list(self._chunks(c, seeds)) for c in contenders}
        if self._processes == 1:
            for contender in contenders:
                here = map(partial(self._searcher.run, contender), jobs[contender.label])
                yield self._collected(contender, seeds, here, progress)
            return
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        pool = ProcessPoolExecutor(
            self._processes, context, initializer=_enter, initargs=(self._searcher, stop)
        )
        try:
            with _interrupts_later(), deaf_to_interrupts():
                futures = {
                    c.label: [pool.submit(_search, c, chunk) for chunk in jobs[c.label]]
                    for c in contenders
                }
            for contender in contenders:
                parts = (future.result() for future in futures[contender.label])
                yield self._collected(contender, seeds, parts, progress)
        except BrokenProcessPool as error:
            raise EnvironmentProblem(
                "a process of the comparison was killed, perhaps for want of memory; use fewer "
                "processes"
            ) from error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _chunks(self, contender: Contender, seeds: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the seeds of the repeats that one process runs at a time."""
        together = self._searcher.together(contender)
        if self._processes == 1:
            size = _TOGETHER if together else 1
        else:
            size = math.ceil(len(seeds) / self._processes / (1 if together else _CHUNKS))
        for start in range(0, len(seeds), size):
            yield seeds[start : start + size]

    def _collected(
        self,
        contender: Contender,
        seeds: tuple[int, ...],
        parts: Iterable[Raw],
        progress: Progress,
    ) -> Runs:
        done: list[Raw] = []
        progress(contender.label, 0, len(seeds))
        for part in parts:
            done.append(part)
            progress(contender.label, sum(len(one.rows) for one in done), len(seeds))
        return self._searcher.record(contender, seeds, Raw.joined(done))


_here: list[tuple[Searcher, Event]] = []  # what a process of the crew works with


def _enter(searcher: Searcher, stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it decides
    _here.append((searcher, stop))


def _search(contender: Contender, seeds: tuple[int, ...]) -> Raw:
    searcher, stop = _here[0]
    return searcher.run(contender, seeds, stop.is_set)


def _heed(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise KeyboardInterrupt


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hear Ctrl-C at the end of the block: a crew that is half started cannot be sent home."""
    if threading.current_thread() is not threading.main_thread():  # where signals do not come
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt
