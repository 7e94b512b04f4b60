"""benchmark build: a table of one's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from archwright.cli.options import (
    DataArgument,
    DataOptions,
    NameOption,
    RecipeOption,
    SeedOption,
    SkeletonOption,
    SpaceArgument,
    SpaceOptionsOption,
    TableOption,
    data_options,
    with_options,
)
from archwright.cli.values import settings, shown_path
from archwright.cli.waiting import interruptible

if TYPE_CHECKING:
    from archwright.evaluate.building import Record

__all__ = ["build"]

_SAY_SECONDS = 10.0


@with_options(data_options)
def build(
    space: SpaceArgument,
    data: DataArgument,
    out: TableOption,
    data_options: DataOptions,
    space_option: SpaceOptionsOption = None,
    skeleton: SkeletonOption = None,
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
    recipe: RecipeOption = None,
    norm_momentum: Annotated[
        float | None,
        typer.Option(
            "--norm-momentum",
            help="Share of a batch in the statistics of batch normalisation; default: the "
            "networks' own.",
        ),
    ] = None,
    name: NameOption = None,
    seed: SeedOption = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Training processes.")] = 1,
) -> None:
    """Train the architectures of SPACE on DATA and write a table; run again to go on."""
    from archwright.frontdoor.building import build_benchmark

    kept = "everything finished is kept. Go on with the same command"
    with interruptible(kept), _Display() as display:
        written = build_benchmark(
            space,
            data,
            out,
            space_options=settings(space_option, "--space-option"),
            skeleton=settings(skeleton, "--skeleton"),
            data_options=data_options,
            recipe=settings(recipe, "--recipe"),
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
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

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


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
