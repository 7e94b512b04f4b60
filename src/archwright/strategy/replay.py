"""Rebuild a strategy from recorded trials: its state is a function of them."""

from __future__ import annotations

from collections.abc import Iterable

from archwright.errors import StrategyError
from archwright.strategy.base import Strategy
from archwright.trial import Trial

__all__ = ["replay"]


def replay(strategy: Strategy, trials: Iterable[Trial]) -> Strategy:
    """Bring a strategy to where it stood after these trials; return it.

    Trials that it was asked for or told already are skipped, so that a strategy can be caught up
    with a growing record again and again. The record says when each trial was asked (`number`,
    `told_before`) and when it was told (`finished_order`).

    Args:
        strategy: Built with the same space, objectives, constraints, seed and options.
        trials: Recorded trials, in any order. All that follow those the strategy knows, without
            gaps in their numbers or in their finished order.

    Raises:
        StrategyError: If the strategy does not make the recorded proposals again, or trials are
            missing.
    """
    trials = list(trials)
    asked = sorted((t for t in trials if t.number >= strategy.asked), key=lambda t: t.number)
    finished = {t.finished_order: t for t in trials if t.finished_order is not None}
    for trial in asked:
        _tell_until(strategy, finished, trial.told_before)
        _ask_again(strategy, trial)
    _tell_until(strategy, finished, 1 + max(finished, default=-1))
    return strategy


def _tell_until(strategy: Strategy, finished: dict[int, Trial], told: int) -> None:
    for order in range(strategy.told, told):
        if order not in finished:
            raise StrategyError(
                f"the record holds no trial that finished as number {order} "
                f"(counted from 0), but {told} had been told; replay needs all of them"
            )
        strategy.tell(finished[order])


def _ask_again(strategy: Strategy, trial: Trial) -> None:
    number = strategy.asked
    if trial.number != number:
        raise StrategyError(
            f"the record goes on with trial {trial.number} where trial {number} was expected; "
            "replay needs all of them"
        )
    strategy.recall(trial.proposal)
    proposals = strategy.ask(1)
    if not proposals or proposals[0].architecture != trial.architecture:
        again = repr(proposals[0].architecture) if proposals else f"nothing ({strategy.stopped})"
        raise StrategyError(
            f"replay of trial {number} proposed {again}, the record holds "
            f"{trial.architecture!r}; were space, seed or options of {strategy.name!r} changed?"
        )
