"""Networks of NAS-Bench-Macro [Su2021prioritized]_: eight layers in three stages.

A stem; stages of two, three and three layers, of which the first halves the map and doubles the
channels; a 1x1 convolution; the mean over all pixels, and a linear head. A layer is the identity
or an inverted residual: 1x1 to `expansion` times the channels, depthwise, 1x1 back, with a shortcut
where the shape stays. Where an identity must change the shape it is a 1x1 convolution with
normalization.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from archwright.network.operations import head, named
from archwright.network.registry import Formula, Shape
from archwright.network.skeleton import check_sizes, halved, image_of
from archwright.space import Architecture

__all__ = [
    "FORMULA",
    "PUBLISHED",
    "InvertedResidual",
    "MacroSkeleton",
    "build_nasbench_macro",
    "nasbench_macro_parameters",
    "published_flops",
]

_NAME = "nasbench-macro"
_STAGES = (2, 3, 3)
_BLOCKS = {"mbconv_k3_e3": (3, 3), "mbconv_k5_e6": (5, 6)}  # kernel, expansion


@dataclass(frozen=True, slots=True)
class MacroSkeleton:
    """What surrounds the layers.

    Args:
        stem: Channels of the stem; the stages have two, four and eight times as many.
        features: Channels of the convolution before the head.

    Raises:
        NetworkError: If one of them is not a whole number of at least 1.
    """

    stem: int = 32
    features: int = 1280

    def __post_init__(self) -> None:
        check_sizes(self, "stem", "features")


PUBLISHED = MacroSkeleton()


class InvertedResidual(nn.Module):
    """Expand, convolve each channel by itself, and project back.

    Args:
        inputs: Channels before.
        outputs: Channels after.
        kernel: Side of the depthwise window.
        expansion: Inner channels for each input channel.
        stride: Of the depthwise convolution; a shortcut is there only where nothing changes.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = _conv_bn_relu(inputs, inner, 1)
        self.depthwise = _conv_bn_relu(inner, inner, kernel, stride, groups=inner)
        self.project = _conv_bn(inner, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs, height, width)` to `(batch, outputs, ...)`."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class _Layer(NamedTuple):
    """One decision, where it stands."""

    name: str
    block: str
    inputs: int
    outputs: int
    stride: int
    before: int  # pixels
    after: int


def build_nasbench_macro(
    architecture: Architecture,
    input_shape: Shape,
    outputs: int,
    *,
    skeleton: MacroSkeleton = PUBLISHED,
) -> nn.Sequential:
    """Build the network; weights are torch's own. A decision's layer is at `layers.layer_1`.

    Args:
        architecture: Of the space `nasbench-macro`.
        input_shape: (channels, height, width).
        outputs: Length of one output.
        skeleton: What surrounds the layers.

    Raises:
        NetworkError: If the input is no image, or too small for three halvings.
    """
    channels = input_shape[0]
    layers = list(_layers(architecture, input_shape, skeleton))
    return named(
        stem=_conv_bn_relu(channels, skeleton.stem, 3),
        layers=named(**{layer.name: _module(layer) for layer in layers}),
        features=_conv_bn_relu(layers[-1].outputs, skeleton.features, 1),
        **head(skeleton.features, outputs),
    )


def _layers(
    architecture: Architecture, input_shape: Shape, skeleton: MacroSkeleton
) -> Iterator[_Layer]:
    _, height, width = image_of(input_shape, _NAME)
    pixels = [h * w for h, w in halved(height, width, len(_STAGES), _NAME)]
    decisions = iter(architecture.values.items())
    inputs = skeleton.stem
    for stage, depth in enumerate(_STAGES):
        before, after, stride = pixels[stage], pixels[stage + 1], 2
        outputs = 2 * inputs
        for _ in range(depth):
            yield _Layer(*next(decisions), inputs, outputs, stride, before, after)
            inputs, before, stride = outputs, after, 1


def _module(layer: _Layer) -> nn.Module:
    if layer.block in _BLOCKS:
        return InvertedResidual(layer.inputs, layer.outputs, *_BLOCKS[layer.block], layer.stride)
    if layer.stride == 1:
        return nn.Identity()
    return _conv_bn(layer.inputs, layer.outputs, 1, layer.stride)


def _conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return named(convolution=convolution, normalization=nn.BatchNorm2d(outputs))


def _conv_bn_relu(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    unit = _conv_bn(inputs, outputs, kernel, stride, groups)
    unit.add_module("activation", nn.ReLU())
    return unit


def nasbench_macro_parameters(
    architecture: Architecture,
    input_shape: Shape,
    outputs: int,
    *,
    skeleton: MacroSkeleton = PUBLISHED,
) -> int:
    """Return the number of parameters."""
    stem, features = skeleton.stem, skeleton.features
    total = (9 * input_shape[0] + 2) * stem + (8 * stem + 2) * features + (features + 1) * outputs
    for layer in _layers(architecture, input_shape, skeleton):
        if layer.block in _BLOCKS:
            kernel, expansion = _BLOCKS[layer.block]
            inner = expansion * layer.inputs
            total += inner * (layer.inputs + kernel**2 + layer.outputs + 4) + 2 * layer.outputs
        elif layer.stride != 1:
            total += (layer.inputs + 2) * layer.outputs
    return total


def published_flops(
    architecture: Architecture,
    input_shape: Shape = (3, 32, 32),
    outputs: int = 10,
    *,
    skeleton: MacroSkeleton = PUBLISHED,
) -> int:
    """Return what the table calls FLOPs: multiply-adds of convolutions and of the head.

    It is `archwright.cost.count(...).macs`, since the table leaves out the bias of the head.
    """
    layers = list(_layers(architecture, input_shape, skeleton))
    stem, features = skeleton.stem, skeleton.features
    total = 9 * input_shape[0] * stem * layers[0].before + features * outputs
    total += layers[-1].outputs * features * layers[-1].after
    for layer in layers:
        if layer.block in _BLOCKS:
            kernel, expansion = _BLOCKS[layer.block]
            inner = expansion * layer.inputs
            total += inner * layer.inputs * layer.before
            total += inner * (kernel**2 + layer.outputs) * layer.after
        elif layer.stride != 1:
            total += layer.inputs * layer.outputs * layer.after
    return total


# A smaller block makes its own layer smaller and leaves the others as they are.
FORMULA = Formula(nasbench_macro_parameters, monotone=lambda space: True)
