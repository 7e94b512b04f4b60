"""Among them, one regression test for each fault of the usual tutorial's listing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archwright.space import Choice, Integer, Space
from archwright.strategy import Strategy, make_strategy
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Trial, incumbent

Measured = Callable[..., Callable[[Trial], Outcome]]


def build(space: Space, seed: int = 2, **options: Any) -> Strategy:
    options = {"population": 8, **options}
    return make_strategy("evolution", space, ["max:score"], seed=seed, **options)


def parents(strategy: Strategy) -> set[int]:
    return {member.number for member in strategy._parents}  # type: ignore[attr-defined]


def best_half(record: Record, numbers: range) -> set[int]:
    trials = sorted(
        (record.trials[number] for number in numbers), key=lambda trial: -trial.metrics["score"]
    )
    return {trial.number for trial in trials[:4]}


@pytest.mark.parametrize("kind", ["uniform", "one-point", "blend"])
def test_fault_1_children_of_any_two_lists_are_architectures(widths: Space, kind: str) -> None:
    # The listing averaged layer objects and raised TypeError.
    record = Record(build(widths, crossover=kind, crossover_probability=1.0))
    record.run(80)
    crossed = [trial for trial in record.trials if "crossover" in trial.proposal.origin]
    assert len(crossed) == 72
    for trial in crossed:
        widths.validate(trial.architecture)
        assert all(type(width) is int for width in trial.architecture["hidden"])


def test_fault_2_the_mutated_child_is_what_is_proposed(widths: Space) -> None:
    # The listing built the network before it mutated a list that nobody read.
    record = Record(build(widths, crossover_probability=0.0, mutation_probability=1.0))
    record.run(60)
    for trial in record.trials[8:]:
        (parent,) = trial.proposal.parents
        assert trial.proposal.origin == "mutation"
        assert trial.architecture != record.trials[parent].architecture


def test_fault_3_survival_follows_the_objective_alone(cell: Space, measured: Measured) -> None:
    # The listing ranked by accuracy on the training data.
    score = {architecture.key: i for i, architecture in enumerate(cell.enumerate())}
    record = Record(
        build(cell),
        measured(
            score=lambda a: score[a.key],
            train_accuracy=lambda a: -score[a.key],
            train_loss=lambda a: -score[a.key],
        ),
    )
    record.run(8)
    assert parents(record.strategy) == best_half(record, range(8))


def test_fault_4_survivors_keep_their_one_result(cell: Space) -> None:
    # The listing trained survivors again each generation, so that age decided.
    record = Record(build(cell))
    record.run(8 + 4 + 4)
    survivors = parents(record.strategy)
    assert survivors == best_half(record, range(16))
    keys = [trial.architecture.key for trial in record.trials]
    assert len(set(keys)) == 16  # nothing was proposed, hence trained, twice


def test_fault_5_every_child_is_a_trial_and_the_best_of_all_counts(cell: Space) -> None:
    # The listing left the last children unscored and returned the best of the last generation.
    record = Record(build(cell))
    best = -np.inf
    for _ in range(12):
        record.run(4)
        found = incumbent(record.trials, record.strategy.objectives)
        assert found is not None
        assert found.metrics["score"] == max(t.metrics["score"] for t in record.trials)
        assert found.metrics["score"] >= best
        best = found.metrics["score"]
    assert record.strategy.asked == record.strategy.told == len(record.trials)


@pytest.mark.parametrize("kind", ["uniform", "one-point", "blend"])
def test_fault_6_depth_and_spread_do_not_collapse(widths: Space, kind: str) -> None:
    # The listing zipped (depth shrinks) and averaged (spread shrinks). Without any preference,
    # both must stay about what random architectures have.
    depths, widths_seen = [], []
    for seed in range(20):
        record = Record(build(widths, seed, crossover=kind), _indifferent(seed))
        record.run(8 + 4 * 20)
        for trial in record.trials[-16:]:
            depths.append(len(trial.architecture["hidden"]))
            widths_seen += trial.architecture["hidden"]
    # Uniform widths in 50..200 deviate by 43.6; half of it would be a collapse.
    assert np.std(widths_seen) > 25
    assert max(depths) == 3
    assert np.mean(depths) > 1.5


def test_fault_7_seed_duplicates_depth_and_small_populations(widths: Space) -> None:
    # The listing had no seed, no check for duplicates, no mutation of depth, and failed below 4.
    assert Record(build(widths)).run(30) == Record(build(widths)).run(30)
    assert Record(build(widths)).run(30) != Record(build(widths, seed=3)).run(30)
    for population in (2, 3):
        record = Record(build(widths, population=population, crossover_probability=0.5))
        record.run(40)
        assert len({trial.architecture.key for trial in record.trials}) == 40
    changes = set()
    record = Record(build(widths, crossover_probability=0.0, mutation_probability=1.0))
    record.run(100)
    for trial in record.trials[8:]:
        mother = record.trials[trial.proposal.parents[0]].architecture
        changes.add(len(trial.architecture["hidden"]) - len(mother["hidden"]))
    assert changes == {-1, 0, 1}


def test_better_half_survives_each_generation(cell: Space) -> None:
    record = Record(build(cell))
    for generation in range(1, 8):
        record.run(8 if generation == 1 else 4)
        assert record.strategy.generation == generation  # type: ignore[attr-defined]
        assert parents(record.strategy) == best_half(record, range(len(record.trials)))


@pytest.mark.parametrize(
    ("population", "survivors", "expected"),
    [(8, 0.5, 4), (7, 0.5, 4), (2, 0.5, 1), (20, 0.55, 11), (5, 0.0, 1), (5, 1.0, 4)],
)
def test_survivors_are_rounded_up_and_leave_room(
    cell: Space, population: int, survivors: float, expected: int
) -> None:
    strategy = build(cell, population=population, survivors=survivors)
    Record(strategy).run(population)
    assert len(parents(strategy)) == expected
    assert strategy.concurrency == population - expected


def test_children_have_two_different_parents_that_survived(cell: Space) -> None:
    record = Record(build(cell, crossover_probability=1.0))
    record.run(8)
    for proposal in record.strategy.ask(40):
        first, second = proposal.parents
        assert first != second
        assert {first, second} <= parents(record.strategy)


def test_ties_go_to_fewer_parameters_then_to_the_older(cell: Space) -> None:
    parameters = [5, 3, 9, 3, 7, 1, 8, 6]
    record = Record(
        build(cell),
        lambda trial: Outcome.completed(
            Measurement({"score": 1.0, "parameters": parameters[trial.number]})
        ),
    )
    record.run(8)
    order = [member.number for member in record.strategy._parents]  # type: ignore[attr-defined]
    assert order == [5, 1, 3, 0]


def test_ties_without_parameters_go_to_the_older(cell: Space) -> None:
    record = Record(build(cell), lambda trial: Outcome.completed(Measurement({"score": 1.0})))
    record.run(8)
    assert parents(record.strategy) == {0, 1, 2, 3}


def test_constraint_comes_before_the_objective(cell: Space) -> None:
    strategy = make_strategy(
        "evolution", cell, ["max:score"], constraints=["parameters<=3"], population=8, seed=0
    )
    record = Record(
        strategy,
        lambda trial: Outcome.completed(
            Measurement({"score": trial.number, "parameters": trial.number})
        ),
    )
    record.run(8)
    assert parents(strategy) == {0, 1, 2, 3}


def test_generation_closes_when_enough_are_told_whoever_they_are(cell: Space) -> None:
    record = Record(build(cell))
    record.ask(10)
    assert {trial.proposal.origin for trial in record.trials} == {"random"}
    for number in (9, 8, 7, 6, 5, 4, 3):
        record.tell(number)
    assert parents(record.strategy) == set()
    record.tell(2)
    assert parents(record.strategy) == best_half(record, range(2, 10))
    # Two of the four wanted newcomers are outstanding already.
    assert record.strategy.concurrency == 2
    record.ask(2)
    for number in (0, 1, 10, 11):
        record.tell(number)
    assert record.strategy.generation == 2  # type: ignore[attr-defined]


def test_straggler_joins_a_later_generation_and_may_lead_it(cell: Space) -> None:
    record = Record(
        build(cell),
        lambda trial: Outcome.completed(Measurement({"score": float(trial.number == 0)})),
    )
    record.ask(9)
    for number in range(1, 9):
        record.tell(number)
    record.tell(0)
    record.run(3)
    assert record.strategy._parents[0].number == 0  # type: ignore[attr-defined]


def test_pure_crossover_is_possible(cell: Space) -> None:
    record = Record(build(cell, crossover_probability=1.0, mutation_probability=0.0))
    record.run(30)
    assert {trial.proposal.origin for trial in record.trials[8:]} <= {"crossover", "random"}


def test_works_on_a_space_without_lists() -> None:
    space = Space(width=Integer(1, 64), kind=Choice("a", "b"))
    record = Record(build(space))
    record.run(128)
    assert len(record.trials) == 128


def _indifferent(seed: int) -> Callable[[Trial], Outcome]:
    scores = np.random.default_rng(seed).random(10_000)
    return lambda trial: Outcome.completed(Measurement({"score": float(scores[trial.number])}))
