"""Every registered strategy keeps the contract, on five spaces of different shape."""

from __future__ import annotations

import numpy as np
import pytest

from archwright.space import Choice, Group, Integer, List, Real, Space, Subset, space_named
from archwright.strategy import STRATEGIES, Strategy
from archwright.testing.strategies import ToyGuide, check_in_fresh_process, check_strategy
from archwright.trial import Proposal

SPACES = (
    Space(
        {f"cell.edge_{i}": Choice("none", "skip", "conv_1x1", "conv_3x3") for i in range(6)},
        name="cell",
    ),
    space_named("mlp"),
    space_named("cnn"),
    Space(
        optimizer=Choice("sgd", "adam"),
        momentum=Real(0.0, 0.99, when={"optimizer": "sgd"}),
        learning_rate=Real(1e-4, 1e-1, log=True),
        depth=Integer(1, 8),
        name="reals",
    ),
    Space(
        heads=Subset("a", "b", "c", min=1),
        stages=List(Group(width=Choice(8, 16), kernel=Choice(3, 5, when={"width": 16})), 1, 2),
        extra=Choice(False, True),
        extra_width=Choice(1, 2, when={"extra": True}),
        name="conditional",
    ),
)
NAMES = STRATEGIES.names()
TOY, FEW = ToyGuide(("one", "two")), {"machines": 2, "trees": 2}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_strategy_keeps_the_contract(name: str, space: Space) -> None:
    check_strategy(name, space)


@pytest.mark.parametrize("name", NAMES)
def test_strategy_keeps_the_contract_under_a_restriction(name: str) -> None:
    space = Space(a=Integer(0, 11), b=Integer(0, 11), c=Choice("x", "y")).restricted(
        "a + b is at most 6", lambda architecture: architecture["a"] + architecture["b"] <= 6
    )
    check_strategy(name, space)


@pytest.mark.parametrize("name", NAMES)
def test_fresh_process_makes_the_same_proposals(name: str) -> None:
    check_in_fresh_process(name, SPACES)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("regularized-evolution", {"population": 6, "sample_size": 2, "removal": "worst"}),
        ("regularized-evolution", {"population": 6, "sample_size": 3, "replacement": False}),
        ("evolution", {"population": 2}),
        ("evolution", {"population": 5, "crossover": "one-point", "survivors": 0.3}),
        ("evolution", {"population": 4, "crossover": "blend", "mutation_probability": 1.0}),
        ("evolution", {"crossover_probability": 0.0, "mutation_probability": 0.0}),
        ("genetic", {"population": 6, "selection": "rank", "crossover": "one-point"}),
        ("genetic", {"population": 6, "selection": "roulette", "elitism": 0}),
        ("genetic", {"population": 2, "mutation_rate": 0.0, "crossover_probability": 0.0}),
        ("local-search", {"starts": 1, "full_neighborhood": True}),
        ("local-search", {"starts": 3, "at_summit": "continue"}),
        ("local-search", {"starts": 2, "at_summit": "continue", "full_neighborhood": True}),
        ("grid", {"levels": 2, "integer_levels": 100}),
        ("filtered", {"base": "random", "candidates": 3}),
        ("filtered", {"base": "genetic", "base_options": {"population": 6}}),
        ("filtered", {"candidates": 1, "base_options": {"population": 6, "sample_size": 2}}),
        ("guided-evolution", {"population": 6, "sample_size": 2, "neighbors": 3}),
        ("guided-evolution", {"population": 6, "sample_size": 1, "random_moves": 0.0}),
        ("predictor", {"starts": 5, "refit": 9, "predictor_options": FEW, "guide": TOY}),
        ("predictor", {"starts": 9, "predictor": "forest", "predictor_options": {"trees": 2}}),
    ],
    ids=str,
)
@pytest.mark.parametrize("space", [SPACES[0], SPACES[4]], ids=lambda space: space.name)
def test_strategy_keeps_the_contract_with_options(
    name: str, options: dict[str, object], space: Space
) -> None:
    check_strategy(name, space, **options)


class _Repeating(Strategy):
    """Proposes the same thing for ever."""

    name = "repeating"

    def _propose(self) -> Proposal | None:
        return Proposal(next(iter(self.space.enumerate())), origin="again")


class _Forgetful(Strategy):
    """Has a state that no replay restores."""

    name = "forgetful"
    calls = 0

    def _propose(self) -> Proposal | None:
        _Forgetful.calls += 1
        rng = np.random.default_rng(_Forgetful.calls)
        return Proposal(self.space.sample(rng=rng), origin="luck")


class _Waiting(Strategy):
    """Proposes nothing while anything is outstanding."""

    name = "waiting"

    def _propose(self) -> Proposal | None:
        return None if self.asked > self.told + 8 else self._unseen.random()


class _Early(Strategy):
    """Gives up before everything was proposed."""

    name = "early"

    def _propose(self) -> Proposal | None:
        if self.asked == 100:
            self._stop("enough")
            return None
        return self._unseen.random()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (_Repeating, "repeating: proposed an architecture twice"),
        (_Forgetful, "forgetful: .* build another strategy"),
        (_Waiting, "waiting: only 9 proposals while none was told"),
        (_Early, "early: proposed 100 of 252 architectures"),
    ],
)
def test_contract_catches(kind: type[Strategy], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_strategy(kind, SPACES[4])
