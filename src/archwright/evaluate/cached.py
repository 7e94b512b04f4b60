"""Never pay twice for the same architecture at the same fidelity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from archwright.evaluate.evaluator import NO_CONTEXT, Context, Evaluator
from archwright.space import Architecture
from archwright.trial import Fidelity, Measurement, Outcome, Proposal, Status, Trial

__all__ = ["CachedEvaluator"]

Key: TypeAlias = tuple[tuple[int | float, ...], Fidelity]  # canonical codes: as good as the key


class CachedEvaluator(Evaluator):
    """Remembers completed measurements by canonical key and fidelity.

    A repeated architecture gets the remembered measurement at no cost; `info["cached"]` says so.
    Trials of other workers and of earlier runs are learned through `observe`.

    Args:
        inner: The evaluator that does the work; its results must depend on the architecture and
            the study's seed only (`seed_by == "architecture"`).
    """

    seed_by = "architecture"

    def __init__(self, inner: Evaluator) -> None:
        if inner.seed_by != "architecture":
            raise ValueError(
                f"{type(inner).__name__} draws anew for every trial (seed_by={inner.seed_by!r}); "
                "remembering its first answer would change the distribution"
            )
        self.inner = inner
        self.metrics = inner.metrics
        self.batch_size = inner.batch_size
        self._known: dict[Key, Measurement] = {}

    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Return the remembered measurement, or make one."""
        key = _key(proposal)
        known = self._look_up(key)
        if known is None:
            known = self.inner.evaluate(proposal, seed=seed, context=context)
            self._known[key] = known
        return known

    def evaluate_batch(
        self, proposals: Sequence[Proposal], *, seeds: Sequence[int], context: Context = NO_CONTEXT
    ) -> list[Outcome]:
        """Evaluate only what is new, every distinct architecture once."""
        keys = [_key(proposal) for proposal in proposals]
        fresh: dict[Key, int] = {}
        for index, key in enumerate(keys):
            if key not in self._known:
                fresh.setdefault(key, index)
        if len(fresh) == len(proposals):
            made = self.inner.evaluate_batch(proposals, seeds=seeds, context=context)
        else:
            made = self.inner.evaluate_batch(
                [proposals[i] for i in fresh.values()],
                seeds=[seeds[i] for i in fresh.values()],
                context=context,
            )
        first = dict(zip(fresh, made, strict=True))
        for key, outcome in first.items():
            if outcome.status is Status.COMPLETED and outcome.measurement is not None:
                self._known[key] = outcome.measurement
        return [
            first[key] if fresh.get(key) == index else self._repeat(key, first)
            for index, key in enumerate(keys)
        ]

    def rules(self) -> Sequence[tuple[str, Callable[[Architecture], bool]]]:
        """Return the rules of the evaluator inside."""
        return self.inner.rules()

    def check(self) -> None:
        """Check the evaluator inside."""
        self.inner.check()

    def describe(self) -> dict[str, Any]:
        """Describe the evaluator inside."""
        return self.inner.describe()

    def observe(self, trial: Trial) -> None:
        """Remember a completed trial."""
        if trial.status is Status.COMPLETED and trial.outcome and trial.outcome.measurement:
            self._known.setdefault(_key(trial.proposal), trial.outcome.measurement)
        self.inner.observe(trial)

    def _look_up(self, key: Key) -> Measurement | None:
        known = self._known.get(key)
        if known is None:
            return None
        return replace(known, cost_seconds=0.0, info={**known.info, "cached": True})

    def _repeat(self, key: Key, first: dict[Key, Outcome]) -> Outcome:
        known = self._look_up(key)
        if known is not None:
            return Outcome.completed(known)
        # Its twin in this batch failed: it would fail the same way.
        return replace(first[key], cost_seconds=0.0)


def _key(proposal: Proposal) -> Key:
    return proposal.architecture.codes, proposal.fidelity
