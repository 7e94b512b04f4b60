"""The report: one HTML page that holds everything and loads nothing."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archwright.report import _canvas as house
from archwright.report._files import write_bytes
from archwright.report._page import (
    figure_item,
    flat,
    render_page,
    svg,
    tile,
    versions,
    without_password,
)
from archwright.report._text import duration, metric_text, moment, number, shorten
from archwright.report.decision_figures import decision_panels, draw_panel
from archwright.report.decisions import summary
from archwright.report.drawing import draw_architecture
from archwright.report.figures import anytime, learning_curves, tradeoff
from archwright.report.parallel_figures import parallel
from archwright.report.tables import best_trials, leaderboard
from archwright.report.view import StudyView
from archwright.trial import Status, Trial, feasible

__all__ = ["html", "write_html"]

_ROWS = 10  # of the leaderboard
_FAILURES = 50
_TRADEOFFS = ("parameters", "latency_ms")


def write_html(view: StudyView, path: str | Path, *, rows: int = _ROWS) -> Path:
    """Write the report of a study as one file; an older file is replaced in one step."""
    return write_bytes(Path(path), html(view, rows=rows).encode())


def html(view: StudyView, *, rows: int = _ROWS, written_at: float | None = None) -> str:
    """Return the report of a study as one self-contained HTML page.

    Everything that comes from the study is escaped; figures are inline SVG; the page loads
    nothing, follows the reader's light or dark mode and fits a narrow screen.

    Args:
        view: The study.
        rows: Length of the leaderboard.
        written_at: Time to state as the time of writing, seconds since the epoch; None for now.
    """
    best = view.best
    content = {
        "view": view,
        "lead": _lead(view),
        "tiles": list(_tiles(view)),
        "best": _best(view, best) if best else None,
        "no_best": _no_best(view),
        "final": _final(view),
        "leaderboard": _leaderboard(view, rows),
        "figures": list(_figures(view)),
        "failures": _failures(view),
        "setup": list(_setup(view)),
        "space_name": view.space.name,
        "space_head": ("decision", "kind", "values", "open when"),
        "space_rows": [list(row.values()) for row in view.space.describe()],
        "provenance": list(_provenance(view)),
        "commands": list(_commands(view)),
    }
    return render_page("page.html.j2", content, written_at)


def _lead(view: StudyView) -> str:
    size = view.space.size
    many = f"{number(size) if math.isfinite(size) else 'infinitely many'} architectures"
    data = f" on {view.data_name}" if view.data_name else ""
    strategy = f" with {view.strategy}" if view.strategy else ""
    text = f"A search of the space {view.space.name} ({many}){data}{strategy} for "
    goals = " and ".join(
        f"the {'highest' if o.direction == 'max' else 'lowest'} {o.metric}" for o in view.objectives
    )
    limits = " and ".join(map(_limit, view.constraints))
    return f"{text}{goals}{f' within {limits}' if limits else ''}."


def _limit(constraint: Any) -> str:
    sign = {"<=": "≤", ">=": "≥"}[constraint.operator]
    return f"{constraint.metric} {sign} {number(constraint.bound)}"


def _tiles(view: StudyView) -> Iterator[dict[str, str]]:
    objective = view.objectives[0]
    if best := view.best:
        value = metric_text(objective.metric, best.metrics[objective.metric])
        yield tile(f"best {objective.metric}", value, f"trial {best.number}")
        for metric in ("parameters", "latency_ms"):
            if metric in best.metrics:
                yield tile(metric, metric_text(metric, best.metrics[metric]), "of the best")
    else:
        yield tile(f"best {objective.metric}", "—", "no feasible trial yet")
    counts = Counter(trial.status for trial in view.trials)
    done = sum(count for status, count in counts.items() if status.finished)
    open_ = len(view.trials) - done
    failed = sum(count for status, count in counts.items() if status.failed)
    text = f"{counts[Status.COMPLETED]:,} completed, {failed:,} failed"
    yield tile("finished trials", f"{done:,}", text + (f", {open_:,} open" if open_ else ""))
    yield tile("cost of the trials", duration(view.cost_seconds), _wall(view))


def _wall(view: StudyView) -> str:
    if view.wall_seconds is None:
        return "summed"
    return f"in {duration(view.wall_seconds)} of wall time"


def _best(view: StudyView, best: Trial) -> dict[str, Any]:
    shape = view.input_shape
    drawing = draw_architecture(best.architecture, input_shape=shape, outputs=view.outputs)
    facts = [("trial", f"{best.number} ({best.proposal.origin or 'proposed'})")]
    facts += _metric_rows(best.metrics)
    facts.append(("cost", duration(best.cost_seconds)))
    return {
        "drawing": svg(drawing, "b"),
        "metrics": facts,
        "text": summary(best.architecture.values),
    }


def _metric_rows(metrics: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, metric_text(name, value)) for name, value in metrics.items()]


def _no_best(view: StudyView) -> str:
    if not any(trial.status.finished for trial in view.trials):
        return "No trial has finished yet."
    if not any(trial.status is Status.COMPLETED for trial in view.trials):
        return "No trial was completed; the reasons are listed below."
    return "No completed trial keeps every constraint."


def _final(view: StudyView) -> dict[str, Any] | None:
    if view.final is None:
        return None
    chosen, best = view.final.trial, view.best
    return {
        "when": moment(view.final.at),
        "trial": chosen,
        "metrics": _metric_rows(view.final.metrics),
        "overtaken": best.number if best and best.number != chosen else None,
    }


def _leaderboard(view: StudyView, rows: int) -> dict[str, Any]:
    frame = leaderboard(view.trials, view.objectives, view.constraints, rows)
    several = sum(feasible(trial, view.constraints) for trial in view.trials)
    distinct = len(best_trials(view.trials, view.objectives, view.constraints))
    cells = [
        [_cell(name, value) for name, value in zip(frame.columns, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    many = "1 architecture" if distinct == 1 else f"{distinct:,} different architectures"
    shown = f"The best {len(frame):,} of {many}" if distinct > len(frame) else many.capitalize()
    trials = "1 feasible trial" if several == 1 else f"{several:,} feasible trials"
    text = f"{shown} among {trials}, best first."
    head = [name.replace("cost_seconds", "cost") for name in frame.columns]
    numeric = tuple(name for name in head if name != "architecture")
    return {"head": head, "rows": cells, "numeric": numeric, "text": text}


def _cell(name: str, value: Any) -> str:
    if name == "architecture":
        return shorten(value, 240)
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return "—"
    return duration(value) if name == "cost_seconds" else metric_text(name, value)


def _figures(view: StudyView) -> Iterator[dict[str, Any]]:
    goals = (view.trials, view.objectives, view.constraints)
    if not any(trial.status.finished for trial in view.trials):
        return
    figure = anytime(*goals)
    yield figure_item("Progress by trials", "The best value so far, and every trial.", figure, "a0")
    figure = anytime(*goals, by="cost")
    yield figure_item("Progress by cost", "The same against what the trials cost.", figure, "a1")
    measured = {name for trial in view.trials for name in trial.metrics}
    first = view.objectives[0]
    wanted = dict.fromkeys([*(o.metric for o in view.objectives[1:]), *_TRADEOFFS])
    for place, metric in enumerate(wanted):
        completed = [t for t in view.trials if math.isfinite(first.loss(t)) and metric in t.metrics]
        if metric in measured and metric != first.metric and completed:
            text = "The line joins the trials that no other one beats in both."
            title = f"{shorten(first.metric)} against {shorten(metric)}"
            figure = tradeoff(*goals, metric=metric)
            yield figure_item(title, text, figure, f"t{place}")
    yield from _curves(view)
    yield from _decision_figures(view)


def _curves(view: StudyView) -> Iterator[dict[str, Any]]:
    best = best_trials(view.trials, view.objectives, view.constraints)
    recorded = [
        set(trial.outcome.measurement.curve)
        for trial in best[:5]
        if trial.outcome and trial.outcome.measurement
    ]
    names = set().union(*recorded)
    wanted = [view.objectives[0].metric, "val_loss", "train_loss"]
    for place, metric in enumerate([name for name in dict.fromkeys(wanted) if name in names][:2]):
        figure = learning_curves(view.trials, view.objectives, view.constraints, metric=metric)
        title = f"Learning curves: {shorten(metric)}"
        text = "After each epoch; the best architectures first."
        yield figure_item(title, text, figure, f"c{place}")


def _decision_figures(view: StudyView) -> Iterator[dict[str, Any]]:
    objective = view.objectives[0]
    shown = [trial for trial in view.trials if math.isfinite(objective.loss(trial))]
    panels = decision_panels(shown, objective)
    if not panels:
        return
    svgs = []
    for index, panel in enumerate(panels):
        figure = house.canvas(2.3, 1.9)
        draw_panel(figure.add_subplot(), panel, shown, objective, view.constraints)
        svgs.append(svg(figure, f"d{index}"))
    text = (
        f"Each completed trial's {objective.metric} against one decision; the best is orange, "
        "a dash marks trials in which the decision is not open."
    )
    yield {"title": "Decisions", "text": text, "panels": svgs, "wide": True}
    text = (
        "Each line is one trial. The best tenth is blue, the best one orange; a line passes "
        "below an axis where the decision is not open."
    )
    figure = parallel(view.trials, view.objectives, view.constraints)
    yield figure_item("All decisions together", text, figure, "p", wide=True)


def _failures(view: StudyView) -> dict[str, Any]:
    """List what went wrong, equal reasons together, the most frequent first."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in view.trials:
        if why := _why(view, trial):
            groups.setdefault(why, []).append(trial)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    rows = [
        [kind, shorten(reason, 300), f"{len(group):,}", _numbers(group), _example(group[0])]
        for (kind, reason), group in ordered[:_FAILURES]
    ]
    kinds: Counter[str] = Counter()
    for (kind, _), group in ordered:
        kinds[kind] += len(group)
    text = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common()) + "."
    if len(ordered) > _FAILURES:
        text += f" The {_FAILURES} most frequent of {len(ordered):,} reasons are listed."
    head = ("status", "reason", "count", "trials", "architecture of the first")
    return {"head": head, "rows": rows, "numeric": ("count",), "text": text}


def _why(view: StudyView, trial: Trial) -> tuple[str, str] | None:
    """Return the status and the reason of a trial that failed or breaks a constraint."""
    if trial.status.failed:
        return trial.status.replace("_", " "), trial.error or "no reason was recorded"
    if trial.status is Status.COMPLETED and not feasible(trial, view.constraints):
        broken = [c for c in view.constraints if c.violation(trial.metrics) > 0]
        return "infeasible", "breaks " + " and ".join(map(_limit, broken))
    return None


def _numbers(trials: Sequence[Trial]) -> str:
    text = ", ".join(str(trial.number) for trial in trials[:5])
    return f"{text} …" if len(trials) > 5 else text


def _example(trial: Trial) -> str:
    return shorten(summary(trial.architecture.values), 160)


def _setup(view: StudyView) -> Iterator[tuple[str, str]]:
    yield "objective", ", ".join(map(str, view.objectives))
    yield "constraints", ", ".join(map(_limit, view.constraints)) or "none"
    yield "budget", _budget(view)
    size = view.space.size
    yield "architectures in the space", number(size) if math.isfinite(size) else "infinitely many"
    if view.strategy:
        yield "strategy", view.strategy
    for name, value in flat(view.strategy_options):
        yield f"strategy {name}", value
    if view.seed is not None:
        yield "seed", str(view.seed)
    if view.created_at:
        yield "created", moment(view.created_at)


def _budget(view: StudyView) -> str:
    if view.budget is None:
        return "not stated"
    limits = view.budget.to_json()
    texts = {
        "trials": lambda value: f"{value:,} trials",
        "seconds": lambda value: f"{duration(value)} of wall time",
        "cost_seconds": lambda value: f"{duration(value)} of trial cost",
    }
    return ", ".join(texts[name](value) for name, value in limits.items())


def _provenance(view: StudyView) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    space = [("name", view.space.name), ("fingerprint", view.space.fingerprint)]
    sections: list[tuple[str, list[tuple[str, str]]]] = [
        (title, list(flat(facts))) for title, facts in view.facts.items()
    ]
    for title, rows in [*sections, ("Space", space)]:
        if rows:
            yield title, rows
    if best := view.best:
        rows = [("trial", str(best.number)), ("seed", str(best.seed))]
        rows.append(("key of the architecture", best.architecture.key))
        yield "The best trial", rows
    yield versions()


def _commands(view: StudyView) -> Iterator[tuple[str, str]]:
    study = shlex.quote(view.name)
    store = f" --store {shlex.quote(without_password(view.store))}" if view.store else ""
    yield "Continue the search where it stopped", f"archwright resume {study}{store}"
    yield "Help with another process or machine", f"archwright worker {study}{store}"
    yield "Show the leaderboard", f"archwright leaderboard {study}{store}"
    yield "Write this report again", f"archwright report {study}{store} --out report.html"
    yield "Predict with the exported network", "archwright predict MODEL DATA --out predictions.csv"
