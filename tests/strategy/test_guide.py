from __future__ import annotations

import json

import numpy as np
import pytest

from archwright.errors import StrategyError, UnknownNameError
from archwright.proxy.combining import combine
from archwright.space import Choice, Space
from archwright.strategy import Columns, Guidance, ScoresGuide, make_strategy, replay, vote
from archwright.strategy.guide import best_voted
from archwright.testing.strategies import OBJECTIVE, Record, ToyGuide
from archwright.trial import Proposal, Scores

GUIDED = ("filtered", "guided-evolution", "predictor")
SMALL = {
    "filtered": {"base_options": {"population": 4, "sample_size": 2}},
    "guided-evolution": {"population": 4, "sample_size": 2},
    "predictor": {
        "starts": 4,
        "refit": 3,
        "pool": 9,
        "predictor_options": {"machines": 2, "trees": 3},
    },
}


def stored(space: Space, rows: int, proxies: tuple[str, ...] = ("params", "toy")) -> Scores:
    """Return scores of the first architectures of a space."""
    architectures = [a for a, _ in zip(space.enumerate(), range(rows), strict=False)]
    values = ToyGuide(proxies).score(architectures)[:, None, :]
    texts = tuple(space.format(a) for a in architectures)
    ok = np.where(np.isnan(values), "nan", "ok")
    return Scores(space.name, texts, proxies, values, ok, np.ones(values.shape))


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_a_vote_is_that_of_the_proxies(columns: int) -> None:
    rng = np.random.default_rng(columns)
    for candidates in (1, 2, 9):
        scores = rng.integers(0, 4, (candidates, columns)).astype(float)
        scores[rng.random(scores.shape) < 0.2] = np.nan
        np.testing.assert_allclose(vote(scores), combine(scores.T, "vote"))


def test_no_score_loses_and_the_first_of_equals_wins() -> None:
    assert best_voted(np.array([[np.nan], [-5.0], [-7.0]])) == 1
    assert best_voted(np.array([[1.0], [2.0], [2.0]])) == 1
    assert best_voted(np.full((3, 1), np.nan)) == 0


def test_nothing_is_asked_twice_and_what_was_taken_can_be_recalled(cell: Space) -> None:
    architectures = cell.sample_many(30, rng=np.random.default_rng(0))
    guide = ToyGuide(("one", "two"))
    guidance = Guidance(guide)
    first = guidance(architectures[:20])
    np.testing.assert_array_equal(guidance(architectures)[:20], first)
    assert np.isnan(first).any()
    assert len(guide.scored) == len({a.key for a in architectures})
    taken = json.loads(json.dumps(guidance.taken()))
    assert guidance.taken() is None
    assert taken["seconds"] > 0
    silent = ToyGuide(("one", "two"))
    again = Guidance(silent)
    again.recall(taken)
    np.testing.assert_array_equal(again(architectures), guidance(architectures))
    assert silent.scored == []
    assert again.taken() is None


def test_an_infinite_score_is_none() -> None:
    class Infinite(ToyGuide):
        def score(self, architectures):
            return np.array([[np.inf], [1.0], [-np.inf]])

    space = Space(x=Choice(1, 2, 3))
    guidance = Guidance(Infinite())
    np.testing.assert_array_equal(guidance(list(space.enumerate())), [[np.nan], [1.0], [np.nan]])


def test_a_guide_of_another_shape_is_refused(tiny: Space) -> None:
    class Flat(ToyGuide):
        def score(self, architectures):
            return np.zeros(len(architectures))

    with pytest.raises(StrategyError, match=r"here \(6, 1\); got \(6,\)"):
        Guidance(Flat())(list(tiny.enumerate()))


def test_some_columns_of_a_guide(cell: Space) -> None:
    guide = ToyGuide(("one", "two", "three"))
    some = Columns(guide, ["three", "one"])
    architectures = cell.sample_many(9, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(some.score(architectures), guide.score(architectures)[:, [2, 0]])
    assert some.describe() == {"kind": "toy", "columns": ["three", "one"]}
    with pytest.raises(UnknownNameError, match="unknown score of the guide 'tow'"):
        Columns(guide, ["tow"])


def test_stored_scores_guide_and_what_was_not_scored_has_none(cell: Space) -> None:
    scores = stored(cell, 50)
    guide = ScoresGuide(scores, cell)
    assert guide.columns == ("params", "toy")
    architectures = [a for a, _ in zip(cell.enumerate(), range(60), strict=False)]
    found = guide.score(architectures)
    np.testing.assert_array_equal(found[:50], scores.values[:, 0])
    assert np.isnan(found[50:]).all()
    one = ScoresGuide(scores, cell, ["toy"])
    np.testing.assert_array_equal(one.score(architectures), found[:, 1:])
    described = guide.describe()
    assert described["architectures"] == 50
    assert described == ScoresGuide(stored(cell, 50), cell).describe()
    assert described["sha256"] != ScoresGuide(stored(cell, 49), cell).describe()["sha256"]


def test_scores_that_do_not_fit_are_refused(cell: Space, tiny: Space) -> None:
    with pytest.raises(StrategyError, match="searched, 'tiny'; got scores of 'cell'"):
        ScoresGuide(stored(cell, 3), tiny)
    with pytest.raises(UnknownNameError, match="unknown proxy among the scores 'naswat'"):
        ScoresGuide(stored(cell, 3), cell, ["naswat"])


def test_a_guide_goes_to_those_that_take_one(cell: Space) -> None:
    for name in ("filtered", "guided-evolution"):
        with pytest.raises(StrategyError, match=f"{name}' chooses by scores and needs a guide"):
            make_strategy(name, cell, [OBJECTIVE])
    with pytest.raises(StrategyError, match="'random' does not look at scores; got a guide of toy"):
        make_strategy("random", cell, [OBJECTIVE], guide=ToyGuide())
    assert make_strategy("predictor", cell, [OBJECTIVE]).name == "predictor"
    for name in GUIDED:
        assert "guide" not in make_strategy(name, cell, [OBJECTIVE], guide=ToyGuide()).options


@pytest.mark.parametrize("name", GUIDED)
def test_a_replayed_strategy_scores_nothing_again(name: str, cell: Space) -> None:
    def made(guide: ToyGuide) -> Record:
        return Record(make_strategy(name, cell, [OBJECTIVE], guide=guide, **SMALL[name]))

    guide, silent = ToyGuide(("a", "b")), ToyGuide(("a", "b"))
    record = made(guide)
    record.run(20)
    assert guide.scored
    assert len(guide.scored) == len(set(guide.scored))
    carried = [t.proposal.guidance["scores"] for t in record.trials if t.proposal.guidance]
    assert sum(map(len, carried)) == len(guide.scored)
    trials = [_through_json(trial, cell) for trial in record.trials]
    again = made(silent)
    replay(again.strategy, trials)
    assert silent.scored == []
    again.trials = trials
    assert [p.architecture for p in again.run(10)] == [p.architecture for p in record.run(10)]
    assert silent.scored == guide.scored[-len(silent.scored) :]


def _through_json(trial, space: Space):
    from dataclasses import replace

    told = json.loads(json.dumps(trial.proposal.to_json()))
    proposal = Proposal.from_json(told, space)
    assert proposal == trial.proposal
    return replace(trial, proposal=proposal)
