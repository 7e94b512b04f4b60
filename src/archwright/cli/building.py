"""benchmark build: a table of one's own."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from archwright.cli.data import (
    DataArgument,
    DataDirOption,
    DataOption,
    DelimiterOption,
    EncodingOption,
    TargetOption,
    TaskOption,
    data_options,
)
from archwright.cli.values import settings, shown_path

if TYPE_CHECKING:
    from archwright.evaluate.building import Record

__all__ = ["build"]

_SAY_SECONDS = 10.0


def build(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="Catalog name or file.py:NAME.")],
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The table, by convention NAME.table.")],
    space_option: Annotated[
        list[str] | None,
        typer.Option("--space-option", help="Option of the space NAME=VALUE."),
    ] = None,
    skeleton: Annotated[
        list[str] | None,
        typer.Option(
            "--skeleton", help="Size around the cells of a published space, such as stem=8."
        ),
    ] = None,
    epochs: Annotated[
        list[int] | None,
        typer.Option(
            "--epochs", min=1, help="A budget; may be given several times [default: 4 12 36]."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Trainings at each budget.")] = 3,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="How many architectures, drawn; default: all."),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option("--recipe", help="Training setting NAME=VALUE, such as batch_size=32."),
    ] = None,
    norm_momentum: Annotated[
        float | None,
        typer.Option(
            "--norm-momentum",
            help="Share of a batch in the statistics of batch normalisation; default: the "
            "networks' own.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the benchmark. Default: the file's.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Root of all randomness.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Training processes.")] = 1,
    target: TargetOption = None,
    task: TaskOption = None,
    data_option: DataOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Train the architectures of SPACE on DATA and write a table; run again to go on."""
    from archwright.frontdoor.building import build_benchmark

    with _Display() as display:
        written = build_benchmark(
            space,
            data,
            out,
            space_options=settings(space_option or (), "--space-option"),
            skeleton=settings(skeleton or (), "--skeleton"),
            data_options=data_options(
                data_option,
                target=target,
                task=task,
                delimiter=delimiter,
                encoding=encoding,
                data_dir=data_dir,
            ),
            recipe=settings(recipe or (), "--recipe"),
            epochs=sorted(set(epochs or (4, 12, 36))),
            repeats=repeats,
            samples=samples,
            norm_momentum=norm_momentum,
            seed=seed,
            workers=workers,
            name=name,
            on_record=display.on_record,
        )
    size = written.stat().st_size
    typer.echo(f"table: {shown_path(written)} ({size:,} bytes)")


class _Display:
    """Says how far it is: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._begun, self._before, self._said, self._failed = time.monotonic(), -1, 0.0, 0

    def __enter__(self) -> _Display:
        # A polite kill ends like Ctrl-C: what is finished is kept.
        self._handler = signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._handler)
        if self._bar is not None:
            self._bar.stop()
        if isinstance(error, KeyboardInterrupt):
            typer.echo(
                "interrupted; everything finished is kept. Go on with the same command", err=True
            )
            raise typer.Exit(130) from None

    def on_record(self, done: int, total: int, record: Record) -> None:
        """Count a finished architecture."""
        self._failed += bool(record.missing)
        if self._before < 0:
            self._before = done - 1
            if self._console.is_terminal:
                self._open(done, total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=self._note())
            return
        now = time.monotonic()
        if now - self._said >= _SAY_SECONDS or done == total:
            self._said = now
            self._console.print(self._line(done, total, now), highlight=False, soft_wrap=True)

    def _open(self, done: int, total: int) -> None:
        self._bar = Progress(
            TextColumn("[bold]architectures"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("architectures", total=total, completed=done, note="")

    def _line(self, done: int, total: int, now: float) -> str:
        left = (now - self._begun) / (done - self._before) * (total - done)
        return f"{done}/{total} architectures, about {_clock(left)} left{self._note()}"

    def _note(self) -> str:
        return f", {self._failed} with failed trainings" if self._failed else ""


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
