from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from archwright.errors import StrategyError, UnknownNameError
from archwright.space import Choice, Integer, List, Space
from archwright.strategy import Batched, batched, make_strategy
from archwright.strategy._streams import Ahead
from archwright.strategy.selection import distinct_indices
from archwright.testing.batched import check_batched, coarse_fitness, plain_history


def spaces() -> dict[str, Space]:
    return {
        "cell": Space({f"edge_{i}": Choice(*"abcde") for i in range(6)}, name="cell"),
        "tiny": Space(a=Choice("x", "y", "z"), b=Choice(1, 2), c=Choice("only"), name="tiny"),
        "one": Space(a=Choice("x"), b=Choice(1), name="one"),
    }


def build(name: str, space: Space, seeds: Any = (1, 2), **options: Any) -> Batched:
    searches = batched(name, space, seeds, options)
    assert searches is not None
    return searches


@pytest.mark.parametrize("space", spaces().values(), ids=lambda space: space.name)
@pytest.mark.parametrize("repeats", [False, True])
def test_random_search_proposes_what_each_proposes_alone(space: Space, repeats: bool) -> None:
    check_batched("random", space, repeats=repeats)


@pytest.mark.parametrize("space", spaces().values(), ids=lambda space: space.name)
@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("removal", ["oldest", "worst"])
@pytest.mark.parametrize(
    ("population", "sample_size"),
    [(10, 3), (50, 10), (80, 15), (4, 4), (6, 1)],  # shuffled, drawn, drawn above 63, all, one
)
def test_evolution_proposes_what_each_proposes_alone(
    space: Space,
    repeats: bool,
    replacement: bool,
    removal: str,
    population: int,
    sample_size: int,
) -> None:
    check_batched(
        "regularized-evolution",
        space,
        population=population,
        sample_size=sample_size,
        replacement=replacement,
        removal=removal,
        repeats=repeats,
    )


@pytest.mark.parametrize("name", ["random", "regularized-evolution"])
def test_initial_architectures_come_first(name: str) -> None:
    space = spaces()["cell"]
    first = [{f"edge_{i}": letter for i in range(6)} for letter in "abc"]
    check_batched(name, space, initial=first)
    asked = build(name, space, initial=first).ask()
    assert asked.tolist() == [[0] * 6] * 2


@pytest.mark.parametrize("name", ["random", "regularized-evolution"])
def test_spaces_too_large_for_a_map_are_remembered_in_sets(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(batched.__globals__, "_LARGEST_MAP", 10)
    check_batched(name, spaces()["tiny"])
    check_batched(name, spaces()["cell"], proposals=60)


def test_long_searches_read_many_blocks_of_random_numbers() -> None:
    space = Space({f"slot_{i}": Choice(0, 1) for i in range(60)}, name="long")
    check_batched("random", space, proposals=90)
    check_batched("regularized-evolution", space, proposals=400, population=5, sample_size=2)


def test_a_space_that_is_no_product_has_no_batched_form() -> None:
    product = Space(a=Choice(1, 2), b=Choice(3, 4))
    assert product.is_product
    others = [
        Space(a=Choice(1, 2), b=Choice(3, 4, when={"a": 1})),
        Space(a=Choice(1, 2), b=Integer(3, 4)),
        Space(a=List(Choice(1, 2), 2, 2)),
        Space({"a": Choice(1, 2)}, rules=[("a is 1", lambda values: values["a"] == 1)]),
        Space({f"c{i}": Choice(0, 1) for i in range(63)}),
        product.restricted("all", lambda architecture: True),
    ]
    for space in others:
        assert not space.is_product
        assert batched("random", space, [1]) is None
        assert batched("regularized-evolution", space, [1]) is None


def test_constraints_and_other_strategies_have_no_batched_form() -> None:
    space = spaces()["cell"]
    bounded = make_strategy("random", space, ["max:score"], constraints=["size<=1"])
    assert bounded.batched([1]) is None
    assert batched("local-search", space, [1]) is None


def test_without_repeats_no_search_proposes_twice() -> None:
    searches = build("regularized-evolution", spaces()["cell"], range(6), population=5)
    numbers = []
    for _ in range(300):
        searches.ask()
        numbers.append(searches.numbers)
        searches.tell(np.zeros(6))
    assert all(max(Counter(column).values()) == 1 for column in np.array(numbers).T.tolist())


def test_used_up_spaces_stop_with_a_reason() -> None:
    space = spaces()["tiny"]
    searches = build("random", space)
    plain = make_strategy("random", space, ["max:score"], seed=1)
    plain_history(plain, coarse_fitness, 10)
    for _ in range(6):
        assert searches.ask().shape == (2, 3)
        searches.tell(np.zeros(2))
    assert searches.stopped is None
    assert searches.ask().shape == (0, 3)
    assert searches.stopped == plain.stopped == "every architecture of the space was proposed"


def test_asks_and_tells_take_turns() -> None:
    searches = build("random", spaces()["cell"])
    with pytest.raises(StrategyError, match="nothing was asked yet; ask before you tell"):
        searches.tell(np.zeros(2))
    searches.ask()
    with pytest.raises(StrategyError, match="proposal 0 was not told yet"):
        searches.ask()
    with pytest.raises(StrategyError, match=r"each of 2 searches; got an array of shape \(3,\)"):
        searches.tell(np.zeros(3))
    searches.tell(np.zeros(2))
    with pytest.raises(StrategyError, match="proposal 0 was told already"):
        searches.tell(np.zeros(2))


def test_what_is_wrong_is_said() -> None:
    space = spaces()["cell"]
    with pytest.raises(StrategyError, match="at least one seed; got none"):
        batched("random", space, [])
    with pytest.raises(StrategyError, match="'seeds' must be a whole number of at least 0; got -1"):
        batched("random", space, [0, -1])
    with pytest.raises(StrategyError, match="'repeats' must be true or false; got 1"):
        batched("random", space, [0], {"repeats": 1})
    with pytest.raises(UnknownNameError, match="option of strategy 'random'"):
        batched("random", space, [0], {"populations": 3})


@pytest.mark.parametrize(
    ("n", "k"), [(50, 10), (65, 3), (90, 30), (100, 25), (200, 3), (7, 7), (1000, 250), (1000, 300)]
)
def test_distinct_indices_are_those_of_the_plain_draw(n: int, k: int) -> None:
    rows = np.array([0, 2])
    streams = Ahead([np.random.default_rng(seed) for seed in range(3)])
    plain = [np.random.default_rng(seed) for seed in range(3)]
    for _ in range(30):
        drawn = streams.distinct(rows, n, k)
        for row, indices in zip(rows.tolist(), drawn.tolist(), strict=True):
            assert sorted(indices) == sorted(distinct_indices(n, k, rng=plain[row]))
        after = streams.take(rows, 2)
        assert after.tolist() == [plain[row].random(2).tolist() for row in rows.tolist()]


@pytest.mark.parametrize("name", ["random", "regularized-evolution"])
def test_repeats_let_an_architecture_come_again(name: str) -> None:
    space = spaces()["tiny"]
    plain = make_strategy(name, space, ["max:score"], seed=0, repeats=True)
    assert plain.options["repeats"] is True
    codes = plain_history(plain, coarse_fitness, 60)
    assert len(codes) == 60
    assert len(set(codes)) == 6
    assert plain.stopped is None
