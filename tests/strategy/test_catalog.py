from __future__ import annotations

import pytest

from archwright.errors import StrategyError, UnknownNameError
from archwright.space import Space
from archwright.strategy import STRATEGIES, Strategy, make_strategy
from archwright.testing.strategies import ToyGuide

GUIDED = ("filtered", "guided-evolution", "predictor")
NAMES = ("evolution", "genetic", "grid", "local-search", "random", "regularized-evolution", *GUIDED)


def test_names_are_those_that_users_know() -> None:
    assert set(NAMES) <= set(STRATEGIES.names())


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("aging-evolution", "regularized-evolution"),
        ("mlp-evolution", "evolution"),
        ("ga", "genetic"),
        ("Regularized_Evolution", "regularized-evolution"),
    ],
)
def test_aliases_lead_to_the_same_strategy(cell: Space, alias: str, name: str) -> None:
    assert make_strategy(alias, cell, ["max:a"]).name == name


def test_unknown_strategy_names_the_nearest(cell: Space) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'evolutoin' .*'evolution'"):
        make_strategy("evolutoin", cell, ["max:a"])


def test_unknown_option_names_the_allowed_and_the_nearest(cell: Space) -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown option of strategy 'regularized-evolution' 'populaton' "
        r"\(did you mean 'population'\?\); "
        "allowed: initial, population, removal, repeats, replacement, sample_size",
    ):
        make_strategy("aging-evolution", cell, ["max:a"], populaton=3)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_documented_with_its_default(cell: Space, name: str) -> None:
    kind = STRATEGIES.get(name)
    described = kind.__doc__ if kind.option_names != ("initial",) else Strategy.__doc__
    for option in kind.option_names:
        assert f"        {option}: " in (described or "")
    guide = ToyGuide() if kind.needs_guide else None
    assert kind.takes_guide == (name in GUIDED)
    assert set(make_strategy(name, cell, ["max:a"], guide=guide).options) == set(kind.option_names)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("regularized-evolution", {"population": 1}, "'population' .* at least 2; got 1"),
        ("regularized-evolution", {"sample_size": 21}, "'sample_size' .* from 1 to 20; got 21"),
        ("regularized-evolution", {"removal": "best"}, "'removal' 'best'.* allowed: oldest, worst"),
        ("regularized-evolution", {"replacement": 1}, "'replacement' must be true or false; got 1"),
        ("evolution", {"population": 1}, "'population' .* at least 2; got 1"),
        ("evolution", {"survivors": 1.1}, "'survivors' .* from 0 to 1; got 1.1"),
        ("evolution", {"tournament": 0}, "'tournament' .* at least 1; got 0"),
        ("evolution", {"crossover": "two-point"}, "allowed: uniform, one-point, blend"),
        ("evolution", {"crossover_probability": -1}, "'crossover_probability' .* from 0 to 1"),
        ("evolution", {"mutation_probability": 2}, "'mutation_probability' .* from 0 to 1; got 2"),
        ("genetic", {"population": 0}, "'population' .* at least 2; got 0"),
        ("genetic", {"elitism": 20}, "'elitism' .* from 0 to 19; got 20"),
        ("genetic", {"selection": "lottery"}, "allowed: tournament, rank, roulette"),
        ("genetic", {"tournament": 0}, "'tournament' .* at least 1; got 0"),
        ("genetic", {"crossover": "none"}, "allowed: uniform, one-point, blend"),
        ("genetic", {"crossover_probability": 2}, "'crossover_probability' .* from 0 to 1; got 2"),
        ("genetic", {"mutation_rate": 1.5}, "'mutation_rate' .* from 0 to 1; got 1.5"),
        ("genetic", {"patience": 0}, "'patience' .* at least 1; got 0"),
        ("genetic", {"diversity": 3}, "'diversity' .* from 0 to 1; got 3"),
        ("local-search", {"starts": 0}, "'starts' .* at least 1; got 0"),
        ("local-search", {"full_neighborhood": None}, "'full_neighborhood' must be true or false"),
        ("local-search", {"at_summit": "stop"}, "allowed: restart, continue"),
        ("grid", {"levels": 0}, "'levels' .* at least 1; got 0"),
        ("grid", {"integer_levels": 0}, "'integer_levels' .* at least 1; got 0"),
    ],
)
def test_option_out_of_range_names_the_range(
    cell: Space, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises((StrategyError, UnknownNameError), match=message):
        make_strategy(name, cell, ["max:a"], **options)
