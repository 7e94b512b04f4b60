"""What turns a user's data into network inputs, and network outputs back into the user's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archwright.data.new_rows import pixels_for, table_for
from archwright.data.pixel_inputs import PixelInputs
from archwright.data.records import Task
from archwright.data.table_inputs import TableInputs
from archwright.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """Everything that was learned from the training rows about the form of the data.

    Args:
        inputs: How inputs become numbers.
        task: What the outputs mean.
        target_names: Name of each target.
        target_mean: Of each target over the training rows; empty for classification.
        target_scale: Their standard deviation. An error in standardised units times this is the
            error in the target's own unit.

    Example:
        >>> import numpy as np
        >>> from archwright.data import load
        >>> dataset = load((np.arange(12.0).reshape(6, 2), np.arange(6) / 2), seed=0)
        >>> again = Preprocessing.from_json(dataset.preprocessing.to_json())
        >>> again.transform(np.array([[0.0, 1.0]])).shape
        torch.Size([1, 2])
    """

    inputs: TableInputs | PixelInputs
    task: Task
    target_names: tuple[str, ...]
    target_mean: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input of the network."""
        return self.inputs.input_shape

    def transform(
        self, source: str | Path | pd.DataFrame | NDArray[Any] | Tensor, **options: Any
    ) -> Tensor:
        """Return new data as network inputs `(rows, *input_shape)`, float32.

        Columns are found by name, so their order does not matter; a label column is passed over.

        Args:
            source: Data of the form of the training data, without labels or with them: a file or
                folder, a DataFrame, an array.
            **options: Of `load`, as far as they say how to read: `delimiter`, `encoding` ...

        Raises:
            DataError: If columns are missing or unknown, or values cannot be read.
        """
        if isinstance(self.inputs, TableInputs):
            table = table_for(self.inputs, source, self.target_names, options)
            return torch.from_numpy(self.inputs.transform(table))
        return self.inputs.transform(pixels_for(self.inputs, source, options))

    def standardise(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return `(rows, outputs)` targets in their own unit with training mean 0, deviation 1."""
        return ((values - self.target_mean) / self.target_scale).astype(np.float32)

    def inverse_targets(self, outputs: Tensor) -> NDArray[Any]:
        """Return what network outputs, or targets, mean.

        Args:
            outputs: For classification, class codes `(rows,)` or scores `(rows, classes)`, of
                which the highest wins; for regression, `(rows, outputs)` standardised values.

        Returns:
            Class names, or numbers of the same shape in the target's own unit.
        """
        values = outputs.detach().cpu()
        if self.task.is_classification:
            codes = values.argmax(dim=1) if values.ndim == 2 else values
            names: NDArray[Any] = np.array(self.task.class_names)[codes.numpy()]
            return names
        own: NDArray[Any] = values.numpy() * np.array(self.target_scale) + self.target_mean
        return own

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value for `from_json`."""
        return {
            "inputs": self.inputs.to_json(),
            "task": self.task.to_json(),
            "target_names": list(self.target_names),
            "target_mean": list(self.target_mean),
            "target_scale": list(self.target_scale),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preprocessing:
        """Rebuild what `to_json` wrote.

        Raises:
            DataError: If it is something else.
        """
        try:
            pixels = data["inputs"]["kind"] == PixelInputs.kind
            kind: Any = PixelInputs if pixels else TableInputs
            return cls(
                kind.from_json(data["inputs"]),
                Task.from_json(data["task"]),
                tuple(data["target_names"]),
                tuple(data["target_mean"]),
                tuple(data["target_scale"]),
            )
        except (KeyError, TypeError) as error:
            message = f"this is not the JSON of a preprocessing ({error!r})"
            raise DataError(message) from error
