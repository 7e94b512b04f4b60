"""The evolution of multilayer perceptrons that tutorials teach, repaired; for every space.

No single paper: the usual tutorial keeps the better half of a population, crosses and mutates it
and repeats. The parts are those of T. Bäck, D. B. Fogel, Z. Michalewicz (editors), "Evolutionary
Computation 1", 2000: truncation selection (`_close`), tournaments among the survivors
(`_two_parents`), recombination of lists of numbers (`Space.crossover`), one edit as mutation
(`Space.mutate`).

What goes wrong in the usual listing, and how it is here:

    modules are averaged               architectures are values; only values are crossed
    the child is built, then mutated   a proposal holds the finished child
    fitness on the training data       whatever the objective names; selection sees nothing else
    survivors are trained again        a survivor keeps its one result and is never proposed again
    last children are not scored       every child is a trial; the result is the best of all trials
    depth and spread only shrink       crossover inherits depth from either parent, takes or blends
                                       entries beyond the shorter one; mutation inserts and deletes
    no seed, no duplicate check,       seeded, duplicates are drawn again, any population from 2
    fails below 4 members
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archwright.space import Architecture, Space
from archwright.strategy.checks import integer, number, one_of
from archwright.strategy.generational import Generational
from archwright.strategy.ranking import Member
from archwright.strategy.selection import tournament_index
from archwright.trial import Constraint, Objective, Proposal, Trial

__all__ = ["CROSSOVERS", "MLPEvolution"]

CROSSOVERS = ("uniform", "one-point", "blend")
"""The kinds of `Space.crossover`."""

_SIZE_METRIC = "parameters"


class MLPEvolution(Generational):
    """Keep the better half, refill with crossed and mutated children of it, repeat.

    Ties go to the one with fewer parameters (where that metric is measured), then to the older.

    Args:
        space: What to search; any space, not only perceptrons.
        objectives: The first one is improved.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        population: Members of a generation, survivors included; at least 2.
        survivors: Part of the population that survives as parents, rounded up, in [0, 1]; at
            least one member survives and at least one is replaced.
        tournament: Survivors a parent is the best of, drawn without replacement; at least 1.
        crossover: "uniform", "one-point" or "blend", see `Space.crossover`.
        crossover_probability: How often a child has two parents, in [0, 1]; else it is a copy.
        mutation_probability: How often a child is edited once, in [0, 1].
        initial: Architectures to propose first; they count as part of the first population.
    """

    name = "evolution"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        population: int = 20,
        survivors: float = 0.5,
        tournament: int = 2,
        crossover: str = "uniform",
        crossover_probability: float = 0.9,
        mutation_probability: float = 0.5,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.population = integer("population", population, low=2)
        self.survivors = number("survivors", survivors, low=0, high=1)
        self.tournament = integer("tournament", tournament, low=1)
        self.crossover = one_of("crossover", crossover, CROSSOVERS)
        self.crossover_probability = number(
            "crossover_probability", crossover_probability, low=0, high=1
        )
        self.mutation_probability = number(
            "mutation_probability", mutation_probability, low=0, high=1
        )
        self._begin()

    def _child(self) -> Proposal:
        rng = self._rng
        parents = self._two_parents()
        child, steps = parents[0].architecture, []
        if len(parents) == 2 and rng.random() < self.crossover_probability:
            child = self.space.crossover(
                child, parents[1].architecture, rng=rng, kind=self.crossover
            )
            steps.append("crossover")
        else:
            parents = parents[:1]
        if rng.random() < self.mutation_probability:
            child = self.space.mutate(child, rng=rng)
            steps.append("mutation")
        # Neither step is a copy of a survivor, which was proposed before and is drawn again.
        return Proposal(child, parents=tuple(p.number for p in parents), origin="+".join(steps))

    def _two_parents(self) -> tuple[Member, ...]:
        """Return two different survivors, each the best of a tournament; one if one survived."""
        n = len(self._parents)
        first = tournament_index(n, self.tournament, rng=self._rng)
        if n == 1:
            return (self._parents[first],)
        second = tournament_index(n - 1, self.tournament, rng=self._rng)
        second += second >= first
        return self._parents[first], self._parents[second]

    def _close(self, newcomers: list[Member]) -> int:
        # The small term keeps 20 * 0.55 = 11.000000000000002 from being rounded up to 12.
        survivors = math.ceil(self.population * self.survivors - 1e-9)
        survivors = min(max(survivors, 1), self.population - 1)
        self._parents = sorted(self._parents + newcomers)[:survivors]
        return len(self._parents)

    def _member(self, trial: Trial) -> Member:
        member = super()._member(trial)
        size = trial.metrics.get(_SIZE_METRIC, math.inf)
        return member._replace(rank=(*member.rank, size))
