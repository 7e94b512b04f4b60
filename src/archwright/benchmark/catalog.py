"""The published benchmarks by name: which files they are, where to get them, how to open them."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from archwright.benchmark.converting import convert
from archwright.benchmark.format import SUFFIX, is_table
from archwright.benchmark.table import Table, open_table
from archwright.errors import BenchmarkError, UnknownNameError
from archwright.registry import Registry

__all__ = ["BENCHMARKS", "Benchmark", "KnownFile", "load_benchmark"]

_logger = logging.getLogger(__name__)
_BUILT_IN = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class KnownFile:
    """A file that a benchmark has published.

    Args:
        name: Its name, or a pattern of it.
        size: Its size, in words.
        sha256: Its checksum, where it is known.
        holds: What is in it.
    """

    name: str
    size: str
    sha256: str = ""
    holds: str = ""

    def __str__(self) -> str:
        facts = ", ".join(filter(None, (self.holds, self.size)))
        checksum = f", SHA-256 {self.sha256}" if self.sha256 else ""
        return f"{self.name} ({facts}{checksum})"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that can be opened by name.

    Args:
        name: Its name.
        space: The catalog name of its space.
        files: The files from which a table is made; none if it is built in.
        home: Who publishes them, and where to look for them.
        format: The name of their reader in `READERS`; empty if the table is built in.
        package: Whether an installed package of the extra "tables" brings the file.
    """

    name: str
    space: str
    files: tuple[KnownFile, ...] = ()
    home: str = ""
    format: str = ""
    package: bool = False

    @cached_property
    def built_in(self) -> Path | None:
        """The table that comes with archwright, if there is one."""
        path = _BUILT_IN / f"{self.name}{SUFFIX}"
        return path if path.is_file() else None

    def load(self, path: str | Path | None = None, **options: Any) -> Table:
        """Open the table of this benchmark, and make it first where that has not been done.

        Args:
            path: A table; or an official file or folder, of which a table is made beside it, or
                in the cache where nothing can be written there. Not needed for what is built in
                or brought by a package.
            options: What `convert` takes: `strict`, `curves`, `progress`.

        Raises:
            BenchmarkError: If there is no such file, and says where to get it; or it is a table
                of another space.
            FormatError: If the file is damaged; names the place.
            MissingDependencyError: If the package that brings the file is not installed.
        """
        table = open_table(self._table(path, options))
        if table.header["space"].get("catalog") != self.space:
            raise BenchmarkError(
                f"{self.name} is a benchmark of the space {self.space!r}; {table.path} is a table "
                f"of {table.header['space']!r}"
            )
        return table

    def _table(self, path: str | Path | None, options: dict[str, Any]) -> Path:
        if path is None and self.built_in is not None:
            return self.built_in
        if path is None and not self.package:
            needs = f"{self.name} needs the path of its file. " if self.files else ""
            raise BenchmarkError(needs + self.help())
        if path is None:
            return self._made(None, _cache_folder() / f"{self.name}{SUFFIX}", options)
        source = Path(path)
        if not source.exists():
            raise BenchmarkError(f"there is no {str(source)!r}. {self.help()}")
        if source.is_file() and is_table(source):
            return source
        if not self.format:
            raise BenchmarkError(f"{self.name} is opened from a table; {source} is none")
        return self._made(source, _destination(source), options)

    def _made(self, source: Path | None, destination: Path, options: dict[str, Any]) -> Path:
        """Return the table of an official file; make it if it is not there or is older."""
        if destination.is_file() and is_table(destination) and not options:
            newer = source is None or _changed(source) <= destination.stat().st_mtime
            if newer:
                return destination
        _logger.info("making %s; from now on it is opened instead", destination)
        return convert(source, destination, benchmark=self.format, **options)

    def help(self) -> str:
        """Return in words which file is needed and where it is to be had."""
        if not self.files:
            return f"{self.name} comes with archwright, but is not there: install archwright again"
        listed = " or ".join(map(str, self.files))
        return f"It is made of {listed}. {self.home}"


def _destination(source: Path) -> Path:
    """Return where the table of an official file goes: beside it, or in the cache."""
    beside = source.with_name(source.name + SUFFIX)
    if beside.exists() or os.access(source.parent, os.W_OK):
        return beside
    where = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:8]
    return _cache_folder() / f"{source.name}-{where}{SUFFIX}"


def _cache_folder() -> Path:
    """Return the folder for tables that have no better place."""
    given = os.environ.get("ARCHWRIGHT_CACHE")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return base.expanduser() / ("tables" if given else "archwright/tables")


def _changed(source: Path) -> float:
    """Return when a file, or the newest one of a folder, was changed."""
    return max(path.stat().st_mtime for path in (source, *source.glob("*")))


BENCHMARKS: Registry[Benchmark] = Registry("benchmark", group="archwright.benchmarks")
"""The benchmarks that can be opened by name."""


def load_benchmark(
    name: str | Path, path: str | Path | None = None, *, dataset: str | None = None, **options: Any
) -> Table:
    """Open a benchmark by its name, or any table by its path.

    Args:
        name: A name in `BENCHMARKS`, or the path of a table.
        path: The benchmark's official file or folder, or a table made of it. Not needed for what
            is built in or brought by a package.
        dataset: Which of the table's datasets to answer for; the first one by default.
        options: What `convert` takes.

    Raises:
        UnknownNameError: If there is no such benchmark or dataset.
        BenchmarkError: If a file is needed or is not there; says which, and where to get it.
        FormatError: If a file is damaged; names the place.
        MissingDependencyError: If the package that brings the file is not installed.
    """
    if path is None and (isinstance(name, Path) or str(name).endswith(SUFFIX) or "/" in str(name)):
        return open_table(name, dataset=dataset)
    try:
        benchmark = BENCHMARKS.get(str(name))
    except UnknownNameError as error:
        hint = f"A table of your own is opened by its path, such as {name}{SUFFIX}"
        raise UnknownNameError("benchmark", name, error.allowed, hint=hint) from None
    table = benchmark.load(path, **options)
    return table.with_dataset(dataset) if dataset else table


def _register(benchmark: Benchmark, summary: str, *aliases: str) -> None:
    BENCHMARKS.register(benchmark.name, benchmark, summary=summary, aliases=aliases)


_register(
    Benchmark("nasbench101-mini", "nasbench101"),
    "all 2,532 cells of NAS-Bench-101 with up to 5 vertices, trained on digits; built in",
)
_register(
    Benchmark(
        "nasbench101",
        "nasbench101",
        (
            KnownFile(
                "nasbench_full.tfrecord",
                "about 1.95 GB",
                "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
                "4, 12, 36 and 108 epochs",
            ),
            KnownFile(
                "nasbench_only108.tfrecord",
                "about 499 MB",
                "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
                "108 epochs",
            ),
        ),
        "It is published by the GitHub project google-research/nasbench, whose README links it",
        "nasbench101",
    ),
    "423,624 cells trained on CIFAR-10 at 4 budgets, 3 times each",
)
_NATS = "It is published by the GitHub project D-X-Y/NATS-Bench, whose README links it"
_register(
    Benchmark(
        "nasbench201",
        "nasbench201",
        (
            KnownFile("NATS-tss-v1_0-3ffb9-simple", "a folder of about 1 GB"),
            KnownFile("NATS-tss-v1_0-3ffb9.pickle.pbz2", "one file of the same"),
            KnownFile("NAS-Bench-201-v1_1-096897.pth", "about 4.7 GB", holds="older"),
        ),
        _NATS,
        "nats",
    ),
    "15,625 cells trained on three image sets, 12 and 200 epochs (NATS-Bench topology)",
    "nats-topology",
    "nats-tss",
)
_register(
    Benchmark(
        "nats-size",
        "nats-size",
        (
            KnownFile("NATS-sss-v1_0-50262-simple", "a folder"),
            KnownFile("NATS-sss-v1_0-50262.pickle.pbz2", "one file of the same"),
        ),
        _NATS,
        "nats",
    ),
    "32,768 network sizes trained on three image sets, 1, 12 and 90 epochs (NATS-Bench size)",
    "nats-sss",
)
_register(
    Benchmark(
        "nasbench-macro",
        "nasbench-macro",
        (KnownFile("nas-bench-macro_cifar10.json", "about 1 MB"),),
        "It is in the folder data of the GitHub project xiusu/NAS-Bench-Macro",
        "nasbench-macro",
    ),
    "6,561 networks of 8 layers trained on CIFAR-10, 3 times each",
)
_register(
    Benchmark(
        "nasbench-graph",
        "nasbench-graph",
        (KnownFile("*.bench", "a folder of about 7 MB"),),
        "It comes with the package nas-bench-graph: pip install 'archwright[tables]'",
        "nasbench-graph",
        package=True,
    ),
    "26,206 graph networks on 9 graph sets; from the package nas-bench-graph",
)
_register(
    Benchmark(
        "analog-nasbench",
        "nasbench201",
        (KnownFile("data.anb", "5.6 MB"),),
        "It comes with the package analog-nasbench: pip install 'archwright[tables]'",
        "analog-nasbench",
        package=True,
    ),
    "the cells of NAS-Bench-201 on analog hardware; from the package analog-nasbench",
)
_register(
    Benchmark(
        "hw-nas-bench",
        "nasbench201",
        (KnownFile("HW-NAS-Bench-v1_0.pickle", "one file"),),
        "It is published by the GitHub project GATECH-EIC/HW-NAS-Bench",
        "hw-nasbench",
    ),
    "latency and energy of the cells of NAS-Bench-201 on 6 devices",
    "hw-nasbench",
)
