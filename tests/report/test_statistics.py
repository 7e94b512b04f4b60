"""Numbers against slow, independent versions of themselves, and against published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archwright.errors import UnknownNameError
from archwright.report.statistics import (
    band_of,
    curve,
    final_table,
    holm,
    interpolated,
    interval,
    mean_ranks,
    paired_test,
)
from archwright.trial import Budget


def notebook(times, values, step, until):
    """Restate the published aggregation, one time and one repeat after another."""
    mean, low, high = [], [], []
    for at in range(0, until + 1, step):
        read = []
        for own_times, own_values in zip(times, values, strict=True):
            after = [k for k, time in enumerate(own_times) if time >= at]
            if not after:
                read.append(own_values[-1])
            elif after[0] == 0:
                read.append(own_values[0])
            else:
                a, b = after[0] - 1, after[0]
                share = (at - own_times[a]) / (own_times[b] - own_times[a])
                read.append(own_values[a] + share * (own_values[b] - own_values[a]))
        read.sort()
        mean.append(sum(read) / len(read))
        low.append(read[int(0.25 * len(read))])
        high.append(read[int(0.75 * len(read))])
    return mean, low, high


@pytest.mark.parametrize("repeats", [1, 3, 10])
def test_interpolated_is_the_published_aggregation(repeats: int) -> None:
    rng = np.random.default_rng(repeats)
    times, values = [], []
    for _ in range(repeats):
        costs = rng.integers(300, 3000, size=40)
        times.append([0, *np.cumsum(costs).tolist()])
        values.append([0.0, *np.maximum.accumulate(rng.random(40)).tolist()])
    found = interpolated(times, values, step=500, until=50_000)
    mean, low, high = notebook(times, values, 500, 50_000)
    assert found.x.tolist() == list(range(0, 50_001, 500))
    assert found.n == repeats
    for one, other in ((found.mean, mean), (found.low, low), (found.high, high)):
        assert np.allclose(one, other)


def test_interpolated_reads_up_to_the_very_end_of_a_run() -> None:
    # The published function indexes one past the end where a run stops at or before the grid.
    found = interpolated([[0, 10, 20], [0, 5, 15]], [[0, 1, 2], [0, 3, 4]], step=10, until=20)
    assert found.mean.tolist() == [0.0, (1 + 3.5) / 2, 3.0]
    longer = interpolated([[0, 10]], [[0, 1]], step=10, until=30)
    assert longer.mean.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_bands_are_the_third_and_eighth_of_ten_or_quantiles() -> None:
    values = np.arange(1.0, 11)[::-1, None]
    assert [float(edge[0]) for edge in band_of(values, "published")] == [3.0, 8.0]
    assert [float(edge[0]) for edge in band_of(values)] == [3.25, 7.75]
    with pytest.raises(UnknownNameError, match="unknown band 'iqr'; allowed: quantile, published"):
        band_of(values, "iqr")


def test_a_curve_over_evaluations_is_the_mean_of_the_incumbents(compared) -> None:
    comparison = compared()
    (runs,) = comparison.runs
    found = curve(comparison, runs, "mean_test")
    for place in (0, 7, 39):
        held = []
        for values, tests in zip(runs.validation, runs.mean_test, strict=True):
            best = int(np.argmax(values[: place + 1]))
            held.append(tests[best])
        assert found.mean[place] == pytest.approx(np.mean(held))
        assert found.low[place] == pytest.approx(np.quantile(held, 0.25))
        assert found.high[place] == pytest.approx(np.quantile(held, 0.75))
    assert found.x.tolist() == list(range(1, 41))
    assert found.n == 6


@pytest.mark.parametrize("log", [False, True])
def test_a_curve_over_time_holds_what_had_ended_by_then(compared, log: bool) -> None:
    comparison = compared(budget=Budget(cost_seconds=900))
    (runs,) = comparison.runs
    found = curve(comparison, runs, "validation", by="seconds", log=log)
    assert found.x[0] == pytest.approx(runs.finish[:, 0].max())
    assert found.x[-1] == pytest.approx(900)
    ratios = np.diff(np.log(found.x)) if log else np.diff(found.x)
    assert np.allclose(ratios, ratios[0])
    for place in range(0, len(found.x), 37):
        held = [
            values[(finish <= found.x[place] * (1 + 1e-12))].max()
            for values, finish in zip(runs.validation, runs.finish, strict=True)
        ]
        assert found.mean[place] == pytest.approx(np.mean(held))


def test_a_line_ends_where_the_first_repeat_ends(compared) -> None:
    comparison = compared(budget=Budget(cost_seconds=900))
    (runs,) = comparison.runs
    assert runs.counted.min() < runs.counted.max()
    assert curve(comparison, runs, "test").x[-1] == runs.counted.min()
    trials = compared(budget=25)
    ends = np.array([finish[24] for finish in trials.runs[0].finish])
    found = curve(trials, trials.runs[0], "test", by="seconds")
    assert found.x[-1] == pytest.approx(ends.min())


def test_curves_of_what_is_not_there(compared) -> None:
    comparison = compared(table={"seconds": False, "test": False})
    (runs,) = comparison.runs
    with pytest.raises(UnknownNameError, match="axis of a comparison 'seconds'; allowed: evalu"):
        curve(comparison, runs, "validation", by="seconds")
    with pytest.raises(UnknownNameError, match="kind of value 'test'"):
        curve(comparison, runs, "test")


def test_interval_is_students() -> None:
    values = np.array([4.1, 5.3, 3.9, 4.4, 5.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((expected.low, expected.high))
    assert all(map(math.isnan, interval(values[:1])))


def exact_p(differences: list[float]) -> float:
    """Return the two-sided p of the signed-rank statistic by going through all signs."""
    some = np.array([d for d in differences if d])
    ranks = stats.rankdata(np.abs(some))
    observed = abs(float((np.sign(some) * ranks).sum()))
    signs = itertools.product((-1, 1), repeat=len(some))
    return float(np.mean([abs(float(np.dot(s, ranks))) >= observed - 1e-9 for s in signs]))


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=9, unique_by=abs))
def test_paired_test_against_all_signs(differences: list[int]) -> None:
    values = np.array(differences, dtype=float)
    p, effect = paired_test(values)
    if not values.any():
        assert (p, effect) == (1.0, 0.0)
        return
    assert p == pytest.approx(exact_p(differences))
    some = values[values != 0]
    pairs = [(a + b) / 2 for k, a in enumerate(some) for b in some[k:]]  # Walsh averages
    share = (np.sum(np.array(pairs) > 0) - np.sum(np.array(pairs) < 0)) / len(pairs)
    assert effect == pytest.approx(share)


def test_equal_or_single_pairs_claim_nothing() -> None:
    assert paired_test(np.zeros(5)) == (1.0, 0.0)
    assert all(map(math.isnan, paired_test(np.array([0.3]))))


def test_holm_steps_down_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    found = holm([math.nan, 0.02])
    assert math.isnan(found[0])
    assert found[1] == 0.02


def test_final_table_holds_what_the_repeats_answered(compared) -> None:
    comparison = compared("local-search", "regularized-evolution", repeats=12)
    frame = final_table(comparison)
    assert frame["strategy"].tolist() == ["random", "local-search", "regularized-evolution"]
    finals = [comparison.last(runs, "mean_test") for runs in comparison.runs]
    for row, values in zip(frame.itertuples(), finals, strict=True):
        assert row.n == 12
        assert row.mean == pytest.approx(values.mean())
        assert row.sd == pytest.approx(values.std(ddof=1))
        assert (row.q25, row.median, row.q75) == pytest.approx(
            tuple(np.quantile(values, [0.25, 0.5, 0.75]))
        )
        assert row.regret == pytest.approx(comparison.test.optimum - values.mean())
        assert row.found == np.mean(values == comparison.test.optimum)
    base = frame.iloc[0]
    assert math.isnan(base["difference"])
    for index in (1, 2):
        row, differences = frame.iloc[index], finals[index] - finals[0]
        paired = stats.ttest_rel(finals[index], finals[0]).confidence_interval(0.95)
        assert row["difference"] == pytest.approx(differences.mean())
        assert row["difference_low"] == pytest.approx(paired.low)
        assert row["difference_high"] == pytest.approx(paired.high)
        assert row["wins"] == (differences > 0).sum()
        assert row["wins"] + row["ties"] + row["losses"] == 12
        some = differences[differences != 0]
        assert row["p"] == pytest.approx(stats.wilcoxon(some).pvalue)
    corrected = holm(frame["p"].tolist())
    assert frame["p_holm"][1:].tolist() == pytest.approx(corrected[1:])


def test_lower_is_better_where_the_objective_says_so(compared) -> None:
    comparison = compared("local-search", repeats=8)
    regret = final_table(comparison, "test_regret")
    plain = final_table(comparison, "mean_test")
    assert regret["wins"][1] == plain["wins"][1]
    assert regret["effect"][1] == pytest.approx(plain["effect"][1])
    assert regret["difference"][1] == pytest.approx(-plain["difference"][1])
    assert regret["rank"].tolist() == plain["rank"].tolist()


def test_one_repeat_has_no_interval_and_no_test(compared) -> None:
    frame = final_table(compared("local-search", repeats=1))
    for name in ("sd", "ci_low", "ci_high", "p", "p_holm", "effect"):
        assert frame[name].isna().all(), name
    assert frame["difference"][1] == frame["mean"][1] - frame["mean"][0]


def test_ranks_with_friedmans_test_and_the_published_critical_difference(compared) -> None:
    comparison = compared("local-search", "regularized-evolution", "grid", repeats=14)
    found = mean_ranks(comparison)
    finals = np.stack([comparison.last(runs, "mean_test") for runs in comparison.runs], axis=1)
    ranks = np.array([[1 + sum(row > x) + (sum(row == x) - 1) / 2 for x in row] for row in finals])
    assert found.means == pytest.approx(tuple(ranks.mean(axis=0)))
    assert sum(found.means) == pytest.approx(10)
    assert found.p_value == pytest.approx(stats.friedmanchisquare(*(-finals).T).pvalue)
    # Demsar 2006: q is 2.569 for four at 5 %, and his example of 14 data sets has 1.25.
    assert found.critical_difference == pytest.approx(2.569 * math.sqrt(20 / 84), abs=1e-3)


def test_ranks_need_three_strategies_and_two_repeats(compared) -> None:
    assert mean_ranks(compared("local-search")) is None
    assert mean_ranks(compared("local-search", "grid", repeats=1)) is None


def test_strategies_that_are_all_alike_do_not_differ(compared) -> None:
    # The whole space is used up, so every strategy ends with the same answer.
    comparison = compared("local-search", "grid", budget=300, recorded="mean")
    assert mean_ranks(comparison).p_value == 1.0
    frame = final_table(comparison)
    assert frame["ties"].tolist()[1:] == [6, 6]
    assert frame["p_holm"].tolist()[1:] == [1.0, 1.0]
