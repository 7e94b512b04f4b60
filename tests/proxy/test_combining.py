import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from archwright.errors import ProxyError, UnknownNameError
from archwright.proxy.combining import (
    COMBININGS,
    combine,
    log_rank_sum,
    min_max_sum,
    rank_sum,
    ranks,
    vote,
)

tables = st.integers(1, 4).flatmap(
    lambda proxies: st.lists(
        st.lists(st.integers(-3, 3).map(float), min_size=proxies, max_size=proxies),
        min_size=1,
        max_size=9,
    ).map(lambda rows: np.array(rows).T)
)


def slow_vote(values):
    """Compare all pairs, proxy by proxy."""
    proxies, candidates = values.shape
    points = [0.0] * candidates
    for a, b in itertools.permutations(range(candidates), 2):
        won = sum(values[p][a] > values[p][b] for p in range(proxies)) * 2 > proxies
        lost = sum(values[p][a] < values[p][b] for p in range(proxies)) * 2 > proxies
        points[a] += 1 if won else 0 if lost else 0.5
    return [point / (candidates - 1) for point in points] if candidates > 1 else [1.0]


@given(tables)
def test_ranks_agree_with_scipy(values):
    expected = np.stack([rankdata(row, method="average") for row in values])
    np.testing.assert_array_equal(ranks(values), expected)


@given(tables)
def test_vote_agrees_with_a_loop_over_pairs(values):
    np.testing.assert_allclose(vote(values), slow_vote(values), atol=1e-12)


@pytest.mark.parametrize("how", ["vote", "rank_sum", "log_rank_sum"])
@given(values=tables)
def test_monotone_transforms_leave_rank_combinings_unchanged(how, values):
    changed = np.array([np.exp(row) * (p + 1) - 5 for p, row in enumerate(values)])
    np.testing.assert_array_equal(combine(changed, how), combine(values, how))


@pytest.mark.parametrize("how", sorted(COMBININGS))
@given(values=tables, seed=st.integers(0, 99))
def test_order_of_candidates_and_proxies_does_not_matter(how, values, seed):
    rng = np.random.default_rng(seed)
    candidates, proxies = rng.permutation(values.shape[1]), rng.permutation(values.shape[0])
    plain = combine(values, how)
    np.testing.assert_allclose(combine(values[proxies][:, candidates], how), plain[candidates])


@pytest.mark.parametrize("how", sorted(COMBININGS))
def test_candidate_without_a_score_is_last(how):
    values = [[1.0, 3.0, math.nan, 2.0], [4.0, 9.0, math.nan, 8.0]]
    found = combine(values, how)
    assert found[2] == found.min()
    assert found.argmax() == 1


@pytest.mark.parametrize("how", sorted(COMBININGS))
def test_minus_infinity_is_as_bad_as_no_score(how):
    values = [[1.0, -math.inf, math.nan, 2.0], [4.0, math.nan, -math.inf, 8.0]]
    found = combine(values, how)
    assert found[1] == found[2]


def test_being_worst_in_one_of_m_adds_the_logarithm_of_one_in_m():
    m = 5
    first = np.arange(m, dtype=float)
    alone, both = log_rank_sum([first]), log_rank_sum([first, first])
    assert alone[0] == pytest.approx(math.log(1 / m))
    assert both[0] == pytest.approx(2 * math.log(1 / m))
    assert both[-1] == 0


def test_sums_by_hand():
    values = [[1.0, 2.0, 4.0], [30.0, 10.0, 20.0]]
    assert rank_sum(values).tolist() == [4.0, 3.0, 5.0]
    assert min_max_sum(values).tolist() == pytest.approx([1.0, 1 / 3, 1.5])


def test_proxy_that_gives_all_the_same_says_nothing():
    values = [[1.0, 2.0, 4.0], [7.0, 7.0, 7.0]]
    found = min_max_sum(values)
    assert np.diff(found).tolist() == pytest.approx([1 / 3, 2 / 3])


def test_majority_need_not_be_transitive():
    rock_paper_scissors = [[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [2.0, 1.0, 3.0]]
    assert vote(rock_paper_scissors).tolist() == [0.5, 0.5, 0.5]


def test_majority_of_two_in_three_decides():
    assert vote([[1.0, 2.0], [1.0, 2.0], [9.0, 0.0]]).tolist() == [0.0, 1.0]


def test_another_candidate_can_turn_the_others_around():
    values = np.array([[3.0, 2.0], [1.0, 1.5]])
    with_more = np.array([[3.0, 2.0, 2.5, 2.6], [1.0, 1.5, 0.0, 0.1]])
    assert rank_sum(values)[0] == rank_sum(values)[1]
    assert rank_sum(with_more)[0] > rank_sum(with_more)[1]


def test_many_candidates_are_compared_in_pieces(monkeypatch):
    values = np.random.default_rng(0).normal(size=(3, 50))
    whole = vote(values)
    monkeypatch.setattr("archwright.proxy.combining._CHUNK", 120)
    np.testing.assert_array_equal(vote(values), whole)


@pytest.mark.parametrize("values", [[1.0, 2.0], [[]], np.zeros((0, 3))])
def test_other_shapes_are_refused(values):
    with pytest.raises(ProxyError, match=r"must have the shape \(proxies, candidates\)"):
        ranks(values)


def test_unknown_combining_is_refused():
    with pytest.raises(UnknownNameError, match=r"way to combine proxies 'votes'.*'vote'"):
        combine([[1.0]], "votes")
