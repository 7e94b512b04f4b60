from __future__ import annotations

import pytest
import torch

from archwright.data import Problem, Split, Task


def split(rows=10):
    return Split(torch.arange(rows * 2.0).reshape(rows, 2), torch.arange(rows), "a", "b")


def test_task_round_trip():
    task = Task("classification", 2, ("no", "yes"))
    assert Task.from_json(task.to_json()) == task
    assert task.is_classification
    assert not Task("regression", 1).is_classification


def test_task_refuses_other_kinds():
    with pytest.raises(ValueError, match="kind must be classification or regression; got 'rank'"):
        Task("rank", 1)
    with pytest.raises(ValueError, match="3 outputs but 2 class names"):
        Task("classification", 3, ("a", "b"))


def test_split_refuses_other_lengths():
    with pytest.raises(ValueError, match="2 inputs but 3 targets"):
        Split(torch.zeros(2, 1), torch.zeros(3))


def test_fractions_are_nested_and_in_order():
    small, large = split().fraction(0.3, seed=1), split().fraction(0.6, seed=1)
    assert len(small) == 3
    assert len(large) == 6
    assert set(small.targets.tolist()) < set(large.targets.tolist())
    assert small.targets.tolist() == sorted(small.targets.tolist())
    assert torch.equal(small.inputs[:, 0], small.targets * 2.0)


def test_fraction_has_a_hash_of_its_own():
    whole = split()
    assert whole.fraction(1, seed=1) is whole
    hashes = {whole.hash, whole.fraction(0.3, seed=1).hash, whole.fraction(0.3, seed=2).hash}
    assert len(hashes) == 3


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_fraction_must_be_a_part(fraction):
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\]; got"):
        split().fraction(fraction, seed=0)


def test_problem_is_one_line():
    problem = Problem("a.csv, line 3", "has 2 fields", "correct it")
    assert str(problem) == "a.csv, line 3: has 2 fields; correct it"


def test_inputs_are_kept_in_rows() -> None:
    images = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    for given in (
        images.contiguous(memory_format=torch.channels_last),
        images[:, :1].as_strided((2, 1, 4, 5), (60, 1, 5, 1)),
    ):
        kept = Split(given, torch.zeros(2)).inputs
        assert torch.equal(kept, given)
        assert kept.stride() == (kept[0].numel(), 20, 5, 1)
    assert Split(images, torch.zeros(2)).inputs is images
