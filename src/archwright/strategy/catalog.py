"""The names that users type, and the strategy built for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archwright.errors import UnknownNameError
from archwright.registry import Registry
from archwright.space import Space
from archwright.strategy.base import Strategy
from archwright.strategy.guide import Guide
from archwright.trial import Constraint, Objective

__all__ = ["STRATEGIES", "make_strategy"]

STRATEGIES: Registry[type[Strategy]] = Registry("strategy", group="archwright.strategies")

for _name, _target, _summary, _aliases in (
    ("random", "random:RandomSearch", "uniform draws without repeats; the baseline", ()),
    ("grid", "grid:GridSearch", "every architecture of a finite grid, in order", ()),
    (
        "regularized-evolution",
        "regularized_evolution:RegularizedEvolution",
        "mutate the best of a sample, retire the oldest (Real et al. 2019)",
        ("aging-evolution",),
    ),
    (
        "evolution",
        "evolution:MLPEvolution",
        "keep the better half, cross and mutate it, generation by generation",
        ("mlp-evolution",),
    ),
    ("genetic", "genetic:GeneticAlgorithm", "the textbook generational algorithm", ("ga",)),
    (
        "local-search",
        "local_search:LocalSearch",
        "climb through one-edit neighbours, restart at a summit (White et al. 2021)",
        (),
    ),
    (
        "filtered",
        "filtered:Filtered",
        "draw several proposals of another strategy, take the best by score; needs a guide",
        (),
    ),
    (
        "guided-evolution",
        "guided_evolution:GuidedEvolution",
        "regularized evolution that moves to the best neighbour by score; needs a guide",
        (),
    ),
    (
        "predictor",
        "predictor_search:PredictorSearch",
        "propose what a predictor fitted to the finished trials thinks best",
        (),
    ),
):
    STRATEGIES.register(_name, f"archwright.strategy.{_target}", summary=_summary, aliases=_aliases)


def make_strategy(
    name: str,
    space: Space,
    objectives: Sequence[Objective | str],
    *,
    constraints: Sequence[Constraint | str] = (),
    seed: int = 0,
    guide: Guide | None = None,
    **options: Any,
) -> Strategy:
    """Build the strategy of that name.

    Args:
        name: A name or alias of `STRATEGIES`.
        space: What to search.
        objectives: What to improve; strategies for one objective take the first.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        guide: Scores to look at before proposing, for the strategies that do.
        options: The strategy's own options; `Strategy.options` of the result gives them back.

    Raises:
        UnknownNameError: If there is no such strategy, or it has no such option.
        StrategyError: If an option is out of its range, a guide is missing or cannot be used.

    Example:
        >>> from archwright.space import Choice, Space
        >>> space = Space(width=Choice(8, 16, 32), depth=Choice(1, 2))
        >>> make_strategy("ga", space, ["max:val_accuracy"], population=4).name
        'genetic'
    """
    entry = STRATEGIES.entry(name)
    kind = STRATEGIES.get(name)
    for option in options:
        if option not in kind.option_names:
            raise UnknownNameError(
                f"option of strategy {entry.name!r}", option, sorted(kind.option_names)
            )
    guided = kind.guided_by(guide)
    return kind(space, objectives, constraints=constraints, seed=seed, **guided, **options)
