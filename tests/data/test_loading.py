from __future__ import annotations

import json
import logging
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import IterableDataset, TensorDataset

from archwright.data import DATASETS, check, load
from archwright.errors import DataError, MissingDependencyError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.array(["no", "yes"] * 30)
BUNDLED = {
    "digits": ((1, 8, 8), 10, 1797),
    "wine": ((13,), 3, 178),
    "breast_cancer": ((30,), 2, 569),
    "diabetes": ((10,), 1, 442),
}


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_sets(name):
    shape, outputs, rows = BUNDLED[name]
    dataset = load(name)
    assert dataset.input_shape == shape
    assert dataset.task.outputs == outputs
    assert dataset.task.is_classification == (name != "diabetes")
    assert sum(len(part) for part in (dataset.train, dataset.validation, dataset.test)) == rows
    assert dataset.train.inputs.dtype == torch.float32
    assert dataset.train.inputs.is_contiguous()
    assert abs(dataset.train.inputs.mean()) < 1e-5
    assert dataset.kind == ("image" if name == "digits" else "tabular")
    assert dataset.spec == {"source": name, "options": {}}


def test_rows_make_the_same_split_elsewhere():
    from sklearn.datasets import load_wine

    dataset, found = load("wine", seed=4), load_wine()
    for name in ("train", "validation", "test"):
        rows = dataset.rows[name]
        assert found.target[rows].tolist() == getattr(dataset, name).targets.tolist()
    train = found.data[dataset.rows["train"]]
    expected = (found.data[dataset.rows["test"]] - train.mean(axis=0)) / train.std(axis=0)
    assert np.allclose(load("wine", seed=4, numeric="standard").test.inputs, expected, atol=1e-5)


def test_fractions_are_of_all_rows():
    dataset = load((X, Y), validation=0.1, test=0.3)
    assert [len(dataset.rows[name]) for name in ("train", "validation", "test")] == [36, 6, 18]


def test_same_seed_same_hashes():
    first, again, other = load((X, Y), seed=1), load((X, Y), seed=1), load((X, Y), seed=2)
    assert dict(first.hashes) == dict(again.hashes)
    assert set(first.hashes.values()).isdisjoint(other.hashes.values())


def test_hash_tells_other_content_in_the_same_rows():
    changed = X.copy()
    first = load((X, Y))
    changed[first.rows["train"][0], 1] += 1
    second = load((changed, Y))
    assert first.train.rows_hash == second.train.rows_hash
    assert first.train.content_hash != second.train.content_hash
    assert first.hashes["test"] == second.hashes["test"]


def test_hash_of_training_rows_does_not_depend_on_others():
    frame = pd.DataFrame({"c": ["u", "v", "w"] * 20, "y": Y})
    first = load(frame, target="y")
    frame.loc[first.rows["test"][0], "c"] = "aaa"
    second = load(frame, target="y")
    assert first.hashes["train"] == second.hashes["train"]
    assert first.hashes["test"] != second.hashes["test"]


def test_search_cannot_see_the_test_split():
    dataset = load((X, Y))
    guarded = dataset.for_search()
    with pytest.raises(DataError, match="the test split is touched once, by finalize"):
        _ = guarded.test
    assert guarded.has_test
    assert "test" not in guarded.rows
    assert guarded.train is dataset.train
    assert len(guarded.for_search().to("cpu").train) == 36
    assert len(dataset.test) == 12


def test_without_a_test_split():
    dataset = load((X, Y), test=0)
    assert not dataset.has_test
    assert len(dataset.train) + len(dataset.validation) == 60
    with pytest.raises(DataError, match="there is no test split; load with test= above 0"):
        _ = dataset.test


def test_a_dataset_can_be_sent_to_another_process():
    dataset = load((X, Y)).for_search()
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again.train.inputs, dataset.train.inputs)
    assert again.hashes == dataset.hashes
    with pytest.raises(DataError, match="the test split is touched once"):
        _ = again.test


def test_train_and_validation_together():
    dataset = load((X, Y))
    both = dataset.train_and_validation()
    assert len(both) == 48
    assert torch.equal(both.inputs[:36], dataset.train.inputs)
    assert torch.equal(both.targets[36:], dataset.validation.targets)


def test_summary_is_json():
    summary = json.loads(json.dumps(load("wine").summary()))
    assert summary["rows"] == {"train": 106, "validation": 36, "test": 36}
    assert summary["task"]["class_names"] == ["class_0", "class_1", "class_2"]
    assert summary["input_shape"] == [13]


def test_notes_are_logged(caplog):
    with caplog.at_level(logging.INFO, logger="archwright.data"):
        load((X, Y))
    assert "arrays: classification: the labels in 'target' are text" in caplog.text


@pytest.fixture
def people(tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["job"] = RNG.choice(["cook", "clerk"], 60)
    frame["income"] = Y
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_spec_loads_the_same_again(people, monkeypatch):
    monkeypatch.chdir(people.parent)
    dataset = load("people.csv", target="income", seed=3, drop=["c"])
    monkeypatch.chdir("/")
    again = load(json.loads(json.dumps(dataset.spec)))
    assert dict(again.hashes) == dict(dataset.hashes)
    assert torch.equal(again.train.inputs, dataset.train.inputs)
    assert load((X, Y)).spec is None


def test_file_frame_and_parquet_are_alike(people):
    pytest.importorskip("pyarrow")
    frame = pd.read_csv(people)
    frame.to_parquet(people.with_suffix(".parquet"))
    of_file = load(people, target="income")
    for source in (frame, people.with_suffix(".parquet"), str(people)):
        other = load(source, target="income")
        assert torch.equal(other.train.inputs, of_file.train.inputs)
        assert dict(other.hashes) == dict(of_file.hashes)


@pytest.mark.parametrize("target", ["income", -1, 4, "-1", "4"])
def test_label_by_name_or_position(people, target):
    dataset = load(people, target=target)
    assert dataset.preprocessing.target_names == ("income",)
    assert list(dataset.preprocessing.inputs.kinds) == ["a", "b", "c", "job"]


def test_label_of_the_usual_name(people):
    frame = pd.read_csv(people).rename(columns={"income": "Target"})
    assert load(frame).preprocessing.target_names == ("Target",)


def test_several_targets(people):
    dataset = load(people, target=("a", "b"))
    assert dataset.task.outputs == 2
    assert dataset.train.targets.shape == (36, 2)
    assert dataset.preprocessing.target_names == ("a", "b")


def test_label_is_not_stated(people):
    message = "people.csv: which column is the label? There are a, b, c, job, income; pass target="
    assert message in str(check(people)[0])


def test_unknown_columns_are_all_named(people):
    problems = [str(problem) for problem in check(people, target="incme", drop="d", categorical=9)]
    assert problems == [
        "people.csv: unknown column 'incme' (did you mean 'income'?); allowed: a, b, c, job, "
        "income; name one of these columns, or give a position from -5 to 4",
        "people.csv: unknown column 'd'; allowed: a, b, c, job, income; name one of these "
        "columns, or give a position from -5 to 4",
        "people.csv: unknown column 9; allowed: a, b, c, job, income; name one of these columns, "
        "or give a position from -5 to 4",
    ]


def test_nothing_to_learn_from(people):
    problems = check(people, target="income", drop=["a", "b", "c", "job"])
    assert "there is no column to learn from; give at least one column" in str(problems[0])
    with pytest.raises(DataError, match="every column has one value only in the training rows"):
        load((np.ones((60, 2)), Y))


def test_columns_stated_as_categories_keep_their_text(tmp_path):
    path = tmp_path / "zip.csv"
    path.write_text("zip,y\n" + "".join(f"00{i % 3},{'ab'[i % 2]}\n" for i in range(60)))
    dataset = load(path, target="y", categorical="zip")
    assert dataset.preprocessing.inputs.feature_names == ("zip=000", "zip=001", "zip=002")


def test_test_file(people, tmp_path):
    pd.read_csv(people)[["income", "job", "c", "b", "a"]].head(20).to_csv(
        tmp_path / "test.csv", index=False
    )
    dataset = load(people, target="income", test_source=tmp_path / "test.csv")
    assert [len(dataset.rows[name]) for name in ("train", "validation", "test")] == [48, 12, 20]
    assert dataset.rows["test"].tolist() == list(range(20))
    expected = dataset.preprocessing.transform(pd.read_csv(people).head(20))
    assert torch.equal(dataset.test.inputs, expected)
    again = load(dataset.spec)
    assert dict(again.hashes) == dict(dataset.hashes)


def test_test_file_with_other_columns(people, tmp_path):
    pd.read_csv(people).drop(columns="b").to_csv(tmp_path / "test.csv", index=False)
    (problem,) = check(people, target="income", test_source=tmp_path / "test.csv")
    assert "test.csv: columns b of people.csv are not there" in str(problem)


def test_test_file_problems_are_told_in_its_own_lines(people, tmp_path):
    frame = pd.read_csv(people).astype({"a": object})
    frame.loc[4, "a"] = "oops"
    frame.to_csv(tmp_path / "test.csv", index=False)
    (problem,) = check(people, target="income", test_source=tmp_path / "test.csv")
    assert str(problem).startswith("test.csv, line 6, column 'a': 'oops' is not a number")


def test_absent_test_file(people):
    with pytest.raises(DataError, match=r"nothere\.csv: there is no such file or folder"):
        load(people, target="income", test_source=people.parent / "nothere.csv")


def test_frames_with_their_own_labels():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    one, two = load((frame, Y)), load((X, Y))
    assert torch.equal(one.train.inputs, two.train.inputs)
    held_out = load((frame, pd.Series(Y), frame.head(8), Y[:8]))
    assert len(held_out.test) == 8
    (problem,) = check((frame, Y[:50]))
    assert "there are 60 inputs but 50 labels; give one label per input" in str(problem)
    with pytest.raises(DataError, match="test_source must be a DataFrame too; got 'tuple'"):
        load(frame, target="a", test_source=(X, Y))


def test_integer_column_names():
    frame = pd.DataFrame(np.column_stack([X, np.arange(60) % 2]))
    assert load(frame, target=3).task.outputs == 2


def test_frame_without_rows_or_with_twins():
    assert "DataFrame: there are no rows" in str(check(pd.DataFrame({"a": [], "y": []}))[0])
    twins = pd.DataFrame(X[:, :2], columns=["a", "a"])
    assert "2 columns are called 'a' (positions 0, 1)" in str(check(twins, target=0)[0])


@pytest.mark.parametrize(
    ("shape", "expected", "kind"),
    [
        ((60, 5), (5,), "tabular"),
        ((60,), (1,), "tabular"),
        ((60, 4, 5), (1, 4, 5), "image"),
        ((60, 4, 5, 3), (3, 4, 5), "image"),
        ((60, 3, 4, 5), (3, 4, 5), "image"),
        ((60, 1, 4, 5), (1, 4, 5), "image"),
        ((60, 2, 3, 4, 5), (2, 3, 4, 5), "array"),
    ],
)
def test_shapes_of_arrays(shape, expected, kind):
    dataset = load((RNG.normal(size=shape), Y))
    assert dataset.input_shape == expected
    assert dataset.train.inputs.shape == (36, *expected)
    assert dataset.kind == kind


def test_channels_keep_their_pixels():
    images = RNG.integers(0, 256, (60, 4, 5, 3)).astype(np.uint8)
    last, first = load((images, Y)), load((images.transpose(0, 3, 1, 2), Y))
    assert torch.equal(last.train.inputs, first.train.inputs)


def test_flat_bytes_are_scaled_together():
    dataset = load((RNG.integers(0, 256, (60, 16)).astype(np.uint8), Y))
    assert dataset.kind == "array"
    assert dataset.input_shape == (16,)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X, Y[:50]), "arrays: there are 60 inputs but 50 labels; give one label per input"),
        ((np.array([["a"]] * 60), Y), "inputs have dtype <U1; give numbers, or a pandas DataFrame"),
        (([[1, 2], [3]], [0, 1]), "inputs are no array"),
        ((X, np.zeros((60, 2, 2))), r"labels have shape \(60, 2, 2\) and dtype float64"),
        ((X, Y, X[:, :2], Y), r"inputs have shape \(3,\) and test inputs \(2,\)"),
        ((X, Y, X, Y[:4]), r"arrays \(test\): there are 60 inputs but 4 labels"),
    ],
)
def test_arrays_that_do_not_fit(arrays, message):
    with pytest.raises(DataError, match=message):
        load(arrays)


def test_sparse_inputs():
    from scipy.sparse import csr_array

    with pytest.raises(DataError, match=r"inputs are sparse; call \.toarray\(\) first"):
        load((csr_array(X), Y))


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_infinite_and_missing_values_in_arrays(kind):
    values = X.astype(kind)
    values[3, 1], values[:, 2] = np.inf, np.nan
    assert [str(problem) for problem in check((values, Y))] == [
        "arrays, row 3, column '1': inf is not a finite number; correct it or make it NaN if it "
        "is unknown",
        "arrays, column '2': every value is missing; remove the column",
    ]
    images = RNG.normal(size=(60, 4, 4))
    images[[5, 6], 0, 0] = np.nan
    (problem,) = check((images, Y))
    assert "inputs are not finite numbers (rows 5 and 6); correct or remove" in str(problem)


def test_gaps_in_arrays_are_filled():
    values = X.copy()
    values[::7, 1] = np.nan
    dataset = load((values, Y))
    assert dataset.input_shape == (4,)
    assert torch.isfinite(dataset.train.inputs).all()


def test_given_test_arrays_are_kept():
    dataset = load((X[:40], Y[:40], X[40:], Y[40:]))
    assert [len(dataset.rows[name]) for name in ("train", "validation", "test")] == [32, 8, 20]
    assert dataset.rows["test"].tolist() == list(range(20))
    same = load((X[:40], Y[:40]), test_source=(X[40:], Y[40:]))
    assert dict(same.hashes) == dict(dataset.hashes)
    with pytest.raises(DataError, match=r"test_source must be arrays \(X, y\) too; got 'int'"):
        load((X, Y), test_source=3)


@pytest.mark.parametrize("names", [("x", "y"), ("X", "labels"), ("inputs", "targets")])
def test_npz(tmp_path, names):
    np.savez(tmp_path / "d.npz", **dict(zip(names, (X, Y), strict=True)))
    dataset = load(tmp_path / "d.npz")
    assert torch.equal(dataset.train.inputs, load((X, Y)).train.inputs)
    assert dataset.name == "d"


def test_npz_with_a_test_split_and_class_names(tmp_path):
    codes = np.arange(60) % 2
    np.savez(
        tmp_path / "d.npz",
        x_train=X[:40],
        y_train=codes[:40],
        x_test=X[40:],
        y_test=codes[40:],
        classes=np.array(["no", "yes"]),
    )
    dataset = load(tmp_path / "d.npz")
    assert len(dataset.test) == 20
    assert dataset.task.class_names == ("no", "yes")


def test_npz_without_the_names(tmp_path):
    np.savez(tmp_path / "d.npz", a=X, b=Y)
    with pytest.raises(DataError, match=r"d\.npz: has arrays a, b, not inputs and labels; name"):
        load(tmp_path / "d.npz")


def test_npz_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.savez(tmp_path / "d.npz", x=np.array([Trap()], dtype=object), y=np.zeros(1))
    (tmp_path / "e.npz").write_bytes(pickle.dumps(Trap()))
    for name in ("d.npz", "e.npz"):
        with pytest.raises(DataError, match=r"is not an \.npz file of plain arrays"):
            load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_torch_datasets():
    codes = torch.arange(60) % 2
    fast = TensorDataset(torch.from_numpy(X), codes)

    class Plain(torch.utils.data.Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, index):
            return torch.from_numpy(X[index]), int(codes[index])

    first, second = load(fast), load(Plain(), test_source=Plain())
    assert first.task.outputs == 2
    assert first.name == "TensorDataset"
    assert len(second.test) == 60
    assert torch.equal(first.train.inputs, load(Plain()).train.inputs)


def test_torch_datasets_that_do_not_fit():
    class Odd(torch.utils.data.Dataset):
        def __init__(self, item):
            self.item = item

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return self.item(index)

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(DataError, match=r"item 0 is not a pair of input and label; got Tensor"):
        load(Odd(lambda index: torch.zeros(3)))
    with pytest.raises(DataError, match=r"inputs have different shapes: \(0,\), \(1,\), \(2,\)"):
        load(Odd(lambda index: (torch.zeros(index), 0)))
    with pytest.raises(DataError, match="Stream has no length; give a dataset with __len__"):
        load(Stream())


def test_unknown_names():
    with pytest.raises(UnknownNameError, match=r"dataset 'digts' \(did you mean 'digits'\?\)"):
        load("digts")
    with pytest.raises(UnknownNameError, match="A file or folder of that name does not exist"):
        check("digts")
    assert load("breast-cancer").name == "breast_cancer"
    assert {entry.name for entry in DATASETS} >= {*BUNDLED, "mnist", "cifar10"}


def test_paths_that_are_not_there(people):
    with pytest.raises(DataError, match=r"peopel\.csv: .* \(did you mean 'people.csv'\?\)"):
        load(people.parent / "peopel.csv")
    with pytest.raises(DataError, match=r"no such file or folder \(nor a folder '/no/such'\)"):
        load("/no/such/file.csv")


def test_files_that_are_not_read(tmp_path):
    (tmp_path / "d.xlsx").write_text("x")
    (tmp_path / "d.png").write_text("x")
    with pytest.raises(DataError, match=r"files ending in '\.xlsx' are not read; give \.csv"):
        load(tmp_path / "d.xlsx")
    with pytest.raises(DataError, match="is one image; give a folder with a folder for each"):
        load(tmp_path / "d.png")
    with pytest.raises(DataError, match="cannot read data from 'int'; give a name, a path"):
        load(3)


def test_parquet_that_is_none(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "d.parquet").write_text("x")
    with pytest.raises(DataError, match=r"d\.parquet: is not a readable Parquet file"):
        load(tmp_path / "d.parquet")


def test_parquet_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "d.parquet").write_text("x")
    with pytest.raises(MissingDependencyError, match=r"pip install 'archwright\[parquet\]'"):
        load(tmp_path / "d.parquet")


@pytest.mark.shared_data
def test_adult_and_wine_without_headers(shared_data):
    adult = load(shared_data / "tabular_adult_train.csv.gz", target=14)
    assert adult.task.class_names == ("<=50K", ">50K")
    assert sum(len(rows) for rows in adult.rows.values()) == 32561
    assert "1=(missing)" in adult.preprocessing.inputs.feature_names
    wine = load(shared_data / "tabular_winequality_white.csv.gz", target="-1", task="regression")
    assert wine.input_shape == (11,)
    assert load(shared_data / "tabular_abalone.csv.gz", target=-1).task.kind == "regression"
    banknote = load(shared_data / "tabular_banknote.csv.gz", target=-1)
    assert banknote.input_shape == (4,)
    assert banknote.task.outputs == 2


@pytest.mark.shared_data
def test_mnist_arrays(shared_data):
    mnist = load(shared_data / "mnist_20k.npz")
    assert mnist.input_shape == (1, 28, 28)
    assert [len(mnist.rows[name]) for name in ("train", "validation", "test")] == [
        8000,
        2000,
        10000,
    ]


def test_arrays_of_python_numbers_and_huge_ones():
    assert torch.equal(load((X.astype(object), Y)).train.inputs, load((X, Y)).train.inputs)
    (problem, *_) = check((X * 1e200, Y))
    assert "is not a finite number; correct it or make it NaN" in str(problem)
