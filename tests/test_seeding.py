from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.seeding import derive_seed, derive_seeds, generator
from archwright.testing.fresh import run_fresh

LABELS = st.lists(st.text() | st.integers(), max_size=4).map(tuple)


# Golden: a change here changes every recorded study, so it needs a new major version.
@pytest.mark.parametrize(
    ("seed", "labels", "expected"),
    [
        (0, (), 6197007067532723406),
        (0, ("strategy",), 1048887120011779364),
        (7, ("trial", 17, "weights"), 7072565908278687619),
        (2**63 - 1, ("é", -1), 7412752571170036687),
    ],
)
def test_golden_seeds(seed: int, labels: tuple[str | int, ...], expected: int) -> None:
    assert derive_seed(seed, *labels) == expected


def test_golden_draws() -> None:
    rng = generator(0, "strategy")
    assert rng.integers(1000, size=4).tolist() == [886, 417, 722, 792]


@given(st.integers(), LABELS, st.integers())
def test_seeds_of_numbers_are_those_one_by_one(
    seed: int, labels: tuple[str | int, ...], number: int
) -> None:
    seed_of = derive_seeds(seed, *labels)
    assert seed_of(number) == derive_seed(seed, *labels, number)
    assert seed_of(0) == derive_seed(seed, *labels, 0)


@given(st.integers(), LABELS)
def test_seed_fits_every_generator(seed: int, labels: tuple[str | int, ...]) -> None:
    assert 0 <= derive_seed(seed, *labels) < 2**63


@given(st.integers(), LABELS, st.integers(), LABELS)
def test_streams_differ_exactly_where_their_names_do(
    seed: int, labels: tuple[str | int, ...], other: int, others: tuple[str | int, ...]
) -> None:
    same = (seed, labels) == (other, others)
    assert (derive_seed(seed, *labels) == derive_seed(other, *others)) == same


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("a", "b"), ("ab",)),
        (("a\x1fstr:b",), ("a", "b")),
        (("1",), (1,)),
        (("a", 1), (1, "a")),
        ((), ("",)),
    ],
)
def test_names_that_look_alike_are_told_apart(
    one: tuple[str | int, ...], two: tuple[str | int, ...]
) -> None:
    assert derive_seed(0, *one) != derive_seed(0, *two)


def test_a_new_consumer_does_not_shift_another_ones_draws() -> None:
    alone = generator(3, "strategy").random(5)
    generator(3, "newcomer").random(100)
    assert np.array_equal(generator(3, "strategy").random(5), alone)


@pytest.mark.parametrize(("seed", "label"), [(np.int64(3), "a"), (3, np.int64(1)), (3, b"a")])
def test_seed_or_label_of_another_type_is_refused(seed: int, label: str) -> None:
    with pytest.raises(TypeError, match=r"Object of type (int64|bytes) is not JSON serializable"):
        derive_seed(seed, label)


def test_seeds_are_equal_in_processes_with_other_hash_seeds() -> None:
    code = "from archwright.seeding import derive_seed; print(derive_seed(5, 'trial', 2))"
    found = {run_fresh(code, hash_seed=seed) for seed in ("0", "1", "271828")}
    assert found == {f"{derive_seed(5, 'trial', 2)}\n"}
