"""The strategies that look at scores: a filter, moves by score, a predictor."""

from __future__ import annotations

import numpy as np
import pytest

from archwright.errors import StrategyError, UnknownNameError
from archwright.space import Choice, Integer, Space
from archwright.strategy import make_strategy
from archwright.strategy.predictor_search import _values
from archwright.strategy.ranking import WORST, Member
from archwright.testing.strategies import OBJECTIVE, Record, ToyGuide, score

BASES = {
    "random": {},
    "regularized-evolution": {"population": 6, "sample_size": 2},
    "evolution": {"population": 6},
    "genetic": {"population": 6},
}


class Sum(ToyGuide):
    """Scores by the sum of the codes; none where the first is 0."""

    def score(self, architectures):
        self.scored += [a.key for a in architectures]
        return np.array([[sum(a.codes) if a.codes[0] else np.nan] for a in architectures])


def filtered(space: Space, base: str, candidates: int, guide: ToyGuide, **more: object) -> Record:
    options = {"base": base, "base_options": BASES[base], "candidates": candidates, **more}
    return Record(make_strategy("filtered", space, [OBJECTIVE], seed=3, guide=guide, **options))


@pytest.mark.parametrize("base", BASES)
def test_a_filter_of_one_is_its_base(base: str, cell: Space) -> None:
    initial = [a.values for a in cell.sample_many(3, rng=np.random.default_rng(5))]
    plain = Record(make_strategy(base, cell, [OBJECTIVE], seed=3, initial=initial, **BASES[base]))
    guide = ToyGuide()
    record = filtered(cell, base, 1, guide, initial=initial)
    assert record.run(60) == plain.run(60)
    assert record.strategy.concurrency == plain.strategy.concurrency
    assert guide.scored == []


def test_a_filter_takes_the_best_of_what_its_base_draws(cell: Space) -> None:
    drawn = Record(make_strategy("random", cell, [OBJECTIVE], seed=3, repeats=True)).run(40)
    best = filtered(cell, "random", 8, Sum(), base_options={"repeats": True}).run(5)

    def value(proposal) -> float:
        codes = proposal.architecture.codes
        return sum(codes) if codes[0] else -1

    chosen = [max(drawn[n : n + 8], key=value) for n in range(0, 40, 8)]
    assert best == chosen


def test_a_filter_keeps_parents_and_the_end_of_its_base(cell: Space) -> None:
    record = filtered(cell, "genetic", 4, ToyGuide(), base_options={"population": 4, "patience": 1})
    proposals = record.run(500)
    assert record.strategy.stopped == "no better architecture in 1 generations (option 'patience')"
    assert all(parent < number for number, p in enumerate(proposals) for parent in p.parents)
    assert any(p.parents for p in proposals)


@pytest.mark.parametrize("base", ["grid", "local-search", "guided-evolution", "filtered"])
def test_a_base_with_an_order_of_its_own_is_refused(base: str, cell: Space) -> None:
    with pytest.raises(StrategyError, match=f"without scores.*got '{base}'"):
        make_strategy("filtered", cell, [OBJECTIVE], guide=ToyGuide(), base=base)


def test_other_options_of_a_filter_are_refused(cell: Space) -> None:
    def made(**options: object) -> None:
        make_strategy("filtered", cell, [OBJECTIVE], guide=ToyGuide(), **options)

    with pytest.raises(StrategyError, match="'candidates' must be a whole number of at least 1"):
        made(candidates=0)
    with pytest.raises(StrategyError, match="give 'initial' to the filter"):
        made(base_options={"initial": []})
    with pytest.raises(UnknownNameError, match="option of strategy 'regularized-evolution'"):
        made(base_options={"populatoin": 3})


def moves(space: Space, guide: ToyGuide, **options: object) -> Record:
    options = {"population": 4, "sample_size": 1, **options}
    made = make_strategy("guided-evolution", space, [OBJECTIVE], seed=1, guide=guide, **options)
    return Record(made)


def test_a_move_goes_to_the_best_neighbour_that_was_not_proposed(cell: Space) -> None:
    record = moves(cell, Sum(), random_moves=0.0)
    proposals = record.run(30)
    seen = [p.architecture for p in proposals[:4]]
    assert all(p.origin == "random" for p in proposals[:4])
    for proposal in proposals[4:]:
        assert proposal.origin == "best move"
        parent = record.trials[proposal.parents[0]].architecture
        near = [a for a in cell.neighbors(parent) if a not in seen]
        value = {a: sum(a.codes) if a.codes[0] else -1 for a in near}
        assert value[proposal.architecture] == max(value.values())
        seen.append(proposal.architecture)


def test_some_moves_are_random_and_then_nothing_is_scored(cell: Space) -> None:
    guide = Sum()
    record = moves(cell, guide, random_moves=1.0)
    assert {p.origin for p in record.run(20)} == {"random", "random move"}
    assert guide.scored == []
    origins = [p.origin for p in moves(cell, Sum(), random_moves=0.25).run(404)[4:]]
    assert 70 <= origins.count("random move") <= 130  # 100 expected, deviation 8.7


def test_no_more_neighbours_are_scored_than_allowed() -> None:
    wide = Space(a=Integer(0, 999), b=Integer(0, 999))
    guide = Sum()
    moves(wide, guide, random_moves=0.0, neighbors=5).run(24)
    assert 0 < len(guide.scored) <= 20 * 5
    with pytest.raises(StrategyError, match="'random_moves' must be a number from 0 to 1"):
        moves(wide, guide, random_moves=2)
    with pytest.raises(StrategyError, match="'neighbors' must be a whole number of at least 1"):
        moves(wide, guide, neighbors=0)


def test_moves_keep_the_rules_of_the_space(cell: Space) -> None:
    narrow = cell.restricted("at most 8", lambda a: sum(a.codes) <= 8)
    for name, options in (
        ("filtered", {}),
        ("guided-evolution", {"population": 4, "sample_size": 2}),
        ("predictor", {"starts": 4, "refit": 3, "pool": 10}),
    ):
        heard = []

        class Hearing(Sum):
            def score(self, architectures, heard=heard):
                heard.extend(architectures)
                return super().score(architectures)

        strategy = make_strategy(name, narrow, [OBJECTIVE], guide=Hearing(), **options)
        Record(strategy).run(12)
        assert heard
        assert all(sum(architecture.codes) <= 8 for architecture in heard)


def predicted(space: Space, guide: ToyGuide | None = None, **options: object) -> Record:
    options = {"starts": 10, "refit": 5, "pool": 40, **options}
    return Record(make_strategy("predictor", space, [OBJECTIVE], seed=2, guide=guide, **options))


def test_a_predictor_starts_at_random_and_then_plans_rounds(cell: Space) -> None:
    guide = ToyGuide()
    record = predicted(cell, guide)
    assert record.strategy.concurrency == 10
    assert [p.origin for p in record.run(10)] == ["random"] * 10
    assert guide.scored == []
    record.run(1)
    assert 10 < len(guide.scored) <= 50
    assert record.strategy.concurrency == 4
    record.run(4)
    assert len(guide.scored) <= 50
    record.run(1)
    assert len(guide.scored) > 50
    origins = {trial.proposal.origin for trial in record.trials[10:]}
    assert origins <= {"mutation", "random candidate"}


def test_a_predictor_learns_from_scores_what_it_cannot_from_codes(cell: Space) -> None:
    """The value is a hash of the architecture: only the guide's first column tells it."""

    def mean(guide: ToyGuide | None) -> float:
        record = predicted(cell, guide)
        return float(np.mean([score(p.architecture) for p in record.run(60)[20:]]))

    class Telling(ToyGuide):
        def score(self, architectures):
            return np.array([[np.exp(9 * score(a))] for a in architectures])

    blind, guided = mean(None), mean(Telling())
    assert blind < 0.65
    assert guided > 0.85


def test_a_predictor_ranks_failures_and_violations_last(cell: Space) -> None:
    first = next(cell.enumerate())
    ranks = [(0.0, 0.5), WORST, (0.25, 0.1), (0.0, 0.2), (0.0, 0.5)]
    values = _values([Member(rank, number, first) for number, rank in enumerate(ranks)])
    assert values[3] > values[0] == values[4] > values[2] > values[1]
    assert np.isfinite(values).all()


def test_other_options_of_a_predictor_are_refused(cell: Space) -> None:
    for options, message in (
        ({"starts": 0}, "'starts' must be a whole number of at least 1"),
        ({"pool": 4}, "'pool' must be a whole number of at least 5; got 4"),
        ({"parents": 0}, "'parents' must be a whole number of at least 1"),
        ({"refit": 0}, "'refit' must be a whole number of at least 1"),
        ({"predictor_options": {"trees": 1}}, "'trees' of a predictor must be a whole number"),
    ):
        with pytest.raises(StrategyError, match=message):
            predicted(cell, **options)
    with pytest.raises(UnknownNameError, match="unknown predictor 'forst'"):
        predicted(cell, predictor="forst")
    with pytest.raises(UnknownNameError, match="unknown option of predictor 'forest' 'tree'"):
        predicted(cell, predictor="forest", predictor_options={"tree": 3})


def test_a_space_of_one_choice_can_be_searched() -> None:
    record = predicted(Space(x=Choice(1, 2, 3)), ToyGuide(), starts=1)
    assert len(record.run(9)) == 3
    assert record.strategy.stopped == "every architecture of the space was proposed"
