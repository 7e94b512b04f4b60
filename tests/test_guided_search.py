"""Searches that look at scores before they propose: in the front door, in studies, on tables."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import archwright as aw
from archwright.benchmark import Table
from archwright.data import load
from archwright.errors import (
    ProxyError,
    StoreError,
    StrategyError,
    UnknownNameError,
)
from archwright.evaluate import ProxyGuide, TableEvaluator, build_guide
from archwright.frontdoor import prepare
from archwright.run import Callback, Study
from archwright.run.executors import _sendable
from archwright.space import space_named
from archwright.strategy import ScoresGuide
from archwright.testing.strategies import ToyGuide
from archwright.testing.tables import toy_table
from archwright.trial import Budget, Scores

SPACE = space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))
GUIDED = {
    "filtered": {"candidates": 4, "base_options": {"population": 4, "sample_size": 2}},
    "guided-evolution": {"population": 4, "sample_size": 2, "neighbors": 5},
    "predictor": {"starts": 4, "refit": 3, "pool": 8, "predictor": "forest"},
}


@pytest.fixture(scope="module")
def wine():
    return load("wine", seed=0)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Table:
    return toy_table(tmp_path_factory.mktemp("toy") / "toy.table", edges=4)


@pytest.fixture(scope="module")
def known(toy: Table) -> Scores:
    """Return scores of the whole toy table, the last proxy nearly its validation accuracy."""
    rng = np.random.default_rng(0)
    good = toy.values("val_accuracy") + rng.normal(0, 0.001, len(toy))
    values = np.stack([rng.random(len(toy)), good], axis=1)[:, None, :]
    texts = tuple(toy.space.format(toy.architecture(row)) for row in range(len(toy)))
    ok, seconds = np.full(values.shape, "ok"), np.ones(values.shape)
    return Scores(toy.space.name, texts, ("params", "good"), values, ok, seconds)


def search(wine, folder: Path, **settings):
    given = {"trials": 12, "recipe": {"epochs": 1}, "folds": 1, "latency": False, "space": SPACE}
    return aw.search(
        wine, finalize=False, store=folder / "s.db", name="one", seed=3, **(given | settings)
    )


def carried(trials) -> list[list]:
    """Return the scores that the proposals carry, as they stand in the record."""
    return [pair for t in trials if t.proposal.guidance for pair in t.proposal.guidance["scores"]]


class Heard(Callback):
    def __init__(self) -> None:
        self.scored: list[int] = []

    def on_scored(self, architectures: int) -> None:
        self.scored.append(architectures)


@pytest.mark.parametrize("strategy", GUIDED)
def test_an_interrupted_search_goes_on_alike_and_scores_nothing_again(
    strategy: str, wine, tmp_path: Path
) -> None:
    asked = {
        "strategy": strategy,
        "strategy_options": GUIDED[strategy],
        "guide": "naswot+synflow",
        "constraints": ["parameters<=9000"],
    }
    heard = Heard()
    whole = search(wine, tmp_path / "whole", callback=heard, **asked)
    scores = carried(whole.trials)
    assert heard.scored == list(range(1, len(scores) + 1))
    assert len({tuple(codes) for codes, _ in scores}) == len(scores)
    assert all(len(row) == 2 for _, row in scores)
    counts = [aw.network.parameters(SPACE.from_codes(codes), (13,), 3) for codes, _ in scores]
    assert max(counts) <= 9000

    search(wine, tmp_path / "cut", trials=7, **asked)
    heard = Heard()
    again = search(wine, tmp_path / "cut", resume=True, callback=heard, **asked)
    assert [t.architecture for t in again.trials] == [t.architecture for t in whole.trials]
    assert carried(again.trials) == scores
    assert heard.scored == list(range(1, len(carried(again.trials[7:])) + 1))

    search(wine, tmp_path / "alone", trials=7, **asked)
    alone = aw.resume("one", tmp_path / "alone" / "s.db", budget=Budget(trials=12), finalize=False)
    assert [t.architecture for t in alone.trials] == [t.architecture for t in whole.trials]
    assert carried(alone.trials) == scores


def test_a_study_says_what_guided_it_and_refuses_another_guide(wine, tmp_path: Path) -> None:
    asked = {"strategy": "predictor", "strategy_options": GUIDED["predictor"], "trials": 5}
    result = search(wine, tmp_path, guide="naswot", **asked)
    said = result.study.spec["guide"]
    assert said["kind"] == "proxies"
    assert said["proxies"] == [["naswot", {}]]
    seconds = sum(t.proposal.guidance["seconds"] for t in result.trials if t.proposal.guidance)
    assert 0 < seconds <= result.study.extra["wall_seconds"] + 0.001
    page = result.report(tmp_path / "report.html").read_text("utf-8")
    assert "guide.proxies" in page
    board, history = result.leaderboard(), result.history()
    assert list(board.columns)[-3:] == ["guide.naswot", "cost_seconds", "architecture"]
    assert {"parameters", "macs"} < set(board.columns)
    scores = {tuple(codes): row[0] for codes, row in carried(result.trials)}
    expected = [scores[trial.architecture.codes] for trial in result.trials]
    assert history["guide.naswot"].tolist() == expected
    for other in ("synflow", "naswot+synflow", None):
        with pytest.raises(StoreError, match="was made with other guide"):
            search(wine, tmp_path, resume=True, guide=other, **asked)
    search(wine, tmp_path / "plain", **asked)
    with pytest.raises(StoreError, match="was made with other guide: None"):
        search(wine, tmp_path / "plain", resume=True, guide="naswot", **asked)


def test_guides_that_do_not_fit_are_refused_before_anything_is_recorded(
    wine, tmp_path: Path
) -> None:
    for settings, kind, message in (
        ({"strategy": "filtered"}, StrategyError, "'filtered' chooses by scores and needs a guide"),
        ({"strategy": "evolution", "guide": "naswot"}, StrategyError, "does not look at scores"),
        ({"strategy": "filtered", "guide": "naswat"}, UnknownNameError, "unknown proxy 'naswat'"),
        ({"strategy": "filtered", "guide": "naswot+"}, ProxyError, "a guide must look like naswot"),
        (
            {"strategy": "predictor", "strategy_options": {"guide": "naswot"}},
            StrategyError,
            "'guide' is no option of the strategy; it is the study's own",
        ),
        ({"strategy": "filtered", "guide": "snip+snip"}, ProxyError, "snip is given twice"),
    ):
        with pytest.raises(kind, match=message):
            search(wine, tmp_path, **settings)
    assert not (tmp_path / "s.db").exists()
    with pytest.raises(ProxyError, match="none of 20 architectures has a score of zen"):
        search(wine, tmp_path, strategy="filtered", guide="zen")


def test_the_random_start_leaves_room(wine) -> None:
    def options(strategy: str, **more: object):
        ready = prepare(wine, space=SPACE, strategy=strategy, guide="params", **more)
        return ready.study.job.strategy_options

    assert options("guided-evolution", trials=3)["population"] == 5
    assert options("predictor", trials=30)["starts"] == 10
    assert options("predictor", seconds=9)["starts"] == 20


def test_proxies_score_an_architecture_alike_whoever_asks(wine) -> None:
    architectures = SPACE.sample_many(3, rng=np.random.default_rng(0))
    heard: list[int] = []
    guide = ProxyGuide(SPACE, wine, ["naswot", "zen"], seed=1, on_scored=heard.append)
    assert guide.columns == ("naswot", "zen")
    scores = guide.score(architectures)
    np.testing.assert_array_equal(guide.score(architectures[::-1]), scores[::-1])
    assert heard == [1, 2, 3]
    assert np.isfinite(scores[:, 0]).all()
    assert np.isnan(scores[:, 1]).all()  # there is no normalisation
    sent = pickle.loads(pickle.dumps(guide))
    assert sent.on_scored is None
    assert sent.describe() == guide.describe()
    other = ProxyGuide(SPACE, wine, ["naswot", "zen"], seed=2)
    assert (other.score(architectures)[:, 0] != scores[:, 0]).all()
    assert other.describe() != guide.describe()


def test_a_guide_is_rebuilt_from_the_record_where_it_can_be(wine, toy: Table) -> None:
    ready = prepare(wine, space=SPACE, strategy="filtered", guide="naswot", trials=3)
    sent = pickle.loads(pickle.dumps(_sendable(ready.study.job)))
    assert sent.guide is None
    if ready.study.job.spec.get("evaluator") is None:
        pytest.fail("a built-in data set should be rebuilt elsewhere")
    again = sent.with_evaluator()
    assert again.guide.describe() == ready.study.job.guide.describe()
    evaluator = TableEvaluator(toy)
    with pytest.raises(StoreError, match="guided by proxies on data that the store does not keep"):
        build_guide(again.guide.describe(), toy.space, evaluator)
    with pytest.raises(StoreError, match="guided by toy, which the store does not keep"):
        build_guide(ToyGuide().describe(), toy.space, evaluator)


def test_a_study_on_a_table_is_guided_by_stored_scores(
    toy: Table, known: Scores, tmp_path: Path
) -> None:
    guide = ScoresGuide(known.only(["good"]), toy.space)

    def study(folder: str, budget: int) -> Study:
        return Study(
            toy.space, "guided-evolution", toy, objective="max:val_accuracy", budget=budget,
            guide=guide, options={"population": 4, "sample_size": 2}, store=tmp_path / folder,
        )  # fmt: skip

    whole = study("whole.db", 30).run()
    study("cut.db", 11).run()
    again = study("cut.db", 30).run(resume=True)
    assert [t.architecture for t in again.trials] == [t.architecture for t in whole.trials]
    assert whole.study.spec["guide"]["columns"] == ["good"]
    sent = pickle.loads(pickle.dumps(_sendable(study("x.db", 3).job)))
    assert sent.guide.describe() == guide.describe()
    with pytest.raises(StrategyError, match="'random' does not look at scores"):
        Study(toy.space, "random", toy, objective="max:val_accuracy", budget=3, guide=guide)


def test_a_strategy_class_is_guided_too(toy: Table) -> None:
    from archwright.strategy.filtered import Filtered

    study = Study(
        toy.space, Filtered, toy, objective="max:val_accuracy", budget=5, guide=ToyGuide(),
        options={"base": "random"},
    )  # fmt: skip
    assert len(carried(study.run().trials)) > 5
    with pytest.raises(StrategyError, match="'filtered' chooses by scores and needs a guide"):
        Study(toy.space, Filtered, toy, objective="max:val_accuracy", budget=5)


def test_a_comparison_shows_whether_scores_help(toy: Table, known: Scores) -> None:
    small = {"population": 6, "sample_size": 2}
    result = aw.compare(
        toy,
        [
            ("regularized-evolution", small),
            ("filtered", {"base_options": small, "guide": "good"}),
            ("filtered", {"base_options": small, "candidates": 1}),
            ("guided-evolution", {**small, "guide": ["good"]}),
            ("predictor", {"starts": 6, "refit": 6, "predictor": "forest", "guide": None}),
        ],
        guide=known,
        budget=18,
        repeats=6,
        recorded="mean",
    )  # fmt: skip
    _, plain, best, same, moved, blind = result.comparison.runs
    np.testing.assert_array_equal(same.rows, plain.rows)
    assert best.contender.settings["guide"] == ["good"]
    assert same.contender.settings["guide"] == ["params", "good"]
    assert "guide" not in blind.contender.settings
    for helped in (best, moved):
        assert helped.last(helped.validation).mean() > plain.last(plain.validation).mean()
    again = aw.compare(
        toy, [("filtered", {"base_options": small, "guide": "good"})], guide=known, budget=18,
        repeats=6, recorded="mean", processes=2,
    )  # fmt: skip
    np.testing.assert_array_equal(again.comparison.runs[1].rows, best.rows)


def test_comparisons_without_the_scores_that_are_asked_for_are_refused(
    toy: Table, known: Scores
) -> None:
    def compare(*strategies, **more: object) -> None:
        aw.compare(toy, list(strategies), budget=3, repeats=1, **more)

    with pytest.raises(StrategyError, match="'filtered' chooses by scores and needs a guide"):
        compare("filtered")
    with pytest.raises(StrategyError, match="asks for the scores 'good', but the comparison has"):
        compare(("predictor", {"guide": "good"}))
    with pytest.raises(UnknownNameError, match="unknown score of the guide 'better'"):
        compare(("predictor", {"guide": "better"}), guide=known)
    with pytest.raises(StrategyError, match="'random' does not look at scores; leave out its"):
        compare(("random", {"guide": "good"}), guide=known)
