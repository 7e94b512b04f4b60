from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archwright.data import LoadOptions
from archwright.errors import DataError, UnknownNameError


def test_keywords_are_put_in():
    options = LoadOptions.of(LoadOptions(seed=3), {"target": ["a", "b"], "header": "infer"})
    assert options == LoadOptions(seed=3, target=("a", "b"), header=None)
    assert LoadOptions.of(None, {"drop": "a", "categorical": 3}).categorical == (3,)


def test_json_holds_what_differs(tmp_path):
    options = LoadOptions(seed=3, target=-1, image_size=(4, 5), data_dir=tmp_path)
    written = json.loads(json.dumps(options.to_json()))
    assert written == {
        "seed": 3,
        "target": -1,
        "image_size": [4, 5],
        "data_dir": str(tmp_path),
    }
    assert LoadOptions.of(None, written) == LoadOptions(
        seed=3, target=-1, image_size=(4, 5), data_dir=str(tmp_path)
    )


def test_json_holds_whole_paths():
    written = LoadOptions(test_source="test.csv").to_json()["test_source"]
    assert written == str(Path("test.csv").absolute())


def test_unknown_keyword():
    with pytest.raises(
        UnknownNameError, match=r"data option 'targt' \(did you mean 'target'\?\); allowed: target,"
    ):
        LoadOptions.of(None, {"targt": 1})


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("task", "ranking", "unknown task 'ranking'"),
        ("numeric", "standrad", r"numeric columns 'standrad' \(did you mean 'standard'\?\)"),
        ("decimal", ";", "unknown decimal mark ';'"),
    ],
)
def test_unknown_values(keyword, value, message):
    with pytest.raises(UnknownNameError, match=message):
        LoadOptions(**{keyword: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 0}, r"validation must be a fraction in \(0, 1\); got 0"),
        ({"validation": 2}, r"validation must be a fraction in \(0, 1\); got 2"),
        ({"test": -0.1}, r"test must be a fraction in \[0, 1\); got -0.1"),
        ({"test": 0.5, "validation": 0.5}, r"leave rows to train on; got 0.5 \+ 0.5"),
        ({"header": "first"}, "header must be True, False or None; got 'first'"),
        ({"delimiter": ", "}, "delimiter must be one character; got ', '"),
        ({"max_levels": 1}, "max_levels must be a whole number of at least 2; got 1"),
        ({"image_size": (0, 3)}, r"image_size must be one or two whole numbers.*got \(0, 3\)"),
        ({"image_size": "big"}, "image_size must be one or two whole numbers from 1; got 'big'"),
    ],
)
def test_values_out_of_range(options, message):
    with pytest.raises(DataError, match=message):
        LoadOptions(**options)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("target", 1.5, "a column's name or position, or several"),
        ("target", ("a", None), "a column's name or position, or several"),
        ("categorical", 2.5, "a list of columns, by name or position"),
        ("drop", [True], "a list of columns, by name or position"),
        ("validation", "much", r"a fraction in \(0, 1\)"),
        ("validation", True, r"a fraction in \(0, 1\)"),
        ("test", None, r"a fraction in \[0, 1\)"),
        ("test", float("nan"), r"a fraction in \[0, 1\)"),
        ("seed", "x", "a whole number of at least 0"),
        ("seed", -1, "a whole number of at least 0"),
        ("delimiter", 3, "one character"),
        ("encoding", 8, "a name such as 'latin-1'"),
        ("header", [1], "True, False or None"),
        ("max_levels", "many", "a whole number of at least 2"),
        ("data_dir", 3, "a folder"),
        ("device", 0, "a name such as 'cpu' or 'cuda'"),
    ],
)
def test_values_of_another_type(name, value, expected):
    with pytest.raises(DataError, match=f"{name} must be {expected}; got "):
        LoadOptions.of(None, {name: value})


@pytest.mark.parametrize("name", ["task", "numeric", "decimal"])
def test_words_of_another_type(name):
    with pytest.raises(UnknownNameError, match=r"unknown .* \['a'\]; allowed"):
        LoadOptions.of(None, {name: ["a"]})


def test_numbers_of_numpy_are_numbers():
    options = LoadOptions(target=np.int64(-1), validation=np.float32(0.25), seed=np.int64(3))
    assert options == LoadOptions(target=-1, validation=0.25, seed=3)
