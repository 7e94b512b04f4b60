"""The textbook generational genetic algorithm.

D. E. Goldberg, "Genetic Algorithms in Search, Optimization, and Machine Learning", 1989, chapter
3 (reproduction, crossover, mutation per gene); J. E. Baker, "Adaptive selection methods for
genetic algorithms", ICGA 1985 (linear ranking); D. E. Goldberg, K. Deb, "A comparative analysis of
selection schemes used in genetic algorithms", FOGA 1991 (tournaments). What is where:

    selection by tournament, rank or roulette     `_close` prepares, `_parent` draws
    crossover uniform, one-point                  `Space.crossover`
    mutation of each gene with a small chance     `_mutated`
    elitism, generational replacement             `_close`
    stop on stagnation or lost diversity          `_close`

Deviations: a gene is a place of the code vector that is open in the child, and mutation makes a
binomial number of single edits (each `Space.mutate`), so that conditions and lengths of lists stay
valid; a child that was proposed before is drawn again, parents included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from archwright.space import Architecture, Space
from archwright.strategy.checks import integer, number, one_of
from archwright.strategy.evolution import CROSSOVERS
from archwright.strategy.generational import Generational
from archwright.strategy.ranking import Member
from archwright.strategy.selection import (
    rank_weights,
    roulette_weights,
    tournament_index,
    weighted_index,
)
from archwright.trial import Constraint, Objective, Proposal

__all__ = ["GeneticAlgorithm", "diversity"]

_SELECTIONS = ("tournament", "rank", "roulette")


class GeneticAlgorithm(Generational):
    """Replace each generation by children of its fitter members; the elite lives on.

    Args:
        space: What to search.
        objectives: The first one is improved.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        population: Members of a generation, the elite included; at least 2.
        elitism: Best members that enter the next generation unchanged; below `population`.
        selection: How a parent is picked: "tournament", "rank" or "roulette".
        tournament: Members a parent is the best of, if selection is by tournament; at least 1.
        crossover: "uniform", "one-point" or "blend", see `Space.crossover`.
        crossover_probability: How often a child has two parents, in [0, 1]; else it is a copy.
        mutation_rate: Chance of each open decision (each item of a list is one) to be changed, in
            [0, 1]; `None` is one over their number.
        patience: Stop after so many generations without a better best; `None` is never.
        diversity: Stop when the mean share of decisions in which two members differ falls below
            this, in [0, 1]; 0 is never.
        initial: Architectures to propose first; they count as part of the first population.
    """

    name = "genetic"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        population: int = 20,
        elitism: int = 1,
        selection: str = "tournament",
        tournament: int = 2,
        crossover: str = "uniform",
        crossover_probability: float = 0.9,
        mutation_rate: float | None = None,
        patience: int | None = None,
        diversity: float = 0.0,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.population = integer("population", population, low=2)
        self.elitism = integer("elitism", elitism, low=0, high=self.population - 1)
        self.selection = one_of("selection", selection, _SELECTIONS)
        self.tournament = integer("tournament", tournament, low=1)
        self.crossover = one_of("crossover", crossover, CROSSOVERS)
        self.crossover_probability = number(
            "crossover_probability", crossover_probability, low=0, high=1
        )
        self.mutation_rate = (
            None if mutation_rate is None else number("mutation_rate", mutation_rate, low=0, high=1)
        )
        self.patience = None if patience is None else integer("patience", patience, low=1)
        self.diversity = number("diversity", diversity, low=0, high=1)
        self._weights: list[float] = []
        self._best: Member | None = None
        self._stale = 0
        self._begin()

    def _child(self) -> Proposal:
        rng = self._rng
        parents = [self._parent()]
        child, steps = parents[0].architecture, []
        if rng.random() < self.crossover_probability:
            parents.append(self._parent())
            child = self.space.crossover(
                child, parents[1].architecture, rng=rng, kind=self.crossover
            )
            steps.append("crossover")
        mutated = self._mutated(child)
        if mutated is not child:
            steps.append("mutation")
        numbers = dict.fromkeys(parent.number for parent in parents)
        return Proposal(mutated, parents=tuple(numbers), origin="+".join(steps))

    def _parent(self) -> Member:
        if self.selection == "tournament":
            index = tournament_index(len(self._parents), self.tournament, rng=self._rng)
        else:
            index = weighted_index(self._weights, rng=self._rng)
        return self._parents[index]

    def _mutated(self, architecture: Architecture) -> Architecture:
        """Return the architecture after as many edits as genes would have been hit."""
        draft = self.space.program.draft(architecture.codes)
        decisions = sum(code is not None for code in draft)
        rate = 1 / decisions if self.mutation_rate is None else self.mutation_rate
        for _ in range(self._rng.binomial(decisions, rate)):
            architecture = self.space.mutate(architecture, rng=self._rng)
        return architecture

    def _close(self, newcomers: list[Member]) -> int:
        elite = self._parents[: self.elitism]
        self._parents = sorted(elite + newcomers)
        if self.selection == "rank":
            self._weights = rank_weights(self._parents)
        elif self.selection == "roulette":
            self._weights = roulette_weights(self._parents)
        self._look_for_an_end()
        return self.elitism

    def _look_for_an_end(self) -> None:
        best = self._parents[0]
        if self._best is None or best.rank < self._best.rank:
            self._best, self._stale = best, 0
        else:
            self._stale += 1
        if self.patience is not None and self._stale >= self.patience:
            self._stop(f"no better architecture in {self.patience} generations (option 'patience')")
        if self.diversity > 0:
            left = diversity([member.architecture for member in self._parents])
            if left < self.diversity:
                self._stop(
                    f"the diversity of the population, {left:.3g}, "
                    f"fell below {self.diversity:g} (option 'diversity')"
                )


def diversity(architectures: Sequence[Architecture]) -> float:
    """Return the mean share of codes in which two of the architectures differ, in [0, 1].

    The mean pairwise Hamming distance of the code vectors over their length; from the counts of
    each value, without looking at pairs.
    """
    n = len(architectures)
    if n < 2:
        return 0.0
    columns = list(zip(*(a.codes for a in architectures), strict=True))
    same = sum(count * (count - 1) for column in columns for count in Counter(column).values())
    return 1.0 - same / (len(columns) * n * (n - 1))
