"""compare: strategies against each other on a benchmark table."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from archwright.cli.options import (
    BenchmarkArgument,
    DatasetOption,
    JsonOption,
    PathOption,
    SeedOption,
)
from archwright.cli.tables import print_rows
from archwright.cli.values import SECONDS, UsageError, name_and_options, shown_path
from archwright.trial import Budget

if TYPE_CHECKING:
    from archwright.frontdoor import ComparisonResult

__all__ = ["compare", "read_budget", "read_recorded"]

_BUDGET = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE]\+?\d+)?)\s*([A-Za-z]*)\s*")


def compare(
    benchmark: BenchmarkArgument,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            help="NAME or NAME:OPTION=VALUE,OPTION=VALUE; may be given several times.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for figure, tables and report.")
    ] = None,
    path: PathOption = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Searches of each.")] = 10,
    budget: Annotated[
        str, typer.Option("--budget", help="Of each search: 500trials, or simulated time: 5e6s.")
    ] = "500trials",
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Simulated workers of each search.")
    ] = 1,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Real processes that share the work.")
    ] = 1,
    dataset: DatasetOption = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Length of training that strategies see."),
    ] = None,
    objective: Annotated[
        str, typer.Option("--objective", help="By what strategies choose.")
    ] = "max:val_accuracy",
    report: Annotated[
        str | None,
        typer.Option(
            "--report", help="What is told of answers: METRIC, METRIC@EPOCHS or DATASET/METRIC."
        ),
    ] = None,
    recorded: Annotated[
        str,
        typer.Option(
            "--recorded", help="Which recorded training is seen: drawn, mean, or its number."
        ),
    ] = "drawn",
    guide: Annotated[
        Path | None,
        typer.Option(
            "--guide",
            help="Scores of archwright score, for strategies that look at some: filtered, "
            "guided-evolution, predictor; predictor:guide=naswot takes one, guide=null none.",
        ),
    ] = None,
    seed: SeedOption = 0,
    no_random: Annotated[
        bool, typer.Option("--no-random", help="Leave out random search, the baseline.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare strategies on BENCHMARK: curves, final table with intervals and tests, report."""
    from archwright import frontdoor
    from archwright.frontdoor.places import made_folders
    from archwright.frontdoor.score_files import read_scores

    if out is None:
        raise UsageError("compare needs a folder for what it finds; name it with --out DIR")
    strategies = [name_and_options(text, "--strategy") for text in strategy or ()]
    if not strategies:
        raise UsageError("compare needs at least one strategy; name it with --strategy NAME")
    limit = read_budget(budget)
    scores = None if guide is None else read_scores(guide)
    with made_folders(out), Display() as display:
        found = frontdoor.compare(
            benchmark,
            strategies,
            repeats=repeats,
            budget=limit,
            path=path,
            dataset=dataset,
            seed=seed,
            workers=workers,
            processes=processes,
            objective=objective,
            epochs=epochs,
            report=report,
            recorded=read_recorded(recorded),
            guide=scores,
            include_random=not no_random,
            progress=display.on_progress,
        )
        found.save(out)
    if as_json:
        typer.echo(json.dumps(json.loads(found.frame().to_json(orient="records")), indent=1))
    else:
        _print(found, out)


def read_budget(text: str) -> Budget:
    """Read "500trials", "500", "5e6s", "20h" of simulated time.

    Raises:
        UsageError: If the text has another form.
    """
    match = _BUDGET.fullmatch(text)
    number, unit = (float(match[1]), match[2].lower()) if match else (0.0, "")
    if unit in ("", "trial", "trials") and number >= 1 and number.is_integer():
        return Budget(trials=int(number))
    if number > 0 and unit and unit in SECONDS:
        return Budget(seconds=number * SECONDS[unit])
    raise UsageError(
        f"--budget must look like 500trials (evaluations) or 5e6s, 90m, 20h (simulated time); "
        f"got {text!r}"
    )


def read_recorded(text: str) -> str | int:
    """Read "drawn", "mean" or the number of a recorded training."""
    return int(text) if text.isdecimal() else text


def _print(found: ComparisonResult, out: Path) -> None:
    from archwright.frontdoor.comparing import FILES

    frame = found.frame()
    columns = ["strategy", "n", "mean", "ci_low", "ci_high", "regret", "difference", "p_holm"]
    rows = [[_plain(value) for value in row] for row in frame[columns].itertuples(index=False)]
    print_rows(columns, rows)
    for line in found.summary().splitlines():
        typer.echo(line)
    typer.echo(f"{', '.join(FILES)} in {shown_path(out)}")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


class Display:
    """Follows a comparison on standard error: a bar on a terminal, else a line per strategy."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars: dict[str, Any] = {}
        self._progress: Progress | None = None

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("repeats"),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def on_progress(self, label: str, done: int, total: int) -> None:
        """Hear that some repeats of a strategy are done."""
        if self._progress is None:
            if done == total:
                text = f"{label}: {total:,} of {total:,} repeats"
                self.console.print(text, highlight=False, markup=False, soft_wrap=True)
            return
        if label not in self._bars:
            self._bars[label] = self._progress.add_task(label, total=total)
        self._progress.update(self._bars[label], completed=done)
