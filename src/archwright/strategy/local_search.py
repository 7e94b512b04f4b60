"""Local search: climb through one-edit neighbours.

C. White, S. Nolen, Y. Savani, "Exploring the loss landscape in neural architecture search", UAI
2021, arXiv:2005.02960, Algorithm 1:

    line 1      the start is the best of some random architectures        `_observe`, no summit yet
    line 2      evaluate the neighbours of the current one                `_propose`
    lines 3-5   move to a better one; stop when there is none             `_move`, `_summit`

As in the authors' code, the first better neighbour is taken (`full_neighborhood=False`), and
instead of stopping, the search restarts from fresh random architectures, or goes on from the best
one that it has not stood on (`at_summit="continue"`). Deviations: neighbours that were proposed
before are passed over (their hill was climbed already); while the last neighbours of a full
neighbourhood are outstanding, asks are answered with random starts for the next climb; any better
trial that is told late is moved to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from archwright.space import Architecture, Space
from archwright.strategy.base import Strategy
from archwright.strategy.checks import boolean, integer, one_of
from archwright.strategy.ranking import Member
from archwright.trial import Constraint, Objective, Proposal, Trial

__all__ = ["LocalSearch"]


class LocalSearch(Strategy):
    """Move to a better neighbour while there is one, then start anew.

    Args:
        space: What to search.
        objectives: The first one is improved.
        constraints: What a good architecture must keep.
        seed: Root of all its randomness.
        starts: Random architectures a climb starts from the best of; at least 1.
        full_neighborhood: Whether to move only when all neighbours are known, to the best one;
            otherwise to the first that is better.
        at_summit: What to do where no neighbour is better: "restart" from random architectures,
            or "continue" from the best architecture whose neighbours were not visited.
        initial: Architectures to propose first; they count as starts.
    """

    name = "local-search"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        starts: int = 10,
        full_neighborhood: bool = False,
        at_summit: str = "restart",
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.starts = integer("starts", starts, low=1)
        self.full_neighborhood = boolean("full_neighborhood", full_neighborhood)
        self.at_summit = one_of("at_summit", at_summit, ("restart", "continue"))
        self._current: Member | None = None  # where the climb stands; None while it starts
        self._better: Member | None = None  # the best one told since, better than the current
        self._neighbors: list[Architecture] = []  # of the current one, not proposed yet
        self._visit = 0  # counts the places stood on
        self._outstanding: dict[int, int] = {}  # number of a proposed neighbour -> its visit
        self._awaited = 0  # how many of them are neighbours of the current one
        self._starts: list[Member] = []  # told random ones, for this or the next climb
        self._not_visited: list[Member] = []  # heap of the told ones, if it is to continue

    @property
    def concurrency(self) -> int:
        """The rest of the starts, or of a full neighbourhood; else one neighbour at a time."""
        if self._current is None:
            return max(1, self.starts - len(self._starts) - len(self._open))
        return max(1, len(self._neighbors)) if self.full_neighborhood else 1

    def _propose(self) -> Proposal | None:
        if self._current is None or not self._has_neighbors():
            return self._unseen.random()
        self._outstanding[self.asked] = self._visit
        self._awaited += 1
        parents = (self._current.number,)
        return Proposal(self._neighbors.pop(), parents=parents, origin="neighbor")

    def _observe(self, trial: Trial) -> None:
        member = self._member(trial)
        visit = self._outstanding.pop(member.number, None)
        self._awaited -= visit == self._visit
        if self.at_summit == "continue":
            heappush(self._not_visited, member)
        if self._current is not None and member.rank < (self._better or self._current).rank:
            self._better = member
        elif visit is None:
            self._starts.append(member)
        # A place whose neighbours were all proposed before is left at once, hence the loop.
        while (place := self._next_place()) is not None:
            self._stand_on(place)

    def _next_place(self) -> Member | None:
        """Return where to stand next; `None` while there is something to wait for."""
        if self._current is not None:
            known = not self._awaited and not self._has_neighbors()
            if self._better is not None and (known or not self.full_neighborhood):
                return self._better
            if not known:
                return None
            self._current = None  # a summit
            if self._not_visited:
                return heappop(self._not_visited)
        if len(self._starts) < self.starts:
            return None
        best, self._starts = min(self._starts), []
        return best

    def _has_neighbors(self) -> bool:
        # Initial architectures can be proposed while they wait here.
        while self._neighbors and self._neighbors[-1] not in self._unseen:
            self._neighbors.pop()
        return bool(self._neighbors)

    def _stand_on(self, place: Member) -> None:
        self._current, self._better = place, None
        self._visit += 1
        self._awaited = 0
        if self.at_summit == "continue" and place in self._not_visited:
            self._not_visited.remove(place)
            heapify(self._not_visited)
        neighbors = [n for n in self.space.neighbors(place.architecture) if n in self._unseen]
        self._neighbors = [neighbors[i] for i in self._rng.permutation(len(neighbors)).tolist()]
