"""A space of your own: name the decisions, and say which network they stand for."""

from __future__ import annotations

import torch
from torch import nn

import archwright as aw


class Residual(nn.Module):
    """A hidden layer whose input is added to its output."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.activation = {"relu": nn.ReLU(), "gelu": nn.GELU()}[activation]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (batch, width) to (batch, width)."""
        return inputs + self.activation(self.linear(inputs))


def residual_network(
    architecture: aw.Architecture, input_shape: tuple[int, ...], outputs: int
) -> nn.Module:
    """Build the network of one architecture: a stem, residual layers, a head."""
    width = architecture["width"]
    features = torch.Size(input_shape).numel()
    layers = [Residual(width, architecture["activation"]) for _ in range(architecture["depth"])]
    return nn.Sequential(
        nn.Flatten(), nn.Linear(features, width), *layers, nn.Linear(width, outputs)
    )


space = aw.Space(
    depth=aw.Integer(1, 4),
    width=aw.Integer(16, 64, step=16),
    activation=aw.Choice("relu", "gelu"),
    name="residual",
).bind(residual_network)


def main() -> None:
    print(f"{space.name}: {space.size} architectures")
    result = aw.search("wine", space=space, strategy="random", trials=6, seed=0)
    print(result.leaderboard(3).to_string(index=False))
    print("test accuracy:", round(result.test_metrics["test_accuracy"], 4))


if __name__ == "__main__":
    main()
