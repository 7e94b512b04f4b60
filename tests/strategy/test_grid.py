from __future__ import annotations

import pytest

from archwright.space import Choice, Group, Integer, List, Real, Space
from archwright.strategy import Strategy, make_strategy


def grid(space: Space, **options: object) -> Strategy:
    return make_strategy("grid", space, ["max:score"], **options)


def values(strategy: Strategy, *paths: str) -> list[tuple[object, ...]]:
    return [tuple(p.architecture.get(path) for path in paths) for p in strategy.ask(1000)]


def test_finite_space_is_enumerated_in_its_order(tiny: Space) -> None:
    strategy = grid(tiny)
    assert [p.architecture for p in strategy.ask(100)] == list(tiny.enumerate())
    assert strategy.stopped == "every architecture of the grid was proposed"


def test_reals_are_cut_into_levels_with_both_ends() -> None:
    space = Space(kind=Choice("a", "b"), dropout=Real(0.0, 0.5))
    strategy = grid(space, levels=3)
    expected = [(kind, level) for kind in "ab" for level in (0.0, 0.25, 0.5)]
    assert sorted(values(strategy, "kind", "dropout")) == expected  # type: ignore[type-var]


def test_logarithmic_reals_are_cut_by_ratio() -> None:
    found = values(grid(Space(rate=Real(1e-4, 1e-2, log=True)), levels=3), "rate")
    assert [rate for (rate,) in found] == pytest.approx([1e-4, 1e-3, 1e-2])


def test_one_level_is_the_middle() -> None:
    space = Space(rate=Real(0.0, 1.0), width=Integer(1, 5))
    assert values(grid(space, levels=1, integer_levels=1), "rate", "width") == [(0.5, 3)]


def test_integers_are_thinned_when_asked(widths: Space) -> None:
    strategy = grid(widths, integer_levels=3)
    found = values(strategy, "hidden")
    assert len(found) == 3 + 9 + 27
    assert {width for (hidden,) in found for width in hidden} == {50, 125, 200}  # type: ignore[attr-defined]


def test_thinned_integers_stay_on_their_own_steps() -> None:
    space = Space(width=Integer(0, 30, step=10))
    assert values(grid(space, integer_levels=3), "width") == [(0,), (20,), (30,)]
    assert len(values(grid(space, integer_levels=9), "width")) == 4


def test_integers_that_conditions_name_keep_all_values() -> None:
    space = Space(
        depth=Integer(1, 5),
        rate=Real(0.0, 1.0, when={"depth": 2}),
        stages=List(Group(width=Integer(1, 9), boost=Real(0, 1, when={"width": 4})), 1, 1),
    )
    found = values(grid(space, levels=2, integer_levels=2), "depth", "rate")
    assert {depth for depth, _ in found} == {1, 2, 3, 4, 5}
    assert {rate for depth, rate in found if depth == 2} == {0.0, 1.0}
    assert len(found) == (4 + 2) * (8 + 2)


def test_initial_architecture_off_the_grid_comes_first() -> None:
    space = Space(rate=Real(0.0, 1.0))
    strategy = grid(space, levels=2, initial=[{"rate": 0.3}, {"rate": 1.0}])
    assert values(strategy, "rate") == [(0.3,), (1.0,), (0.0,)]


def test_huge_grid_starts_at_once() -> None:
    space = Space({f"c{i}": Choice(*range(10)) for i in range(30)})
    assert len(grid(space).ask(5)) == 5


def test_seed_makes_no_difference(cell: Space) -> None:
    assert grid(cell, seed=1).ask(9) == grid(cell, seed=2).ask(9)
