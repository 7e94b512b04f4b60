from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from archwright.data.columns import read_table, to_number
from archwright.data.raw import Places


def table(frame, **options):
    problems, notes = [], []
    found = read_table(
        pd.DataFrame(frame), places=Places("t"), problems=problems, notes=notes, **options
    )
    return found, [str(problem) for problem in problems], notes


def kind(values, **options):
    found, problems, _ = table({"c": values}, **options)
    assert problems == []
    return found.kinds["c"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], "numeric"),
        ([1.5, None, 3], "numeric"),
        (["1", " 2 ", "?"], "numeric"),
        (pd.array([1, None, 3], dtype="Int64"), "numeric"),
        ([True, False, True], "category"),
        (pd.array([True, None, False], dtype="boolean"), "category"),
        (["a", "b", None], "category"),
        (pd.Categorical(["1", "2", "1"]), "category"),
        (["2020-01-31", "2021-02-01", ""], "date"),
        (["2020-01-31 10:20:30", "2021-02-01 10:20:31", ""], "date"),
        (pd.to_datetime(["2020-01-31", "2021-02-01", None]), "date"),
        (["1", "2", "3+"] * 10, "category"),
        ([f"name {i}" for i in range(30)], "dropped"),
    ],
)
def test_kind_is_found(values, expected):
    assert kind(values) == expected


def test_kind_can_be_stated():
    assert kind([1, 2, 3], categorical=["c"]) == "category"


def test_category_levels_are_stripped_and_sorted():
    found, _, _ = table({"c": [" b", "a ", "?", "b", None]})
    assert found.categories["c"].levels == ("a", "b")
    assert found.categories["c"].codes.tolist() == [1, 0, -1, 1, -1]


def test_dates_become_days_and_a_place_in_the_year():
    found, _, _ = table({"c": ["1970-01-02", "1971-01-01", None]}, kinds={"c": "date"})
    assert found.numeric_names == ("c (days)", "c (year, sine)", "c (year, cosine)")
    assert found.numeric[:2, 0].tolist() == [1.0, 365.0]
    assert np.isnan(found.numeric[2]).all()
    stamps, _, _ = table({"c": pd.to_datetime(["1970-01-02", "1971-01-01"]).tz_localize("UTC")})
    assert np.allclose(stamps.numeric, found.numeric[:2])


def test_wrong_date_is_named():
    _, problems, _ = table({"c": ["2020-13-31", "2020-01-01"]})
    assert problems == [
        "t, row 0, column 'c': '2020-13-31' is not a date; write it as YYYY-MM-DD or leave it empty"
    ]


def test_dates_in_another_order_are_refused():
    _, problems, _ = table({"c": ["01/02/2020", "02/02/2020"]})
    assert "t, row 0, column 'c': '01/02/2020' is a date whose order of day" in problems[0]
    assert "write dates as YYYY-MM-DD, or pass drop='c'" in problems[0]


def test_text_in_numbers_is_named_cell_by_cell():
    values = [str(i) for i in range(100)]
    for row in (3, 10, 20, 30, 40, 50, 60):
        values[row] = f"bad{row}"
    _, problems, _ = table({"c": values})
    assert len(problems) == 6
    assert problems[0] == (
        "t, row 3, column 'c': 'bad3' is not a number, the column is numeric; correct it, leave "
        "it empty if it is unknown, or pass categorical='c'"
    )
    assert "2 more such values (rows 50 and 60)" in problems[-1]


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e200])
def test_values_that_are_not_finite(value):
    _, problems, _ = table({"c": [1.0, value, 2.0]})
    assert f"t, row 1, column 'c': {value!r} is not a finite number" in problems[0]


@pytest.mark.parametrize("values", [[None, None], ["?", " "], [np.nan, np.nan], [pd.NaT, pd.NaT]])
def test_column_without_values(values):
    _, problems, _ = table({"c": values})
    assert problems == ["t, column 'c': every value is missing; remove the column or pass drop='c'"]


def test_column_without_values_is_fine_in_new_rows():
    for kind_known in ("numeric", "category", "date"):
        assert table({"c": ["?", None]}, kinds={"c": kind_known})[1] == []


def test_names_of_rows_are_left_out_with_a_note():
    _, _, notes = table({"c": [f"name {i}" for i in range(30)]})
    assert "left out column 'c': 30 different texts in 30 rows name the rows" in notes[0]


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1.0), ("-2.5e3", -2500.0), ("1_000", None), ("x", None)]
)
def test_number_from_text(text, expected):
    assert to_number(text) == expected or (expected is None and np.isnan(to_number(text)))


@pytest.mark.parametrize(("values", "kind_found"), [([[1], [2]], "list"), ([1j, 2j], "complex")])
def test_values_that_cannot_be_read(values, kind_found):
    _, problems, _ = table({"c": values})
    assert f"t, column 'c': holds values of type {kind_found}" in problems[0]
    assert "keep numbers, text, dates and truth values, or pass drop='c'" in problems[0]


def test_durations_are_seconds():
    found, _, _ = table({"c": pd.to_timedelta([1, 90], unit="s")})
    assert found.numeric[:, 0].tolist() == [1.0, 90.0]
