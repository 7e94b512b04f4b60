"""How a network is trained: one frozen value, JSON in and out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import torch

from archwright.errors import EnvironmentProblem, EvaluationError, UnknownNameError

__all__ = ["Recipe"]

_ALLOWED: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "adam", "adamw", "rmsprop-tf"),
    "schedule": ("constant", "cosine", "step", "one-cycle"),
    "augment": ("crop", "flip", "cutout"),
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained, but the data and the seed.

    Args:
        epochs: Passes over the training data, at least 1.
        batch_size: Rows per step. A last batch of a single row is left out of its epoch.
        optimizer: "sgd" (with Nesterov momentum), "adam" (decay added to the gradient), "adamw"
            (decay apart from it) or "rmsprop-tf" (TensorFlow's RMSProp with an epsilon of 1).
        learning_rate: Peak of the schedule.
        schedule: How the rate falls after the warm-up: "constant", "cosine" (to zero), "step"
            (to a tenth after half of the steps and again after three quarters) or "one-cycle"
            (up over the first three tenths, then down to zero; takes no warm-up).
        warmup_epochs: Epochs of linear rise before the schedule, may be a fraction.
        weight_decay: Applied to weights of two and more axes, never to biases and norms.
        momentum: Of "sgd" and "rmsprop-tf".
        label_smoothing: Share of each target spread over all classes, in [0, 1).
        clip_norm: Largest Euclidean norm of the whole gradient; None for no limit.
        stop_epoch: Stop after this epoch, although the schedule is made for `epochs`; None for the
            whole schedule.
        patience: Stop after so many epochs without a better validation result and restore the
            best weights; None for never.
        ema_decay: Decay per step of the averaged weights that are validated and returned; None
            for the plain weights.
        class_weights: "balanced" weighs classes inversely to their frequency in the training data.
        augment: Any of "crop", "flip", "cutout"; for images.
        autocast: Whether to compute in bfloat16 where that is safe. Slow on most processors.
        channels_last: Memory layout of images; "auto" takes it when no convolution has fewer
            than 32 output channels.
        compile: Whether to run through `torch.compile`; pays after many epochs only.
        device: Where to train, as torch names it ("cpu", "cuda", "cuda:1").
        threads: Processor threads for one network; None leaves torch's setting.

    Raises:
        UnknownNameError: If one of the names that are allowed was expected, and it is another.
        EvaluationError: If a value is of another type, or out of its range; names the field.

    Example:
        >>> Recipe(epochs=5).replace(batch_size=32).batch_size
        32
    """

    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    weight_decay: float = 1e-4
    momentum: float = 0.9
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    stop_epoch: int | None = None
    patience: int | None = None
    ema_decay: float | None = None
    class_weights: str | None = None
    augment: tuple[str, ...] = ()
    autocast: bool = False
    channels_last: bool | str = False
    compile: bool = False
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        _check(self, "augment", "a list of names", isinstance(self.augment, tuple | list))
        object.__setattr__(self, "augment", tuple(self.augment))
        for name in ("optimizer", "schedule"):
            _known(name, getattr(self, name))
        for value in self.augment:
            _known("augment", value)
        for name in ("epochs", "batch_size"):
            _check(self, name, "an integer of at least 1", _whole(getattr(self, name)))
        for name in ("stop_epoch", "patience", "threads"):
            value = getattr(self, name)
            _check(self, name, "None or an integer of at least 1", value is None or _whole(value))
        for name in ("clip_norm", "ema_decay"):
            value = getattr(self, name)
            top = 1.0 if name == "ema_decay" else math.inf
            text = "None or a number in (0, 1)" if top == 1.0 else "None or a positive number"
            _check(self, name, text, value is None or (_number(value, below=top) and value > 0))
        rate = self.learning_rate
        _check(self, "learning_rate", "a positive number", _number(rate) and rate > 0)
        for name in ("weight_decay", "warmup_epochs"):
            _check(self, name, "a number of at least 0", _number(getattr(self, name)))
        for name in ("momentum", "label_smoothing"):
            _check(self, name, "a number in [0, 1)", _number(getattr(self, name), below=1))
        weights, layout = self.class_weights, self.channels_last
        _check(self, "class_weights", "None or 'balanced'", weights in (None, "balanced"))
        _check(self, "channels_last", "True, False or 'auto'", layout in (True, False, "auto"))
        for name in ("autocast", "compile"):
            _check(self, name, "True or False", isinstance(getattr(self, name), bool))
        _check(self, "device", "a device such as 'cpu' or 'cuda'", isinstance(self.device, str))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON value."""
        return {**dataclasses.asdict(self), "augment": list(self.augment)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Rebuild what `to_json` wrote.

        Raises:
            UnknownNameError: If a name is not a field of the recipe.
            EvaluationError: If the data are no mapping, or a value is not allowed.
        """
        if not isinstance(data, Mapping):
            raise EvaluationError(
                f"a recipe must be a mapping of settings to values; got {data!r:.200}",
                status="invalid",
            )
        return cls().replace(**data)

    def replace(self, **changes: Any) -> Recipe:
        """Return a copy with other values for some fields.

        Raises:
            UnknownNameError: If a name is not a field of the recipe.
            EvaluationError: If a value is not allowed.
        """
        names = [field.name for field in fields(self)]
        for name in changes:
            if name not in names:
                raise UnknownNameError("recipe option", name, names)
        return dataclasses.replace(self, **changes)

    def torch_device(self) -> torch.device:
        """Return the device.

        Raises:
            EvaluationError: If the name means nothing to torch.
            EnvironmentProblem: If the machine has no such device.
        """
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise EvaluationError(
                f"recipe.device must be a device such as 'cpu' or 'cuda'; got {self.device!r}"
            ) from error
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise EnvironmentProblem(
                f"recipe.device is {self.device!r}, but this machine offers torch "
                f"{torch.cuda.device_count()} CUDA devices; use device='cpu'"
            )
        return device


def _known(name: str, value: str) -> None:
    if value not in _ALLOWED[name]:
        raise UnknownNameError(f"recipe.{name}", value, _ALLOWED[name])


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number(value: object, *, below: float = math.inf) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) < below


def _check(recipe: Recipe, name: str, expected: str, holds: bool) -> None:
    if not holds:
        raise EvaluationError(
            f"recipe.{name} must be {expected}; got {getattr(recipe, name)!r}", status="invalid"
        )
