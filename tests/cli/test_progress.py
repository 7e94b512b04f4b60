from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from archwright.cli.progress import Display
from archwright.space import Integer, Space
from archwright.trial import Constraint, Measurement, Objective, Outcome, Proposal, Status, Trial

SPACE = Space(x=Integer(1, 99))
OBJECTIVE = Objective("val_accuracy", "max")


def trial(number: int, accuracy: float | None, parameters: float = 10.0) -> Trial:
    proposed = Trial(number, Proposal(SPACE.architecture({"x": number + 1})), seed=0)
    if accuracy is None:
        return proposed.finish(Outcome(Status.CRASHED, error="ValueError: [bold]no[/bold]"))
    metrics = {"val_accuracy": accuracy, "parameters": parameters}
    return proposed.finish(Outcome.completed(Measurement(metrics)))


def display(*, terminal: bool, **more: object) -> tuple[Display, StringIO]:
    file = StringIO()
    console = Console(file=file, force_terminal=terminal, width=120)
    return Display([OBJECTIVE], console=console, **more), file  # type: ignore[arg-type]


def test_plain_lines_say_what_came_of_each_trial() -> None:
    shown, file = display(terminal=False, title="study wines: [wine]")
    with shown:
        shown.on_start(0, 4)
        shown.on_progress(0, 1, {})
        for finished in (trial(0, 0.5), trial(1, 0.25), trial(2, None), trial(3, 0.75)):
            shown.on_trial(finished)
        shown.on_stop("all 4 trials done")
    assert file.getvalue().splitlines() == [
        "study wines: [wine]",
        "trial 0 (1/4) val_accuracy 0.5 *",
        "trial 1 (2/4) val_accuracy 0.25",
        "trial 2 (3/4) crashed: ValueError: [bold]no[/bold]",
        "trial 3 (4/4) val_accuracy 0.75 *",
        "stopped: all 4 trials done",
    ]


def test_earlier_trials_count() -> None:
    shown, file = display(terminal=False, before=[trial(0, 0.5)])
    shown.on_start(1, None)
    shown.on_trial(trial(1, 0.25))
    shown.on_trial(trial(2, 0.75))
    assert file.getvalue().splitlines() == [
        "1 trials were finished before",
        "trial 1 (2) val_accuracy 0.25",
        "trial 2 (3) val_accuracy 0.75 *",
    ]


def test_trials_that_other_workers_finished_count() -> None:
    shown, file = display(terminal=False)
    shown.on_start(2, 40)
    for number, order in ((5, 2), (9, 6)):
        finished = trial(number, 0.5)
        assert finished.outcome is not None
        shown.on_trial(finished.finish(finished.outcome, order=order))
    assert shown.heard == 2
    assert file.getvalue().splitlines()[1:] == [
        "trial 5 (3/40) val_accuracy 0.5 *",
        "trial 9 (7/40) val_accuracy 0.5",
    ]


def test_what_breaks_a_constraint_is_not_the_best() -> None:
    shown, file = display(terminal=False, constraints=[Constraint("parameters", "<=", 50)])
    shown.on_start(0, 2)
    shown.on_trial(trial(0, 0.9, parameters=99))
    shown.on_trial(trial(1, 0.5))
    assert [line.endswith("*") for line in file.getvalue().splitlines()] == [False, True]


def test_a_terminal_gets_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archwright.cli.progress.time.monotonic", iter(range(100)).__next__)
    shown, file = display(terminal=True)
    with shown:
        shown.on_start(0, 3)
        shown.on_progress(0, 4, {})
        shown.on_progress(1, 2, {})
        shown.on_trial(trial(0, 0.5))
        shown.on_trial(trial(1, None))
        assert shown._note() == "best val_accuracy 0.5 (trial 0), 1 failed"
        shown.on_progress(2, 7, {})
        assert shown._note().endswith("1 failed, training 1, epoch 7")
        shown.on_stop("asked to stop")
    text = file.getvalue()
    assert "\x1b[" in text
    assert "2/3" in text
    assert "trial 0 (" not in text
    assert text.rstrip().endswith("stopped: asked to stop")


def test_the_display_is_closed_when_the_study_fails() -> None:
    shown, file = display(terminal=True)
    shown.on_start(0, None)
    shown.on_trial(trial(0, 0.5))
    with pytest.raises(RuntimeError, match="broken"), shown:
        raise RuntimeError("broken")
    hidden, back = "\x1b[?25l", "\x1b[?25h"
    assert file.getvalue().rfind(back) > file.getvalue().rfind(hidden), "the cursor is back"


def test_scoring_for_a_guide_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 101.0, 104.9, 105.0, 111.0])
    monkeypatch.setattr("archwright.cli.progress.time.monotonic", lambda: next(clock))
    shown, file = display(terminal=False)
    for architectures in range(1, 6):
        shown.on_scored(architectures)
    lines = [f"guide: {n} candidates scored" for n in (1, 4, 5)]
    assert file.getvalue().splitlines() == lines


def test_scoring_for_a_guide_shows_in_the_bar() -> None:
    shown, file = display(terminal=True)
    with shown:
        shown.on_start(0, 3)
        shown.on_scored(12)
        shown.on_trial(trial(0, 0.5))
        assert shown._note() == "best val_accuracy 0.5 (trial 0), 12 scored"
    assert "12 scored" in file.getvalue()
