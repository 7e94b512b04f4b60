from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from archwright.data.columns import read_table
from archwright.data.raw import Places
from archwright.data.table_inputs import TableInputs


def table(frame, kinds=None):
    problems = []
    found = read_table(
        pd.DataFrame(frame), places=Places("t"), problems=problems, notes=[], kinds=kinds
    )
    assert problems == []
    return found


def fit(frame, rows=None, numeric="auto", max_levels=64):
    notes = []
    read = table(frame)
    rows = np.arange(len(read)) if rows is None else np.array(rows)
    inputs = TableInputs.fit(read, rows, numeric=numeric, max_levels=max_levels, notes=notes)
    return inputs, read, notes


def test_equals_scikit_learn_on_a_mixed_table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(3, 2, 60), "job": rng.choice(["cook", "clerk", "smith"], 60)}
    )
    train = np.arange(0, 60, 2)
    inputs, read, _ = fit(frame, train)
    scaler = StandardScaler().fit(frame[["a"]].iloc[train])
    hot = OneHotEncoder(sparse_output=False).fit(frame[["job"]].iloc[train])
    expected = np.hstack([scaler.transform(frame[["a"]]), hot.transform(frame[["job"]])])
    assert np.allclose(inputs.transform(read), expected, atol=1e-6)
    assert inputs.feature_names == ("a", "job=clerk", "job=cook", "job=smith")
    assert inputs.input_shape == (4,)


def test_only_the_given_rows_are_learned_from():
    first, read, _ = fit({"a": [1.0, 2.0, 3.0, 500.0]}, rows=[0, 1, 2])
    other, _, _ = fit({"a": [1.0, 2.0, 3.0, -9.0]}, rows=[0, 1, 2])
    assert first == other
    assert first.transform(read, np.array([1])).tolist() == [[0.0]]


def test_missing_numbers_get_the_median_and_an_indicator():
    inputs, read, _ = fit({"a": [1.0, 2.0, 9.0, np.nan]})
    assert inputs.feature_names == ("a", "a (missing)")
    out = inputs.transform(read)
    assert out[:, 1].tolist() == [0, 0, 0, 1]
    assert out[3, 0] == out[1, 0]


def test_missing_number_that_training_did_not_know():
    inputs, _, _ = fit({"a": [1.0, 2.0, 9.0]})
    out = inputs.transform(table({"a": [np.nan, 2.0]}, kinds=inputs.kinds))
    assert out.shape == (2, 1)
    assert out[0] == pytest.approx(out[1])


def test_missing_category_is_a_level():
    inputs, read, _ = fit({"c": ["u", "v", None, "u"]})
    assert inputs.feature_names == ("c=u", "c=v", "c=(missing)")
    assert inputs.transform(read)[2].tolist() == [0, 0, 1]


def test_two_levels_are_one_feature():
    inputs, read, _ = fit({"c": ["u", "v", "u"]})
    assert inputs.feature_names == ("c=v",)
    assert inputs.transform(read)[:, 0].tolist() == [-1, 1, -1]
    unseen = table({"c": ["w", None]}, kinds=inputs.kinds)
    assert inputs.transform(unseen)[:, 0].tolist() == [0, 0]


def test_rare_and_unseen_levels_share_a_feature():
    inputs, read, _ = fit({"c": ["u"] * 9 + ["v"] * 9 + ["w"]})
    assert inputs.feature_names == ("c=u", "c=v", "c=(other)")
    assert inputs.transform(read)[18].tolist() == [0, 0, 1]
    assert inputs.transform(table({"c": ["z"]}, kinds=inputs.kinds)).tolist() == [[0, 0, 1]]


def test_unseen_level_without_rare_ones_is_all_zero():
    inputs, _, _ = fit({"c": ["u", "v", "w"] * 6})
    assert inputs.transform(table({"c": ["z"]}, kinds=inputs.kinds)).tolist() == [[0, 0, 0]]


def test_many_levels_are_cut_with_a_note():
    values = [f"v{i % 10}" for i in range(100)] + ["v3"] * 5
    inputs, _, notes = fit({"c": values}, max_levels=3)
    assert len(inputs.feature_names) == 4
    assert "c=v3" in inputs.feature_names
    assert (
        "column 'c' has 10 categories; the 3 most frequent have features of their own" in notes[0]
    )


def test_constant_columns_are_left_out_with_a_note():
    inputs, read, notes = fit({"a": [1.0, 2.0, 3.0], "b": [5.0] * 3, "c": ["u"] * 3})
    assert inputs.feature_names == ("a",)
    assert inputs.transform(read).shape == (3, 1)
    assert notes == [
        "left out column 'b': it has one value in all training rows",
        "left out column 'c': it has one value in all training rows",
    ]


def test_long_tails_are_compressed_only_where_they_are():
    rng = np.random.default_rng(0)
    tail = np.exp(rng.normal(0, 3, 500))
    frame = {"plain": rng.normal(size=500), "tail": tail}
    inputs, read, _ = fit(frame)
    assert [feature.log for feature in inputs.numeric] == [False, True]
    assert np.abs(inputs.transform(read)).max() < 10
    assert np.argsort(inputs.transform(read)[:, 1]).tolist() == np.argsort(tail).tolist()
    assert [feature.log for feature in fit(frame, numeric="standard")[0].numeric] == [False] * 2
    assert [feature.log for feature in fit(frame, numeric="log")[0].numeric] == [True] * 2


def test_column_that_is_mostly_zero_is_compressed():
    values = np.zeros(1000)
    values[:20] = np.linspace(2000, 99999, 20)
    inputs, read, _ = fit({"gain": values})
    out = inputs.transform(read)
    assert inputs.numeric[0].log
    assert np.isfinite(out).all()
    assert out.std() == pytest.approx(1, abs=1e-3)


def test_json_round_trip_gives_equal_bits():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=50), "b": np.exp(rng.normal(0, 4, 50))})
    frame["c"] = rng.choice(["u", "v", "w", None], 50)
    frame["d"] = pd.date_range("2020-01-01", periods=50)
    inputs, read, _ = fit(frame)
    again = TableInputs.from_json(json.loads(json.dumps(inputs.to_json())))
    assert again == inputs
    assert again.transform(read).tobytes() == inputs.transform(read).tobytes()
