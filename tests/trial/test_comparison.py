"""The incumbent is the published one: strict improvement on validation, whatever the test says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import UnknownNameError
from archwright.trial import Budget, Comparison, Contender, Measured, Objective, Runs

NAN = float("nan")


def runs_of(validation, *, direction="max", counted=None, **arrays) -> Runs:
    values = np.array(validation, dtype=float)
    n = np.full(len(values), values.shape[1]) if counted is None else np.array(counted)
    rows = np.tile(np.arange(values.shape[1]), (len(values), 1))
    return Runs(
        Contender("random", "random"),
        tuple(range(len(values))),
        direction,
        n,
        rows,
        values,
        values,
        **{name: np.array(array, dtype=float) for name, array in arrays.items()},
    )


def slowly(values: list[float], direction: str) -> list[int]:
    """Return the index of the incumbent after each value, one by one."""
    best, found = -1, []
    for index, value in enumerate(values):
        better = value > values[best] if direction == "max" else value < values[best]
        if value == value and (best < 0 or better):
            best = index
        found.append(best)
    return found


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, NAN]), min_size=1, max_size=30),
    st.sampled_from(["max", "min"]),
)
def test_incumbent_is_found_as_one_by_one(values: list[float], direction: str) -> None:
    assert runs_of([values], direction=direction).incumbent[0].tolist() == slowly(values, direction)


def test_a_tie_keeps_the_first_and_its_test_value() -> None:
    runs = runs_of([[0.5, 0.7, 0.7, 0.6]], test=[[0.1, 0.2, 0.9, 0.99]])
    assert runs.incumbent.tolist() == [[0, 1, 1, 1]]
    assert runs.held(runs.test).tolist() == [[0.1, 0.2, 0.2, 0.2]]
    assert runs.last(runs.test).tolist() == [0.2]


def test_before_the_first_value_nothing_is_held() -> None:
    runs = runs_of([[NAN, 0.5], [0.4, NAN]])
    assert runs.incumbent.tolist() == [[-1, 1], [0, 0]]
    assert np.array_equal(runs.held(runs.validation), [[NAN, 0.5], [0.4, 0.4]], equal_nan=True)


def test_the_answer_is_the_last_counted_incumbent() -> None:
    runs = runs_of([[0.1, 0.2, 0.9], [0.3, 0.2, NAN]], counted=[2, 2])
    assert runs.last(runs.validation).tolist() == [0.2, 0.3]


def comparison_of(runs: Runs, test: bool = True, direction: str = "max") -> Comparison:
    measured = Measured("val_accuracy", "fraction", direction, "", 12, 1.0, 3)
    return Comparison(
        {"name": "toy", "rows": 4},
        {"name": "toy", "size": 4},
        Objective("val_accuracy", direction),
        measured,
        Measured("test_accuracy", "fraction", direction, "", 12, 0.75, 2) if test else None,
        "drawn",
        1,
        Budget(trials=3),
        1,
        0,
        (runs,),
    )


def test_regret_is_measured_from_the_own_optimum_of_each_column() -> None:
    runs = runs_of([[0.5, 0.75]], mean_test=[[0.5, 0.625]])
    comparison = comparison_of(runs)
    assert comparison.held(runs, "validation_regret").tolist() == [[0.5, 0.25]]
    assert comparison.last(runs, "test_regret").tolist() == [0.125]
    lower = comparison_of(runs_of([[1.5, 1.25]], direction="min"), False, "min")
    assert lower.last(lower.runs[0], "validation_regret").tolist() == [0.25]


def test_kinds_are_those_that_the_benchmark_has() -> None:
    both = comparison_of(runs_of([[0.5]], test=[[0.4]], mean_test=[[0.5]]))
    assert both.kinds[3:] == ("test", "mean_test", "test_regret")
    assert both.answer_kind == "mean_test"
    # Reported from other trainings than those that were seen: there is no single one to show.
    other = comparison_of(runs_of([[0.5]], mean_test=[[0.5]]))
    assert "test" not in other.kinds
    alone = comparison_of(runs_of([[0.5]]), test=False)
    assert alone.kinds == ("validation", "mean_validation", "validation_regret")
    assert alone.answer_kind == "mean_validation"
    with pytest.raises(UnknownNameError, match="unknown kind of value 'mean_test'"):
        alone.last(alone.runs[0], "mean_test")


def test_it_says_what_it_is() -> None:
    comparison = comparison_of(runs_of([[0.5, 0.6]]))
    assert repr(comparison) == "Comparison(random; 1 repeats on toy)"
    assert comparison.evaluations == 2
    assert not comparison.has_time
