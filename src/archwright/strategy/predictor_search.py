"""Search by a predictor that learns from the finished trials, with scores as features.

C. White, W. Neiswanger, Y. Savani, "BANANAS: Bayesian optimization with neural architectures for
neural architecture search", AAAI 2021 [White2021bananas]_, Algorithm 1 with another predictor:

    line 1    some random architectures                                   `_propose`, first branch
    line 3    fit to everything that was told                             `_round`
    line 4    candidates: mutations of the best; here half of them        `_pool`
    line 5    independent Thompson sampling: one draw of each candidate   `_round`
    line 6    evaluate the k of the best draws                            `_propose`

With a guide its scores are further features: A. Krishnakumar, C. White, A. Zela, R. Tu, M. Safari,
F. Hutter, "NAS-Bench-Suite-Zero: accelerating research on zero cost proxies", NeurIPS 2022.
Features are made normal by their ranks among trials and candidates; values by the ranks of the
trials, so that failures and broken constraints are the worst of them, as everywhere.

Deviations: the predictor is any of `PREDICTORS`; half of the candidates are random, so that the
search never narrows down for good. With several workers a round is fitted to what is told by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import SpaceError
from archwright.predictor import PREDICTORS, Predictor, RankGauss, make_predictor
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space
from archwright.strategy.base import Strategy
from archwright.strategy.checks import integer
from archwright.strategy.guide import Guidance, Guide
from archwright.strategy.ranking import Member
from archwright.trial import Constraint, Objective, Proposal, Trial

__all__ = ["PredictorSearch"]

Floats = NDArray[np.float64]


class PredictorSearch(Strategy):
    """Fit a predictor, propose what it draws as the best of many candidates, fit again.

    Args:
        space: What to search.
        objectives: The first one is improved.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        guide: Its scores are features; without one the architecture alone is.
        predictor: A name of `archwright.predictor.PREDICTORS`.
        predictor_options: Its options.
        starts: Random architectures before the first fit; at least 1.
        refit: Proposals between two fits; at least 1.
        pool: Candidates of each fit, half of them random; at least `refit`.
        parents: How many of the best are mutated for the other half; at least 1.
        initial: Architectures to propose first; they count as starts.
    """

    name = "predictor"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        guide: Guide | None = None,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        predictor: str = "boosting",
        predictor_options: Mapping[str, Any] | None = None,
        starts: int = 20,
        refit: int = 10,
        pool: int = 100,
        parents: int = 10,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.predictor = PREDICTORS.entry(predictor).name
        self.predictor_options = dict(predictor_options or {})
        self.starts = integer("starts", starts, low=1)
        self.refit = integer("refit", refit, low=1)
        self.pool = integer("pool", pool, low=self.refit)
        self.parents = integer("parents", parents, low=1)
        self._guide = None if guide is None else Guidance(guide)
        self._members: list[Member] = []  # everything told
        self._next: list[Proposal] = []  # of the round, the best last
        self._made(0)  # what is wrong with its options must be known now

    @property
    def concurrency(self) -> int:
        """The rest of the starts, then the rest of the round."""
        return max(1, self.starts - self.asked, len(self._next))

    def _propose(self) -> Proposal | None:
        if self.asked < self.starts or not self._members:
            return self._unseen.random()
        for _ in range(2):
            while self._next:
                if (proposal := self._next.pop()).architecture in self._unseen:
                    return proposal
            self._next = self._round()
        return self._unseen.random()

    def _observe(self, trial: Trial) -> None:
        self._members.append(self._member(trial))

    def _round(self) -> list[Proposal]:
        """Return what the predictor draws as the best candidates, the best last."""
        candidates = self._pool()
        if not candidates:
            return []
        known = [member.architecture for member in self._members]
        architectures = [*known, *(one.architecture for one in candidates)]
        codes, features = self.space.encode(architectures), self._features(architectures)
        predictor, told = self._made(self.asked), len(known)
        predictor.fit(codes[:told], features[:told], _values(self._members))
        mean, spread = predictor.predict(codes[told:], features[told:])
        drawn = mean + spread * self._rng.standard_normal(len(mean))
        order = np.argsort(drawn, kind="stable")[-self.refit :]
        return [candidates[place] for place in order.tolist()]

    def _pool(self) -> list[Proposal]:
        """Return different unseen candidates: random ones, and mutations of the best."""
        best = sorted(self._members)[: self.parents]
        found: dict[tuple[float, ...], Proposal] = {}
        for number in range(self.pool):
            try:
                drawn = self._mutation(best[number // 2 % len(best)]) if number % 2 else None
                drawn = drawn or Proposal(
                    self.space.sample(rng=self._rng), origin="random candidate"
                )
            except SpaceError:  # rules may leave nothing that draws would find
                continue
            if drawn.architecture in self._unseen:
                found.setdefault(drawn.architecture.codes, drawn)
        return list(found.values())

    def _mutation(self, parent: Member) -> Proposal:
        child = self.space.mutate(parent.architecture, rng=self._rng)
        return Proposal(child, parents=(parent.number,), origin="mutation")

    def _features(self, architectures: Sequence[Architecture]) -> Floats:
        """Return `(architectures, columns)` the guide's scores by rank; no columns without one."""
        if self._guide is None:
            return np.empty((len(architectures), 0))
        scores = self._guide(architectures)
        return RankGauss(scores)(scores)

    def _made(self, number: int) -> Predictor:
        seed = derive_seed(self.seed, "predictor", number)
        return make_predictor(self.predictor, self.space, seed=seed, **self.predictor_options)


def _values(members: Sequence[Member]) -> Floats:
    """Return the ranks of trials as normal quantiles, higher is better, ties alike."""
    places = {rank: place for place, rank in enumerate(sorted({one.rank for one in members}))}
    losses = np.array([[places[member.rank]] for member in members], dtype=np.float64)
    return RankGauss(-losses)(-losses)[:, 0]
