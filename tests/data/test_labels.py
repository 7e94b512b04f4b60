from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from archwright.data import check, load
from archwright.errors import DataError

X = np.random.default_rng(0).normal(size=(60, 2))


def loaded(labels, **options):
    labels = np.asarray(labels)
    return load((X[: len(labels)], labels), **options)


def only(labels, inputs=X, **options):
    labels = np.asarray(labels)
    problems = check((inputs[: len(labels)], labels), **options)
    assert len(problems) == 1, problems
    return str(problems[0])


@pytest.mark.parametrize(
    ("labels", "kind", "reason"),
    [
        (["a", "b", "c"] * 20, "classification", "classification: the labels in 'target' are text"),
        ([0, 1, 2] * 20, "classification", "classification: 3 distinct whole numbers in 'target'"),
        ([0.0, 1.0] * 30, "classification", "classification: 2 distinct whole numbers"),
        ([True, False] * 30, "classification", "classification: 2 distinct whole numbers"),
        (np.arange(60), "regression", "regression: 60 distinct numbers in 'target'"),
        (np.arange(60) / 2, "regression", "the labels in 'target' are fractional numbers"),
        ([0, 1, 2, 3, 4, 5], "regression", "regression: 6 distinct numbers"),
        (X, "regression", "regression: several targets (target_0, target_1)"),
    ],
)
def test_task_is_found_and_the_reason_told(labels, kind, reason):
    dataset = loaded(labels)
    assert dataset.task.kind == kind
    assert any(reason in note for note in dataset.notes)


def test_stated_task_wins():
    assert loaded([0, 1, 2] * 20, task="regression").task.kind == "regression"
    assert loaded(np.arange(60) // 3, task="classification").task.outputs == 20
    assert not loaded([0, 1, 2] * 20, task="regression").notes


def test_classes_are_sorted_and_named():
    assert loaded([3.0, 1.0, 20.0] * 20).task.class_names == ("1", "3", "20")
    assert loaded([1.5, 0.5] * 30, task="classification").task.class_names == ("0.5", "1.5")
    assert loaded(["b", "a"] * 30).task.class_names == ("a", "b")
    frame = pd.DataFrame({"x": X[:, 0], "y": [True, False] * 30})
    assert load(frame, target="y").task.class_names == ("False", "True")


def test_codes_follow_the_names():
    labels = np.array(["b", "a", "c"] * 20)
    dataset = loaded(labels)
    names = np.array(dataset.task.class_names)
    for name in ("train", "validation", "test"):
        split = getattr(dataset, name)
        assert names[split.targets.numpy()].tolist() == labels[dataset.rows[name]].tolist()


def test_regression_targets_are_standardised_by_the_training_rows():
    values = np.random.default_rng(0).normal(5, 3, 60)
    dataset = loaded(values)
    train = values[dataset.rows["train"]]
    assert dataset.train.targets.shape == (36, 1)
    assert abs(dataset.train.targets.mean()) < 1e-6
    assert dataset.preprocessing.target_mean[0] == pytest.approx(train.mean())
    assert dataset.preprocessing.target_scale[0] == pytest.approx(train.std())
    own = dataset.preprocessing.inverse_targets(dataset.test.targets)
    assert np.allclose(own[:, 0], values[dataset.rows["test"]], atol=1e-5)


@pytest.mark.parametrize("missing", [None, float("nan"), "", "?"])
def test_missing_labels_are_named(missing):
    frame = pd.DataFrame({"x": X[:, 0], "y": (["a", "b"] * 30)})
    frame["y"] = frame["y"].astype(object)
    frame.loc[[3, 7], "y"] = missing
    (problem,) = check(frame, target="y")
    assert str(problem) == (
        "DataFrame, column 'y': 2 labels are missing (rows 3 and 7); fill in or remove these "
        "rows; a missing label cannot be learned from"
    )


def test_missing_numbers_among_labels_are_named():
    values = np.arange(60) / 2
    values[[1, 5, 9]] = np.nan
    assert "3 labels are missing (rows 1, 5 and 9)" in only(values)
    assert "60 labels are missing (rows 0, 1, " in only(np.full(60, np.nan))


def test_one_class():
    assert "there is one class only, 'a'; give rows of at least two" in only(["a"] * 60)


def test_rare_classes_are_all_named():
    labels = np.array(["a", "b"] * 30)
    labels[5], labels[[7, 8]] = "z", "q"
    problems = [str(problem) for problem in check((X, labels))]
    assert problems == [
        "arrays, column 'target': class 'q' has 2 rows (rows 7 and 8) but needs 3, one for each "
        "split; add rows of this class, join it with another one, or remove it",
        "arrays, column 'target': class 'z' has 1 row (row 5) but needs 3, one for each split; "
        "add rows of this class, join it with another one, or remove it",
    ]
    assert "class 'z'" in str(check((X, labels), test=0)[0])
    assert len(check((X, labels), test=0)) == 1


def test_labels_that_are_no_classes():
    message = only(np.arange(60), task="classification")
    assert "60 of 60 classes have fewer than 3 rows; choose another target" in message


def test_constant_target():
    assert "every label is 1.5, there is nothing to learn" in only(np.full(60, 1.5))
    two = np.stack([np.arange(60.0), np.full(60, 2.0)], axis=1)
    assert "column 'target_1': every label is 2.0" in only(two)


def test_infinite_target():
    values = np.arange(60) / 2
    values[4] = np.inf
    assert "labels are infinite (row 4); correct or remove these rows" in only(values)


def test_text_is_no_regression_target():
    message = "the label 'a' is not a number; correct it or pass task='classification'"
    assert message in str(check((X, np.array(["a", "b"] * 30)), task="regression")[0])


def test_text_among_many_numbers_is_named():
    frame = pd.DataFrame({"x": X[:, 0], "y": [str(i / 2) for i in range(60)]})
    frame.loc[9, "y"] = "oops"
    (problem,) = check(frame, target="y")
    assert "DataFrame, row 9, column 'y': the label 'oops' is not a number" in str(problem)


def test_several_label_columns_are_no_classification():
    assert "classification has one label column" in only(X, task="classification")


def test_codes_must_fit_the_class_names(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x=X, y=np.arange(60) % 3, classes=np.array(["a", "b"]))
    with pytest.raises(DataError, match="labels must be whole numbers from 0 to 1, one for each"):
        load(path)


def test_named_classes_are_no_regression(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x=X, y=np.arange(60) % 2, classes=np.array(["a", "b"]))
    with pytest.raises(DataError, match="the labels are not numbers; pass task='classification'"):
        load(path, task="regression")


def test_class_only_in_the_test_split():
    labels = np.array(["no", "yes"] * 30)
    other = np.array(["no", "yes."] * 30)
    (problem,) = check((X, labels, X, other))
    assert "class 'yes.' (did you mean 'yes'?) is only in the test split (30 rows)" in str(problem)
    assert "arrays (test), row 1, column 'target'" in str(problem)


def test_too_few_rows():
    assert "there are 2 rows, too few for three splits; give at least 3" in only([0.5, 1.5])
    assert "arrays: there are no rows; give some data" in only([], inputs=X)
