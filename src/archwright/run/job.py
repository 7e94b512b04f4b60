"""Everything a worker must know about a study, in one value that can be sent to a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archwright.errors import StrategyError
from archwright.evaluate import CachedEvaluator, Evaluator, build_evaluator, build_guide
from archwright.run.callbacks import Callback
from archwright.run.isolate import IsolatedEvaluator, Limits
from archwright.run.planner import Planner
from archwright.run.worker import Worker, WorkerOptions
from archwright.space import Space
from archwright.store import Store, StudyRecord
from archwright.strategy import Guide, Strategy, make_strategy
from archwright.trial import Budget, Constraint, Objective

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """A study as a worker sees it.

    Args:
        strategy: Registered name or class.
        strategy_options: Keyword options of the strategy.
        objectives: At least one.
        constraints: Hard bounds.
        budget: What may be spent.
        seed: Root of all randomness.
        lag: See `Planner`.
        limits: Time and memory for one trial.
        space: None where the worker rebuilds it from the spec.
        evaluator: None where the worker rebuilds it from the spec.
        spec: The study's JSON.
        options: Leases and waiting.
        guide: What the strategy looks at before it proposes; None if nothing, or where the worker
            rebuilds it from the spec.
    """

    strategy: str | type[Strategy]
    objectives: tuple[Objective, ...]
    budget: Budget
    constraints: tuple[Constraint, ...] = ()
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    lag: int | None = None
    limits: Limits = field(default_factory=Limits)
    space: Space | None = None
    evaluator: Evaluator | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    options: WorkerOptions = field(default_factory=WorkerOptions)
    guide: Guide | None = None

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Job:
        """Rebuild the job of a recorded study; space and evaluator are built when needed."""
        strategy, parallel = spec["strategy"], spec.get("parallel", {})
        return cls(
            strategy["name"],
            tuple(Objective.parse(text) for text in spec["objectives"]),
            Budget.from_json(spec["budget"]),
            tuple(Constraint.parse(text) for text in spec.get("constraints", ())),
            strategy.get("options", {}),
            spec["seed"],
            parallel.get("deterministic"),
            Limits(**spec.get("limits", {})),
            spec=spec,
            options=WorkerOptions(
                lease_seconds=parallel.get("lease_seconds", WorkerOptions.lease_seconds),
                max_attempts=parallel.get("max_attempts", WorkerOptions.max_attempts),
            ),
        )

    def to_spec(self) -> dict[str, Any]:
        """Return the JSON from which `from_spec` rebuilds this job."""
        name = self.strategy
        if not isinstance(name, str):
            name = f"{name.__module__}:{name.__qualname__}"
        limits = {"seconds": self.limits.seconds, "memory_bytes": self.limits.memory_bytes}
        return {
            **self.spec,
            "strategy": {"name": name, "options": dict(self.strategy_options)},
            "objectives": [str(objective) for objective in self.objectives],
            "constraints": [str(constraint) for constraint in self.constraints],
            "budget": self.budget.to_json(),
            "seed": self.seed,
            "guide": self.described_guide(),
            "limits": {k: v for k, v in limits.items() if v is not None},
            "parallel": {
                "deterministic": self.lag,
                "lease_seconds": self.options.lease_seconds,
                "max_attempts": self.options.max_attempts,
            },
        }

    def with_budget(self, budget: Budget) -> Job:
        """Return the job with another budget."""
        return replace(self, budget=budget)

    def with_evaluator(self) -> Job:
        """Return the job with its space, evaluator and guide built, if they are not yet."""
        job = self
        if job.evaluator is None or job.space is None:
            space, evaluator = build_evaluator(job.to_spec())
            job = replace(job, space=space, evaluator=evaluator)
        if job.guide is None and (described := job.described_guide()):
            assert job.evaluator is not None
            assert job.space is not None
            job = replace(job, guide=build_guide(described, job.space, job.evaluator))
        return job

    def described_guide(self) -> Mapping[str, Any] | None:
        """Return what the guide says of itself, or said when the study was recorded."""
        return self.spec.get("guide") if self.guide is None else self.guide.describe()

    def searched_space(self) -> Space:
        """Return the space, restricted by the constraints that an architecture alone decides."""
        assert self.space is not None
        assert self.evaluator is not None
        space = self.space
        for description, keeps in self.evaluator.rules():
            space = space.restricted(description, keeps)
        return space

    def make_strategy(self, space: Space) -> Strategy:
        """Make the strategy afresh, to search `space`.

        Raises:
            UnknownNameError: If the strategy has no such option.
            StrategyError: If an option is out of its range, or is the study's own; or a guide is
                missing or cannot be used.
        """
        arguments: dict[str, Any] = {
            "constraints": self.constraints,
            "seed": self.seed,
            "guide": self.guide,
        }
        if own := sorted(arguments.keys() & self.strategy_options.keys()):
            raise StrategyError(f"{own[0]!r} is no option of the strategy; it is the study's own")
        arguments |= self.strategy_options
        if isinstance(self.strategy, str):
            return make_strategy(self.strategy, space, self.objectives, **arguments)
        arguments |= self.strategy.guided_by(arguments.pop("guide"))
        return self.strategy(space, self.objectives, **arguments)

    def worker(
        self, store: Store, study: StudyRecord, *, callback: Callback | None = None
    ) -> Worker:
        """Make one worker of this study, with a planner and an evaluator of its own."""
        job = self.with_evaluator()
        assert job.evaluator is not None
        space = job.searched_space()
        evaluator = job.evaluator
        if callback is not None and hasattr(job.guide, "on_scored"):  # one that takes its time
            setattr(job.guide, "on_scored", callback.on_scored)  # noqa: B010 - not of all guides
        if job.limits:
            evaluator = IsolatedEvaluator(
                evaluator, job.limits, spec=job.to_spec(), space=job.space
            )
        if evaluator.seed_by == "architecture" and not isinstance(evaluator, CachedEvaluator):
            evaluator = CachedEvaluator(evaluator)
        return Worker(
            store,
            study,
            Planner(lambda: job.make_strategy(space), lag=job.lag),
            evaluator,
            budget=job.budget,
            options=job.options,
            callback=callback,
        )
