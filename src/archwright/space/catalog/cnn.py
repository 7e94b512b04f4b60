"""Chains of convolutional stages, each with its own depth, width, kernel and stride."""

from __future__ import annotations

from collections.abc import Sequence

from archwright.space.decisions import Choice, Group, Integer, List
from archwright.space.space import Space

__all__ = ["cnn"]


def cnn(
    *,
    min_stages: int = 1,
    max_stages: int = 3,
    max_depth: int = 3,
    width: Sequence[int] = (8, 16, 32, 64),
    kernel: Sequence[int] = (3, 5),
    stride: Sequence[int] = (1, 2),
    normalization: Sequence[str] = ("batch", "group", "none"),
    residual: Sequence[bool] = (True, False),
    activation: Sequence[str] = ("relu", "gelu", "silu"),
    pooling: Sequence[str] = ("avg", "max"),
    dropout: Sequence[float] = (0.0, 0.1, 0.3),
) -> Space:
    """Return the space of convolutional networks made of stages.

    Its decisions are `stages`, a list of groups (`depth` convolutions of `width` channels and
    `kernel` pixels, the first with `stride`), and for the whole network `normalization`,
    `residual` (a shortcut around each convolution), `activation`, `pooling` (of the last feature
    map, before the classifier) and `dropout` (before the classifier).

    Args:
        min_stages: Fewest stages.
        max_stages: Most stages.
        max_depth: Most convolutions in a stage.
        width: Allowed numbers of channels.
        kernel: Allowed sides of the convolutions' windows in pixels; odd, so that they are
            centred.
        stride: Allowed strides of a stage's first convolution.
        normalization: Allowed normalizations after each convolution.
        residual: Whether shortcuts are allowed, forbidden, or to be decided.
        activation: Allowed activation functions.
        pooling: Allowed global poolings.
        dropout: Allowed fractions dropped before the classifier.

    Raises:
        SpaceError: If an option is not valid.
    """
    stage = Group(
        depth=Integer(1, max_depth),
        width=Choice(tuple(width)),
        kernel=Choice(tuple(kernel)),
        stride=Choice(tuple(stride)),
    )
    return Space(
        stages=List(stage, min_stages, max_stages),
        normalization=Choice(tuple(normalization)),
        residual=Choice(tuple(residual)),
        activation=Choice(tuple(activation)),
        pooling=Choice(tuple(pooling)),
        dropout=Choice(tuple(dropout)),
        name="cnn",
    )
