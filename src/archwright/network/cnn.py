"""Networks of the `cnn` space: convolutional stages, global pooling, and a linear head.

A convolution pads by half its kernel, so that it keeps the size of the map and only the stride
shrinks it: from H to ceil(H / stride). A stage that would stride over a map of one pixel is
refused, since it would repeat an architecture without the stride.

With `residual`, each convolution has a shortcut: y = activation(normalize(conv(x)) + x), where x
passes through a 1x1 convolution without bias if the shapes differ. Convolutions have a bias
exactly where no normalization follows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from archwright.errors import NetworkError, UnknownNameError
from archwright.network import layers
from archwright.network.registry import Formula, Shape
from archwright.space import Architecture, Choice, Space

__all__ = ["FORMULA", "Residual", "build_cnn", "cnn_parameters"]


class Residual(nn.Module):
    """A convolution with a shortcut around it."""

    def __init__(
        self,
        convolution: nn.Module,
        normalization: nn.Module | None,
        activation: nn.Module,
        shortcut: nn.Module | None,
    ) -> None:
        super().__init__()
        self.convolution = convolution
        self.normalization = nn.Identity() if normalization is None else normalization
        self.activation = activation
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, height, width)` to as many dimensions."""
        y: Tensor = self.normalization(self.convolution(x)) + self.shortcut(x)
        return self.activation(y)  # type: ignore[no-any-return]  # modules are untyped


@dataclass(frozen=True, slots=True)
class _Plan:
    """One stage of an architecture."""

    depth: int
    width: int
    kernel: int
    stride: int

    def parameters(self, channels: int, *, normalized: bool, residual: bool) -> int:
        """Return the parameters of the stage on an input of so many channels."""
        inputs = channels + (self.depth - 1) * self.width
        convolutions = self.kernel**2 * inputs * self.width
        per_channel = (2 if normalized else 1) * self.depth * self.width  # scale and shift, or bias
        projects = residual and (self.stride != 1 or channels != self.width)
        return convolutions + per_channel + (channels * self.width if projects else 0)


def build_cnn(architecture: Architecture, input_shape: Shape, outputs: int) -> nn.Sequential:
    """Build the stages, global pooling, dropout and the head.

    The paths of the submodules are those of the decisions: `stages.1.conv_2.convolution`.

    Raises:
        NetworkError: If the input is not (channels, height, width), a kernel is even, or a stage
            would stride over a map of one pixel.
    """
    values = architecture.values
    stages = nn.Sequential()
    channels = input_shape[0]
    for plan in _plans(architecture, input_shape):
        stages.append(_stage(channels, plan, values))
        channels = plan.width
    parts: OrderedDict[str, nn.Module] = OrderedDict(stages=stages)
    parts["pooling"] = _pooling(values["pooling"])
    parts["flatten"] = nn.Flatten()
    if values["dropout"]:
        parts["dropout"] = nn.Dropout(values["dropout"])
    parts["head"] = nn.Linear(channels, outputs)
    return nn.Sequential(parts)


def _stage(channels: int, plan: _Plan, values: Mapping[str, Any]) -> nn.Sequential:
    units: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, plan.depth + 1):
        stride = plan.stride if i == 1 else 1
        units[f"conv_{i}"] = _unit(channels, plan.width, plan.kernel, stride, values)
        channels = plan.width
    return nn.Sequential(units)


def _unit(
    channels: int, width: int, kernel: int, stride: int, values: Mapping[str, Any]
) -> nn.Module:
    """Return one convolution with what belongs to it."""
    normalization = layers.normalization_2d(values["normalization"], width)
    convolution = nn.Conv2d(
        channels, width, kernel, stride, padding=kernel // 2, bias=normalization is None
    )
    activation = layers.activation(values["activation"])
    if values["residual"]:
        projects = stride != 1 or channels != width
        shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if projects else None
        return Residual(convolution, normalization, activation, shortcut)
    parts: OrderedDict[str, nn.Module] = OrderedDict(convolution=convolution)
    if normalization is not None:
        parts["normalization"] = normalization
    parts["activation"] = activation
    return nn.Sequential(parts)


def cnn_parameters(architecture: Architecture, input_shape: Shape, outputs: int) -> int:
    """Return the sum over convolutions, normalizations, shortcuts and the head."""
    values = architecture.values
    normalized = values["normalization"] != "none"
    channels, total = input_shape[0], 0
    for plan in _plans(architecture, input_shape):
        total += plan.parameters(channels, normalized=normalized, residual=values["residual"])
        channels = plan.width
    return total + (channels + 1) * outputs


def _plans(architecture: Architecture, input_shape: Shape) -> Iterator[_Plan]:
    """Yield the stages, each checked against the map that reaches it."""
    if len(input_shape) != 3:
        raise NetworkError(
            f"the space 'cnn' needs inputs of shape (channels, height, width); got "
            f"{input_shape}: use the space 'mlp' for such data"
        )
    _, height, width = input_shape
    for i, stage in enumerate(architecture.values["stages"]):
        plan = _Plan(**stage)
        if plan.kernel % 2 == 0:
            raise NetworkError(
                f"stages.{i}.kernel must be odd, so that it is centred; got {plan.kernel}"
            )
        if plan.stride > 1 and height == width == 1:
            raise NetworkError(
                f"stages.{i}.stride is {plan.stride}, but the map that reaches the stage has only "
                f"1x1 pixels (input {input_shape}): use stride 1 or fewer strides before it"
            )
        height, width = -(-height // plan.stride), -(-width // plan.stride)
        yield plan


def _pooling(name: str) -> nn.Module:
    match name:
        case "avg":
            return nn.AdaptiveAvgPool2d(1)
        case "max":
            return nn.AdaptiveMaxPool2d(1)
    raise UnknownNameError("pooling", name, ("avg", "max"))


def _monotone(space: Space) -> bool:
    """A forced shortcut is free where width equals channels, so narrower can be larger."""
    residual = space.decisions.get("residual")
    return isinstance(residual, Choice) and False in residual.options


FORMULA = Formula(cnn_parameters, monotone=_monotone)
