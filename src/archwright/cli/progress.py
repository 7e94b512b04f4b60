"""Show how a search goes on: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from archwright.run import Callback
from archwright.trial import Constraint, Objective, Trial, incumbent

__all__ = ["Display"]

_SCORED_SECONDS = 5.0
"""The shortest pause between two lines about scoring."""


class Display(Callback):
    """Follows a study on standard error.

    Args:
        objectives: What is wanted; the first one says which trial is best.
        constraints: Trials that break them do not count as best.
        title: Said at the start.
        before: Trials of earlier runs.
        console: Where to write.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        title: str = "",
        before: Sequence[Trial] = (),
        console: Console | None = None,
    ) -> None:
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.title = title
        self.console = console or Console(stderr=True)
        self.heard = 0
        """How many finished trials it was told of."""
        self._best = incumbent(before, self.objectives, self.constraints)
        self._done = 0
        self._failed = 0
        self._total: int | None = None
        self._bar: Progress | None = None
        self._said_at = 0.0
        self._scored = 0
        self._epochs: dict[int, int] = {}

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_start(self, done: int, total: int | None) -> None:
        """Open the display."""
        self._done, self._total = done, total
        if self.title:
            self.console.print(self.title, highlight=False, markup=False, soft_wrap=True)
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("[bold]trials"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=self.console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("trials", total=total, completed=done, note="")
        elif done:
            self.console.print(f"{done} trials were finished before", highlight=False)

    def on_progress(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Show the epochs of what is being trained."""
        del metrics
        if self._bar is None:
            return
        self._epochs[number] = epoch
        if time.monotonic() - self._said_at > 0.1:
            self._said_at = time.monotonic()
            self._bar.update(self._task, note=self._note())

    def on_scored(self, architectures: int) -> None:
        """Say now and then how many architectures were scored before one is proposed."""
        self._scored = architectures
        now = time.monotonic()
        if now - self._said_at < (0.1 if self._bar else _SCORED_SECONDS):
            return
        self._said_at = now
        if self._bar is not None:
            self._bar.update(self._task, note=self._note())
        else:
            self.console.print(f"guide: {architectures} candidates scored", highlight=False)

    def on_trial(self, trial: Trial) -> None:
        """Count a finished trial and say whether it is the best."""
        # Workers elsewhere finish trials of the study too; its place among all says how many.
        order = trial.finished_order
        self._done = max(self._done + 1, 0 if order is None else order + 1)
        self.heard += 1
        self._failed += trial.status.failed
        self._epochs.pop(trial.number, None)
        rivals = [trial] if self._best is None else [self._best, trial]
        better = incumbent(rivals, self.objectives, self.constraints) is trial
        if better:
            self._best = trial
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, note=self._note())
        else:
            self.console.print(
                self._line(trial, better), highlight=False, markup=False, soft_wrap=True
            )

    def on_stop(self, reason: str) -> None:
        """Close the display."""
        self.__exit__()
        self.console.print(f"stopped: {reason}", highlight=False, markup=False, soft_wrap=True)

    def _note(self) -> str:
        parts = []
        if self._best is not None:
            metric = self.objectives[0].metric
            value = self._best.metrics[metric]
            parts.append(f"best {metric} {value:.4g} (trial {self._best.number})")
        if self._failed:
            parts.append(f"{self._failed} failed")
        if self._scored:
            parts.append(f"{self._scored} scored")
        if self._epochs:
            parts.append(f"training {len(self._epochs)}, epoch {min(self._epochs.values())}")
        return ", ".join(parts)

    def _line(self, trial: Trial, better: bool) -> str:
        of = f"/{self._total}" if self._total else ""
        head = f"trial {trial.number} ({self._done}{of})"
        if trial.status.failed:
            return f"{head} {trial.status}: {trial.error}"
        shown = ", ".join(
            f"{objective.metric} {trial.metrics[objective.metric]:.4g}"
            for objective in self.objectives
            if objective.metric in trial.metrics
        )
        return f"{head} {shown}{' *' if better else ''}"
