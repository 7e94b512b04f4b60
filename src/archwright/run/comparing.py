"""Compare strategies on a benchmark table: the same budget, the same seeds, many repeats.

Repeat `i` of every strategy has the same seed, and evaluation `k` of repeat `i` sees the same one
of the recorded trainings, whichever strategy asks. A strategy that can advance many repeats
together (`archwright.strategy.batched`) does so; others run one simulation for each repeat. Neither
that nor the number of processes changes a result.

A repeat ends as the published loops do: with the first evaluation that ends beyond the budget. That
one is recorded, but the answer is taken from those that ended within the budget.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from archwright.errors import BenchmarkError, StrategyError
from archwright.run.recorded import Recorded, TableLike, facts
from archwright.run.repeats import Crew, Progress, Searcher
from archwright.seeding import derive_seed
from archwright.strategy import STRATEGIES, Guide
from archwright.trial import Budget, Comparison, Contender, Objective

__all__ = ["BASELINE", "Progress", "compare"]

BASELINE = "random"
"""The strategy that every other one is compared with."""

_PACKAGES = ("archwright", "numpy", "scipy")


def compare(
    table: TableLike,
    strategies: Sequence[str | tuple[str, Mapping[str, Any]]],
    *,
    repeats: int = 10,
    budget: Budget | int,
    seed: int = 0,
    workers: int = 1,
    processes: int = 1,
    objective: Objective | str = "max:val_accuracy",
    epochs: int | None = None,
    report: str | None = None,
    recorded: str | int = "drawn",
    include_random: bool = True,
    guide: Guide | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run every strategy many times on a table and record what each repeat evaluated.

    Of a table of a part of its space, that part is searched.

    Args:
        table: A benchmark table, its data set bound (`Table.with_dataset`).
        strategies: Names, or pairs of name and options. Among the options of one that takes a
            guide, "guide" may name some of its scores ("naswot+synflow"), or be None to do without.
        repeats: Independent searches of each strategy.
        budget: What each search may spend: evaluations (`Budget(trials=...)` or a number), or
            simulated seconds: `Budget(cost_seconds=...)` counts the cost of all evaluations,
            `Budget(seconds=...)` the simulated clock, which with one worker is the same.
        seed: Root of all randomness.
        workers: Simulated workers that evaluate at the same time.
        processes: Real processes that share the work; the results are the same for any number.
        objective: By what strategies choose; must not be a test metric.
        epochs: Length of the recorded trainings that strategies see; the longest if not given.
        report: What is reported of the answers, "[DATASET/]METRIC[@EPOCHS]". The objective's twin
            on the test split ("test_accuracy" for "val_accuracy") if not given; a table without
            it is compared by validation values alone.
        recorded: Which of an architecture's recorded trainings an evaluation sees: "drawn" (one at
            random, as the published loops do), "mean" over all, or its number.
        include_random: Add random search, as the baseline, if it is not among the strategies.
        guide: Scores for every strategy that looks at some before it proposes. What scoring costs
            is not in the table and not counted.
        progress: Hears of finished repeats.

    Raises:
        UnknownNameError: If a strategy, an option, a metric or a number of epochs is not known.
        StrategyError: If the objective is on the test split, a strategy is listed twice, a number
            is out of range, or a strategy needs a guide and there is none.
        BenchmarkError: If the table does not record what the comparison needs.
    """
    started = time.perf_counter()
    goal = Objective.parse(objective)
    found = Recorded.read(table, goal, epochs=epochs, report=report, recorded=recorded)
    limit = Budget(trials=budget) if isinstance(budget, int) else budget
    _check(found, limit, repeats=repeats, workers=workers, processes=processes)
    # Nothing is run before all can be.
    searcher = Searcher(found, limit, workers, guide)
    contenders = [_made(one, searcher) for one in _contenders(strategies, include_random)]
    seeds = tuple(derive_seed(seed, "repeat", repeat) for repeat in range(repeats))
    crew = Crew(searcher, processes)
    runs = crew.runs(contenders, seeds, progress or _silent)
    validation, test = found.measured
    size = table.space.size
    return Comparison(
        benchmark=facts(table),
        space={"name": table.space.name, "size": size if isinstance(size, int) else None},
        objective=goal,
        validation=validation,
        test=test,
        recorded=str(recorded),
        recordings=found.recordings,
        budget=limit,
        workers=workers,
        seed=seed,
        runs=tuple(runs),
        wall_seconds=time.perf_counter() - started,
        environment=_environment(),
    )


def _silent(label: str, done: int, total: int) -> None:
    del label, done, total


def _environment() -> dict[str, str]:
    versions = {package: version(package) for package in _PACKAGES}
    return {"python": platform.python_version(), **versions, "platform": platform.platform()}


def _check(found: Recorded, budget: Budget, **counts: int) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise StrategyError(f"{name} must be a whole number of at least 1; got {count!r}")
    timed = found.cost is not None and bool((found.cost > 0).any())
    if budget.trials is None and not timed:
        raise BenchmarkError(
            f"{found.table.name} does not record what an evaluation costs, so a budget cannot be "
            f"in seconds; give a number of evaluations, such as Budget(trials=200)"
        )
    if counts["workers"] > 1 and not timed:
        raise BenchmarkError(
            f"{found.table.name} does not record what an evaluation costs, and several simulated "
            f"workers need recorded times; compare with one"
        )


def _contenders(
    strategies: Sequence[str | tuple[str, Mapping[str, Any]]], include_random: bool
) -> list[Contender]:
    """Return the strategies with their labels, the baseline first."""
    if isinstance(strategies, str):
        strategies = [strategies]
    asked: list[tuple[str, dict[str, Any]]] = []
    for given in strategies:
        name, options = (given, {}) if isinstance(given, str) else given
        asked.append((STRATEGIES.entry(name).name, dict(options)))
    names = [name for name, _ in asked]
    if BASELINE not in names and include_random:
        asked.insert(0, (BASELINE, {}))
    elif BASELINE in names:
        asked.insert(0, asked.pop(names.index(BASELINE)))
    if not asked:
        raise StrategyError("a comparison needs at least one strategy; got none")
    names = [name for name, _ in asked]
    found: list[Contender] = []
    for name, options in asked:
        label = name if names.count(name) == 1 else _label(name, options)
        if any(label == other.label for other in found):
            raise StrategyError(f"the strategy {label!r} is listed twice; give each once")
        found.append(Contender(label, name, options))
    return found


def _made(contender: Contender, searcher: Searcher) -> Contender:
    """Return the strategy with all its options, once it could be built."""
    guide = searcher.guide_of(contender)
    looks_at = {"guide": list(guide.columns)} if guide else {}
    return replace(contender, settings=searcher.made(contender, 0).options | looks_at)


def _label(name: str, options: Mapping[str, Any]) -> str:
    return f"{name}:{','.join(f'{key}={value}' for key, value in options.items())}".rstrip(":")
