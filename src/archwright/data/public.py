"""The known public sets: where they are, their checksums, and how they are read.

Checksums: MNIST and Fashion-MNIST as listed by the Fashion-MNIST repository and by torchvision
for the four files each; CIFAR as published on https://www.cs.toronto.edu/~kriz/cifar.html for the
binary versions, which need no unpickling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archwright.data.binary import parse_cifar, read_idx, read_members
from archwright.data.download import RemoteFile, cache_folder, fetch, md5_of, names_of
from archwright.data.options import LoadOptions
from archwright.data.raw import Places, RawData
from archwright.data.records import Problem
from archwright.errors import DataError

__all__ = ["PUBLIC_SETS", "PublicSet", "cifar10", "cifar100", "fashion_mnist", "mnist"]

Bytes = NDArray[np.uint8]

_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_THINGS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


@dataclass(frozen=True)
class PublicSet:
    """One known set.

    Args:
        name: As users type it.
        files: What has to be there.
        folders: Folders below the data folder in which the files may be too.
        class_names: Of the codes.
    """

    name: str
    files: tuple[RemoteFile, ...]
    folders: tuple[str, ...]
    class_names: tuple[str, ...] = ()


def _idx_files(checksums: dict[str, str], bases: Sequence[str]) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name, md5, tuple(base + name for base in bases))
        for name, md5 in checksums.items()
    )


PUBLIC_SETS = {
    found.name: found
    for found in (
        PublicSet(
            "mnist",
            _idx_files(
                {
                    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
                    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
                    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
                },
                (
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ),
            ),
            ("mnist", "MNIST/raw"),
            tuple(str(digit) for digit in range(10)),
        ),
        PublicSet(
            "fashion_mnist",
            _idx_files(
                {
                    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
                    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
                    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
                },
                (
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/"
                    "data/fashion/",
                ),
            ),
            ("fashion_mnist", "FashionMNIST/raw"),
            _CLOTHES,
        ),
        PublicSet(
            "cifar10",
            (
                RemoteFile(
                    "cifar-10-binary.tar.gz",
                    "c32a1d4ab5d03f1284b67883e8d87530",
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                ),
            ),
            ("cifar10",),
            _THINGS,
        ),
        PublicSet(
            "cifar100",
            (
                RemoteFile(
                    "cifar-100-binary.tar.gz",
                    "03b5dce01913d631647c71ecec9e9cb8",
                    ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
                ),
            ),
            ("cifar100",),
        ),
    )
}
"""Every known set by name."""


def mnist(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """70,000 grey digits of 28 x 28 pixels, 10,000 of them the test split."""
    return _idx_set(PUBLIC_SETS["mnist"], options)


def fashion_mnist(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """70,000 grey clothes of 28 x 28 pixels, 10,000 of them the test split."""
    return _idx_set(PUBLIC_SETS["fashion_mnist"], options)


def cifar10(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """60,000 colour images of 32 x 32 pixels, 10,000 of them the test split; ten classes."""
    batches = [f"data_batch_{number}.bin" for number in range(1, 6)]
    return _cifar_set(
        PUBLIC_SETS["cifar10"], options, "cifar-10-batches-bin", batches, "test_batch.bin"
    )


def cifar100(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """60,000 colour images of 32 x 32 pixels, 10,000 of them the test split; 100 classes."""
    return _cifar_set(
        PUBLIC_SETS["cifar100"], options, "cifar-100-binary", ["train.bin"], "test.bin"
    )


def _root(options: LoadOptions) -> Path:
    return Path(options.data_dir).expanduser() if options.data_dir else cache_folder()


def _obtain(found: PublicSet, file: RemoteFile, options: LoadOptions, notes: list[str]) -> Path:
    """Return the path of a file: at hand, unpacked too, or downloaded."""
    root = _root(options)
    for folder in [*(root / name for name in found.folders), root]:
        for name in (file.name, file.name.removesuffix(".gz")):
            path = folder / name
            if path.is_file() and _belongs(path, found, file, notes):
                return path
    remedy = (
        f"Put the files {names_of(found.files)} into a folder and name it with --data-dir "
        f"(data_dir=), or connect to the network"
    )
    folder = root / found.folders[0]
    return fetch(file, folder, progress=options.progress, remedy=remedy)


def _belongs(path: Path, found: PublicSet, file: RemoteFile, notes: list[str]) -> bool:
    """Whether a file of the right name is not that of another set; tells if it is no known one."""
    if path.suffix != ".gz":
        return True
    got = md5_of(path)
    if got == file.md5:
        return True
    others = {other.md5 for known in PUBLIC_SETS.values() for other in known.files}
    if got in others:
        return False
    notes.append(
        f"{path.name} is not the published file of {found.name} (MD5 {got}, expected {file.md5})"
    )
    return True


def _idx_set(found: PublicSet, options: LoadOptions) -> RawData:
    notes: list[str] = []
    arrays = [read_idx(_obtain(found, file, options, notes)) for file in found.files]
    for images, labels, files in (
        (arrays[0], arrays[1], found.files[:2]),
        (arrays[2], arrays[3], found.files[2:]),
    ):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise DataError(
                f"{names_of(files)}: have shapes {images.shape} and {labels.shape}, expected "
                "(rows, height, width) and (rows,); copy or download the files again"
            )
    return _raw(found, [(arrays[0][:, None], arrays[1]), (arrays[2][:, None], arrays[3])], notes)


def _cifar_set(
    found: PublicSet, options: LoadOptions, unpacked: str, batches: Sequence[str], test: str
) -> RawData:
    notes: list[str] = []
    root = _root(options)
    folders = [folder / unpacked for folder in (root, *(root / name for name in found.folders))]
    path = next((folder for folder in folders if folder.is_dir()), None)
    if path is None:
        path = _obtain(found, found.files[0], options, notes)
    names = "fine_label_names.txt"
    content = read_members(path, [*batches, test, names])
    for name in (*batches, test):
        if name not in content:
            raise DataError(f"{path}: has no {name}; copy or download it again")
    label_bytes = 2 if found.name == "cifar100" else 1
    parts = [parse_cifar(content[name], name, label_bytes=label_bytes) for name in batches]
    train = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    held_out = parse_cifar(content[test], test, label_bytes=label_bytes)
    classes = found.class_names or tuple(content.get(names, b"").decode().split())
    return _raw(found, [train, held_out], notes, classes)


def _raw(
    found: PublicSet,
    parts: Sequence[tuple[Bytes, Bytes]],
    notes: Sequence[str],
    class_names: tuple[str, ...] | None = None,
) -> RawData:
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    return RawData(
        found.name,
        "image",
        images,
        labels,
        ("class",),
        found.class_names if class_names is None else class_names,
        test_rows=len(parts[1][0]),
        places=Places(found.name, "image"),
        notes=tuple(notes),
    )
