"""The study: what is searched, for what, within which budget, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from archwright.canonical import dumps
from archwright.errors import (
    ConstraintError,
    SpaceError,
    StoreError,
    StrategyError,
    StudyExistsError,
    UnknownNameError,
)
from archwright.evaluate import Evaluator, EvaluatorLike, as_evaluator
from archwright.run.callbacks import Callback
from archwright.run.executors import choose_executor
from archwright.run.isolate import Limits
from archwright.run.job import Job
from archwright.run.worker import WorkerOptions
from archwright.seeding import generator
from archwright.space import Space
from archwright.store import Store, StudyRecord, open_store
from archwright.store.records import check_name
from archwright.strategy import STRATEGIES, Guide, Strategy
from archwright.trial import Budget, Constraint, Objective, Trial, incumbent, pareto_front

__all__ = ["Result", "Study", "execute", "join_study", "load_study"]

_QUESTION = ("strategy", "objectives", "constraints", "seed", "guide", "facts")
"""The parts of a study's spec that must not change while it goes on."""


@dataclass(frozen=True)
class Result:
    """What a study has found so far.

    Args:
        study: The study's record.
        trials: All trials in the order of asking.
        objectives: What was wanted.
        constraints: What was refused.
        reason: Why the run ended.
    """

    study: StudyRecord
    trials: Sequence[Trial]
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint] = ()
    reason: str = ""

    @cached_property
    def best(self) -> Trial:
        """The best feasible trial by the first objective.

        Raises:
            StoreError: If no trial was completed within the constraints.
        """
        best = incumbent(self.trials, self.objectives, self.constraints)
        if best is None:
            failed = [trial for trial in self.trials if trial.status.failed]
            first = f"; the first failure: {failed[0].error}" if failed else ""
            raise StoreError(
                f"study {self.study.name!r} has no completed trial within its constraints "
                f"({len(self.trials)} trials, {len(failed)} failed){first}"
            )
        return best

    @cached_property
    def front(self) -> list[Trial]:
        """The feasible trials that no other one dominates, over all objectives."""
        return pareto_front(self.trials, self.objectives, self.constraints)


class Study:
    """A search: space, strategy and evaluator under a budget and an objective.

    Args:
        space: What may be proposed. Constraints that an architecture alone decides restrict it,
            so that strategies never propose what they forbid.
        strategy: A registered name, or a `Strategy` class of your own.
        evaluator: Measures proposals; a benchmark table is looked up with `TableEvaluator`.
        objective: "max:val_accuracy", or several for a Pareto front; the first one ranks.
        budget: What may be spent in all; a number means trials.
        constraints: Hard bounds such as "parameters<=50000".
        seed: Root of all randomness.
        store: Store, path or URL; None keeps the study in memory.
        name: Name of the study in its store.
        options: Options of the strategy.
        guide: Scores that the strategy looks at before it proposes, such as `ProxyGuide` gives
            them, for strategies that do.
        deterministic: None for a history that depends on timing when there are several workers
            (the order is recorded and can be replayed). A number N makes the history a function
            of the seed alone for up to N workers: proposal k knows exactly the trials up to
            k - N.
        limits: Time and memory for one trial, enforced on a child process.
        worker_options: Leases, attempts and waiting.
        spec: More JSON facts for the store, enough to rebuild the evaluator elsewhere.

    Raises:
        StrategyError: If an objective is on the test split, an option is not understood, or a
            guide is missing or cannot be used.
        UnknownNameError: If an objective or constraint names what is not measured.
        ConstraintError: If no architecture can keep the constraints.

    Example:
        >>> from archwright.evaluate import FunctionEvaluator
        >>> from archwright.space import Integer, Space
        >>> from archwright.trial import MetricInfo
        >>> evaluator = FunctionEvaluator(
        ...     lambda architecture, seed: {"val_score": -abs(architecture["width"] - 7)},
        ...     metrics=[MetricInfo("val_score", "max", split="val")],
        ... )
        >>> study = Study(
        ...     Space(width=Integer(1, 9)), "grid", evaluator, objective="max:val_score", budget=9
        ... )
        >>> study.run().best.architecture["width"]
        7
    """

    def __init__(
        self,
        space: Space,
        strategy: str | type[Strategy],
        evaluator: EvaluatorLike,
        *,
        objective: str | Objective | Sequence[str | Objective],
        budget: Budget | int,
        constraints: Sequence[str | Constraint] = (),
        seed: int = 0,
        store: Store | str | Path | None = None,
        name: str = "study",
        options: Mapping[str, Any] | None = None,
        guide: Guide | None = None,
        deterministic: int | None = None,
        limits: Limits | None = None,
        worker_options: WorkerOptions | None = None,
        spec: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(objective, str | Objective):
            objective = [objective]
        if isinstance(strategy, str):
            strategy = STRATEGIES.entry(strategy).name
        evaluator = as_evaluator(evaluator, space)
        described = {} if (own := evaluator.to_spec()) is None else {"evaluator": own}
        self.name = name
        self.job = Job(
            strategy,
            tuple(Objective.parse(text) for text in objective),
            Budget(trials=budget) if isinstance(budget, int) else budget,
            tuple(Constraint.parse(text) for text in constraints),
            dict(options or {}),
            seed,
            deterministic,
            limits or Limits(),
            space,
            evaluator,
            {**described, **(spec or {})},
            worker_options or WorkerOptions(),
            guide,
        )
        self._where = store
        check_name(name)
        _check_goals(self.job, evaluator)
        evaluator.check()
        # What is not understood must be known before a study is recorded.
        searched = self.job.searched_space()
        _check_not_empty(searched, self.job)
        # All options are recorded, so that the study can be replayed when a default has changed.
        made = self.job.make_strategy(searched)
        self.job = replace(self.job, strategy_options=made.options)

    @cached_property
    def store(self) -> Store:
        """The store; opened, and made if there is none yet, when it is first needed."""
        return open_store(self._where)

    @property
    def space(self) -> Space:
        """The space as given, without what the constraints take away."""
        assert self.job.space is not None
        return self.job.space

    def run(
        self,
        *,
        workers: int = 1,
        executor: str | None = None,
        resume: bool = False,
        callback: Callback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Result:
        """Search until the budget is spent, and return what was found.

        Args:
            workers: How many processes evaluate at the same time; 1 evaluates in this one.
            executor: Who starts the workers, by registered name; None chooses "serial" for one
                worker and "process" for several.
            resume: Go on with the study of this name if it exists. Otherwise its existence is
                an error: nothing is ever overwritten.
            callback: Hears of every trial.
            should_stop: Asked now and then; true ends the run soon. Trials that are not finished
                go back to the queue.

        Raises:
            StudyExistsError: If the name is taken and `resume` is false.
            KeyboardInterrupt: On Ctrl-C, after all that was finished is stored.
        """
        choose_executor(executor, workers, self.job, shared=_is_shared(self._where))
        return execute(
            self.store,
            self._record(resume),
            self.job,
            workers=workers,
            executor=executor,
            callback=callback,
            should_stop=should_stop,
        )

    def result(self) -> Result:
        """Return what is in the store now, without running anything."""
        record = self.store.study(self.name, space=self.space)
        return _result(self.store, record, self.job, "")

    def _record(self, resume: bool) -> StudyRecord:
        assert self.job.evaluator is not None
        spec = self.job.to_spec() | {"facts": self.job.evaluator.describe()}
        try:
            return self.store.create_study(
                self.name, space=self.space, spec=spec, seed=self.job.seed
            )
        except StudyExistsError:
            if not resume:
                raise
        record = self.store.study(self.name, space=self.space)
        _check_same(record, spec)
        return record


def load_study(
    name: str, store: Store | str | Path, *, budget: Budget | None = None
) -> tuple[Store, StudyRecord, Job]:
    """Rebuild a recorded study from its store alone.

    Args:
        name: The study.
        store: Where it is.
        budget: Replaces the recorded budget, to search on.

    Raises:
        StudyNotFoundError: If there is no such study.
        StoreError: If it was made from Python objects, which the store does not keep; or from
            data that have changed since.
    """
    opened = open_store(store, create=False)
    record = opened.study(name)
    job = Job.from_spec(record.spec)
    job = job.with_budget(budget or record.budget or job.budget).with_evaluator()
    record = opened.study(name, space=job.space)
    now = {"facts": job.evaluator.describe() if job.evaluator else {}}
    _check_same(record, now | {"guide": job.described_guide()}, ("facts", "guide"))
    return opened, record, job


def join_study(
    name: str,
    store: Store | str | Path,
    *,
    callback: Callback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> str:
    """Be one more worker of a study until its budget is spent; return why it ended."""
    opened, record, job = load_study(name, store)
    if should_stop is not None:
        job = replace(job, options=replace(job.options, should_stop=should_stop))
    return job.worker(opened, record, callback=callback).run()


def execute(
    store: Store,
    record: StudyRecord,
    job: Job,
    *,
    workers: int = 1,
    executor: str | None = None,
    callback: Callback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Result:
    """Run a recorded study with an executor and account for the wall time it took.

    Args and errors are those of `Study.run`. The job's budget becomes the recorded one, so that
    who joins or resumes later has the same.
    """
    chosen = choose_executor(executor, workers, job, shared=store.shared)
    callback = callback or Callback()
    if job.budget != record.budget:
        store.annotate(record, "budget", job.budget.to_json())
    # Work before the first run, say a prescreen, counts too.
    used = float(record.extra.get("wall_seconds", job.spec.get("seconds_before", 0.0)))
    options = replace(job.options, seconds_used=used)
    if should_stop is not None:
        options = replace(options, should_stop=should_stop)
    job = replace(job, options=options)
    counts = store.counts(record)
    callback.on_start(int(counts["finished"]), job.budget.trials)
    started = time.monotonic()
    reason = "interrupted"
    try:
        reason = chosen(store, record, job, workers=workers, callback=callback)
    finally:
        store.annotate(record, "wall_seconds", used + time.monotonic() - started)
        callback.on_stop(reason)
    return _result(store, store.study(record.name, space=job.space), job, reason)


def _result(store: Store, record: StudyRecord, job: Job, reason: str) -> Result:
    return Result(record, store.trials(record), job.objectives, job.constraints, reason)


def _check_goals(job: Job, evaluator: Evaluator) -> None:
    if not job.objectives:
        raise StrategyError("a study needs at least one objective, such as 'max:val_accuracy'")
    for kind, goals in (("objective", job.objectives), ("constraint", job.constraints)):
        for goal in goals:
            info = evaluator.metric(goal.metric)
            if info is None:
                raise UnknownNameError(
                    f"metric in the {kind} {str(goal)!r}:",
                    goal.metric,
                    [metric.name for metric in evaluator.metrics],
                )
            if info.split == "test":
                raise StrategyError(
                    f"the {kind} {goal} is on the test split, which a search must not see; "
                    f"use a validation metric"
                )


def _is_shared(where: Store | str | Path | None) -> bool:
    """Return whether several processes can open the store, without opening it."""
    if isinstance(where, Store):
        return where.shared
    return where is not None and not str(where).startswith("memory:")


def _check_not_empty(space: Space, job: Job) -> None:
    """Refuse constraints that together leave nothing to draw."""
    assert job.evaluator is not None
    bounds = [description for description, _ in job.evaluator.rules()]
    if not bounds:
        return
    try:
        space.sample(rng=generator(job.seed, "not empty"))
    except SpaceError as error:
        raise ConstraintError(
            f"no architecture of the space {space.name!r} was found that keeps "
            f"{' and '.join(bounds)}; loosen the bounds or widen the space ({error})"
        ) from error


def _check_same(
    record: StudyRecord, spec: Mapping[str, Any], parts: Sequence[str] = _QUESTION
) -> None:
    """Refuse to go on with a study that asks another question, or asks it of other data."""
    spec = json.loads(dumps(spec))
    for part in parts:
        before, now = record.spec.get(part), spec[part]
        if part == "facts":  # a summary for readers is among them
            before, now = ({k: v for k, v in f.items() if k != "data"} for f in (before or {}, now))
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            changed = sorted(k for k in {**before, **now} if before.get(k) != now.get(k))
            part = f"{part} ({', '.join(changed)})"
            before, now = ({k: d.get(k) for k in changed} for d in (before, now))
        raise StoreError(
            f"study {record.name!r} was made with other {part}: {before!r:.200}; got "
            f"{now!r:.200}. Choose another name, or go on with what it was made with"
        )
