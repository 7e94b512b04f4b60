from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError, UnknownNameError
from archwright.train import Fitted, Recipe, fit, measure
from archwright.train.training import batches_of

Maker = Callable[..., nn.Sequential]
Splits = tuple[Split, Split]


def _equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_digits_are_learnt(mlp: Maker, digits: Splits, ten: Task) -> None:
    recipe = Recipe(epochs=15, learning_rate=3e-3)
    fitted = fit(mlp(100), *digits, recipe, task=ten, seed=0)
    assert fitted.metrics["val_accuracy"] > 0.94
    assert fitted.engine == "dense"
    assert fitted.epochs_run == 15
    assert fitted.duration_seconds > 0
    assert not fitted.network.training


def test_images_are_learnt_by_convolutions(cnn: Maker, images: Splits, ten: Task) -> None:
    recipe = Recipe(epochs=8, learning_rate=0.02, schedule="one-cycle")
    fitted = fit(cnn(width=16), *images, recipe, task=ten, seed=0)
    assert fitted.metrics["val_accuracy"] > 0.85
    assert fitted.engine == "eager"


def test_quantities_are_learnt_and_measured_in_their_unit(
    mlp: Maker, diabetes: tuple[Split, Split, float]
) -> None:
    train, validation, deviation = diabetes
    task = Task("regression", 1)
    recipe = Recipe(epochs=30, patience=10)
    fitted = fit(
        mlp(50, inputs=10, outputs=1),
        train,
        validation,
        recipe,
        task=task,
        seed=0,
        scale=[deviation],
    )
    assert fitted.metrics["val_r2"] > 0.35
    assert 40 < fitted.metrics["val_rmse"] < 65
    found = measure(fitted.network, validation, task=task, scale=[deviation])
    assert found == {n.removeprefix("val_"): v for n, v in fitted.metrics.items() if "val" in n}


def test_the_curve_has_a_value_an_epoch_and_the_metrics_are_its_last(
    mlp: Maker, digits: Splits, ten: Task
) -> None:
    seen: list[tuple[int, Mapping[str, float]]] = []
    fitted = fit(
        mlp(10),
        *digits,
        Recipe(epochs=3),
        task=ten,
        seed=0,
        on_epoch=lambda epoch, metrics: seen.append((epoch, dict(metrics))),
    )
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    for name, values in fitted.curve.items():
        assert values == tuple(metrics[name] for _, metrics in seen)
        assert fitted.metrics[name] == values[-1]
    assert fitted.metrics.keys() == {
        "train_loss",
        "val_accuracy",
        "val_balanced_accuracy",
        "val_f1_macro",
        "val_loss",
    }


def test_validation_may_be_left_out(mlp: Maker, digits: Splits, ten: Task) -> None:
    fitted = fit(mlp(10), digits[0], None, Recipe(epochs=2), task=ten, seed=0)
    assert fitted.metrics.keys() == {"train_loss"}
    assert fitted.best_epoch == fitted.epochs_run == 2


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_the_seed_decides_everything(mlp: Maker, digits: Splits, ten: Task, engine: str) -> None:
    def run(seed: int) -> Fitted:
        network = mlp(10, dropout=0.2)
        return fit(network, *digits, Recipe(epochs=2), task=ten, seed=seed, engine=engine)

    first = run(0)
    torch.manual_seed(99)  # must not matter
    again, other = run(0), run(1)
    assert _equal(first.network, again.network)
    assert first.curve == again.curve
    assert not _equal(first.network, other.network)


class _Noisy(nn.Module):
    """Draws from torch's global generator by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(nn.functional.dropout(inputs, 0.5, self.training))
        return outputs


def test_a_network_is_in_training_mode_for_the_steps_alone(digits: Splits, ten: Task) -> None:
    seen = []

    class Watched(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            seen.append((torch.is_grad_enabled(), self.training))
            return super().forward(inputs)

    network = nn.Sequential(Watched(64, 10))
    fit(network, *digits, Recipe(epochs=2, batch_size=600), task=ten, seed=0)
    step, measuring = (True, True), (False, False)
    assert seen == [step, step, measuring] * 2
    assert not network.training


def test_modules_that_use_the_global_generator_are_reproducible_and_leave_it_alone(
    digits: Splits, ten: Task
) -> None:
    network = _Noisy()
    twin = copy.deepcopy(network)
    before = torch.get_rng_state()
    fit(network, *digits, Recipe(epochs=1), task=ten, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    fit(twin, *digits, Recipe(epochs=1), task=ten, seed=0)
    assert _equal(network, twin)


def test_early_stopping_restores_the_best_weights(mlp: Maker, digits: Splits, ten: Task) -> None:
    train, validation = digits
    few = Split(train.inputs[:60], train.targets[:60])
    recipe = Recipe(epochs=200, learning_rate=0.02, patience=5, schedule="constant")
    fitted = fit(mlp(50), few, validation, recipe, task=ten, seed=0)
    assert fitted.epochs_run == fitted.best_epoch + 5 < 200
    accuracies = fitted.curve["val_accuracy"]
    assert fitted.metrics["val_accuracy"] == accuracies[fitted.best_epoch - 1] == max(accuracies)
    found = measure(fitted.network, validation, task=ten)
    assert found["accuracy"] == fitted.metrics["val_accuracy"]
    assert found["loss"] == pytest.approx(fitted.metrics["val_loss"])


def test_averaged_weights_are_validated_and_returned(mlp: Maker, digits: Splits, ten: Task) -> None:
    recipe = Recipe(epochs=4, ema_decay=0.99)
    network = mlp(20, normalization=nn.BatchNorm1d)
    plain = copy.deepcopy(network)
    fitted = fit(network, *digits, recipe, task=ten, seed=0)
    fit(plain, *digits, recipe.replace(ema_decay=None), task=ten, seed=0)
    assert not _equal(network, plain)
    assert measure(network, digits[1], task=ten)["loss"] == pytest.approx(
        fitted.metrics["val_loss"]
    )


def test_the_average_follows_its_definition(mlp: Maker, digits: Splits, ten: Task) -> None:
    train = Split(digits[0].inputs[:40], digits[0].targets[:40])
    recipe = Recipe(epochs=1, batch_size=10, ema_decay=0.2)
    network = mlp(5)
    averaged = copy.deepcopy(network)
    steps: list[Tensor] = [nn.utils.parameters_to_vector(network.parameters()).detach()]
    for epochs in range(1, 5):  # one epoch of 4 steps as the first `epochs` steps of it
        one = copy.deepcopy(network)
        training = _training(one, train, recipe.replace(ema_decay=None), ten)
        order = torch.randperm(40, generator=training.streams.order)
        for step, rows in enumerate(order.split(10)[:epochs]):
            training.stepper.gradients(rows, torch.zeros(()))
            rate = (0.5 + 0.5 * torch.cos(torch.tensor(torch.pi * step / 4))) * 1e-3
            training.optimizer.step(float(rate))
        steps.append(nn.utils.parameters_to_vector(one.parameters()).detach().clone())
    expected = steps[0]
    for step, values in enumerate(steps[1:]):
        decay = min(0.2, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * values
    fit(averaged, train, None, recipe, task=ten, seed=0)
    found = nn.utils.parameters_to_vector(averaged.parameters()).detach()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def _training(network: nn.Module, train: Split, recipe: Recipe, task: Task) -> Any:
    from archwright.train.training import Training

    return Training(network, train, None, recipe, task=task, seed=0)


def test_clipping_bounds_the_gradient(mlp: Maker, digits: Splits, ten: Task) -> None:
    rate, limit = 0.1, 1e-3
    recipe = Recipe(
        epochs=1,
        batch_size=1200,
        optimizer="sgd",
        momentum=0.0,
        learning_rate=rate,
        weight_decay=0.0,
        clip_norm=limit,
    )
    network = mlp(10)
    before = nn.utils.parameters_to_vector(network.parameters()).detach()
    fit(network, digits[0], None, recipe, task=ten, seed=0)
    moved = nn.utils.parameters_to_vector(network.parameters()).detach() - before
    assert float(moved.norm()) == pytest.approx(rate * limit, rel=1e-2)


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_divergence_names_the_epoch_and_the_step(
    mlp: Maker, digits: Splits, ten: Task, engine: str
) -> None:
    network = mlp(10)
    recipe = Recipe(epochs=9, optimizer="sgd", learning_rate=1e12, batch_size=100)
    with pytest.raises(
        EvaluationError, match=r"diverged: the loss became (nan|inf) at step \d+ of epoch 1 with"
    ) as caught:
        fit(network, *digits, recipe, task=ten, seed=0, engine=engine)
    assert caught.value.status == "diverged"


def test_weights_that_overflow_in_the_last_step_are_divergence(mlp: Maker, ten: Task) -> None:
    split = Split(torch.full((10, 64), 1e30), torch.zeros(10, dtype=torch.int64))
    recipe = Recipe(
        epochs=1, batch_size=10, optimizer="sgd", learning_rate=1e30, schedule="constant"
    )
    network = mlp(outputs=10)
    nn.init.zeros_(network[1].weight)
    with pytest.raises(EvaluationError, match="the weights became infinite or NaN by step 1"):
        fit(network, split, None, recipe, task=ten, seed=0)


def test_a_validation_that_overflows_is_divergence(mlp: Maker, digits: Splits, ten: Task) -> None:
    bad = Split(torch.full((5, 64), float("inf")), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(EvaluationError, match="validation metric is not finite after epoch 1"):
        fit(mlp(10), digits[0], bad, Recipe(epochs=1), task=ten, seed=0)


class _Hungry(nn.Module):
    """Fails in its forward pass as torch does when memory runs out."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.error = error

    def forward(self, inputs: Tensor) -> Tensor:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_running_out_of_memory_has_its_own_status(
    digits: Splits, ten: Task, error: Exception
) -> None:
    with pytest.raises(EvaluationError, match="out of memory while training") as caught:
        fit(_Hungry(error), *digits, Recipe(epochs=1), task=ten, seed=0)
    assert caught.value.status == "out_of_memory"


def test_a_real_allocation_too_large_is_out_of_memory(digits: Splits, ten: Task) -> None:
    class Huge(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs) + torch.empty(2**50).sum()

    with pytest.raises(EvaluationError, match="out of memory") as caught:
        fit(Huge(64, 10), *digits, Recipe(epochs=1), task=ten, seed=0)
    assert caught.value.status == "out_of_memory"


def test_other_errors_pass_unchanged_and_the_network_is_ordinary_again(
    digits: Splits, ten: Task
) -> None:
    network = _Hungry(RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(network, *digits, Recipe(epochs=1), task=ten, seed=0)
    assert network.linear.weight.untyped_storage().nbytes() == 4 * 640
    assert network.linear.weight.grad is None


@pytest.mark.parametrize("rows", [200_000, 100], ids=["long epochs", "short epochs"])
def test_should_stop_ends_training_soon(ten: Task, mlp: Maker, rows: int) -> None:
    split = Split(torch.zeros(rows, 64), torch.zeros(rows, dtype=torch.int64))
    network = mlp(100)
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        fit(
            network,
            split,
            None,
            Recipe(epochs=10_000, batch_size=16),
            task=ten,
            seed=0,
            should_stop=lambda: time.perf_counter() - started > 0.5,
        )
    assert time.perf_counter() - started < 5
    assert network[1].weight.grad is None


def test_a_last_batch_of_a_single_row_is_left_out() -> None:
    assert [len(b) for b in batches_of(torch.arange(9), 4)] == [4, 4]
    assert [len(b) for b in batches_of(torch.arange(10), 4)] == [4, 4, 2]
    assert [len(b) for b in batches_of(torch.arange(1), 4)] == [1]


def test_threads_are_set_for_the_training_only(mlp: Maker, digits: Splits, ten: Task) -> None:
    torch.set_num_threads(2)
    seen: list[int] = []
    for threads in (None, 2):
        fit(
            mlp(10),
            *digits,
            Recipe(epochs=1, threads=threads),
            task=ten,
            seed=0,
            on_epoch=lambda *_: seen.append(torch.get_num_threads()),
        )
    assert seen == [1, 2]  # a small dense network is not worth two
    assert torch.get_num_threads() == 2


def test_channels_last_gives_the_same_and_is_undone(cnn: Maker, images: Splits, ten: Task) -> None:
    results = []
    for layout in (False, True):
        network = cnn(width=32)
        recipe = Recipe(epochs=1, channels_last=layout)
        results.append(fit(network, *images, recipe, task=ten, seed=0).metrics)
        assert network[4].weight.is_contiguous()
    assert results[0] == pytest.approx(results[1], abs=2e-2)


@pytest.mark.parametrize(("width", "expected"), [(16, False), (32, True)])
def test_auto_takes_channels_last_from_32_channels(
    cnn: Maker, images: Splits, ten: Task, width: int, expected: bool
) -> None:
    network = cnn(width=width)
    recipe = Recipe(channels_last="auto")
    training = _training(network, images[0], recipe, ten)
    assert training.recipe.channels_last is expected
    weight = network[4].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is expected
    training.release()


def test_autocast_trains(cnn: Maker, images: Splits, ten: Task) -> None:
    few = Split(images[0].inputs[:64], images[0].targets[:64])
    network = cnn()
    fitted = fit(network, few, None, Recipe(epochs=2, autocast=True), task=ten, seed=0)
    assert fitted.curve["train_loss"][1] < fitted.curve["train_loss"][0]
    assert network[0].weight.dtype is torch.float32


def test_augmentation_changes_training_and_is_seeded(cnn: Maker, images: Splits, ten: Task) -> None:
    def run(augment: tuple[str, ...]) -> nn.Module:
        recipe = Recipe(epochs=1, augment=augment)
        return fit(cnn(), *images, recipe, task=ten, seed=0).network

    changed = run(("crop", "flip", "cutout"))
    assert _equal(changed, run(("crop", "flip", "cutout")))
    assert not _equal(changed, run(()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # of the compiler itself
def test_compiled_steps_give_what_eager_ones_give(mlp: Maker, digits: Splits, ten: Task) -> None:
    results = []
    for compiled in (False, True):
        recipe = Recipe(epochs=1, compile=compiled)
        results.append(fit(mlp(10), *digits, recipe, task=ten, seed=0, engine="eager"))
    assert [r.engine for r in results] == ["eager", "compiled"]
    assert results[0].metrics == pytest.approx(results[1].metrics, abs=1e-3)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "patience": ({"patience": 3}, "patience is 3, but there is no validation split"),
    "augment": ({"augment": ("flip",)}, r"needs images .* got inputs of shape \(1200, 64\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_recipe_that_does_not_fit_the_data_is_refused(
    mlp: Maker, digits: Splits, ten: Task, name: str
) -> None:
    options, message = BAD[name]
    with pytest.raises(EvaluationError, match=message) as caught:
        fit(mlp(5), digits[0], None, Recipe(**options), task=ten, seed=0)
    assert caught.value.status == "invalid"


def test_an_unknown_engine_is_refused(mlp: Maker, digits: Splits, ten: Task) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown engine 'dense'; allowed: auto, eager"):
        fit(mlp(5), digits[0], None, Recipe(), task=ten, seed=0, engine="dense")


def test_an_empty_split_is_refused(mlp: Maker, digits: Splits, ten: Task) -> None:
    empty = Split(torch.zeros(0, 64), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(EvaluationError, match="got 0 training and 597 validation rows"):
        fit(mlp(5), empty, digits[1], Recipe(), task=ten, seed=0)
    with pytest.raises(EvaluationError, match="got 1200 training and 0 validation rows"):
        fit(mlp(5), digits[0], empty, Recipe(), task=ten, seed=0)


def test_class_options_are_refused_for_quantities(
    mlp: Maker, diabetes: tuple[Split, Split, float]
) -> None:
    network = mlp(5, inputs=10, outputs=1)
    recipe = Recipe(label_smoothing=0.1)
    with pytest.raises(EvaluationError, match="are for classification; the task is regression"):
        fit(network, diabetes[0], None, recipe, task=Task("regression", 1), seed=0)


@pytest.mark.cuda
@pytest.mark.parametrize("autocast", [False, True])
def test_training_on_a_cuda_device(cnn: Maker, images: Splits, ten: Task, autocast: bool) -> None:
    recipe = Recipe(
        epochs=8,
        learning_rate=0.02,
        device="cuda",
        autocast=autocast,
        channels_last=True,
        augment=("crop",),
        ema_decay=0.9,
        patience=8,
    )
    fitted = fit(cnn(width=32, dropout=0.1), *images, recipe, task=ten, seed=0)
    assert next(fitted.network.parameters()).is_cuda
    assert fitted.metrics["val_accuracy"] > 0.6


def test_a_stop_epoch_ends_the_training_on_the_path_of_the_whole_schedule(
    mlp: Maker, digits: Splits, ten: Task
) -> None:
    whole = fit(mlp(30), *digits, Recipe(epochs=6), task=ten, seed=0)
    stopped = fit(mlp(30), *digits, Recipe(epochs=6, stop_epoch=4), task=ten, seed=0)
    assert stopped.epochs_run == 4
    assert stopped.curve["val_loss"] == whole.curve["val_loss"][:4]
