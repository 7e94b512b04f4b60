"""The interface of all strategies: `ask`, `tell`, and the bookkeeping around the two."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from archwright.errors import SpaceError, StrategyError
from archwright.seeding import generator
from archwright.space import Architecture, Space
from archwright.strategy.checks import integer
from archwright.strategy.guide import Guidance, Guide
from archwright.strategy.ranking import Member, rank
from archwright.strategy.unseen import Unseen
from archwright.trial import Constraint, Objective, Proposal, Trial

if TYPE_CHECKING:
    from archwright.strategy.batched import Batched

__all__ = ["UNLIMITED", "Strategy"]

UNLIMITED = 1_000_000
"""`Strategy.concurrency` of a strategy that learns nothing from what it is told."""

_NO_OPTIONS = ("constraints", "seed", "guide")


class Strategy(ABC):
    """Propose architectures, learn from the finished trials.

    Proposals are numbered 0, 1, 2 ... in the order of asking, and no architecture is proposed
    twice, unless an option of the strategy says so. Trials are told once each, whenever they
    finish, in any order; failed ones are told too and count as the worst. `ask` never waits for
    outstanding trials, and `ask(n)` is `n` times `ask(1)`.

    The state is a function of seed, options and the sequence of asks and tells: no clock, no
    global randomness, no hash order. `archwright.strategy.replay` rebuilds it from trials.

    A kind of strategy gives a `name`, takes its options as keyword arguments, keeps each (checked)
    in an attribute of the same name, and fills in `_propose` and `_observe`. It draws from `_rng`
    only, and proposes what `_unseen` finds. One that looks at scores takes the keyword `guide`,
    which is no option, and keeps it in `_guide`; without a default it cannot do without.

    Args:
        space: What to search.
        objectives: What to improve. Strategies for one objective take the first.
        constraints: What a good architecture must keep (Deb's rule, see `rank`).
        seed: Root of all its randomness.
        initial: Architectures to propose first, in this order: `Architecture`s, or mappings
            from path to value as `Space.architecture` takes them.

    Raises:
        StrategyError: If there is no objective, or an initial architecture is not one of the
            space or stands there twice.
    """

    name: ClassVar[str]
    option_names: ClassVar[tuple[str, ...]] = ("initial",)
    takes_guide: ClassVar[bool] = False
    """Whether it can look at scores."""
    needs_guide: ClassVar[bool] = False
    """Whether it can do nothing without scores."""
    redraws: ClassVar[bool] = False
    """Whether `_propose` changes `_rng` alone, so that a proposal may be drawn and dropped."""
    repeats: bool = False
    """Whether it may propose an architecture again; then it does not remember what it proposed."""
    _guide: Guidance | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        parameters = inspect.signature(cls).parameters
        cls.option_names = tuple(
            parameter.name
            for parameter in parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in _NO_OPTIONS
        )
        cls.takes_guide = "guide" in parameters
        cls.needs_guide = cls.takes_guide and parameters["guide"].default is inspect.Parameter.empty

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        if isinstance(objectives, str | Objective):
            objectives = (objectives,)
        self.space = space
        self.objectives = tuple(Objective.parse(objective) for objective in objectives)
        if not self.objectives:
            raise StrategyError(f"strategy {self.name!r} needs at least one objective; got none")
        self.constraints = tuple(Constraint.parse(constraint) for constraint in constraints)
        self.seed = integer("seed", seed, low=0)
        self._rng = generator(self.seed, "strategy", self.name)
        self._unseen = Unseen(space, rng=self._rng)
        self._first = deque(_initial_architectures(space, initial))
        self.initial = [_plain(architecture.values) for architecture in self._first]
        self._open: dict[int, Proposal] = {}
        self._asked = 0
        self._stopped: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Every option with its value, as JSON; `make_strategy` takes them back."""
        return {option: getattr(self, option) for option in self.option_names}

    @property
    def asked(self) -> int:
        """How many proposals were made; the number of the next one."""
        return self._asked

    @property
    def told(self) -> int:
        """How many finished trials were told."""
        return self._asked - len(self._open)

    @property
    def stopped(self) -> str | None:
        """Why there will be no more proposals; `None` while there may be."""
        return self._stopped

    @property
    def concurrency(self) -> int:
        """How many proposals are useful to ask now, before further tells; at least 1."""
        return 1

    def ask(self, n: int = 1) -> list[Proposal]:
        """Return the next `n` proposals; fewer, or none, once `stopped` holds a reason.

        Raises:
            StrategyError: If `n` is negative.
        """
        if n < 0:
            raise StrategyError(f"ask takes a number of proposals of at least 0; got {n!r}")
        proposals: list[Proposal] = []
        while len(proposals) < n and self._stopped is None:
            proposal = Proposal(self._first.popleft(), origin="initial") if self._first else None
            if proposal is None:
                proposal = self._propose()
            if proposal is None:
                self._stop(self._unseen.why_none)
                break
            if self._guide is not None and (taken := self._guide.taken()):
                proposal = replace(proposal, guidance=taken)
            self._accept(proposal)
            proposals.append(proposal)
        return proposals

    def recall(self, proposal: Proposal) -> None:
        """Learn the scores that a recorded proposal carries, before asking for it again."""
        if self._guide is not None:
            self._guide.recall(proposal.guidance)

    def tell(self, trial: Trial) -> None:
        """Learn from a finished trial, whatever its status.

        Raises:
            StrategyError: If the trial is not finished, was told before, was never asked for, or
                holds another architecture than was proposed under its number.
        """
        proposal = self._open.get(trial.number)
        if proposal is None or not trial.status.finished:
            raise StrategyError(self._refusal(trial))
        if trial.proposal is not proposal and trial.architecture != proposal.architecture:
            raise StrategyError(
                f"trial {trial.number} holds {trial.architecture!r}, but {proposal.architecture!r} "
                "was proposed under that number; tell a strategy only its own trials"
            )
        del self._open[trial.number]
        self._observe(trial)

    @classmethod
    def guided_by(cls, guide: Guide | None) -> dict[str, Any]:
        """Return the guide as a keyword argument of the constructor; empty if it does without.

        Raises:
            StrategyError: If it takes none and gets one, or needs one and gets none.
        """
        if guide is None and cls.needs_guide:
            raise StrategyError(
                f"strategy {cls.name!r} chooses by scores and needs a guide; got none. Give one, "
                "such as guide='naswot' (--guide naswot)"
            )
        if guide is not None and not cls.takes_guide:
            raise StrategyError(
                f"strategy {cls.name!r} does not look at scores; got a guide of "
                f"{', '.join(guide.columns)}. Take a guided one, such as 'filtered', or leave the "
                "guide out"
            )
        return {} if guide is None else {"guide": guide}

    def batched(self, seeds: Sequence[int]) -> Batched | None:
        """Return this strategy once for every seed, all advanced together, as `Batched` says.

        Returns:
            None if it has no such form, or not on this space or with these constraints.
        """
        del seeds
        return None

    @abstractmethod
    def _propose(self) -> Proposal | None:
        """Return a proposal of an unseen architecture; `None` if there is none."""

    def _accept(self, proposal: Proposal) -> None:
        """Count a proposal as made."""
        if not self.repeats:
            self._unseen.add(proposal.architecture)
        self._open[self._asked] = proposal
        self._asked += 1

    def _observe(self, trial: Trial) -> None:  # noqa: B027 - learning nothing is allowed
        """Learn from a finished trial."""

    def _stop(self, reason: str) -> None:
        """Make no more proposals; the first reason stays."""
        self._stopped = self._stopped or reason

    def _member(self, trial: Trial) -> Member:
        """Return the trial with its rank by the first objective and the constraints."""
        return Member(
            rank(trial, self.objectives[0], self.constraints), trial.number, trial.architecture
        )

    def _refusal(self, trial: Trial) -> str:
        number = trial.number
        if number in self._open:
            return f"trial {number} is {trial.status}; only finished trials are told"
        if 0 <= number < self._asked:
            return f"trial {number} was told already; each trial is told once"
        asked = f"0 to {self._asked - 1}" if self._asked else "none so far"
        return f"trial {number} was never asked for; asked: {asked}"


def _initial_architectures(
    space: Space, initial: Sequence[Mapping[str, Any] | Architecture]
) -> list[Architecture]:
    """Return the initial architectures, checked against the space and one another."""
    places: dict[tuple[float, ...], int] = {}
    architectures = []
    for place, given in enumerate(initial):
        values = given.values if isinstance(given, Architecture) else given
        try:
            architecture = space.architecture(values)
        except SpaceError as error:
            raise StrategyError(f"initial[{place}]: {error}") from error
        first = places.setdefault(architecture.codes, place)
        if first != place:
            raise StrategyError(
                f"initial[{place}] is the same architecture as initial[{first}]; give each once"
            )
        architectures.append(architecture)
    return architectures


def _plain(value: Any) -> Any:
    """Return the value with lists for tuples and dictionaries for mappings."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
