"""A stack gives every network what it gets alone: shown in double precision, where rounding is no
excuse. In single precision two runs drift apart, as two orders of summation do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.network.nasbench101 import Cell
from archwright.network.nasbench201 import build_nasbench201
from archwright.network.skeleton import Skeleton
from archwright.space import Architecture, space_named
from archwright.train import Fitted, Recipe, fit, fit_stacked, measure, stackable

EXACT = 1e-9


class Branches(nn.Module):
    """Sums, slices, concatenation, and values that several operations read."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels + 1, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels + 1)
        self.b = nn.Conv2d(channels, channels, 1)
        self.pool = nn.MaxPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.norm(self.a(x)))
        b = self.b(self.pool(a[:, : x.shape[1]] + x))
        return torch.cat([sum([b, x]), a], dim=1)  # type: ignore[list-item]  # not 0


def small(seed: int, *, outputs: int = 10, dropout: float = 0.0) -> nn.Sequential:
    """A network of all known layers, with maps of 8x8, 4x4 and 2x2 pixels."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 3, 5, padding=2),
            nn.ReLU(),
            Branches(3),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(7, 4, 3, padding="same"),
            nn.BatchNorm2d(4, momentum=0.2, eps=1e-3),
            nn.MaxPool2d(2),
            Branches(4),
            nn.Identity(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(9, outputs),
        )


def rows(splits: tuple[Split, Split], count: int = 150) -> tuple[Split, Split]:
    train, validation = splits
    return (
        Split(train.inputs[:count], train.targets[:count]),
        Split(validation.inputs[:90], validation.targets[:90]),
    )


def drift(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def both_ways(
    make: Callable[[int], nn.Module],
    splits: tuple[Split, Split | None],
    recipes: Sequence[Recipe],
    task: Task,
    **options: object,
) -> list[tuple[Fitted, Fitted]]:
    seeds = range(len(recipes))
    alone = [
        fit(make(s), *splits, recipe, task=task, seed=s)
        for s, recipe in zip(seeds, recipes, strict=True)
    ]
    stacked = fit_stacked(
        [make(s) for s in seeds],
        *splits,
        recipes,
        task=task,
        seeds=seeds,
        **options,  # type: ignore[arg-type]  # as given by the test
    )
    found = []
    for one, other in zip(alone, stacked, strict=True):
        assert isinstance(other, Fitted), other
        found.append((one, other))
    return found


def assert_equal(pairs: Sequence[tuple[Fitted, Fitted]]) -> None:
    for alone, stacked in pairs:
        assert drift(alone.network, stacked.network) < EXACT
        assert stacked.curve.keys() == alone.curve.keys()
        for name, values in alone.curve.items():
            assert stacked.curve[name] == pytest.approx(values, abs=EXACT)
        assert (stacked.epochs_run, stacked.best_epoch) == (alone.epochs_run, alone.best_epoch)
        assert not stacked.network.training
        assert stacked.engine == "stacked"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(optimizer="sgd", learning_rate=0.05),
        Recipe(optimizer="adamw", label_smoothing=0.1, clip_norm=1.0, warmup_epochs=0.5),
        Recipe(optimizer="adam", class_weights="balanced", ema_decay=0.9, patience=1),
        Recipe(optimizer="sgd", learning_rate=0.05, augment=("crop", "flip", "cutout")),
        Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.0, schedule="step", stop_epoch=1),
    ],
    ids=["plain", "smoothed", "averaged", "augmented", "short"],
)
def test_networks_get_what_they_get_alone(
    recipe: Recipe, images: tuple[Split, Split], ten: Task
) -> None:
    recipes = [recipe.replace(epochs=epochs, batch_size=40) for epochs in (1, 3, 2, 1, 2)]
    assert_equal(both_ways(lambda s: small(s).double(), rows(images), recipes, ten, width=2))


@pytest.mark.parametrize("width", [1, 3, 99])
def test_the_width_of_the_stack_does_not_matter(
    width: int, images: tuple[Split, Split], ten: Task
) -> None:
    recipes = [Recipe(epochs=epochs, batch_size=64) for epochs in (2, 1, 1)]
    train, _ = rows(images)
    assert_equal(both_ways(lambda s: small(s).double(), (train, None), recipes, ten, width=width))


def test_dropout_is_drawn_for_each_network(images: tuple[Split, Split], ten: Task) -> None:
    recipes = [Recipe(epochs=2, batch_size=32)] * 3
    assert_equal(
        both_ways(lambda s: small(s, dropout=0.4).double(), rows(images), recipes, ten, width=2)
    )


def test_regression(images: tuple[Split, Split]) -> None:
    splits = [
        Split(split.inputs, torch.stack([split.targets / 5 - 1, split.targets**2 / 40 - 1], 1))
        for split in rows(images)
    ]
    recipes = [Recipe(epochs=2, batch_size=50)] * 2
    pairs = both_ways(
        lambda s: small(s, outputs=2).double(),
        (splits[0], splits[1]),
        recipes,
        Task("regression", 2),
    )
    assert_equal(pairs)


def test_random_cells_of_nasbench101(images: tuple[Split, Split], ten: Task) -> None:
    space = space_named("nasbench101", max_vertices=7)
    rng = np.random.default_rng(0)
    for _ in range(6):
        cell = space.cell(space.sample(rng=rng))  # type: ignore[attr-defined]  # of this space

        def make(seed: int, cell: object = cell) -> nn.Module:
            torch.manual_seed(seed)
            matrix, operations = cell.matrix.tolist(), cell.ops[1:-1]  # type: ignore[attr-defined]
            return nn.Sequential(
                nn.Conv2d(1, 6, 1),
                Cell(matrix, operations, 6, 7, 6),
                nn.MaxPool2d(2),
                Cell(matrix, operations, 7, 9, 6),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(9, 10),
            ).double()

        with torch.random.fork_rng([]):
            train, validation = rows(images, 60)
            recipes = [Recipe(epochs=2, batch_size=30, optimizer="sgd", learning_rate=0.02)] * 2
            assert_equal(both_ways(make, (train, validation), recipes, ten))


NASBENCH201 = {
    "drawn": None,
    "zeros": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "a dead end": "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|none~1|none~2|",
    "no way out": "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|none~0|none~1|none~2|",
    "twice": "|skip_connect~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|skip_connect~1|none~2|",
}


@pytest.mark.parametrize("shape", [(8, 8), (7, 5)], ids=str)
@pytest.mark.parametrize("cell", list(NASBENCH201))
def test_cells_of_nasbench201(
    cell: str, shape: tuple[int, int], images: tuple[Split, Split], ten: Task
) -> None:
    space = space_named("nasbench201")
    text = NASBENCH201[cell]
    chosen = space.sample_many(4, rng=np.random.default_rng(1)) if text is None else [text]
    height, width = shape
    train, validation = (
        Split(split.inputs[:, :, :height, :width], split.targets) for split in rows(images, 65)
    )
    recipes = [Recipe(epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.02)] * 2
    for one in chosen:
        architecture = space.parse(one) if isinstance(one, str) else one

        def make(seed: int, architecture: Architecture = architecture) -> nn.Module:
            with torch.random.fork_rng([]):
                torch.manual_seed(seed)
                skeleton = Skeleton(stem=3, cells=1)
                return build_nasbench201(architecture, (1, *shape), 10, skeleton=skeleton).double()

        assert stackable(make(0), recipes[0], train.inputs)
        assert_equal(both_ways(make, (train, validation), recipes, ten))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 5, 3, stride=2, padding=1),
        nn.Conv2d(4, 5, 1, stride=2, bias=False),
        nn.Conv2d(4, 5, (2, 5), stride=(3, 1), padding=(1, 4)),
        nn.Conv2d(4, 5, 3, padding="valid"),
        nn.Conv2d(4, 5, (1, 3), padding="same"),
        nn.Conv2d(4, 5, 8),
        nn.Conv2d(4, 5, 1, stride=9, padding=3),
        nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.Conv2d(4, 5, 1)),
        nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(4, 5, 1)),
        nn.Sequential(nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(4, 5, 1)),
        nn.Sequential(nn.AvgPool2d((3, 2), divisor_override=5), nn.Conv2d(4, 5, 1)),
        nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(4, 5, 1)),
    ],
    ids=str,
)
def test_strides_and_averages(layer: nn.Module, images: tuple[Split, Split], ten: Task) -> None:
    def make(seed: int) -> nn.Module:
        network = one_layer(copy.deepcopy(layer), 5).double()
        with torch.no_grad():
            for n, parameter in enumerate(network.parameters()):
                rng = torch.Generator().manual_seed(100 * seed + n)
                parameter.copy_(torch.randn(parameter.shape, generator=rng).double() / 4)
        return network

    recipes = [Recipe(epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.02)] * 3
    assert_equal(both_ways(make, rows(images, 65), recipes, ten))


def test_single_precision_stays_close_over_a_few_steps(
    images: tuple[Split, Split], ten: Task
) -> None:
    recipes = [Recipe(epochs=1, batch_size=50, optimizer="sgd", learning_rate=0.01)] * 3
    for alone, stacked in both_ways(small, rows(images), recipes, ten):
        assert drift(alone.network, stacked.network) < 1e-4


def test_splits_are_measured_with_the_returned_weights(
    images: tuple[Split, Split], ten: Task
) -> None:
    train, validation = rows(images)
    recipe = Recipe(epochs=3, batch_size=50, patience=1, ema_decay=0.5)
    found = fit_stacked(
        [small(s) for s in range(3)],
        train,
        validation,
        recipe,
        task=ten,
        seeds=range(3),
        measured={"train": train, "held": validation},
        width=2,
    )
    for one in found:
        assert isinstance(one, Fitted)
        for name, split in (("train", train), ("held", validation)):
            expected = measure(one.network, split, task=ten)
            for metric, value in expected.items():
                assert one.metrics[f"{name}_{metric}"] == pytest.approx(value, abs=1e-4)
        assert one.duration_seconds > 0


def test_a_network_that_diverges_leaves_the_others_alone(
    images: tuple[Split, Split], ten: Task
) -> None:
    train, _ = rows(images)
    calm = Recipe(epochs=3, batch_size=50, optimizer="sgd", learning_rate=0.01)
    recipes = [calm, calm.replace(learning_rate=1e12), calm]
    seeds = range(3)
    found = fit_stacked(
        [small(s).double() for s in seeds], train, None, recipes, task=ten, seeds=seeds
    )
    assert isinstance(found[1], EvaluationError)
    assert found[1].status == "diverged"
    for place in (0, 2):
        alone = fit(small(place).double(), train, None, calm, task=ten, seed=place)
        other = found[place]
        assert isinstance(other, Fitted)
        assert drift(alone.network, other.network) < EXACT


def test_networks_come_back_as_ordinary_modules(images: tuple[Split, Split], ten: Task) -> None:
    train, _ = rows(images)
    networks = [small(s) for s in range(2)]
    fit_stacked(networks, train, None, Recipe(epochs=1), task=ten, seeds=[0, 1])
    storages = {t.untyped_storage().data_ptr() for n in networks for t in n.parameters()}
    assert len(storages) == sum(len(list(n.parameters())) for n in networks)
    norm = networks[0][2].norm
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_batches_tracked is not None
    assert int(norm.num_batches_tracked) == 3


def test_progress_is_reported_and_can_be_stopped(images: tuple[Split, Split], ten: Task) -> None:
    train, _ = rows(images)
    heard: list[tuple[int, int]] = []
    networks = [small(s) for s in range(2)]
    with pytest.raises(KeyboardInterrupt):
        fit_stacked(
            networks,
            train,
            None,
            Recipe(epochs=50),
            task=ten,
            seeds=[0, 1],
            on_epoch=lambda position, epoch, metrics: heard.append((position, epoch)),
            should_stop=lambda: len(heard) >= 6,
        )
    assert heard == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]
    assert all(p.grad is None for network in networks for p in network.parameters())


def test_the_global_generator_is_left_alone(images: tuple[Split, Split], ten: Task) -> None:
    train, _ = rows(images)
    before = torch.get_rng_state()
    network = small(0, dropout=0.5)
    fit_stacked([network], train, None, Recipe(epochs=1), task=ten, seeds=[0])
    assert torch.equal(before, torch.get_rng_state())


def test_no_networks_are_no_work(images: tuple[Split, Split], ten: Task) -> None:
    assert fit_stacked([], images[0], None, Recipe(), task=ten, seeds=[]) == []


# -- what cannot be stacked -----------------------------------------------------------------------


def one_layer(layer: nn.Module, channels: int = 4) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 1), layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)
    )


class Asks(nn.Module):
    """Does what its values tell it."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def frozen() -> nn.Module:
    network = small(0)
    network[0].weight.requires_grad_(False)
    return network


def hooked() -> nn.Module:
    network = small(0)
    network[0].register_forward_hook(lambda module, inputs, outputs: None)
    return network


@pytest.mark.parametrize(
    "network",
    [
        one_layer(nn.Conv2d(4, 4, 3, groups=2, padding=1)),
        one_layer(nn.Conv2d(4, 4, 3, dilation=2, padding=2)),
        one_layer(nn.Conv2d(4, 4, 2, padding="same")),
        one_layer(nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")),
        one_layer(nn.BatchNorm2d(4, affine=False)),
        one_layer(nn.BatchNorm2d(4, momentum=None)),
        one_layer(nn.GroupNorm(2, 4)),
        one_layer(nn.Dropout2d(0.1)),
        one_layer(Asks()),
        frozen(),
        hooked(),
        small(0).half(),
    ],
    ids=lambda network: type(network[1]).__name__,
)
def test_unknown_structures_are_not_stackable(
    network: nn.Module, images: tuple[Split, Split]
) -> None:
    if next(network.parameters()).dtype == torch.float16:
        network[0].float()  # type: ignore[index]  # a Sequential; now of two types
    assert not stackable(network, Recipe(), images[0].inputs)


def test_known_structures_are_stackable(images: tuple[Split, Split]) -> None:
    assert stackable(small(0, dropout=0.1), Recipe(), images[0].inputs)
    assert not stackable(small(0), Recipe(autocast=True), images[0].inputs)
    assert not stackable(small(0), Recipe(channels_last=True), images[0].inputs)


def test_dropout_of_maps_is_not_stackable(images: tuple[Split, Split]) -> None:
    assert not stackable(one_layer(nn.Dropout(0.1)), Recipe(), images[0].inputs)


def test_asking_whether_it_is_stackable_changes_nothing(images: tuple[Split, Split]) -> None:
    network = small(0).train()
    network[5].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stackable(network, Recipe(), images[0].inputs)
    assert all(torch.equal(before[name], v) for name, v in network.state_dict().items())
    assert network.training
    assert not network[5].training


def test_refuses_networks_of_different_structure(images: tuple[Split, Split], ten: Task) -> None:
    networks = [one_layer(nn.Conv2d(4, 4, 1)), one_layer(nn.Conv2d(4, 4, 3, padding=1))]
    with pytest.raises(EvaluationError, match=r"networks\[1\] differs in structure"):
        fit_stacked(networks, images[0], None, Recipe(), task=ten, seeds=[0, 1])


def test_refuses_unknown_modules(images: tuple[Split, Split], ten: Task) -> None:
    network = one_layer(nn.GroupNorm(2, 4))
    with pytest.raises(EvaluationError, match="that a stack does not know; use fit_many"):
        fit_stacked([network], images[0], None, Recipe(), task=ten, seeds=[0])


def test_refuses_recipes_that_cannot_share_a_stack(images: tuple[Split, Split], ten: Task) -> None:
    networks = [small(0), small(1)]
    recipes = [Recipe(batch_size=32), Recipe(batch_size=64)]
    with pytest.raises(EvaluationError, match="must have the same batch_size"):
        fit_stacked(networks, images[0], None, recipes, task=ten, seeds=[0, 1])
    with pytest.raises(EvaluationError, match="without autocast, compile and channels_last"):
        fit_stacked(networks, images[0], None, Recipe(autocast=True), task=ten, seeds=[0, 1])


def test_refuses_other_numbers_of_seeds_and_recipes(images: tuple[Split, Split], ten: Task) -> None:
    with pytest.raises(EvaluationError, match="seeds must be one a network: expected 1, got 2"):
        fit_stacked([small(0)], images[0], None, Recipe(), task=ten, seeds=[0, 1])
    with pytest.raises(EvaluationError, match="recipes must be one a network: expected 1, got 2"):
        fit_stacked([small(0)], images[0], None, [Recipe()] * 2, task=ten, seeds=[0])
