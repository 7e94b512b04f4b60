"""Regularized (aging) evolution.

E. Real, A. Aggarwal, Y. Huang, Q. V. Le, "Regularized evolution for image classifier architecture
search", AAAI 2019, arXiv:1802.01548, Algorithm 1:

    lines 3-8    the population is filled with P random architectures     `_propose`, first branch
    lines 10-15  a sample of S members, drawn with replacement            `_parent`
    line 16      the parent is the best of the sample                     `_parent`
    line 17      the child is one mutation of the parent                  `_child`
    lines 18-21  the child is evaluated, joins; the oldest member dies    `_observe`
    line 24      the best of the whole history is returned                `incumbent` of trial

The paper's setting for the NASNet space is `population=100, sample_size=25`. Deviations: the
defaults keep its ratio of sample to population at a size that suits some hundred evaluations; a
child that was proposed before is drawn again (parent and mutation), unless `repeats=True`, which
is the published loop; a child asked for while fewer than `sample_size` trials are finished is
random, since the sample would hold nobody else. With many workers a member joins when it
finishes, and the oldest is the one that joined first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

from archwright.errors import SpaceError
from archwright.space import Architecture, Space
from archwright.strategy.base import Strategy
from archwright.strategy.batched import Batched, can_batch
from archwright.strategy.batched_evolution import BatchedEvolution
from archwright.strategy.checks import boolean, integer, one_of
from archwright.strategy.ranking import Member
from archwright.strategy.selection import distinct_indices
from archwright.trial import Constraint, Objective, Proposal, Trial

__all__ = ["RegularizedEvolution"]


class RegularizedEvolution(Strategy):
    """Mutate the best of a random sample of the population; the oldest member dies.

    Args:
        space: What to search.
        objectives: The first one is improved.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        population: Members that are alive, P of the paper; at least 2.
        sample_size: Members a parent is the best of, S of the paper; from 1 to `population`.
        removal: Who dies when a child joins: "oldest" as in the paper, or "worst" (no aging).
        replacement: Whether one member can stand in a sample twice, as in the paper.
        repeats: Whether an architecture may be proposed again, as in the paper.
        initial: Architectures to propose first; they count as part of the first population.
    """

    name = "regularized-evolution"
    redraws = True

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        population: int = 20,
        sample_size: int = 5,
        removal: str = "oldest",
        replacement: bool = True,
        repeats: bool = False,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.population = integer("population", population, low=2)
        self.sample_size = integer("sample_size", sample_size, low=1, high=self.population)
        self.removal = one_of("removal", removal, ("oldest", "worst"))
        self.replacement = boolean("replacement", replacement)
        self.repeats = boolean("repeats", repeats)
        # By age a ring: the place of the oldest is overwritten. By rank sorted, the worst last.
        self._members: list[Member] = []
        self._oldest = 0
        self._keys: list[tuple[float, ...]] = []  # of the members of a ring, in flat tuples
        self._key = self._keys.__getitem__

    @property
    def concurrency(self) -> int:
        """The rest of the first population; afterwards each child wants all that is known."""
        return max(1, self.population - self.asked)

    def batched(self, seeds: Sequence[int]) -> Batched | None:
        """Return this search once for every seed; None unless the space is a product."""
        return BatchedEvolution(self, seeds) if can_batch(self) else None

    def _propose(self) -> Proposal | None:
        known = self._asked >= self.population and len(self._members) >= self.sample_size
        if not self.repeats:
            return self._unseen.draw(self._child) if known else self._unseen.random()
        try:
            return self._child() if known else self._random()
        except SpaceError:  # rules may leave an architecture without valid edits
            return self._random()

    def _random(self) -> Proposal:
        return Proposal(self.space.sample(rng=self._rng), origin="random")

    def _child(self) -> Proposal:
        parent = self._parent()
        child = self.space.mutate(parent.architecture, rng=self._rng)
        return Proposal(child, parents=(parent.number,), origin="mutation")

    def _parent(self) -> Member:
        members = self._members
        n = len(members)
        if self.replacement:
            drawn = [int(u * n) for u in self._rng.random(self.sample_size).tolist()]
        else:
            drawn = distinct_indices(n, self.sample_size, rng=self._rng)
        if self.removal == "worst":
            return members[min(drawn)]
        return members[min(drawn, key=self._key)]

    def _observe(self, trial: Trial) -> None:
        member = self._member(trial)
        if self.removal == "worst":
            insort(self._members, member)
            del self._members[self.population :]
            return
        key = (*member.rank, member.number)
        if len(self._members) < self.population:
            self._members.append(member)
            self._keys.append(key)
        else:
            self._members[self._oldest] = member
            self._keys[self._oldest] = key
            self._oldest = (self._oldest + 1) % self.population
