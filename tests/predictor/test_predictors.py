from __future__ import annotations

import numpy as np
import pytest

from archwright.errors import StrategyError, UnknownNameError
from archwright.predictor import PREDICTORS, RankGauss, make_predictor
from archwright.space import Choice, Space, space_named

SPACE = Space({f"edge_{i}": Choice("a", "b", "c") for i in range(6)}, name="cell")
NAMES = PREDICTORS.names()


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes, features and values that depend on both."""
    rng = np.random.default_rng(seed)
    codes = SPACE.encode(SPACE.sample_many(rows, rng=rng))
    features = rng.normal(size=(rows, 2))
    return codes, features, 3 * (codes == 1).sum(axis=1) + 2 * features[:, 0]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


@pytest.mark.parametrize("name", NAMES)
def test_a_predictor_learns_from_codes_and_features(name: str) -> None:
    codes, features, values = drawn(150, 0)
    others, further, truth = drawn(100, 1)
    predictor = make_predictor(name, SPACE, seed=0)
    predictor.fit(codes, features, values)
    mean, spread = predictor.predict(others, further)
    assert mean.shape == spread.shape == (100,)
    assert (spread >= 0).all()
    assert spread.max() > 0
    both = correlation(mean, truth)
    assert both > 0.85
    predictor.fit(codes, features[:, :0], values)
    alone = correlation(predictor.predict(others, further[:, :0])[0], truth)
    assert 0.5 < alone < both


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_is_a_function_of_seed_and_data(name: str) -> None:
    codes, features, values = drawn(40, 0)
    rng = np.random.get_state()[1].copy()  # noqa: NPY002 - it must stay what it was
    found = []
    for seed in (1, 1, 2):
        predictor = make_predictor(name, SPACE, seed=seed)
        predictor.fit(*drawn(30, 5))
        predictor.fit(codes, features, values)
        found.append(predictor.predict(*drawn(20, 1)[:2]))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    np.testing.assert_array_equal(rng, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_one_trial_is_enough(name: str) -> None:
    codes, features, values = drawn(1, 0)
    predictor = make_predictor(name, SPACE)
    predictor.fit(codes, features, values)
    mean, spread = predictor.predict(*drawn(5, 1)[:2])
    np.testing.assert_allclose(mean, values[0])
    np.testing.assert_allclose(spread, 0, atol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    codes, features, values = drawn(4, 0)
    predictor = make_predictor("forest", SPACE, trees=2)
    with pytest.raises(StrategyError, match="got 2 features, it was fitted to nothing"):
        predictor.predict(codes, features)
    with pytest.raises(StrategyError, match=r"one finite value for each of 4 .* shape \(3,\)"):
        predictor.fit(codes, features, values[:3])
    with pytest.raises(StrategyError, match="one finite value for each"):
        predictor.fit(codes, features, values * np.nan)
    with pytest.raises(StrategyError, match=r"shapes \(4, 5\) and \(4, 2\)"):
        predictor.fit(codes[:, :5], features, values)
    with pytest.raises(StrategyError, match=r"shapes \(4, 6\) and \(3, 2\)"):
        predictor.fit(codes, features[:3], values)
    with pytest.raises(StrategyError, match="features of a predictor must be finite"):
        predictor.fit(codes, features * np.nan, values)
    predictor.fit(codes, features, values)
    with pytest.raises(StrategyError, match="got 1 features, it was fitted to 2 features"):
        predictor.predict(codes, features[:, :1])
    with pytest.raises(StrategyError, match="'trees' of a predictor must be a whole number"):
        make_predictor("boosting", SPACE, trees=1)
    with pytest.raises(StrategyError, match="'machines' of a predictor must be"):
        make_predictor("boosting", SPACE, machines=2.5)
    with pytest.raises(UnknownNameError, match="unknown option of predictor 'forest' 'tree'"):
        make_predictor("forest", SPACE, tree=2)


def test_ranks_become_normal_whatever_the_scale() -> None:
    rng = np.random.default_rng(0)
    values = np.exp(5 * rng.normal(size=(2000, 1)))
    made = RankGauss(values)(values)
    assert abs(made.mean()) < 1e-9
    assert abs(made.std() - 1) < 0.01
    np.testing.assert_array_equal(np.argsort(made[:, 0]), np.argsort(values[:, 0]))
    np.testing.assert_allclose(RankGauss(np.log(values))(np.log(values)), made)


def test_ties_share_their_rank_and_nothing_is_lowest() -> None:
    gauss = RankGauss([[1.0], [2.0], [2.0], [3.0], [np.nan]])
    none, low, between, high, beyond = gauss([[np.nan], [1.0], [2.0], [3.0], [9.0]])[:, 0]
    assert none < low < between < high < beyond
    assert np.isfinite([none, beyond]).all()
    assert gauss([[2.0]]) == gauss([[2.0]])


def test_codes_are_encoded_as_architectures_are() -> None:
    architectures = SPACE.sample_many(7, rng=np.random.default_rng(0))
    for kind in ("ordinal", "one-hot"):
        wanted = SPACE.encode(architectures, kind)
        np.testing.assert_array_equal(SPACE.encode(SPACE.encode(architectures), kind), wanted)
    cells = space_named("nasbench101")
    architectures = cells.sample_many(7, rng=np.random.default_rng(0))
    for kind in ("one-hot", "adjacency", "paths"):
        wanted = cells.encode(architectures, kind)
        np.testing.assert_array_equal(cells.encode(cells.encode(architectures), kind), wanted)
