from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from archwright.data import check, load
from archwright.errors import DataError

RNG = np.random.default_rng(0)


def paint(path, size=(6, 5), mode="RGB"):
    """Write one image of (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if mode == "L" else (*size, 3)
    pixels = RNG.integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "animals"
    for name in ("cat", "dog", "emu"):
        for index in range(5):
            paint(root / name / f"{index}.png")
    return root


def test_class_folders(folder):
    dataset = load(folder)
    assert dataset.kind == "image"
    assert dataset.name == "animals"
    assert dataset.input_shape == (3, 6, 5)
    assert dataset.task.class_names == ("cat", "dog", "emu")
    assert [len(dataset.rows[name]) for name in ("train", "validation", "test")] == [9, 3, 3]
    assert dict(load(dataset.spec).hashes) == dict(dataset.hashes)


def test_pixels_are_those_of_the_files(tmp_path):
    pixels = [paint(tmp_path / "ab"[i % 2] / f"{i:02}.png") for i in range(8)]
    dataset = load(tmp_path)
    order = [0, 2, 4, 6, 1, 3, 5, 7]  # by class, then name
    inputs = dataset.preprocessing.inputs
    row = int(dataset.rows["train"][0])
    expected = pixels[order[row]].transpose(2, 0, 1) / 255
    found = dataset.train.inputs[0] * torch.tensor(inputs.scale).view(3, 1, 1)
    found += torch.tensor(inputs.mean).view(3, 1, 1)
    assert np.allclose(found, expected, atol=1e-5)


def test_train_and_test_folders(folder):
    for part, count in (("train", 4), ("test", 2)):
        for name in ("cat", "dog"):
            for index in range(count):
                paint(folder.parent / "parts" / part / name / f"{index}.png")
    dataset = load(folder.parent / "parts")
    assert [len(dataset.rows[name]) for name in ("train", "validation", "test")] == [6, 2, 4]
    assert dataset.rows["test"].tolist() == [0, 1, 2, 3]
    other = load(folder.parent / "parts" / "train", test_source=folder.parent / "parts" / "test")
    assert torch.equal(other.test.inputs, dataset.test.inputs)


def test_grey_images_have_one_channel(tmp_path):
    for index in range(8):
        paint(tmp_path / "ab"[index % 2] / f"{index}.png", mode="L")
    assert load(tmp_path).input_shape == (1, 6, 5)
    paint(tmp_path / "a" / "colour.png")
    assert load(tmp_path).input_shape == (3, 6, 5)


def test_sizes_are_made_equal_with_a_note(folder):
    paint(folder / "cat" / "big.png", size=(300, 200))
    dataset = load(folder)
    assert dataset.input_shape == (3, 6, 5)
    assert "images have 2 different sizes and are resized to 6 x 5" in dataset.notes[0]


@pytest.mark.parametrize(("size", "expected"), [(4, (3, 4, 4)), ((4, 7), (3, 4, 7))])
def test_stated_size(folder, size, expected):
    assert load(folder, image_size=size).input_shape == expected


def test_large_images_are_brought_down(tmp_path):
    for index in range(8):
        paint(tmp_path / "ab"[index % 2] / f"{index}.png", size=(100 + index, 90))
    assert load(tmp_path).input_shape == (3, 64, 64)


def test_hidden_and_other_files_are_passed_over(folder):
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / "cat" / ".thumb.png").write_text("x")
    (folder / ".cache").mkdir()
    assert sum(len(rows) for rows in load(folder).rows.values()) == 15


def test_problems_are_all_told(folder):
    (folder / "cat" / "0.png").write_text("no image")
    (folder / "dog" / "1.png").write_bytes((folder / "dog" / "1.png").read_bytes()[:60])
    (folder / "fox").mkdir()
    found = "\n".join(str(problem) for problem in check(folder))
    assert "fox: there are no images in it; add .bmp, " in found
    assert "animals/cat/0.png: cannot be read as an image (cannot identify image file)" in found
    assert "replace or remove the file" in found


def test_damaged_pixels_are_told(folder):
    whole = (folder / "dog" / "1.png").read_bytes()
    (folder / "dog" / "1.png").write_bytes(whole[: len(whole) // 2])
    (problem,) = check(folder)
    assert "animals/dog/1.png: cannot be read as an image" in str(problem)


def test_folders_that_do_not_fit(tmp_path):
    assert "there are no class folders; put the images of each class" in str(check(tmp_path)[0])
    paint(tmp_path / "only" / "1.png")
    assert "there is one class only, the folder 'only'" in str(check(tmp_path)[0])
    (problem, *_) = check(tmp_path, test_source=tmp_path / "only" / "1.png")
    assert "there is no such folder" in str(problem)


def test_rare_class_is_told_with_its_files(folder):
    paint(folder / "yak" / "1.png")
    (problem,) = check(folder)
    assert "class 'yak' has 1 row (image yak/1.png) but needs 3" in str(problem)


def test_new_images(folder):
    dataset = load(folder)
    transform = dataset.preprocessing.transform
    every = transform(folder)
    assert every.shape == (15, 3, 6, 5)
    assert torch.equal(every[torch.from_numpy(dataset.rows["test"])], dataset.test.inputs)
    assert torch.equal(transform(folder / "cat" / "3.png")[0], every[3])
    paint(folder / "new.png", size=(60, 50), mode="L")
    assert transform(folder / "new.png").shape == (1, 3, 6, 5)
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"there are no images; give \.bmp, "):
        transform(folder / "empty")
