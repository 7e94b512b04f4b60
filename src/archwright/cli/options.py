"""Arguments and options that several commands have, and a way to take a group of them as one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from archwright.cli.values import settings

__all__ = [
    "BatchOption",
    "BenchmarkArgument",
    "ConstraintOption",
    "DataArgument",
    "DataOptions",
    "DatasetOption",
    "ExecutorOption",
    "JsonOption",
    "NameOption",
    "PathOption",
    "RecipeOption",
    "SeedOption",
    "SkeletonOption",
    "SpaceArgument",
    "SpaceOptionsOption",
    "StoreOption",
    "StudyArgument",
    "TableOption",
    "WorkersOption",
    "data_options",
    "with_options",
]

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, wine, breast_cancer, diabetes; a CSV, Parquet or .npz file; a folder of "
        "images by class; mnist, fashion_mnist, cifar10, cifar100.",
    ),
]
SpaceArgument = Annotated[
    str, typer.Argument(metavar="SPACE", help="Catalog name or file.py:NAME.")
]
SpaceOptionsOption = Annotated[
    list[str] | None, typer.Option("--space-option", help="Option of the space NAME=VALUE.")
]
SkeletonOption = Annotated[
    list[str] | None,
    typer.Option("--skeleton", help="Size around the cells of a published space, such as stem=8."),
]
RecipeOption = Annotated[
    list[str] | None,
    typer.Option("--recipe", help="Training setting NAME=VALUE, such as batch_size=32."),
]
BatchOption = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Rows to look at. Default: as each proxy published."),
]
ConstraintOption = Annotated[
    list[str] | None,
    typer.Option("--constraint", help="'parameters<=50000'; may be given several times."),
]

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Where studies are kept: a file, sqlite:/// or postgresql:// URL. "
        "Default: $ARCHWRIGHT_STORE or runs/archwright.db.",
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Evaluating processes.")]
ExecutorOption = Annotated[
    str | None, typer.Option("--executor", help="Who starts the workers: local or serial.")
]

BenchmarkArgument = Annotated[
    str, typer.Argument(metavar="BENCHMARK", help="A known benchmark, or a .table file.")
]
PathOption = Annotated[Path | None, typer.Option("--path", help="The benchmark's file.")]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="Which of the benchmark's data sets.")
]
TableOption = Annotated[Path, typer.Option("--out", help="The table, by convention NAME.table.")]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Name of the benchmark. Default: the file's.")
]

SeedOption = Annotated[int, typer.Option("--seed", help="Root of all randomness.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

DataOptions = dict[str, Any]
"""What the group `data_options` gives to a command."""

Command = Callable[..., None]


def data_options(
    target: Annotated[
        str | None, typer.Option("--target", help="Label column, by name or position.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="classification or regression. Default: from the labels."),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", help="Separator of a CSV file, or tab. Default: found out."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Encoding of a CSV file, such as latin-1.")
    ] = None,
    data_option: Annotated[
        list[str] | None,
        typer.Option("--data-option", help="Further data option NAME=VALUE, such as test=0.3."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Folder of the known public sets.")
    ] = None,
) -> DataOptions:
    """Return the options of `archwright.data.load` from what was typed.

    Raises:
        UnknownNameError: If there is no such data option.
        DataError: If its value is not allowed.
        UsageError: If a text is not NAME=VALUE.
    """
    from archwright.data import LoadOptions

    given = {
        "target": target,
        "task": task,
        "delimiter": {"tab": "\t", r"\t": "\t"}.get(delimiter or "", delimiter),
        "encoding": encoding,
        "data_dir": data_dir,
    }
    options = settings(data_option, "--data-option")
    options |= {name: value for name, value in given.items() if value is not None}
    LoadOptions.of(None, options)
    return options


def with_options(group: Callable[..., Any]) -> Callable[[Command], Command]:
    """Give a command a group of options.

    On the command line the group's own parameters stand in the place of the command's parameter
    that is named like the group; that one gets what the group makes of them.

    Args:
        group: Its parameters are the options.

    Example:
        >>> def size(width: int = 1, height: int = 1) -> int:
        ...     return width * height
        >>> @with_options(size)
        ... def show(name: str, size: int) -> None:
        ...     print(name, size)
        >>> show(name="area", width=2, height=3)
        area 6
        >>> list(inspect.signature(show).parameters)
        ['name', 'width', 'height']
    """
    own = inspect.signature(group, eval_str=True).parameters

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            made = group(**{name: given.pop(name) for name in own if name in given})
            command(**given, **{group.__name__: made})

        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
            parameters += own.values() if name == group.__name__ else [parameter]
        # By keyword only: an option with a default may stand before one without.
        keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
        return run

    return decorate
