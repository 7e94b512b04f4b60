"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

from archwright.files import whole_file

__all__ = ["write_bytes"]


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file in one step and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content)
    return path
