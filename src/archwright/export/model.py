"""A trained network with all that is needed to use it: saved, loaded, asked for predictions."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archwright import network as networks
from archwright.data import Preprocessing, Task
from archwright.errors import ArchwrightError, DataError, ExportError
from archwright.export import _folder
from archwright.space import Architecture, Space

__all__ = ["Model", "load_model", "save_model", "write_model"]

_PACKAGES = ("archwright", "torch", "numpy", "safetensors")
_BATCH = 1024


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network, and what turns users' data into its inputs and its outputs into answers.

    Args:
        network: From (batch, *input_shape) to (batch, outputs).
        architecture: What it was built from.
        input_shape: Shape of one input, without the batch.
        task: What the outputs mean.
        preprocessing: Between users' data and tensors; None if inputs come as ready tensors.
        metrics: What was measured, by name.
        provenance: Seeds, hashes and whatever else was recorded; JSON.
    """

    network: nn.Module
    architecture: Architecture
    input_shape: tuple[int, ...]
    task: Task
    preprocessing: Preprocessing | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, data: Any, **options: Any) -> NDArray[Any]:
        """Return answers in the user's terms.

        Args:
            data: Data of the form of the training data: a DataFrame, an array, a tensor, the path
                of a table or of a folder of images. Labels may be there; they are passed over.
            **options: How to read a file, as for `archwright.data.load`: `delimiter`, ...

        Returns:
            Class names `(rows,)`, or for regression float64 numbers in the target's own unit,
            `(rows,)` for one target and `(rows, targets)` for several.

        Raises:
            DataError: If the data do not fit, with every problem.
        """
        return self.answers(self.outputs(data, **options))

    def predict_proba(self, data: Any, **options: Any) -> NDArray[np.float64]:
        """Return the probability of each class, `(rows, classes)`, in the order of `classes`.

        Raises:
            DataError: If the data do not fit, or the model is one of regression.
        """
        if not self.task.is_classification:
            raise DataError("a regression model has no class probabilities; use predict")
        return self.probabilities(self.outputs(data, **options))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs; empty for regression."""
        if not self.task.is_classification:
            return ()
        return self.task.class_names or tuple(map(str, range(self.task.outputs)))

    def outputs(self, data: Any, **options: Any) -> Tensor:
        """Return the network's own outputs: `(rows, outputs)`, float32, on the CPU."""
        inputs = self._inputs(data, options)
        self.network.eval()
        device = next((tensor.device for tensor in self.network.parameters()), torch.device("cpu"))
        with torch.inference_mode():
            parts = [
                self.network(inputs[start : start + _BATCH].to(device)).float().cpu()
                for start in range(0, len(inputs), _BATCH)
            ]
        return torch.cat(parts) if parts else torch.empty(0, self.task.outputs)

    def answers(self, outputs: Tensor) -> NDArray[Any]:
        """Return what `outputs` mean; see `predict`."""
        if self.task.is_classification:
            names: NDArray[Any] = np.array(self.classes)[outputs.argmax(dim=1).numpy()]
            return names
        if self.preprocessing is None:
            values: NDArray[Any] = outputs.numpy().astype(np.float64)
        else:
            values = self.preprocessing.inverse_targets(outputs)
        return values[:, 0] if values.shape[1] == 1 else values

    def probabilities(self, outputs: Tensor) -> NDArray[np.float64]:
        """Return the softmax of `outputs`; rows sum to 1."""
        found: NDArray[np.float64] = outputs.double().softmax(dim=1).numpy()
        return found

    def _inputs(self, data: Any, options: Mapping[str, Any]) -> Tensor:
        if self.preprocessing is not None:
            return self.preprocessing.transform(data, **options)
        if isinstance(data, str | Path) or options:
            raise DataError(
                "this model was saved without preprocessing, so it cannot read files; give a "
                f"tensor or an array of shape (rows, {', '.join(map(str, self.input_shape))})"
            )
        inputs = torch.as_tensor(np.asarray(data), dtype=torch.float32)
        if inputs.shape[1:] != self.input_shape:
            raise DataError(
                f"inputs must have the shape (rows, {', '.join(map(str, self.input_shape))}); "
                f"got {tuple(inputs.shape)}"
            )
        return inputs


def save_model(
    path: str | Path,
    *,
    network: nn.Module,
    architecture: Architecture,
    input_shape: Sequence[int],
    task: Task,
    preprocessing: Preprocessing | None = None,
    metrics: Mapping[str, float] | None = None,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a trained network as a folder of `model.json` and `model.safetensors`.

    The folder appears whole or not at all; nothing in it is ever executed when it is read.

    Args:
        path: The new folder.
        network: As `archwright.network.build` made it, trained.
        architecture: What it was built from.
        input_shape: Shape of one input, without the batch.
        task: What the outputs mean.
        preprocessing: Fitted on the training split; without it only ready tensors can be given.
        metrics: What was measured, by name.
        provenance: Seeds, data hashes, recipe, study ...; JSON.
        overwrite: Whether a model that is there already is replaced. Anything else never is.

    Raises:
        ExportError: If the place is taken, or something cannot be written.
    """
    model = Model(
        network,
        architecture,
        tuple(input_shape),
        task,
        preprocessing,
        dict(metrics or {}),
        dict(provenance or {}),
    )
    return write_model(model, path, overwrite=overwrite)


def write_model(model: Model, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a model as `save_model` does."""
    target = Path(path)
    _folder.check_target(target, overwrite=overwrite)
    with _folder.new_folder(target) as folder:
        weights = _folder.write_weights(folder, model.network.state_dict())
        _folder.write_facts(folder, _facts(model, weights))
    return target


def _facts(model: Model, weights: Mapping[str, Any]) -> dict[str, Any]:
    space = model.architecture.space
    return {
        "format": _folder.FORMAT,
        "version": _folder.VERSION,
        "space": {
            "name": space.name,
            "fingerprint": space.fingerprint,
            "own_builder": space.builder is not None,
            "definition": space.to_json(),
        },
        "architecture": {
            "key": model.architecture.key,
            "codes": model.architecture.to_json(),
            "values": model.architecture.values,
        },
        "input_shape": list(model.input_shape),
        "task": model.task.to_json(),
        "preprocessing": None if model.preprocessing is None else model.preprocessing.to_json(),
        "metrics": dict(model.metrics),
        "provenance": dict(model.provenance),
        "weights": dict(weights),
        "written_at": time.time(),
        "written_with": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def load_model(path: str | Path, *, space: Space | str | None = None) -> Model:
    """Read a model that `save_model` wrote.

    Args:
        path: The folder.
        space: For a space of your own, the space with its builder, or "file.py:NAME" where it is:
            code is never taken from the model's folder. Not needed for archwright's spaces.

    Raises:
        ExportError: If the folder is no model, was damaged, has another format version, or needs
            `space`.
    """
    folder = Path(path)
    facts = _folder.read_facts(folder)
    place = folder / _folder.FACTS
    try:
        found = _space(facts["space"], space, place)
        architecture = found.from_json_architecture(facts["architecture"]["codes"])
        task = Task.from_json(facts["task"])
        shape = tuple(int(size) for size in facts["input_shape"])
        stored = facts.get("preprocessing")
        preprocessing = None if stored is None else Preprocessing.from_json(stored)
    except ExportError:
        raise
    except (ArchwrightError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"{place} is damaged ({_reason(error)}); export it again") from error
    network = _network(architecture, shape, task, place)
    _folder.fill(network, _folder.read_weights(folder, facts["weights"]), folder / _folder.WEIGHTS)
    network.eval()
    metrics, provenance = facts["metrics"], facts["provenance"]
    return Model(network, architecture, shape, task, preprocessing, metrics, provenance)


def _reason(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, ArchwrightError) else f"{type(error).__name__}: {text}"


def _space(stored: Mapping[str, Any], given: Space | str | None, place: Path) -> Space:
    """Return the space to build from: the caller's if it is the model's, else one of our own."""
    name, fingerprint = stored["name"], stored["fingerprint"]
    if given is None:
        found = Space.from_json(stored["definition"])
        if stored["own_builder"] or name not in networks.BUILDERS:
            raise ExportError(
                f"{place}: the network was built by code of your own for the space {name!r}, and "
                "code is never loaded from a model's folder; say where it is: "
                "space='file.py:NAME' (--space file.py:NAME on the command line)"
            )
    else:
        found = networks.load_space(given)
    if found.fingerprint != fingerprint:
        raise ExportError(
            f"{place}: the model was made from the space {name!r} with fingerprint {fingerprint}; "
            f"got {found.name!r} with {found.fingerprint}; give the space as it was then"
        )
    return found


def _network(
    architecture: Architecture, shape: tuple[int, ...], task: Task, place: Path
) -> nn.Module:
    if not shape or math.prod(shape) < 1 or task.outputs < 1:
        raise ExportError(f"{place} is damaged: input shape {shape}, {task.outputs} outputs")
    try:
        return networks.build(architecture, shape, task.outputs, seed=0)
    except ArchwrightError as error:
        raise ExportError(f"{place}: its network cannot be built: {error}") from error
