"""Choices inside an ordinary module: archwright reads the space from the class."""

from __future__ import annotations

import torch
from torch import nn

import archwright as aw

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


class TwoPaths(nn.Module):
    """A wide shallow path and a narrow deep one, added up."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        features = torch.Size(input_shape).numel()
        wide = aw.nn.integer("wide", 16, 128, step=16)
        narrow = aw.nn.integer("narrow", 8, 32, step=8)
        activation = ACTIVATIONS[aw.nn.choice("activation", "relu", "silu", "tanh")]
        self.wide = nn.Sequential(nn.Linear(features, wide), activation(), nn.Linear(wide, outputs))
        self.deep = nn.Sequential(
            nn.Linear(features, narrow),
            activation(),
            nn.Linear(narrow, narrow),
            activation(),
            nn.Linear(narrow, outputs),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (batch, features) to (batch, outputs)."""
        inputs = inputs.flatten(1)
        return self.wide(inputs) + self.deep(inputs)


def main() -> None:
    space = aw.space_of(TwoPaths)
    print(f"{space.size} architectures of {', '.join(space.decisions)}")
    result = aw.search("wine", space=space, strategy="random", trials=6, seed=0)
    print(result.leaderboard(3).to_string(index=False))
    print("test accuracy:", round(result.test_metrics["test_accuracy"], 4))


if __name__ == "__main__":
    main()
