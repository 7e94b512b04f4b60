"""Regularized evolution that chooses its moves by score.

M. S. Abdelfattah, A. Mehrotra, L. Dudziak, N. D. Lane, "Zero-cost proxies for lightweight NAS",
ICLR 2021 [Abdelfattah2021zerocost]_, section 5 "move proposal": instead of a random mutation, the
neighbour of the parent with the best score is evaluated; in the authors' notebook a random one
with probability 0.25. Here:

    the parent          the best of a sample, as in `RegularizedEvolution`
    its neighbours      all that differ in one edit and were not proposed, at most 64 drawn
    the child           the best of them by score, several scores vote; or a uniform one

Deviation: a parent all of whose neighbours were proposed before is drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archwright.space import Architecture, Space
from archwright.strategy.checks import integer, number
from archwright.strategy.guide import Guidance, Guide, best_voted
from archwright.strategy.regularized_evolution import RegularizedEvolution
from archwright.trial import Constraint, Objective, Proposal

__all__ = ["GuidedEvolution"]


class GuidedEvolution(RegularizedEvolution):
    """Move from the best of a sample to its best neighbour by score; the oldest member dies.

    Args:
        space: What to search.
        objectives: The first one is improved.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        guide: Scores the neighbours; several scores vote.
        population: Members that are alive; at least 2.
        sample_size: Members a parent is the best of; from 1 to `population`.
        random_moves: How often the neighbour is a uniform one, in [0, 1].
        neighbors: Most neighbours of a parent that are scored, from 1; of more, as many are drawn.
        initial: Architectures to propose first; they count as part of the first population.
    """

    name = "guided-evolution"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        guide: Guide,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        population: int = 20,
        sample_size: int = 5,
        random_moves: float = 0.25,
        neighbors: int = 64,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(
            space,
            objectives,
            constraints=constraints,
            seed=seed,
            population=population,
            sample_size=sample_size,
            initial=initial,
        )
        self.random_moves = number("random_moves", random_moves, low=0, high=1)
        self.neighbors = integer("neighbors", neighbors, low=1)
        self._guide = self._scores = Guidance(guide)

    def batched(self, seeds: Sequence[int]) -> None:
        """Return None: scores are looked at one search at a time."""
        del seeds

    def _child(self) -> Proposal:
        parent = self._parent()
        near = [one for one in self.space.neighbors(parent.architecture) if one in self._unseen]
        if not near:  # whatever this is, it was proposed, so that another parent is drawn
            return Proposal(parent.architecture)
        # In random order, so that chance decides among equal scores.
        drawn = [near[i] for i in self._rng.permutation(len(near))[: self.neighbors].tolist()]
        if self._rng.random() < self.random_moves:
            child, origin = drawn[int(self._rng.integers(len(drawn)))], "random move"
        else:
            child, origin = drawn[best_voted(self._scores(drawn))], "best move"
        return Proposal(child, parents=(parent.number,), origin=origin)
