from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from archwright.data import Preprocessing, load
from archwright.errors import DataError

RNG = np.random.default_rng(0)


def people(rows=60):
    frame = pd.DataFrame(RNG.normal(size=(rows, 2)), columns=["age", "size"])
    frame["job"] = RNG.choice(["cook", "clerk", "smith"], rows)
    frame["label"] = np.array(["no", "yes"] * (rows // 2))
    return frame


@pytest.fixture
def frame():
    return people()


@pytest.fixture
def dataset(frame):
    return load(frame)


def test_new_rows_look_like_the_training_rows(frame, dataset):
    expected = dataset.test.inputs
    rows = frame.iloc[dataset.rows["test"]]
    for given in (rows, rows.drop(columns="label"), rows[["job", "label", "size", "age"]]):
        assert torch.equal(dataset.preprocessing.transform(given), expected)


def test_json_round_trip_gives_equal_bits(frame, dataset):
    text = json.dumps(dataset.preprocessing.to_json())
    again = Preprocessing.from_json(json.loads(text))
    assert again == dataset.preprocessing
    assert torch.equal(again.transform(frame), dataset.preprocessing.transform(frame))


@pytest.mark.parametrize("data", [{}, {"inputs": {"kind": "table"}}, {"inputs": 3}])
def test_json_of_something_else(data):
    with pytest.raises(DataError, match="this is not the JSON of a preprocessing"):
        Preprocessing.from_json(data)


def test_files(frame, dataset, tmp_path):
    path = tmp_path / "new.csv"
    frame.drop(columns="label").to_csv(path, index=False, sep=";")
    out = dataset.preprocessing.transform(path)
    assert torch.allclose(out, dataset.preprocessing.transform(frame))
    assert torch.equal(dataset.preprocessing.transform(str(path), delimiter=";"), out)


def test_files_without_header(tmp_path):
    lines = [f"{i % 7},{'uvw'[i % 3]},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    path, new = tmp_path / "d.csv", tmp_path / "new.csv"
    for target in (0, -1):
        path.write_text("\n".join(lines))
        dataset = load(path, target=target, task="classification")
        fields = [line.split(",") for line in lines]
        for line in fields:
            del line[target]
        new.write_text("\n".join(",".join(line) for line in fields))
        expected = dataset.preprocessing.transform(path)
        assert torch.equal(dataset.preprocessing.transform(new), expected)


def test_missing_columns_are_named(frame, dataset):
    with pytest.raises(DataError) as raised:
        dataset.preprocessing.transform(frame.rename(columns={"age": "agee"}).drop(columns="job"))
    assert raised.value.problems == (
        "DataFrame: column 'age' is missing (did you mean 'agee'?); add the column; the network "
        "was trained with it",
        "DataFrame: column 'job' is missing; add the column; the network was trained with it",
        "DataFrame: columns 'agee' were not there in training; remove them; expected are 'age', "
        "'size', 'job'",
    )


def test_extra_columns_are_named(frame, dataset):
    with pytest.raises(DataError, match="columns 'city' were not there in training; remove them"):
        dataset.preprocessing.transform(frame.assign(city="x"))


def test_columns_of_one_name(frame, dataset):
    twins = pd.concat([frame, frame[["age"]]], axis=1)
    with pytest.raises(DataError, match="several columns are called 'age'; give each"):
        dataset.preprocessing.transform(twins)


def test_columns_left_out_in_training_are_passed_over(frame):
    frame["name"] = [f"person {i}" for i in range(60)]
    dataset = load(frame)
    out = dataset.preprocessing.transform(frame)
    assert torch.equal(dataset.preprocessing.transform(frame.drop(columns="name")), out)


def test_values_of_another_kind_are_named(frame, dataset, tmp_path):
    changed = frame.astype({"age": object})
    changed.loc[7, "age"] = "old"
    with pytest.raises(DataError, match="DataFrame, row 7, column 'age': 'old' is not a number"):
        dataset.preprocessing.transform(changed)
    changed.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match=r"new\.csv, line 9, column 'age': 'old' is not a number"):
        dataset.preprocessing.transform(tmp_path / "new.csv")


def test_unseen_category_and_gaps_are_accepted(frame, dataset):
    frame.loc[0, ["job", "size"]] = ["astronaut", np.nan]
    out = dataset.preprocessing.transform(frame)
    assert torch.isfinite(out).all()
    assert (out[0, 2:] == 0).all()


def test_one_row_is_enough(frame, dataset):
    out = dataset.preprocessing.transform(frame.head(1))
    assert torch.equal(out[0], dataset.preprocessing.transform(frame)[0])


def test_arrays_for_tables():
    values = RNG.normal(size=(60, 3))
    dataset = load((values, np.array([0, 1] * 30)))
    transform = dataset.preprocessing.transform
    assert torch.equal(transform(values[dataset.rows["test"]]), dataset.test.inputs)
    assert torch.equal(transform(torch.from_numpy(values)), transform(values))
    assert torch.equal(transform(pd.DataFrame(values)), transform(values))
    with pytest.raises(DataError, match=r"inputs have shape \(60, 2\), expected \(rows, 3\)"):
        transform(values[:, :2])


def test_arrays_for_named_columns():
    dataset = load("wine")
    values = RNG.normal(size=(5, 13))
    assert dataset.preprocessing.transform(values).shape == (5, 13)


@pytest.mark.parametrize("name", ["digits", "wine", "diabetes"])
def test_names_and_npz_files(name, tmp_path):
    dataset = load(name)
    every = dataset.preprocessing.transform(name)
    assert torch.equal(every[torch.from_numpy(dataset.rows["test"])], dataset.test.inputs)
    np.savez(tmp_path / "new.npz", x=np.zeros((4, *dataset.input_shape)))
    assert len(dataset.preprocessing.transform(tmp_path / "new.npz")) == 4
    np.savez(tmp_path / "none.npz", a=np.zeros(4))
    with pytest.raises(DataError, match=r"none\.npz: has arrays a, none of them called x"):
        dataset.preprocessing.transform(tmp_path / "none.npz")


def test_images_in_other_shapes():
    dataset = load("digits")
    transform = dataset.preprocessing.transform
    images = RNG.integers(0, 17, (6, 8, 8)).astype(np.float32)
    expected = transform(images[:, None])
    for given in (
        images,
        images.reshape(6, 64),
        images[..., None],
        pd.DataFrame(images.reshape(6, 64)),
    ):
        assert torch.equal(transform(given), expected)
    assert torch.equal(transform(images[:1])[0], expected[0])
    with pytest.raises(DataError, match=r"shape \(6, 4, 8\), expected \(rows, 1, 8, 8\)"):
        transform(images[:, :4])
    images[2] = np.nan
    with pytest.raises(DataError, match=r"inputs are not finite numbers \(row 2\)"):
        transform(images)


def test_images_on_another_scale():
    images = RNG.integers(0, 256, (60, 4, 4, 3)).astype(np.uint8)
    transform = load((images, np.array([0, 1] * 30))).preprocessing.transform
    assert torch.equal(transform(images.astype(np.float64)), transform(images))
    with pytest.raises(DataError, match="values go from 0 to 1, expected bytes from 0 to 255"):
        transform(images.astype(np.float32) / images.max())


def test_text_for_images():
    frame = pd.DataFrame({f"p{i}": [0.0, 1.0] for i in range(63)}).assign(p63=["a", "b"])
    with pytest.raises(DataError, match="column 'p63': is not numeric; give one value a column"):
        load("digits").preprocessing.transform(frame)


def test_what_outputs_mean(dataset):
    meaning = dataset.preprocessing.inverse_targets
    assert meaning(torch.tensor([1, 0])).tolist() == ["yes", "no"]
    assert meaning(torch.tensor([[0.1, 2.0], [3.0, 1.0]])).tolist() == ["yes", "no"]


def test_what_predicted_quantities_mean():
    values = RNG.normal(100, 20, (60, 2))
    dataset = load((RNG.normal(size=(60, 2)), values))
    own = dataset.preprocessing.inverse_targets(dataset.validation.targets)
    assert np.allclose(own, values[dataset.rows["validation"]], rtol=1e-5)


def test_numbers_as_categories_are_the_same_in_new_rows(tmp_path):
    path, new = tmp_path / "d.csv", tmp_path / "new.csv"
    lines = [f"00{i % 3},{i % 2 + 1},{'ab'[i % 2]}" for i in range(60)]
    path.write_text("zip,floor,y\n" + "\n".join(lines))
    dataset = load(path, target="y", categorical=("zip", "floor"))
    new.write_text("zip,floor\n002,1\n000,\n")
    assert dataset.preprocessing.transform(new).tolist() == [[0, 0, 1, -1], [1, 0, 0, 0]]
    with_gap = pd.DataFrame({"zip": ["002", "000"], "floor": [1.0, None]})
    expected = dataset.preprocessing.transform(new)
    assert torch.equal(dataset.preprocessing.transform(with_gap), expected)
