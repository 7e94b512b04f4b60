"""One training in one file that is either the old state or the new one, never half of each.

The file is safetensors; what is not a tensor is JSON in its header.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from archwright.errors import EvaluationError
from archwright.files import TEMPORARY, whole_file

__all__ = ["read_checkpoint", "write_checkpoint"]

_KEY = "archwright.training"
_STALE_SECONDS = 600.0


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Replace the file at `path` in one step; a crash leaves the old file or the new one.

    Args:
        path: The file; its folder is made if needed.
        tensors: On any device.
        facts: A JSON value.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(whole, metadata={_KEY: json.dumps(facts)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content)
    _sweep(path)


def _sweep(path: Path) -> None:
    """Remove temporary files that a killed process left long ago."""
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.suffix == TEMPORARY:
            with suppress(FileNotFoundError):  # its owner was faster
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink()


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, on the processor, and the facts.

    Raises:
        EvaluationError: If the file is not a checkpoint of a training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})[_KEY]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, KeyError, OSError) as error:
        raise EvaluationError(
            f"{path} is not a checkpoint of a training ({error}); delete it to start anew"
        ) from error
    return {name: torch.clone(tensor) for name, tensor in tensors.items()}, json.loads(text)
