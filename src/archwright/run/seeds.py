"""The seed of each trial, from the study's seed and what the evaluator says it depends on."""

from __future__ import annotations

from collections.abc import Callable

from archwright.evaluate import Evaluator
from archwright.seeding import derive_seed, derive_seeds
from archwright.trial import Proposal

__all__ = ["SeedOf", "trial_seeds"]

SeedOf = Callable[[int, Proposal], int]
"""From a trial's number and proposal to its seed, in [0, 2**63)."""


def trial_seeds(study_seed: int, evaluator: Evaluator) -> SeedOf:
    """Return how the trials of a study are seeded (`Evaluator.seed_by`).

    By architecture, so that evaluating the same one again gives the same result, or by trial.
    """
    if evaluator.seed_by == "architecture":
        base = derive_seed(study_seed, "trials")
        return lambda number, proposal: derive_seed(base, *proposal.architecture.codes)
    of_number = derive_seeds(study_seed, "trial")
    return lambda number, proposal: of_number(number)
