"""A filter of proposals: another strategy draws several, the best of them by score is taken.

M. S. Abdelfattah, A. Mehrotra, L. Dudziak, N. D. Lane, "Zero-cost proxies for lightweight NAS",
ICLR 2021 [Abdelfattah2021zerocost]_, use scores to warm a search up and to choose its moves; here
they choose among what any strategy would have proposed, from its random start on. With
`candidates=1` it is that strategy exactly, proposal by proposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archwright.errors import StrategyError
from archwright.space import Architecture, Space
from archwright.strategy.base import Strategy
from archwright.strategy.checks import integer
from archwright.strategy.guide import Guidance, Guide, best_voted
from archwright.trial import Constraint, Objective, Proposal, Trial

__all__ = ["Filtered"]


class Filtered(Strategy):
    """Draw some proposals of another strategy and make the one with the best scores.

    Args:
        space: What to search.
        objectives: What to improve, as the other strategy does.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        guide: Scores the candidates; several scores vote.
        base: Name of the other strategy, one that draws at random: "random",
            "regularized-evolution", "evolution", "genetic".
        base_options: Its options.
        candidates: How many are drawn for each proposal, from 1.
        initial: Architectures to propose first, unfiltered.

    Raises:
        StrategyError: If the other strategy proposes in an order of its own.
    """

    name = "filtered"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        guide: Guide,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        base: str = "regularized-evolution",
        base_options: Mapping[str, Any] | None = None,
        candidates: int = 8,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.candidates = integer("candidates", candidates, low=1)
        self._base = _made(base, base_options or {}, self)
        self.base = self._base.name
        self.base_options = {k: v for k, v in self._base.options.items() if k != "initial"}
        self.repeats = self._base.repeats
        self._guide = self._scores = Guidance(guide)

    @property
    def concurrency(self) -> int:
        """As many as the other strategy wants."""
        return self._base.concurrency

    def _propose(self) -> Proposal | None:
        drawn: dict[tuple[float, ...], Proposal] = {}
        for _ in range(self.candidates):
            if (proposal := self._base._propose()) is not None:
                drawn.setdefault(proposal.architecture.codes, proposal)
        candidates = list(drawn.values())
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return candidates[best_voted(self._scores([one.architecture for one in candidates]))]

    def _accept(self, proposal: Proposal) -> None:
        super()._accept(proposal)
        self._base._accept(proposal)

    def _observe(self, trial: Trial) -> None:
        self._base.tell(trial)
        if self._base.stopped:
            self._stop(self._base.stopped)


def _made(base: str, options: Mapping[str, Any], outer: Strategy) -> Strategy:
    """Return the strategy whose proposals are filtered."""
    from archwright.strategy.catalog import STRATEGIES, make_strategy  # it names this module

    kind = STRATEGIES.get(base)
    if kind.needs_guide or not kind.redraws:
        raise StrategyError(
            f"option 'base' must be a strategy that draws its proposals at random and without "
            f"scores, such as 'regularized-evolution'; got {base!r}"
        )
    if "initial" in options:
        raise StrategyError("give 'initial' to the filter, not among 'base_options'")
    goals, bounds = outer.objectives, outer.constraints
    return make_strategy(
        base, outer.space, goals, constraints=bounds, seed=outer.seed, **dict(options)
    )
