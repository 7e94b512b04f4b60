"""Fully connected networks: a list of hidden widths, and what stands between the layers."""

from __future__ import annotations

from collections.abc import Sequence

from archwright.space.decisions import Choice, Decision, Integer, List
from archwright.space.space import Space

__all__ = ["mlp"]


def mlp(
    *,
    min_layers: int = 1,
    max_layers: int = 3,
    min_width: int = 50,
    max_width: int = 200,
    width_step: int = 1,
    activation: Sequence[str] = ("relu", "gelu", "silu", "tanh"),
    dropout: Sequence[float] = (0.0, 0.1, 0.3, 0.5),
    normalization: Sequence[str] = ("none", "batch", "layer"),
) -> Space:
    """Return the space of multilayer perceptrons.

    Its decisions are `hidden` (a tuple of widths), `activation`, `dropout` and `normalization`. Of
    the last three, one whose only option is "relu", 0.0 or "none" is left out: builders take
    these where an architecture does not say.

    Args:
        min_layers: Fewest hidden layers.
        max_layers: Most hidden layers.
        min_width: Units of the narrowest layer.
        max_width: Units of the widest layer.
        width_step: Distance between allowed widths.
        activation: Allowed activation functions.
        dropout: Allowed fractions of units dropped in training.
        normalization: Allowed normalizations between layer and activation.

    Raises:
        SpaceError: If an option is not valid.
    """
    options = {"activation": activation, "dropout": dropout, "normalization": normalization}
    unsaid = {"activation": "relu", "dropout": 0.0, "normalization": "none"}
    decisions: dict[str, Decision] = {
        "hidden": List(Integer(min_width, max_width, width_step), min_layers, max_layers)
    }
    for option, allowed in options.items():
        if tuple(allowed) != (unsaid[option],):
            decisions[option] = Choice(tuple(allowed))
    return Space(decisions, name="mlp")
