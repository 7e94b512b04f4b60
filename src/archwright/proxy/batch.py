"""The inputs that all networks of a comparison are scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from archwright.data import Split, in_rows
from archwright.errors import ProxyError
from archwright.seeding import derive_seed, generator

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One minibatch; the same one for every network, or the scores cannot be compared.

    Args:
        inputs: `(batch, *input_shape)`, prepared as for training, without augmentation.
        targets: `(batch,)` int64 class codes, or `(batch, outputs)` values; None if there are none.

    Raises:
        ProxyError: If it is empty, or inputs and targets differ in length.
    """

    inputs: Tensor
    targets: Tensor | None = None

    def __post_init__(self) -> None:
        if self.inputs.dim() < 2 or len(self.inputs) == 0:
            raise ProxyError(
                f"a batch needs inputs of shape (batch, *input_shape); got "
                f"{tuple(self.inputs.shape)}"
            )
        if self.targets is not None and len(self.targets) != len(self.inputs):
            raise ProxyError(f"{len(self.inputs)} inputs but {len(self.targets)} targets")
        object.__setattr__(self, "inputs", in_rows(self.inputs))

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def of(cls, split: Split, n: int = 128, *, seed: int = 0, balanced: bool = False) -> Batch:
        """Draw `n` different rows of a split, in random order.

        Args:
            split: Of a dataset; its rows are not augmented.
            n: Rows to draw.
            seed: Which rows.
            balanced: Whether each class gives as many rows, give or take one.

        Raises:
            ProxyError: If there are not as many rows.
        """
        if not 1 <= n <= len(split):
            raise ProxyError(f"a batch of {n!r} rows from a split of {len(split)}: use fewer")
        order = generator(seed, "proxy", "batch").permutation(len(split))
        if balanced:
            order = order[_by_turns(split.targets.cpu().numpy()[order])]
        rows = torch.from_numpy(order[:n].copy()).to(split.inputs.device)
        return cls(split.inputs[rows], split.targets[rows])

    @classmethod
    def noise(cls, input_shape: Sequence[int], n: int = 128, *, seed: int = 0) -> Batch:
        """Draw independent normal inputs of mean 0 and deviation 1, without targets."""
        drawn = torch.Generator().manual_seed(derive_seed(seed, "proxy", "noise"))
        return cls(torch.randn((n, *input_shape), generator=drawn))

    def first(self, n: int) -> Batch:
        """Return the first rows; the batch itself if it has no more than `n`."""
        if n >= len(self):
            return self
        return Batch(self.inputs[:n], None if self.targets is None else self.targets[:n])

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch with its tensors on `device`."""
        targets = None if self.targets is None else self.targets.to(device)
        return Batch(self.inputs.to(device), targets)


def _by_turns(classes: np.ndarray) -> np.ndarray:
    """Return positions so that the classes take turns, each in its given order."""
    if classes.ndim != 1 or classes.dtype.kind not in "iu":
        raise ProxyError(
            "a balanced batch needs classes as targets; got values: say balanced=False"
        )
    by_class = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[by_class], classes[by_class])
    turn = np.empty(len(classes), np.int64)
    turn[by_class] = np.arange(len(classes)) - starts  # how many of its class came before
    return np.argsort(turn, kind="stable")
