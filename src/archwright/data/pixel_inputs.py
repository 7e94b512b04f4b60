"""Images and other arrays as network inputs: one mean and deviation per channel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["PixelInputs"]

_CHUNK = 1 << 22
"""Values looked at together: enough to be fast, little enough to need no memory to speak of."""


@dataclass(frozen=True)
class PixelInputs:
    """Turns arrays into `(rows, *input_shape)` float32 with training mean 0 and deviation 1.

    Args:
        input_shape: `(channels, height, width)`, or any other shape, which has one channel then.
        divisor: 255 for bytes, 1 for other numbers; values are divided by it first.
        mean: Of each channel over the training rows, after division.
        scale: Their standard deviation; 1 for a channel without variation.
        mode: "grey" or "rgb" if image files are read; "" if the data came as arrays.
    """

    input_shape: tuple[int, ...]
    divisor: float
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    mode: str = ""

    kind = "pixels"

    @classmethod
    def fit(
        cls, values: NDArray[np.generic], rows: NDArray[np.int64], *, mode: str = ""
    ) -> PixelInputs:
        """Learn from some rows of `(rows, *input_shape)`, and from no others."""
        shape = values.shape[1:]
        channels = shape[0] if len(shape) == 3 else 1
        divisor = 255.0 if values.dtype == np.uint8 else 1.0
        moments = _byte_moments if values.dtype == np.uint8 else _moments
        mean, scale = moments(values, rows, channels)
        scale[scale <= 1e-12 * np.abs(mean)] = divisor
        return cls(
            tuple(int(side) for side in shape),
            divisor,
            tuple((mean / divisor).tolist()),
            tuple((scale / divisor).tolist()),
            mode,
        )

    def transform(
        self,
        values: NDArray[np.generic],
        rows: NDArray[np.int64] | None = None,
        *,
        device: str | torch.device = "cpu",
    ) -> Tensor:
        """Return some rows, all if `None`, as a tensor on a device."""
        chosen = np.ascontiguousarray(values if rows is None else values[rows])
        if chosen.dtype not in (np.uint8, np.float32):
            chosen = chosen.astype(np.float32)
        if rows is None or not chosen.flags.writeable:
            chosen = chosen.copy()
        out = torch.from_numpy(chosen).to(device).to(torch.float32)
        sides = (-1, *(1 for _ in self.input_shape[1:]))
        mean = torch.tensor(self.mean, device=device).mul_(self.divisor).view(sides)
        scale = torch.tensor(self.scale, device=device).mul_(self.divisor).view(sides)
        return out.sub_(mean).div_(scale)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value for `from_json`."""
        data = {"kind": self.kind, **asdict(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in data.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PixelInputs:
        """Rebuild what `to_json` wrote."""
        return cls(
            tuple(data["input_shape"]),
            data["divisor"],
            tuple(data["mean"]),
            tuple(data["scale"]),
            data["mode"],
        )


Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def _chunks(
    values: NDArray[np.generic], rows: NDArray[np.int64], channels: int
) -> Iterator[NDArray[np.generic]]:
    """Yield `(rows, channels, values)` a part at a time."""
    per_row = math.prod(values.shape[1:])
    step = max(1, _CHUNK // per_row)
    for start in range(0, len(rows), step):
        part = values[rows[start : start + step]]
        yield part.reshape(len(part), channels, -1)


def _byte_moments(values: NDArray[np.generic], rows: NDArray[np.int64], channels: int) -> Pair:
    """Mean and deviation of bytes from how often each occurs: whole numbers, hence exact."""
    counts = np.zeros((channels, 256), dtype=np.int64)
    for part in _chunks(values, rows, channels):
        for channel in range(channels):
            counts[channel] += np.bincount(part[:, channel].ravel(), minlength=256)
    levels = np.arange(256)
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    variance = np.array([(c * (levels - m) ** 2).sum() for c, m in zip(counts, mean, strict=True)])
    return mean, np.sqrt(variance / total)


def _moments(values: NDArray[np.generic], rows: NDArray[np.int64], channels: int) -> Pair:
    total, squares, count = np.zeros(channels), np.zeros(channels), 0
    for part in _chunks(values, rows, channels):
        total += part.sum(axis=(0, 2), dtype=np.float64)
        count += part.shape[0] * part.shape[2]
    mean = total / count
    for part in _chunks(values, rows, channels):
        squares += ((part.astype(np.float64) - mean[:, None]) ** 2).sum(axis=(0, 2))
    return mean, np.sqrt(squares / count)
