from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from archwright.data import load
from archwright.data.splitting import split_rows
from archwright.testing.fresh import run_fresh


def dealt(count=100, codes=None, validation=0.2, test=0.2, seed=0):
    return split_rows(count, codes, validation=validation, test=test, seed=seed)


@given(st.integers(3, 300), st.floats(0.01, 0.49), st.floats(0.01, 0.49), st.integers(0, 2**32))
def test_every_row_is_dealt_once(count, validation, test, seed):
    rows = dealt(count, None, validation, test, seed)
    together = np.concatenate(list(rows.values()))
    assert sorted(together.tolist()) == list(range(count))
    assert all(len(part) >= 1 and (np.diff(part) > 0).all() for part in rows.values())


@given(st.lists(st.integers(3, 40), min_size=2, max_size=6), st.integers(0, 1000))
def test_every_class_is_in_every_split_in_proportion(sizes, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rows = dealt(len(codes), codes, seed=seed)
    for name, fraction in (("test", 0.2), ("validation", 0.2), ("train", 0.6)):
        counts = np.bincount(codes[rows[name]], minlength=len(sizes))
        assert (counts >= 1).all()
        assert (np.abs(counts - np.array(sizes) * fraction) < 2).all()


def test_sizes_are_the_rounded_fractions():
    rows = dealt(178, np.repeat([0, 1, 2], [59, 71, 48]))
    assert {name: len(part) for name, part in rows.items()} == {
        "train": 106,
        "validation": 36,
        "test": 36,
    }


def test_no_test_split_for_fraction_zero():
    rows = dealt(10, np.array([0, 1] * 5), test=0.0)
    assert len(rows["test"]) == 0
    assert len(rows["train"]) == 8


def test_another_seed_deals_otherwise():
    assert not np.array_equal(dealt(seed=0)["train"], dealt(seed=1)["train"])


def test_the_deal_is_that_of_the_stored_example():
    rows = dealt(12, np.array([0, 1, 2] * 4), seed=7)
    assert {name: part.tolist() for name, part in rows.items()} == {
        "train": [0, 1, 3, 5, 8, 10],
        "validation": [2, 4, 9],
        "test": [6, 7, 11],
    }


@pytest.mark.parametrize("stratified", [True, False])
def test_the_test_rows_are_those_of_scikit_learn(stratified):
    classes = np.repeat([0, 1, 2], [59, 71, 48]) if stratified else None
    theirs = train_test_split(np.arange(178), test_size=0.25, random_state=3, stratify=classes)[1]
    ours = dealt(178, classes, test=0.25, seed=3)["test"]
    assert ours.tolist() == sorted(theirs.tolist())


def test_a_rare_class_is_in_every_split():
    classes = np.array([0] * 200 + [1] * 3)
    for seed in range(20):
        rows = dealt(203, classes, seed=seed)
        assert all(set(classes[part]) == {0, 1} for part in rows.values())


@pytest.mark.parametrize("hash_seed", ["0", "1234"])
def test_fresh_processes_deal_alike(hash_seed):
    code = (
        "from archwright.data import load; d = load('wine', seed=3); "
        "print(sorted(d.hashes.items()), d.rows['test'].tolist(), d.train.inputs.sum().item())"
    )
    output = run_fresh(code, hash_seed=hash_seed)
    here = load("wine", seed=3)
    expected = f"{sorted(here.hashes.items())} {here.rows['test'].tolist()}"
    assert output.startswith(expected)
    assert float(output.split()[-1]) == here.train.inputs.sum().item()
