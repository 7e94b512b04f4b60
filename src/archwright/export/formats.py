"""The formats in which a model can leave, by name: one line here, one function anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from archwright.data import Dataset
from archwright.export.model import Model
from archwright.registry import Registry
from archwright.space import Architecture

__all__ = ["EXPORTERS", "Exporter", "export"]


class Exporter(Protocol):
    """Writes a model in one format."""

    def __call__(self, model: Model, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model whole or not at all, and return where it is.

        Raises:
            ExportError: If the place is taken or the network cannot be written in this format.
        """
        ...


EXPORTERS: Registry[Exporter] = Registry("export format", group="archwright.exporters")
EXPORTERS.register(
    "archwright",
    "archwright.export.model:write_model",
    summary="folder of safetensors and JSON, which predict reads",
    aliases=("safetensors",),
)


def export(
    format: str,
    path: str | Path,
    *,
    network: nn.Module,
    architecture: Architecture,
    data: Dataset,
    metrics: Mapping[str, float] | None = None,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a trained network in a format of `EXPORTERS`.

    Args:
        format: Its name.
        path: Where to write.
        network: Trained on `data`.
        architecture: What it was built from.
        data: Gives the shapes, the task and the preprocessing.
        metrics: What was measured, by name.
        provenance: Seeds, data hashes, recipe, study ...; JSON.
        overwrite: Whether an earlier export is replaced.

    Raises:
        UnknownNameError: If there is no such format.
        ExportError: If it cannot be written.
    """
    exporter = EXPORTERS.get(format)
    model = Model(
        network,
        architecture,
        tuple(data.input_shape),
        data.task,
        data.preprocessing,
        dict(metrics or {}),
        dict(provenance or {}),
    )
    return exporter(model, path, overwrite=overwrite)
