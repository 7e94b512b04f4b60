from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, open_table, write_table
from archwright.errors import BenchmarkError, SpaceError
from archwright.space import Choice, Integer, Real, Space, space_named

ACCURACY = Column("val_accuracy", "fraction", "max", "val")
CODES = np.array([[2, 1], [0, 0], [1, 1]])


def test_rows_may_come_in_any_order(toy: Space, tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "a" / "t.table", toy, CODES, [(ACCURACY, np.array([0.3, 0.1, 0.2]))], name="t"
    )
    table = open_table(path)
    assert table.codes.tolist() == [[0, 0], [1, 1], [2, 1]]
    assert table.values("val_accuracy").tolist() == [0.1, 0.2, 0.3]


def test_published_order_is_kept_where_there_is_one(tmp_path: Path) -> None:
    space = space_named("nasbench201")
    codes = space.codes_by_index()
    shuffled = np.random.default_rng(0).permutation(len(codes))
    values = np.arange(len(codes))[shuffled]
    column = Column("rank", "count", "min")
    whole = write_table(tmp_path / "a.table", space, codes[shuffled], [(column, values)], name="a")
    table = open_table(whole)
    assert np.array_equal(table.codes, codes)
    assert np.array_equal(table.values("rank"), np.arange(len(codes)))
    assert table.row(space.at(6111)) == 6111
    part = write_table(
        tmp_path / "b.table",
        space,
        codes[[900, 7, 30]],
        [(column, np.array([900, 7, 30]))],
        name="b",
    )
    some = open_table(part)
    assert some.values("rank").tolist() == [7, 30, 900]
    assert [some.row(space.at(index)) for index in (7, 30, 900)] == [0, 1, 2]


def test_spaces_without_numbers_are_found_by_digest(tmp_path: Path) -> None:
    space = Space(rate=Real(0.0, 1.0), depth=Integer(1, 9), name="reals")
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng=rng) for _ in range(50)]
    codes = np.array([architecture.codes for architecture in drawn])
    path = write_table(
        tmp_path / "t.table", space, codes, [(ACCURACY, np.arange(50) / 64)], name="t"
    )
    table = open_table(path)
    rows = [table.row(architecture) for architecture in drawn]
    assert sorted(rows) == list(range(50))
    assert table.rows_of(codes).tolist() == rows
    assert table.values("val_accuracy", rows).tolist() == (np.arange(50) / 64).tolist()
    assert table.architecture(rows[3]) == drawn[3]


def test_large_codes_are_kept(tmp_path: Path) -> None:
    space = Space(width=Integer(1, 70_000), kind=Choice("a", "b"), name="wide")
    codes = np.array([[69_999, 1], [300, 0]])
    path = write_table(tmp_path / "t.table", space, codes, [(ACCURACY, np.zeros(2))], name="t")
    assert open_table(path).codes.tolist() == [[300, 0], [69_999, 1]]


def test_header_says_what_was_given(toy: Space, tmp_path: Path) -> None:
    seconds = Column("training_seconds", "seconds", "min")
    path = write_table(
        tmp_path / "t.table",
        toy,
        CODES,
        [(ACCURACY, np.zeros(3)), (seconds, np.ones(3))],
        name="t",
        provenance={"card": "made by hand"},
        notes=["a is odd"],
        domain="three of them",
    )
    table = open_table(path)
    assert table.cost_metric == "training_seconds"
    assert table.header["provenance"]["card"] == "made by hand"
    assert set(table.header["provenance"]["written_with"]) == {"python", "numpy"}
    assert table.header["notes"] == ["a is odd"]
    assert table.domain == "three of them"
    assert open_table(path, space=toy).space is toy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": np.zeros((3, 3), int)}, r"the shape \(rows, 2\).*got \(3, 3\)"),
        ({"codes": np.zeros((0, 2), int)}, r"with a row at least; got \(0, 2\)"),
        ({"codes": CODES[[0, 1, 0]]}, r"rows 0 and 2 are the same architecture, \[2, 1\]"),
        ({"columns": []}, "needs a column at least"),
        ({"columns": [(ACCURACY, np.zeros(3))] * 2}, "'val_accuracy' twice"),
        (
            {"columns": [(ACCURACY, np.zeros((3, 2)))]},
            r"'val_accuracy': .* the shape \(3,\) \(rows\); got float64 of \(3, 2\)",
        ),
        ({"columns": [(ACCURACY, np.array(["a"] * 3))]}, "must have the shape"),
        (
            {"columns": [(ACCURACY, np.array([0, np.inf, 0]))]},
            "'val_accuracy', row 1: must be finite",
        ),
        ({"cost_metric": "val_accuracy"}, r"must be a column in seconds \(none\)"),
        ({"hashes": np.array(["0" * 31 + "x"] * 3)}, "32 hexadecimal digits"),
        ({"hashes": np.array(["0" * 30] * 3)}, "32 hexadecimal digits"),
    ],
)
def test_what_does_not_fit_is_refused(
    toy: Space, tmp_path: Path, changes: dict, message: str
) -> None:
    given = {"codes": CODES, "columns": [(ACCURACY, np.zeros(3))], **changes}
    with pytest.raises(BenchmarkError, match=message):
        write_table(tmp_path / "t.table", toy, given.pop("codes"), name="t", **given)
    assert list(tmp_path.iterdir()) == []


def test_codes_outside_their_domain_are_refused(toy: Space, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="row 1, slot 0: must be from 0 to 2; got 3"):
        write_table(
            tmp_path / "t.table",
            toy,
            np.array([[0, 0], [3, 0]]),
            [(ACCURACY, np.zeros(2))],
            name="t",
        )
