"""Small data and networks that train in milliseconds, on one processor thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor, nn

from archwright.data import Split, Task


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small only lose by sharing work between threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _standardised(values: Tensor, rows: int) -> Tensor:
    return (values - values[:rows].mean(0)) / (values[:rows].std(0) + 1e-3)


@pytest.fixture(scope="session")
def digits() -> tuple[Split, Split]:
    """1,200 and 597 digits of 8 x 8 pixels, `(rows, 64)`."""
    data = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    inputs = _standardised(torch.tensor(data.data, dtype=torch.float32)[order], 1200)
    targets = torch.tensor(data.target, dtype=torch.int64)[order]
    return Split(inputs[:1200], targets[:1200]), Split(inputs[1200:], targets[1200:])


@pytest.fixture(scope="session")
def images(digits: tuple[Split, Split]) -> tuple[Split, Split]:
    """The same digits as images, `(rows, 1, 8, 8)`."""
    train, validation = digits
    return (
        Split(train.inputs.view(-1, 1, 8, 8), train.targets),
        Split(validation.inputs.view(-1, 1, 8, 8), validation.targets),
    )


@pytest.fixture(scope="session")
def diabetes() -> tuple[Split, Split, float]:
    """342 and 100 patients, `(rows, 10)`, and the deviation of the target in its own unit."""
    data = load_diabetes()
    order = torch.randperm(442, generator=torch.Generator().manual_seed(0))
    inputs = _standardised(torch.tensor(data.data, dtype=torch.float32)[order], 342)
    own = torch.tensor(data.target, dtype=torch.float32)[order, None]
    mean, deviation = own[:342].mean(), own[:342].std(correction=0)
    targets = (own - mean) / deviation
    return (
        Split(inputs[:342], targets[:342]),
        Split(inputs[342:], targets[342:]),
        float(deviation),
    )


@pytest.fixture(scope="session")
def ten() -> Task:
    return Task("classification", 10)


@pytest.fixture(scope="session")
def mlp() -> Callable[..., nn.Sequential]:
    """A maker of dense networks from reproducible weights."""

    def make(
        *widths: int,
        inputs: int = 64,
        outputs: int = 10,
        activation: Callable[[], nn.Module] = nn.ReLU,
        normalization: Callable[[int], nn.Module] | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Sequential:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = [nn.Flatten()]
            before = inputs
            for width in widths:
                layers.append(nn.Linear(before, width))
                if normalization is not None:
                    layers.append(normalization(width))
                layers.append(activation())
                if dropout:
                    layers.append(nn.Dropout(dropout))
                before = width
            return nn.Sequential(*layers, nn.Linear(before, outputs)).to(dtype)

    return make


@pytest.fixture(scope="session")
def cnn() -> Callable[..., nn.Sequential]:
    """A maker of small convolutional networks from reproducible weights."""

    def make(*, width: int = 8, dropout: float = 0.0, seed: int = 0) -> nn.Sequential:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            return nn.Sequential(
                nn.Conv2d(1, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(width, 10),
            )

    return make
