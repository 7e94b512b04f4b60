from __future__ import annotations

import pytest
import torch

from archwright.data import Split
from archwright.errors import ProxyError
from archwright.proxy import Batch

SPLIT = Split(torch.arange(40.0)[:, None], torch.arange(40) % 4)


def test_rows_of_a_split_are_drawn_by_seed() -> None:
    batch = Batch.of(SPLIT, 12, seed=1)
    assert len(batch) == 12
    assert batch.targets is not None
    assert torch.equal(batch.inputs[:, 0] % 4, batch.targets)
    assert len(batch.inputs.unique()) == 12
    assert torch.equal(Batch.of(SPLIT, 12, seed=1).inputs, batch.inputs)
    assert not torch.equal(Batch.of(SPLIT, 12, seed=2).inputs, batch.inputs)


@pytest.mark.parametrize("n", [8, 10, 40])
def test_balanced_rows_have_as_many_of_each_class(n: int) -> None:
    targets = Batch.of(SPLIT, n, seed=0, balanced=True).targets
    assert targets is not None
    counts = torch.bincount(targets, minlength=4)
    assert int(counts.max() - counts.min()) == (n % 4 > 0)


def test_balanced_rows_when_a_class_runs_out() -> None:
    split = Split(torch.zeros(10, 1), torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 2]))
    targets = Batch.of(split, 6, seed=0, balanced=True).targets
    assert targets is not None
    assert torch.bincount(targets).tolist() == [4, 1, 1]


def test_noise_is_drawn_by_seed_and_leaves_the_global_generator() -> None:
    state = torch.get_rng_state()
    batch = Batch.noise((3, 8, 8), 500, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert batch.inputs.shape == (500, 3, 8, 8)
    assert batch.targets is None
    assert abs(float(batch.inputs.mean())) < 0.02
    assert abs(float(batch.inputs.std()) - 1) < 0.02
    assert torch.equal(Batch.noise((3, 8, 8), 500, seed=1).inputs, batch.inputs)


def test_first_rows_and_devices() -> None:
    batch = Batch.of(SPLIT, 12)
    assert batch.first(99) is batch
    few = batch.first(5).to("cpu")
    assert few.targets is not None
    assert (len(few), len(few.targets)) == (5, 5)
    assert Batch.noise((2,), 3).first(1).to("cpu").targets is None


def test_wrong_batches_are_refused() -> None:
    with pytest.raises(ProxyError, match=r"needs inputs of shape \(batch, \*input_shape\)"):
        Batch(torch.zeros(3))
    with pytest.raises(ProxyError, match=r"needs inputs of shape .*; got \(0, 4\)"):
        Batch(torch.zeros(0, 4))
    with pytest.raises(ProxyError, match=r"3 inputs but 2 targets"):
        Batch(torch.zeros(3, 1), torch.zeros(2))
    with pytest.raises(ProxyError, match=r"a batch of 41 rows from a split of 40: use fewer"):
        Batch.of(SPLIT, 41)
    with pytest.raises(ProxyError, match=r"a balanced batch needs classes as targets"):
        Batch.of(Split(torch.zeros(4, 1), torch.zeros(4, 1)), 2, balanced=True)
