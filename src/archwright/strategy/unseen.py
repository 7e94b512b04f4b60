"""Find architectures that were not proposed before, and notice when there are none left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from archwright.errors import SpaceError
from archwright.space import Architecture, Space
from archwright.trial import Proposal

__all__ = ["EVERY_ONE", "PATIENCE", "Unseen"]

PATIENCE = 100
"""How many repeats in a row are drawn before a simpler way of drawing is taken."""
EVERY_ONE = "every architecture of the space was proposed"
"""Why a strategy stops that has used up its space."""


class Unseen:
    """The architectures of a space that were not proposed yet.

    An idea that keeps drawing what was proposed before is given up after `PATIENCE` draws in
    favour of a random architecture, and that after `PATIENCE` more in favour of the first unseen
    one in the order of `Space.enumerate`. So a finite space is used up completely, and a strategy
    neither waits nor repeats itself. Spaces that cannot be walked (a decision is real, or rules
    leave an unknown part of very many candidates) end after the random draws.

    Args:
        space: The space.
        rng: Random architectures are drawn from it.
    """

    def __init__(self, space: Space, *, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._seen: set[tuple[float, ...]] = set()
        self._rest: Iterator[Architecture] | None = None
        self._first: Architecture | None = None  # unseen one of the rest, when last looked for
        self._finite = all(slot.size is not None for slot in space.slots)

    def add(self, architecture: Architecture) -> None:
        """Count the architecture as proposed."""
        self._seen.add(architecture.codes)

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.codes not in self._seen

    def draw(self, idea: Callable[[], Proposal]) -> Proposal | None:
        """Return the first unseen proposal of the idea, else `random()`."""
        seen = self._seen
        try:
            for _ in range(PATIENCE):
                proposal = idea()
                if proposal.architecture.codes not in seen:
                    return proposal
        except SpaceError:  # rules may leave an architecture without valid edits
            return self.random()
        return self.random()

    def random(self) -> Proposal | None:
        """Return a random unseen architecture; `None` if none was found.

        Raises:
            SpaceError: If rules leave nothing that draws would find, in a space that cannot be
                walked.
        """
        space, rng, seen = self._space, self._rng, self._seen
        try:
            for _ in range(PATIENCE):
                architecture = space.sample(rng=rng)
                if architecture.codes not in seen:
                    return Proposal(architecture, origin="random")
        except SpaceError:
            if not self._can_walk:
                raise
        return self._next_of_rest() if self._can_walk else None

    @property
    def why_none(self) -> str:
        """The reason to stop after `random` returned `None`."""
        if self._can_walk:
            return EVERY_ONE
        return (
            f"{PATIENCE} random draws in a row found no architecture that was not proposed before"
        )

    @property
    def _can_walk(self) -> bool:
        return self._finite and self._space.size_is_exact

    def _next_of_rest(self) -> Proposal | None:
        # What the iterator has passed is seen and stays so: it never needs to start again.
        if self._rest is None:
            self._rest = self._space.enumerate()
            self._first = next(self._rest, None)
        while self._first is not None and self._first not in self:
            self._first = next(self._rest, None)
        return None if self._first is None else Proposal(self._first, origin="enumeration")
