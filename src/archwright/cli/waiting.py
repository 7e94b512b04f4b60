"""What long commands have in common: a polite end, and a word now and then."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

import typer

__all__ = ["Said", "interruptible", "resumable"]


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Stop on Ctrl-C and on a polite kill, and say what is kept and how to go on."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {advice}", err=True)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def resumable(study: str, store: str | None) -> AbstractContextManager[None]:
    """Stop like `interruptible`; `archwright resume` goes on with the study."""
    where = f" --store {shlex.quote(store)}" if store else ""
    return interruptible(
        f"everything finished is kept. Go on with: archwright resume {shlex.quote(study)}{where}"
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


class Said:
    """Says on standard error now and then how many of all are done, and at the end.

    Args:
        text: With places for `done` and `total`.
        seconds: The shortest pause between two lines.
    """

    def __init__(self, text: str, *, seconds: float) -> None:
        self._text = text
        self._seconds = seconds
        self._at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Hear how many are done."""
        now = time.monotonic()
        if now - self._at >= self._seconds or done == total:
            self._at = now
            typer.echo(self._text.format(done=done, total=total), err=True)
