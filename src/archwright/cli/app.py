"""The application object, the commands' groups, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.exceptions

from archwright.cli import (
    benchmarks,
    comparing,
    data,
    doctor,
    predicting,
    score_studies,
    searching,
    spaces,
    studies,
)
from archwright.errors import ArchwrightError, DataError

__all__ = ["app", "main"]

app = typer.Typer(
    name="archwright",
    help="Find a neural network architecture for your data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from archwright import __version__

        typer.echo(f"archwright {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere on the line.")
    ] = False,
) -> None:
    del version, debug


app.command("search")(searching.search)
app.command("resume")(searching.resume)
app.command("worker")(searching.worker)
app.command("compare")(comparing.compare)
app.command("leaderboard")(studies.leaderboard)
app.command("report")(studies.report)
app.command("export")(studies.export)
app.command("predict")(predicting.predict)
app.command("doctor")(doctor.doctor)
app.add_typer(spaces.app, name="space")
app.add_typer(data.app, name="data")
app.add_typer(benchmarks.app, name="benchmark")
app.add_typer(score_studies.app, name="score")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: Without the program's name; those of this process if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    command = typer.main.get_command(app)
    try:
        result = command.main(given, prog_name="archwright", standalone_mode=False)
    except ArchwrightError as error:
        if debug:
            raise
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        if debug:
            raise
        typer.echo("archwright: interrupted", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); nothing more can be told to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except typer.exceptions.TyperException as error:
        # The parser's own: an option or command that is not known, a value of the wrong type.
        _complain_of_usage(error)
        return 2
    return result if isinstance(result, int) else 0


def _complain(error: ArchwrightError) -> None:
    problems = error.problems if isinstance(error, DataError) else ()
    if len(problems) > 1:
        typer.echo(f"archwright: {len(problems)} problems in the data:", err=True)
        for problem in problems:
            typer.echo(f"  {problem}", err=True)
    else:
        typer.echo(f"archwright: {error}", err=True)


def _complain_of_usage(error: typer.exceptions.TyperException) -> None:
    context, show = getattr(error, "ctx", None), getattr(error, "show", None)
    message = error.format_message()
    if show is not None and (context is None or message == context.get_help()):
        show()  # help, where a command was left out
        return
    where = "archwright" if context is None else context.command_path
    typer.echo(f"archwright: {message.rstrip('.')} (see {where} --help)", err=True)
