"""Folders of images, one folder for each class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.data.options import LoadOptions
from archwright.data.raw import Places, RawData
from archwright.data.records import Problem

__all__ = ["image_files", "is_image", "read_image_folder", "read_images"]

_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
)
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "F"})
_LARGEST_SIDE = 64
"""Images of different sizes are brought to a common one of at most so many pixels a side."""


def is_image(path: Path) -> bool:
    """Whether the name of a file ends like that of an image."""
    return path.suffix.lower() in _SUFFIXES


def image_files(folder: Path) -> list[Path]:
    """Return every image below a folder, sorted by path; hidden files are passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if is_image(path)
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def read_image_folder(
    folder: Path, options: LoadOptions, problems: list[Problem]
) -> RawData | None:
    """Read a folder of class folders, or one with `train` and `test` folders of class folders."""
    parts = [folder]
    if (folder / "train").is_dir():
        parts = [folder / "train"]
        if (folder / "test").is_dir():
            parts.append(folder / "test")
    if options.test_source is not None:
        parts = [parts[0], Path(options.test_source)]
    listed = [_listing(part, problems) for part in parts]
    if not listed[0]:
        return None
    classes = sorted({name for part in listed for name, _ in part})
    if len(classes) < 2:
        problems.append(
            Problem(
                str(parts[0]),
                f"there is one class only, the folder {classes[0]!r}",
                "give a folder for each of at least two classes",
            )
        )
        return None
    pairs = [pair for part in listed for pair in part]
    files = [file for _, file in pairs]
    notes: list[str] = []
    pixels, mode = _pixels(files, folder, options, problems, notes, mode="")
    if pixels is None:
        return None
    code = {name: index for index, name in enumerate(classes)}
    return RawData(
        folder.name,
        "image",
        pixels,
        np.array([code[name] for name, _ in pairs], dtype=np.int64),
        ("class",),
        tuple(classes),
        test_rows=len(listed[1]) if len(listed) > 1 else 0,
        places=_places(files, folder),
        notes=tuple(notes),
        image_mode=mode,
    )


def read_images(
    path: Path, options: LoadOptions, problems: list[Problem], *, mode: str
) -> tuple[NDArray[np.uint8] | None, Places]:
    """Read one image, or every image below a folder, without asking for classes."""
    files = [path] if path.is_file() else image_files(path)
    root = path.parent if path.is_file() else path
    places = _places(files, root)
    if not files:
        problems.append(Problem(str(path), "there are no images", f"give {_endings()} files"))
        return None, places
    return _pixels(files, root, options, problems, [], mode=mode)[0], places


def _places(files: Sequence[Path], root: Path) -> Places:
    def names(rows: Sequence[int]) -> list[object]:
        return [_relative(files[row], root) for row in rows]

    return Places(root.name, "image", names)


def _relative(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _endings() -> str:
    return ", ".join(sorted(_SUFFIXES))


def _listing(folder: Path, problems: list[Problem]) -> list[tuple[str, Path]]:
    """Return class and file of every image, in order of class and path."""
    if not folder.is_dir():
        problems.append(Problem(str(folder), "there is no such folder", "correct the path"))
        return []
    classes = sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not classes:
        remedy = "put the images of each class into a folder with its name"
        problems.append(Problem(str(folder), "there are no class folders", remedy))
    found = []
    for entry in classes:
        files = image_files(entry)
        found += [(entry.name, file) for file in files]
        if not files:
            remedy = f"add {_endings()} files or remove the folder"
            problems.append(Problem(str(entry), "there are no images in it", remedy))
    return found


def _pixels(
    files: Sequence[Path],
    root: Path,
    options: LoadOptions,
    problems: list[Problem],
    notes: list[str],
    *,
    mode: str,
) -> tuple[NDArray[np.uint8] | None, str]:
    """Return `(images, channels, height, width)` bytes and the mode, "grey" or "rgb"."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        heads = list(pool.map(_head, files))
        _report_unreadable(heads, files, root, problems)
        sizes = Counter(head[1] for head in heads if not isinstance(head, str))
        if not sizes or any(isinstance(head, str) for head in heads):
            return None, mode
        size = options.height_and_width() or _common_size(sizes, notes)
        mode = mode or ("grey" if all(head[0] in _GREY_MODES for head in heads) else "rgb")
        images = list(pool.map(lambda file: _image(file, size, mode), files))
    _report_unreadable(images, files, root, problems)
    if any(isinstance(image, str) for image in images):
        return None, mode
    stacked = np.stack(images)
    pixels = stacked[:, None] if mode == "grey" else stacked.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), mode


def _report_unreadable(
    results: Sequence[Any], files: Sequence[Path], root: Path, problems: list[Problem]
) -> None:
    for file, result in zip(files, results, strict=True):
        if isinstance(result, str):
            message = f"cannot be read as an image ({result})"
            remedy = "replace or remove the file"
            problems.append(Problem(f"{root.name}/{_relative(file, root)}", message, remedy))


def _common_size(sizes: Counter[tuple[int, int]], notes: list[str]) -> tuple[int, int]:
    """Return the one size that all images have, or a size to bring them to."""
    if len(sizes) == 1:
        return next(iter(sizes))
    every = np.array(list(sizes.elements()))
    height, width = (min(_LARGEST_SIDE, int(side)) for side in np.median(every, axis=0))
    notes.append(
        f"images have {len(sizes)} different sizes and are resized to {height} x {width} "
        "(image_size= changes that)"
    )
    return height, width


def _head(file: Path) -> tuple[str, tuple[int, int]] | str:
    """Return mode and (height, width) of an image, or why it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.mode, (image.height, image.width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return _why(error)


def _image(file: Path, size: tuple[int, int], mode: str) -> NDArray[np.uint8] | str:
    from PIL import Image

    try:
        with Image.open(file) as image:
            found = image if image.mode != "I;16" else image.point(lambda value: value / 256)
            plain = found.convert("L" if mode == "grey" else "RGB")
            if (plain.height, plain.width) != size:
                plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return np.asarray(plain, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return _why(error)


def _why(error: Exception) -> str:
    return str(error).split(" <")[0].split(" '")[0] or type(error).__name__
