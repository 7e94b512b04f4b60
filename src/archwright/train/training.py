"""The training loop, to be read from top to bottom.

One loop, two steppers: `EagerStepper` takes any network through autograd, `DenseStepper` takes
sequential dense networks through hand-written derivatives. Everything else here is common to both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archwright.canonical import digest
from archwright.data import Split, Task
from archwright.errors import EvaluationError, UnknownNameError
from archwright.train.checkpoint import read_checkpoint, write_checkpoint
from archwright.train.dense import DenseStepper, dense_layers
from archwright.train.eager import EagerStepper, Stepper
from archwright.train.flat import Flat
from archwright.train.layout import settle_layout
from archwright.train.loss import Loss
from archwright.train.metrics import measure
from archwright.train.optimizer import Optimizer
from archwright.train.recipe import Recipe
from archwright.train.schedule import learning_rate
from archwright.train.streams import Streams

__all__ = ["Fitted", "OnEpoch", "Training", "threads", "threads_for"]

OnEpoch = Callable[[int, Mapping[str, float]], None]

_ENGINES = ("auto", "eager")
_NORMS = (nn.BatchNorm1d, nn.LayerNorm, nn.GroupNorm)
_ONE_THREAD_FLOPS = 200e6
"""Below so many operations a step, threads wait for one another longer than they compute."""
_PULSE_SECONDS = 0.25
"""How often the loop looks up: is the loss finite, should it stop."""


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it came about.

    Args:
        network: In evaluation mode, on the device it was trained on.
        metrics: Of the returned weights: "train_loss" (mean over the steps of their epoch) and,
            with the prefix "val_", what `measure` returns.
        curve: The same names, one value per epoch.
        epochs_run: Epochs trained, fewer than the recipe's after early stopping.
        best_epoch: The epoch of the best validation result, counted from 1; the last one when
            there is no validation split.
        duration_seconds: Wall time of the training, validation included.
        engine: What computed the steps: "dense", "eager", "compiled" or "stacked".
    """

    network: nn.Module
    metrics: Mapping[str, float]
    curve: Mapping[str, tuple[float, ...]]
    epochs_run: int
    best_epoch: int
    duration_seconds: float
    engine: str


class Training:
    """The state of one training between two steps: all that a checkpoint holds, and the loop."""

    def __init__(
        self,
        network: nn.Module,
        train: Split,
        validation: Split | None,
        recipe: Recipe,
        *,
        task: Task,
        seed: int,
        scale: Sequence[float] | None = None,
        engine: str = "auto",
        ambient: bool = True,
        memory: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        device = recipe.torch_device()
        _check(train, validation, recipe, task)
        recipe = settle_layout(network, recipe)
        self.network = network.to(device).eval()  # but for the steps; see `Stepper.epoch`
        if recipe.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it
        self.recipe, self.task, self.scale, self.seed = recipe, task, scale, seed
        self.flat = Flat(self.network, memory)
        dtype = self.flat.values.dtype
        self.train = _on(train, device, dtype)
        self.validation = _on(validation, device, dtype) if validation is not None else None
        self.optimizer = Optimizer(recipe, self.flat)
        self.streams = Streams(seed, device, ambient=ambient)
        self.stepper = self._stepper(engine)
        self.threads = recipe.threads or threads_for(
            self.network, self.flat.weights, recipe.batch_size
        )
        self.average = None if recipe.ema_decay is None else self.flat.values.clone()
        self.best = self.flat.values.clone() if recipe.patience is not None else None
        self.epoch = 0  # epochs done
        self.best_epoch = 0
        self.seconds = 0.0
        self._pulse = time.perf_counter() + _PULSE_SECONDS
        self.curve: dict[str, list[float]] = {}

    def _stepper(self, engine: str) -> Stepper:
        loss = Loss(self.task, self.recipe, self.train.targets, self.flat.values.dtype)
        if engine not in _ENGINES:
            raise UnknownNameError("engine", engine, _ENGINES)
        layers = None
        if engine == "auto":
            layers = dense_layers(self.network, self.recipe, self.train.inputs)
        if layers is not None:
            return DenseStepper(layers, self.flat, self.train, loss, self.streams)
        return EagerStepper(self.network, self.flat, self.train, loss, self.recipe, self.streams)

    def run(
        self,
        *,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 5.0,
        on_epoch: OnEpoch | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Fitted:
        """Train to the end of the recipe, or until it does not get better any more."""
        with threads(self.threads):
            self._run_epochs(checkpoint, checkpoint_seconds, on_epoch, should_stop)
        return self.fitted()

    def _run_epochs(
        self,
        checkpoint: Path | None,
        checkpoint_seconds: float,
        on_epoch: OnEpoch | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        started, saved = time.perf_counter() - self.seconds, time.perf_counter()
        while not self.finished:
            metrics = {"train_loss": self._train_epoch(should_stop)}
            metrics |= self._validate()
            self.epoch += 1
            self.remember(metrics)
            self.seconds = time.perf_counter() - started
            if on_epoch is not None:
                on_epoch(self.epoch, metrics)
            if checkpoint is not None and (
                self.finished or time.perf_counter() - saved >= checkpoint_seconds
            ):
                self.save(checkpoint)
                saved = time.perf_counter()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or too many without a better result."""
        patience = self.recipe.patience
        impatient = patience is not None and self.epoch - self.best_epoch >= patience
        last = min(self.recipe.epochs, self.recipe.stop_epoch or self.recipe.epochs)
        return self.epoch >= last or (self.epoch > 0 and impatient)

    def _train_epoch(self, should_stop: Callable[[], bool] | None) -> float:
        """Take one pass over the training rows and return the mean loss of its steps."""
        recipe, flat, device = self.recipe, self.flat, self.flat.values.device
        order = torch.randperm(len(self.train), generator=self.streams.order).to(device)
        batches = batches_of(order, recipe.batch_size)
        losses = torch.zeros(len(batches), dtype=flat.values.dtype, device=device)
        first = self.epoch * len(batches)
        with self.stepper.epoch():
            for step, rows in enumerate(batches):
                self.stepper.gradients(rows, losses[step])
                self.update(first + step, len(batches))
                if time.perf_counter() > self._pulse:
                    self.check_finite(losses[: step + 1])
                    if should_stop is not None and should_stop():
                        raise KeyboardInterrupt
                    self._pulse = time.perf_counter() + _PULSE_SECONDS
        self.check_finite(losses)
        return float(losses.double().mean())

    def update(self, step: int, steps_per_epoch: int) -> None:
        """Change the weights once, from the gradients as they stand.

        Args:
            step: Counted from 0 over the whole training.
            steps_per_epoch: Steps in one epoch.
        """
        recipe, flat = self.recipe, self.flat
        if recipe.clip_norm is not None:
            _clip(flat.gradients, recipe.clip_norm)
        self.optimizer.step(learning_rate(recipe, step, steps_per_epoch))
        if self.average is not None:
            _follow(self.average, flat.values, step, recipe.ema_decay)

    def check_finite(self, losses: Tensor) -> None:
        """Raise `EvaluationError` if a loss of this epoch or a weight is not finite."""
        if math.isfinite(losses.sum() + self.flat.values.sum()):
            return  # as nearly always; a finite sum has finite terms
        finite = losses.isfinite()
        if not bool(finite.all()):
            step = int((~finite).nonzero()[0])
            problem = f"the loss became {float(losses[step])!r} at step {step + 1}"
        elif not bool(self.flat.values.isfinite().all()):
            problem = f"the weights became infinite or NaN by step {len(losses)}"
        else:
            return
        raise EvaluationError(
            f"training diverged: {problem} of epoch {self.epoch + 1} with learning rate "
            f"{self.recipe.learning_rate!r}; lower it, or set clip_norm",
            status="diverged",
        )

    def _validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        with self.averaged():
            found = measure(self.network, self.validation, task=self.task, scale=self.scale)
        return self.validated(found)

    def validated(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return what `measure` found with the prefix "val_", if it is finite."""
        if not all(map(math.isfinite, found.values())):
            raise EvaluationError(
                f"training diverged: a validation metric is not finite after epoch "
                f"{self.epoch + 1}: {found!r}; lower the learning rate "
                f"{self.recipe.learning_rate!r}, or set clip_norm",
                status="diverged",
            )
        return {f"val_{name}": value for name, value in found.items()}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights in place of the plain ones for a while."""
        if self.average is None:
            yield
            return
        plain = self.flat.values.clone()
        self.flat.values.copy_(self.average)
        try:
            yield
        finally:
            self.flat.values.copy_(plain)

    def remember(self, metrics: Mapping[str, float]) -> None:
        """Take up the metrics of the epoch that was counted last."""
        for name, value in metrics.items():
            self.curve.setdefault(name, []).append(value)
        if self.validation is None or self._is_best():
            self.best_epoch = self.epoch
            if self.best is not None:
                self.best.copy_(self.flat.values if self.average is None else self.average)

    def _is_best(self) -> bool:
        """Whether the last epoch beats all earlier ones: by accuracy, then by loss."""
        losses = self.curve["val_loss"]
        scores = self.curve.get("val_accuracy", [0.0] * len(losses))
        ranks = [(score, -loss) for score, loss in zip(scores, losses, strict=True)]
        return ranks[-1] > max(ranks[:-1], default=(-math.inf, -math.inf))

    def fitted(self) -> Fitted:
        """Return the network as it is to be kept, in evaluation mode."""
        kept = self.best if self.best is not None else self.average
        if kept is not None:
            self.flat.values.copy_(kept)
        self.network.eval()
        shown = (self.best_epoch if self.best is not None else self.epoch) - 1
        return Fitted(
            network=self.network,
            metrics={name: values[shown] for name, values in self.curve.items()},
            curve={name: tuple(values) for name, values in self.curve.items()},
            epochs_run=self.epoch,
            best_epoch=self.best_epoch,
            duration_seconds=self.seconds,
            engine=self.stepper.name,
        )

    def release(self) -> None:
        """Give the network back as an ordinary module."""
        self.flat.release()
        if self.recipe.channels_last:
            self.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # likewise

    # -- checkpoints --------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the whole state to a file."""
        write_checkpoint(path, self._tensors(), self._facts())

    def restore(self, path: Path) -> None:
        """Continue from a file that `save` wrote.

        Raises:
            EvaluationError: If the file belongs to another training, or is none.
        """
        tensors, facts = read_checkpoint(path)
        if facts["identity"] != self._identity():
            raise EvaluationError(
                f"{path} belongs to another training (recipe, seed, network or data differ); "
                "delete it or name another file",
                status="invalid",
            )
        for name, tensor in self._tensors().items():
            if not name.startswith("stream."):
                tensor.copy_(tensors[name])
        self.streams.restore(
            {n.removeprefix("stream."): t for n, t in tensors.items() if n.startswith("stream.")}
        )
        self.epoch, self.best_epoch = facts["epoch"], facts["best_epoch"]
        self.curve, self.seconds = facts["curve"], facts["seconds"]

    def _tensors(self) -> dict[str, Tensor]:
        kept = {"values": self.flat.values, "average": self.average, "best": self.best}
        tensors = {name: tensor for name, tensor in kept.items() if tensor is not None}
        tensors |= {f"optimizer.{name}": t for name, t in self.optimizer.state.items()}
        tensors |= {f"integers.{name}": t for name, t in self.flat.integers.items()}
        tensors |= {f"stream.{name}": t for name, t in self.streams.state().items()}
        return tensors

    def _facts(self) -> dict[str, Any]:
        return {
            "identity": self._identity(),
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "curve": self.curve,
            "seconds": self.seconds,
        }

    def _identity(self) -> str:
        """Digest of what makes this training the one it is."""
        weights = [[name, list(t.shape)] for name, t in self.network.state_dict().items()]
        rows = [len(self.train), self.train.hash]
        if self.validation is not None:
            rows += [len(self.validation), self.validation.hash]
        recipe = {**self.recipe.to_json(), "threads": None}
        return digest([recipe, self.seed, weights, rows, self.stepper.name])


def batches_of(order: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """Cut an order of rows into batches; a last batch of a single row is left out.

    One row has no spread, so batch normalisation cannot use it; the next epoch brings the row
    in another place.
    """
    batches = torch.split(order, batch_size)
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) == 1 else batches


def threads_for(network: nn.Module, weights: int, batch_size: int) -> int | None:
    """Return 1 for a small dense network, whose steps are not worth splitting, else None.

    Args:
        network: Counts as dense if its weights are those of linear layers and norms.
        weights: How many it has.
        batch_size: Rows in a step.
    """
    weighted = [m for m in network.modules() if list(m.parameters(recurse=False))]
    dense = all(isinstance(m, (nn.Linear, *_NORMS)) for m in weighted)
    return 1 if dense and 6 * weights * batch_size < _ONE_THREAD_FLOPS else None


def _clip(gradients: Tensor, limit: float) -> None:
    """Scale the whole gradient down to a norm of at most `limit`."""
    norm = torch.linalg.vector_norm(gradients)
    gradients.mul_((limit / (norm + 1e-6)).clamp_(max=1.0))


def _follow(average: Tensor, values: Tensor, step: int, decay: float | None) -> None:
    """Move the average towards the weights; faster in the first steps, when it knows little."""
    assert decay is not None
    average.lerp_(values, 1 - min(decay, (1 + step) / (10 + step)))


def _on(split: Split, device: torch.device, dtype: torch.dtype) -> Split:
    """Return the split on a device, floating-point values in the type of the network."""
    inputs, targets = split.inputs.to(device, dtype), split.targets.to(device)
    if targets.is_floating_point():
        targets = targets.to(dtype)
    if inputs is split.inputs and targets is split.targets:
        return split
    return Split(inputs, targets, split.rows_hash, split.content_hash)


def _check(train: Split, validation: Split | None, recipe: Recipe, task: Task) -> None:
    if not len(train) or (validation is not None and not len(validation)):
        raise EvaluationError(
            "training needs at least one row in each split; got "
            f"{len(train)} training and {len(validation or ())} validation rows",
            status="invalid",
        )
    if recipe.patience is not None and validation is None:
        raise EvaluationError(
            f"recipe.patience is {recipe.patience!r}, but there is no validation split to watch; "
            "give one or set patience=None",
            status="invalid",
        )
    if recipe.augment and train.inputs.dim() != 4:
        raise EvaluationError(
            f"recipe.augment is {recipe.augment!r}, which needs images (rows, channels, height, "
            f"width); got inputs of shape {tuple(train.inputs.shape)}; set augment=()",
            status="invalid",
        )
    if not task.is_classification and (recipe.label_smoothing or recipe.class_weights):
        raise EvaluationError(
            "label_smoothing and class_weights are for classification; the task is regression",
            status="invalid",
        )


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many processor threads for a while; None changes nothing."""
    before = torch.get_num_threads()
    if count is not None and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
