from __future__ import annotations

import pytest
import torch
from torch import nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train import Recipe, fit
from archwright.train.layout import settle_layout, unsafe_convolution


def _network(inputs: int, *, kernel: int = 1, stride: int = 2, width: int = 32) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, width, kernel, stride, padding=kernel // 2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 3),
    )


def _splits(channels: int) -> tuple[Split, Split]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(96, channels, 9, 9, generator=generator)
    targets = torch.arange(96) % 3
    last = images.contiguous(memory_format=torch.channels_last)
    return Split(last[:64], targets[:64]), Split(last[64:], targets[64:])


@pytest.mark.parametrize(
    ("network", "path"),
    [
        (_network(1), "0"),
        (_network(15), "0"),
        (_network(16), None),
        (_network(1, stride=1), None),
        (_network(1, kernel=3), None),
        (nn.Sequential(nn.Conv2d(32, 32, 1, 2, groups=32)), "0"),
    ],
)
def test_strided_pointwise_convolutions_of_few_channels_are_found(
    network: nn.Module, path: str | None
) -> None:
    assert unsafe_convolution(network) == path


def test_auto_keeps_rows_where_channels_last_is_unsafe() -> None:
    automatic = Recipe(channels_last="auto")
    assert settle_layout(_network(3, kernel=3), automatic).channels_last is True
    assert settle_layout(_network(3), automatic).channels_last is False
    assert settle_layout(_network(3, kernel=3, width=8), automatic).channels_last is False


def test_channels_last_is_refused_where_it_is_unsafe() -> None:
    with pytest.raises(EvaluationError, match="not safe on a processor for the convolution '0'"):
        fit(
            _network(3),
            *_splits(3),
            Recipe(channels_last=True),
            task=Task("classification", 3),
            seed=0,
        )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [(), ("crop",), ("crop", "flip")])
def test_training_sees_rows_whatever_the_layout_of_the_data(
    channels: int, augment: tuple[str, ...]
) -> None:
    seen: list[tuple[int, ...]] = []
    network = _network(channels)
    network[0].register_forward_pre_hook(  # type: ignore[index]
        lambda module, inputs: seen.append(inputs[0].stride()[1:])
    )
    recipe = Recipe(epochs=1, batch_size=16, augment=augment)
    fit(network, *_splits(channels), recipe, task=Task("classification", 3), seed=0)
    assert set(seen) == {(81, 9, 1)}
