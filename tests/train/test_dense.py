"""The dense stepper: which networks it takes, and that its derivatives are those of autograd."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train import Recipe, fit
from archwright.train.dense import dense_layers
from archwright.train.program import LAYERS
from archwright.train.training import Training

Maker = Callable[..., nn.Sequential]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu-tanh": partial(nn.GELU, approximate="tanh"),
}
NORMALIZATIONS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
CLASSES = Task("classification", 5)
QUANTITIES = Task("regression", 3)


def _split(task: Task, rows: int, dtype: torch.dtype) -> Split:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, 20, generator=rng, dtype=dtype)
    if task.is_classification:
        return Split(inputs, torch.randint(5, (rows,), generator=rng))
    return Split(inputs, torch.randn(rows, 3, generator=rng, dtype=dtype))


def _one_step(network: nn.Module, split: Split, task: Task, recipe: Recipe, engine: str) -> Tensor:
    """Return the loss and all gradients of a step on the whole split."""
    training = Training(network, split, None, recipe, task=task, seed=0, engine=engine)
    assert training.stepper.name == {"auto": "dense", "eager": "eager"}[engine]
    loss = torch.zeros((), dtype=split.inputs.dtype)
    with training.stepper.epoch():
        training.stepper.gradients(torch.arange(len(split)), loss)
    return torch.cat([loss[None], training.flat.gradients, training.flat.values])


@pytest.mark.parametrize("task", [CLASSES, QUANTITIES], ids=["classes", "quantities"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_and_statistics_are_those_of_autograd(
    mlp: Maker, activation: str, normalization: str, dropout: float, task: Task
) -> None:
    recipe = Recipe()
    if task.is_classification:
        recipe = Recipe(label_smoothing=0.1, class_weights="balanced")
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 2e-6)):
        network = mlp(
            13,
            17,
            inputs=20,
            outputs=task.outputs,
            activation=ACTIVATIONS[activation],
            normalization=NORMALIZATIONS[normalization],
            dropout=dropout,
            dtype=dtype,
        )
        split = _split(task, 37, dtype)
        results = [
            _one_step(copy.deepcopy(network), split, task, recipe, engine)
            for engine in ("auto", "eager")
        ]
        torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)


ODD_CHAINS: dict[str, Callable[[], list[nn.Module]]] = {
    "no bias": lambda: [nn.Linear(20, 6, bias=False), nn.ReLU(), nn.Linear(6, 5, bias=False)],
    "linear only": lambda: [nn.Linear(20, 5)],
    "norm first": lambda: [nn.BatchNorm1d(20), nn.Linear(20, 5)],
    "layer norm first": lambda: [nn.LayerNorm(20), nn.Linear(20, 5)],
    "dropout first": lambda: [nn.Dropout(0.2), nn.Linear(20, 5)],
    "activation first": lambda: [nn.Tanh(), nn.ReLU(), nn.Linear(20, 5)],
    "activations in a row": lambda: [
        nn.Linear(20, 6),
        nn.Tanh(),
        nn.ReLU(),
        nn.Tanh(),
        nn.GELU(),
        nn.SiLU(),
        nn.ReLU(),
        nn.Linear(6, 5),
    ],
    "norm after dropout": lambda: [
        nn.Linear(20, 6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.BatchNorm1d(6),
        nn.Dropout(0.0),
        nn.LayerNorm(6),
        nn.Linear(6, 5),
    ],
    "everything dropped": lambda: [nn.Linear(20, 6), nn.Dropout(1.0), nn.Linear(6, 5)],
    "in place": lambda: [nn.Linear(20, 6), nn.ReLU(inplace=True), nn.Linear(6, 5)],
}


@pytest.mark.parametrize("name", ODD_CHAINS)
def test_odd_chains_have_the_gradients_of_autograd(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*ODD_CHAINS[name]()).double()
    split = _split(CLASSES, 9, torch.float64)
    results = [
        _one_step(copy.deepcopy(network), split, CLASSES, Recipe(), engine)
        for engine in ("auto", "eager")
    ]
    torch.testing.assert_close(*results, rtol=1e-13, atol=1e-13)


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05},
    "average": {"ema_decay": 0.9},
    "clipped": {"clip_norm": 0.1},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"class_weights": "balanced"},
    "one-cycle": {"schedule": "one-cycle", "learning_rate": 0.01},
    "step and warm-up": {"schedule": "step", "warmup_epochs": 0.5},
    "patient": {"patience": 1, "learning_rate": 0.05},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_gives_what_the_eager_stepper_gives(
    mlp: Maker, digits: tuple[Split, Split], ten: Task, name: str, dtype: torch.dtype
) -> None:
    """Over whole epochs: within 1e-9 in double and 1e-3 in single precision."""
    train, validation = digits
    recipe = Recipe(**{"epochs": 3, "batch_size": 50, **OPTIONS[name]})
    network = mlp(20, 15, dtype=dtype)
    twin = copy.deepcopy(network)
    ours = fit(network, train, validation, recipe, task=ten, seed=1)
    eager = fit(twin, train, validation, recipe, task=ten, seed=1, engine="eager")
    assert (ours.engine, eager.engine) == ("dense", "eager")
    assert ours.epochs_run == eager.epochs_run
    assert ours.best_epoch == eager.best_epoch
    tolerance = 1e-9 if dtype is torch.float64 else 1e-3
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    assert ours.curve["train_loss"] == pytest.approx(eager.curve["train_loss"], abs=tolerance)
    assert ours.curve["val_loss"] == pytest.approx(eager.curve["val_loss"], abs=tolerance)


class _Plus(nn.Sequential):
    """A sequence that does something of its own."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + 1


def _hooked() -> nn.Module:
    network = nn.Sequential(nn.Linear(20, 5))
    network[0].register_forward_hook(lambda *_: None)
    return network


def _twice() -> nn.Module:
    layer = nn.Linear(20, 20)
    return nn.Sequential(layer, layer, nn.Linear(20, 5))


def _tied() -> nn.Module:
    network = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20), nn.Linear(20, 5))
    network[1].weight = network[0].weight
    return network


def _frozen() -> nn.Module:
    network = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 5))
    network[0].weight.requires_grad_(False)
    return network


def _replaced() -> nn.Module:
    network = nn.Sequential(nn.Linear(20, 5))
    network[0].forward = lambda x: x[:, :5]
    return network


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(20, 7), nn.Sigmoid(), nn.Linear(7, 5)),
        lambda: nn.Sequential(nn.Linear(20, 7), nn.ReLU()),
        lambda: nn.Sequential(nn.Linear(20, 7), nn.BatchNorm1d(7, affine=False), nn.Linear(7, 5)),
        lambda: nn.Sequential(nn.BatchNorm1d(20, momentum=None), nn.Linear(20, 5)),
        lambda: nn.Sequential(nn.BatchNorm1d(20, track_running_stats=False), nn.Linear(20, 5)),
        lambda: nn.Sequential(nn.LayerNorm(20, bias=False), nn.Linear(20, 5)),
        lambda: nn.Sequential(nn.LayerNorm(20, elementwise_affine=False), nn.Linear(20, 5)),
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(20, 5))),
        lambda: nn.Sequential(nn.Linear(20, 5), nn.Flatten(0)),
        lambda: nn.ModuleList([nn.Linear(20, 5)]),
        lambda: nn.Sequential(),
        lambda: _Plus(nn.Linear(20, 5)),
        _hooked,
        _twice,
        _tied,
        _frozen,
        _replaced,
    ],
)
def test_anything_else_is_left_to_the_eager_stepper(make: Callable[[], nn.Module]) -> None:
    assert dense_layers(make(), Recipe(), torch.zeros(3, 20)) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(20, 5),
        lambda: nn.Sequential(nn.Flatten(), nn.Identity(), nn.Linear(20, 5)),
        lambda: nn.Sequential(nn.Sequential(nn.Linear(20, 7), nn.ReLU()), nn.Linear(7, 5)),
        lambda: nn.Sequential(OrderedDict(hidden=nn.Linear(20, 7), head=nn.Linear(7, 5))),
    ],
)
def test_nested_and_named_sequences_are_dense(make: Callable[[], nn.Module]) -> None:
    assert dense_layers(make(), Recipe(), torch.zeros(3, 20)) is not None


def test_images_are_dense_only_behind_a_flatten(mlp: Maker) -> None:
    images = torch.zeros(3, 1, 8, 8)
    assert dense_layers(mlp(5), Recipe(), images) is not None
    assert dense_layers(mlp(5)[1:], Recipe(), images) is None


@pytest.mark.parametrize("options", [{"augment": ("flip",)}, {"autocast": True}, {"compile": True}])
def test_recipes_beyond_plain_steps_are_left_to_the_eager_stepper(
    mlp: Maker, options: dict[str, Any]
) -> None:
    assert dense_layers(mlp(5), Recipe(**options), torch.zeros(3, 64)) is None


def test_every_layer_of_the_table_is_tested_above() -> None:
    chains = [layer for make in ODD_CHAINS.values() for layer in make()]
    assert {type(layer) for layer in chains} == set(LAYERS)


def test_batch_normalisation_of_one_row_is_refused() -> None:
    network = nn.Sequential(nn.Linear(20, 6), nn.BatchNorm1d(6), nn.Linear(6, 5))
    split = _split(CLASSES, 1, torch.float32)
    with pytest.raises(EvaluationError, match="at least 2 training rows to train on; got 1"):
        fit(network, split, None, Recipe(epochs=1), task=CLASSES, seed=0)
