from __future__ import annotations

import pytest
import torch
from torch import nn

from archwright.train.streams import Streams, dropout_mask, own_dropout

CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_mask_drops_at_the_stated_rate_and_keeps_the_mean(p: float) -> None:
    mask = dropout_mask(torch.empty(401, 503), p, torch.Generator().manual_seed(0))
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
    rows = mask.numel()
    assert float((mask == 0).double().mean()) == pytest.approx(
        p, abs=5 * (p * (1 - p) / rows) ** 0.5
    )


def test_a_mask_of_one_drops_everything() -> None:
    assert not dropout_mask(torch.ones(3, 3), 1.0, torch.Generator()).any()


def test_streams_are_independent_and_restorable() -> None:
    streams = Streams(3, CPU, ambient=False)
    state = streams.state()
    first = [torch.rand(5, generator=g) for g in (streams.order, streams.dropout, streams.augment)]
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[1], first[2])
    streams.restore(state)
    assert torch.equal(first[1], torch.rand(5, generator=streams.dropout))
    assert torch.equal(first[0], torch.rand(5, generator=streams.order))


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 5, 5)])
@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
def test_own_dropout_takes_only_the_given_generator(
    kind: type[nn.Dropout], shape: tuple[int, ...]
) -> None:
    network = nn.Sequential(kind(0.5)).train()
    inputs = torch.ones(shape)
    before = torch.get_rng_state()
    with own_dropout(network, torch.Generator().manual_seed(0)):
        first = network(inputs)
    with own_dropout(network, torch.Generator().manual_seed(0)):
        assert torch.equal(network(inputs), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    if kind is not nn.Dropout and len(shape) > 2:  # whole channels go
        assert torch.equal(first.flatten(2).amin(2), first.flatten(2).amax(2))


def test_own_dropout_leaves_the_modules_as_they_were() -> None:
    network = nn.Sequential(nn.Dropout(0.5))
    with own_dropout(network, torch.Generator()):
        assert torch.equal(network.eval()(torch.ones(4)), torch.ones(4))
    assert "forward" not in vars(network[0])
