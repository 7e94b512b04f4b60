"""Rank correlations agree with scipy and hand computations; the page and figures say them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from archwright.errors import ProxyError
from archwright.report import (
    Judged,
    correlation_frame,
    correlation_html,
    correlation_sentences,
    save_figure,
    score_matrix,
    score_scatter,
    search_frame,
    status_frame,
)
from archwright.report.correlation_statistics import (
    bootstrapped_difference,
    kendall,
    partial_spearman,
    spearman,
    top_correlation,
    top_overlap,
)
from archwright.testing.figures import outside
from archwright.trial import Measured, Scores

MEASURED = Measured("val_accuracy", "percent", "max", "", 12, 95.0, 3)


@pytest.fixture(scope="module")
def judged() -> Judged:
    """Return 60 architectures: one proxy knows the result, one is its opposite, one is noise."""
    rng = np.random.default_rng(0)
    size = rng.integers(10, 1000, 60).astype(float) * 1000
    target = 80 + np.log(size) + rng.normal(0, 1.0, 60)
    good = target[:, None] + rng.normal(0, 0.1, (60, 2))
    noise = rng.normal(size=(60, 2))
    noise[:5] = np.nan
    columns = [np.stack([size, size], 1), np.stack([size, size], 1) * 3, good, -good, noise]
    values = np.stack(columns, axis=2)
    names = ("params", "flops", "good", "bad", "noise")
    statuses = np.where(np.isnan(values), "singular", "ok")
    texts = tuple(f"cell {n}" for n in range(60))
    scores = Scores("cells", texts, names, values, statuses, np.full(values.shape, 0.5))
    return Judged(scores, target, MEASURED, {"name": "a <b>table</b>", "rows": 60}, 2)


def test_correlations_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, 50).astype(float), rng.integers(0, 6, 50).astype(float)  # with ties
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert math.isnan(spearman([1, 2], [1, 2]))
    assert math.isnan(kendall(np.ones(5), np.arange(5)))
    assert math.isnan(spearman(np.ones(5), np.arange(5)))


def test_partial_correlation_is_that_of_the_three_pairs() -> None:
    rng = np.random.default_rng(2)
    c = rng.normal(size=80)
    a, b = c + rng.normal(size=80), c + rng.normal(size=80)
    ab, ac, bc = spearman(a, b), spearman(a, c), spearman(b, c)
    expected = (ab - ac * bc) / math.sqrt((1 - ac**2) * (1 - bc**2))
    assert partial_spearman(a, b, c) == pytest.approx(expected)
    assert math.isnan(partial_spearman(c, a, 2 * c))
    assert math.isnan(partial_spearman([1, 2, 3], [1, 2, 3], [3, 1, 2]))


def test_top_lists() -> None:
    scores, target = np.array([5.0, 4, 3, 2, 1]), np.array([1.0, 5, 4, 3, 2])
    assert top_overlap(scores, target, 3) == 2 / 3
    assert top_correlation(scores, target, 0.8) == pytest.approx(1.0)


def test_the_bootstrap_tells_a_better_proxy_from_a_worse_one() -> None:
    rng = np.random.default_rng(3)
    target = rng.normal(size=100)
    good, poor = target + 0.1 * rng.normal(size=100), rng.normal(size=100)
    low, high = bootstrapped_difference(good, poor, target, rng=rng)
    assert 0.5 < low < high < 1.3
    assert bootstrapped_difference(good, good, target, rng=rng) == (0.0, 0.0)
    assert all(map(math.isnan, bootstrapped_difference(*[target[:2]] * 3, rng=rng)))


def test_the_table_has_sizes_first_and_says_who_loses(judged: Judged) -> None:
    frame = correlation_frame(judged).set_index("proxy")
    assert list(frame.index[:2]) == ["params", "flops"]
    assert list(frame.index[2:]) == ["good", "noise", "bad"]
    assert frame.verdict["good"] == "better"
    assert frame.verdict["bad"] == "worse"
    assert frame.verdict["flops"] == "not told apart"
    assert frame.verdict["params"] == ""
    assert frame.omitted["noise"] == 5
    assert frame.n["noise"] == 55
    values, there = judged.pair("noise", 0)
    first = stats.spearmanr(values[there], judged.target[there]).statistic
    values, there = judged.pair("noise", 1)
    second = stats.spearmanr(values[there], judged.target[there]).statistic
    assert frame.rho["noise"] == pytest.approx((first + second) / 2)
    assert frame.rho_sd["noise"] == pytest.approx(abs(first - second) / math.sqrt(2))
    assert frame.regret["good"] < 0.5 < frame.regret["bad"]
    assert frame.top_overlap["good"] > 0.6
    assert frame.partial_rho["good"] > 0.9
    assert frame.size_rho["flops"] == 1.0


def test_a_target_that_is_better_low_is_turned(judged: Judged) -> None:
    low = Measured("loss", "nats", "min", "", None, 80.0, 0)
    turned = Judged(judged.scores, judged.target, low)
    assert correlation_frame(turned).set_index("proxy").rho["bad"] > 0.9


def test_sentences_name_winners_losers_and_the_omitted(judged: Judged) -> None:
    said = "\n".join(correlation_sentences(judged))
    assert "The number of parameters alone ranks 60 architectures by val_accuracy" in said
    assert "Better than the number of parameters, by rho: good (" in said
    assert "Worse than the number of parameters, by rho: noise (" in said
    assert "left out of rho and tau: noise (5)." in said
    assert "2 scored architectures are not in the benchmark." in said
    assert status_frame(judged.scores).to_numpy().tolist() == [["noise", "singular", 10]]


def test_the_page_holds_everything_and_escapes_it(judged: Judged) -> None:
    frame = search_frame(judged.scores, {"val": judged.target}, sizes=(5,), repeats=20)
    text = correlation_html(judged, searches=frame, written_at=0)
    assert "a &lt;b&gt;table&lt;/b&gt;" in text
    assert "<b>table" not in text
    for said in ("Scores that do not exist", "Searching by score alone", "Results over scores"):
        assert said in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert text == correlation_html(judged, searches=frame, written_at=0)


def test_figures_keep_their_texts_inside(judged: Judged, tmp_path) -> None:
    for figure in (score_scatter(judged), score_matrix(judged.scores)):
        assert outside(figure) == []
    written = save_figure(score_scatter(judged, ["good"]), tmp_path / "s.png")
    assert written.stat().st_size > 5000


def test_resampled_searches_keep_the_best_of_n(judged: Judged) -> None:
    results = {"val": judged.target, "other": -judged.target}
    frame = search_frame(judged.scores, results, sizes=(1, 30), repeats=400, seed=1)
    one = frame[frame.N == 30].set_index("proxy")
    assert one.val["optimal"] > one.val["good"] > one.val["random"] > one.val["bad"]
    assert one.other["good"] == pytest.approx(-one.val["good"])
    assert one["val low"]["good"] < one.val["good"] < one["val high"]["good"]
    assert one.seconds["good"] == 15.0
    single = frame[frame.N == 1].set_index("proxy")
    assert single.val["good"] == single.val["random"] == single.val["optimal"]
    # The best of 30 draws with replacement, exactly.
    order = np.sort(judged.target)
    chance = (np.arange(1, 61) / 60) ** 30 - (np.arange(60) / 60) ** 30
    assert one.val["optimal"] == pytest.approx(float(chance @ order), abs=0.05)


def test_what_cannot_be_correlated_is_refused(judged: Judged) -> None:
    with pytest.raises(ProxyError, match="at least 3 architectures; got 2"):
        Judged(judged.scores.take([0, 1]), judged.target[:2], MEASURED)
    with pytest.raises(ProxyError, match="60 architectures need as many finite recorded values"):
        Judged(judged.scores, np.full(60, np.nan), MEASURED)
    with pytest.raises(ProxyError, match="need results, sizes and repeats of at least 1"):
        search_frame(judged.scores, {})
