"""The folder a model lives in: weights and facts, checked when read, never executed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from archwright.errors import ExportError
from archwright.files import sync_folder

__all__ = [
    "FACTS",
    "FORMAT",
    "VERSION",
    "WEIGHTS",
    "check_target",
    "fill",
    "new_folder",
    "read_facts",
    "read_weights",
    "weight_facts",
    "write_facts",
    "write_weights",
]

FORMAT = "archwright-model"
VERSION = 1
FACTS, WEIGHTS = "model.json", "model.safetensors"
_MOST_FACTS = 256 * 1024**2  # bytes
_NEEDED = {
    "space": dict,
    "architecture": dict,
    "input_shape": list,
    "task": dict,
    "weights": dict,
    "metrics": dict,
    "provenance": dict,
}


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse to write where something is that must not be lost.

    Raises:
        ExportError: If the path is a file, a folder that is no model, or a model while
            `overwrite` is false.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise ExportError(f"{path} is a file; expected the name of a new folder for the model")
    if not any(path.iterdir()):
        return
    if not _is_model(path):
        raise ExportError(
            f"{path} exists and is no model of archwright, so it is kept; choose another name"
        )
    if not overwrite:
        raise ExportError(
            f"{path} holds a model already; choose another name or pass overwrite=True"
        )


def _is_model(path: Path) -> bool:
    try:
        facts = json.loads((path / FACTS).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("format") == FORMAT


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `path` when the block ends well.

    Readers see the old folder or the new one, never a mixture; an error leaves the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(6)
    temporary, old = (path.with_name(f".{path.name}.{mark}.{word}") for word in ("new", "old"))
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `model.json`, for people and programs.

    Raises:
        ExportError: If a fact is not made of JSON types, or not finite.
    """
    try:
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ExportError(
            f"{FACTS}: a fact cannot be written as JSON ({error}); "
            "metrics and provenance must be made of finite numbers, texts, lists and dicts"
        ) from error
    _write(folder / FACTS, f"{text}\n".encode())


def write_weights(folder: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Write `model.safetensors` and return the facts about it, digest included."""
    content = save({name: t.detach().cpu().contiguous().clone() for name, t in state.items()})
    _write(folder / WEIGHTS, content)
    return {
        "file": WEIGHTS,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "tensors": weight_facts(state),
    }


def weight_facts(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the type and shape of each tensor."""
    return {name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in state.items()}


def read_facts(folder: Path) -> dict[str, Any]:
    """Read and check `model.json`.

    Raises:
        ExportError: If it is missing, not readable, of another format or version, or incomplete.
    """
    path = folder / FACTS
    if not path.is_file():
        raise ExportError(f"{folder} is not a model: expected a folder with {FACTS} and {WEIGHTS}")
    if path.stat().st_size > _MOST_FACTS:
        raise ExportError(
            f"{path} has {path.stat().st_size:,} bytes; expected at most {_MOST_FACTS:,}"
        )
    try:
        facts = json.loads(path.read_bytes())
    except ValueError as error:
        raise ExportError(f"{path} is damaged: not JSON ({error}); export it again") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else facts
        raise ExportError(f"{path}: expected the format {FORMAT!r}; got {found!r:.80}")
    if facts.get("version") != VERSION:
        raise ExportError(
            f"{path}: this archwright reads format version {VERSION}; got "
            f"{facts.get('version')!r}. Use the archwright that wrote it, or export it again"
        )
    for name, kind in _NEEDED.items():
        if not isinstance(facts.get(name), kind):
            raise ExportError(f"{path} is damaged: {name!r} is missing or no {kind.__name__}")
    return facts


def read_weights(folder: Path, facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Read the weights, after checking that they are the bytes that were written.

    Raises:
        ExportError: If the file is missing, was changed, or is no safetensors file.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise ExportError(f"{path} is missing; copy the whole folder of the model")
    expected, found = facts.get("size_bytes"), path.stat().st_size
    if expected != found:
        raise ExportError(
            f"{path} is damaged: expected {expected} bytes, got {found}; copy it again"
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != facts.get("sha256"):
        raise ExportError(
            f"{path} is damaged: expected SHA-256 {facts.get('sha256')}, got {digest}; "
            "copy it again"
        )
    try:
        state: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError) as error:
        raise ExportError(f"{path} is no safetensors file ({error}); export it again") from error
    return state


def fill(network: torch.nn.Module, state: Mapping[str, Tensor], place: Path) -> None:
    """Put weights into a network that was built for them.

    Raises:
        ExportError: If names or shapes differ.
    """
    wanted, given = weight_facts(network.state_dict()), weight_facts(state)
    for name in sorted({*wanted, *given}):
        if wanted.get(name) != given.get(name):
            raise ExportError(
                f"{place}: the weights do not fit the network that the architecture makes: "
                f"{name!r} is {_described(wanted.get(name))} there, "
                f"{_described(given.get(name))} in the file; "
                "use the version of the space that the model was made with"
            )
    network.load_state_dict(dict(state))


def _described(tensor: Any) -> str:
    if tensor is None:
        return "absent"
    kind, shape = tensor
    return f"{kind} {tuple(shape)} ({math.prod(shape):,} values)"
