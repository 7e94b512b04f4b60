"""Task, split and problem: the values that everything else in this room produces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archwright.canonical import digest
from archwright.seeding import generator

__all__ = ["Problem", "Split", "Task", "in_rows"]


@dataclass(frozen=True, slots=True)
class Task:
    """What a network has to produce.

    Args:
        kind: "classification" or "regression".
        outputs: Number of classes, or of predicted quantities.
        class_names: Name of each class in the order of the codes; empty for regression.
    """

    kind: str
    outputs: int
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("classification", "regression"):
            raise ValueError(f"kind must be classification or regression; got {self.kind!r}")
        if self.class_names and len(self.class_names) != self.outputs:
            raise ValueError(f"{self.outputs} outputs but {len(self.class_names)} class names")

    @property
    def is_classification(self) -> bool:
        """Whether the targets are class codes."""
        return self.kind == "classification"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value for `from_json`."""
        return {
            "kind": self.kind,
            "outputs": self.outputs,
            "class_names": list(self.class_names),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Rebuild what `to_json` wrote."""
        return cls(data["kind"], data["outputs"], tuple(data["class_names"]))


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One part of a dataset as tensors on one device.

    Args:
        inputs: `(rows, *input_shape)`, float32, standardised; kept with the last axis fastest.
        targets: `(rows,)` int64 class codes, or `(rows, outputs)` float32 standardised values.
        rows_hash: Digest of the row numbers in the source; "" for a split made by hand.
        content_hash: Digest of the raw values of those rows; "" likewise.
    """

    inputs: Tensor
    targets: Tensor
    rows_hash: str = ""
    content_hash: str = ""

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs but {len(self.targets)} targets")
        object.__setattr__(self, "inputs", in_rows(self.inputs))

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def hash(self) -> str:
        """One digest of which rows these are and what they hold."""
        return digest([self.rows_hash, self.content_hash])

    def to(self, device: str | torch.device) -> Split:
        """Return the split with its tensors on `device`."""
        inputs, targets = self.inputs.to(device), self.targets.to(device)
        return Split(inputs, targets, self.rows_hash, self.content_hash)

    def fraction(self, fraction: float, *, seed: int) -> Split:
        """Return a random part of the rows, in their order; all of them for 1.

        Args:
            fraction: Part of the rows, in (0, 1]; at least one row is kept.
            seed: Which rows are drawn; the rows of a smaller fraction are among those of a
                larger one with the same seed.
        """
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1]; got {fraction!r}")
        count = max(1, round(len(self) * fraction))
        if count == len(self):
            return self
        order = generator(seed, "data", "fraction").random(len(self)).argsort(kind="stable")
        rows = torch.from_numpy(order[:count]).sort().values.to(self.inputs.device)
        mark = f"{count} of {len(self)} with seed {seed}"
        return Split(
            self.inputs[rows],
            self.targets[rows],
            digest([self.rows_hash, mark]),
            digest([self.content_hash, mark]),
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why data cannot be used as they are.

    Args:
        place: Where: file, line, column, as far as they are known.
        message: What is wrong, with the value found.
        remedy: What the user can do about it.
    """

    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.remedy}"


def in_rows(tensor: Tensor) -> Tensor:
    """Return a tensor whose last axis varies fastest; itself if it is laid out like that.

    Images of one channel pass for contiguous with the strides of channels-last, too. torch goes by
    the strides, and its channels-last convolutions are not safe everywhere: see
    `archwright.train.layout`.
    """
    plain = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta").stride()
    if tensor.stride() == plain:
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor)
