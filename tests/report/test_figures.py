"""Figures say what the trials say, and their texts never lie on one another."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from archwright.errors import UnknownNameError
from archwright.report import (
    anytime,
    decisions,
    draw_architecture,
    learning_curves,
    parallel,
    save_figure,
    tradeoff,
)
from archwright.report._canvas import Window, canvas, inline_svg, label, render
from archwright.report.decision_figures import decision_panels
from archwright.space import Choice, Group, Integer, List, Real, Space, Subset
from archwright.testing.figures import outside, overlaps, texts
from archwright.trial import Constraint, Objective, Status, Trial

ACCURACY = [Objective("val_accuracy", "max")]
LONG = "a_very_long_metric_name_that_says_everything_there_is_to_say"
FIGURES: list[Callable[..., Figure]] = [anytime, tradeoff, learning_curves, decisions, parallel]
KINDS = ["one", "few", "many", "equal", "failed", "outlier", "long"]


@pytest.fixture(scope="module")
def cases(space, sample, finished) -> dict[str, tuple[list[Trial], list[Objective]]]:
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng=rng) for _ in range(10)]
    one = [finished(drawn[0], 0, val_accuracy=0.5, parameters=10.0)]
    equal = [finished(a, n, val_accuracy=0.5, parameters=10.0) for n, a in enumerate(drawn)]
    failed = [*one, finished(drawn[1], 1, status=Status.CRASHED, error="boom")]
    outlier = [finished(drawn[2], 99, val_accuracy=-1e9, parameters=1e9)]
    wordy = Space(
        {f"{LONG}_{n}": Choice(f"{LONG}_one", f"{LONG}_two", "$x_1$", "W" * 40) for n in range(4)}
        | {"rate": Real(1e-6, 1.0, log=True), "parts": Subset(*(LONG + c for c in "abcde"))},
        name="wordy",
    )
    long = [
        finished(
            wordy.sample(rng=rng), n, parameters=float(rng.integers(1, 10**9)), **{LONG: n / 9}
        )
        for n in range(12)
    ]
    return {
        "one": (one, ACCURACY),
        "few": (sample(space, 5), ACCURACY),
        "many": (sample(space, 200), ACCURACY),
        "equal": (equal, ACCURACY),
        "failed": (failed, ACCURACY),
        "outlier": (sample(space, 20) + outlier, ACCURACY),
        "long": (long, [Objective(LONG, "min")]),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_no_text_lies_on_another(draw, kind, cases) -> None:
    trials, objectives = cases[kind]
    figure = draw(trials, objectives, [Constraint.parse("parameters<=30000")])
    assert overlaps(figure) == []
    assert outside(figure) == []


def test_overlapping_texts_are_found() -> None:
    figure = canvas(4, 3)
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.5, "other")
    figure.text(0.99, 0.1, "cut at the edge")
    assert overlaps(figure) == [("one", "other")]
    assert outside(figure) == ["cut at the edge"]


def test_every_axis_is_labelled(trials) -> None:
    for draw in (anytime, tradeoff, learning_curves):
        (axes,) = draw(trials, ACCURACY).axes
        assert axes.get_xlabel()
        assert axes.get_ylabel() == "val_accuracy (fraction, higher is better)"


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_anytime_counts_what_it_shows(trials) -> None:
    constraint = Constraint.parse("parameters<=20000")
    completed = [trial for trial in trials if trial.status is Status.COMPLETED]
    kept = [trial for trial in completed if trial.metrics["parameters"] <= 20000]
    best = max(trial.metrics["val_accuracy"] for trial in kept)
    shown = legend_texts(anytime(trials, ACCURACY, [constraint]))
    assert f"best so far: {best:.4f}" in shown
    assert f"failed ({len(trials) - len(completed)})" in shown
    assert f"infeasible ({len(completed) - len(kept)})" in shown


def test_anytime_of_failures_alone_marks_them(trials) -> None:
    failed = [trial for trial in trials if trial.status.failed]
    figure = anytime(failed, ACCURACY)
    assert legend_texts(figure) == [f"failed ({len(failed)})"]
    assert figure.axes[0].get_xlim()[1] >= len(failed)


def test_anytime_without_trials_says_so() -> None:
    assert "no trial has finished yet" in [t.get_text() for t in texts(anytime([], ACCURACY))]


def test_tradeoff_draws_the_pareto_front_of_the_feasible(space, finished, trials) -> None:
    points = [(10, 0.5), (20, 0.7), (30, 0.6), (40, 0.9), (50, 0.99)]
    some = [
        finished(trials[n].architecture, n, parameters=float(x), val_accuracy=y)
        for n, (x, y) in enumerate(points)
    ]
    figure = tradeoff(some, ACCURACY, [Constraint.parse("parameters<=45")])
    assert "Pareto front (3)" in legend_texts(figure)
    assert "infeasible (1)" in legend_texts(figure)
    (front,) = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
    assert list(front.get_xdata()) == [10, 20, 40]


def test_tradeoff_rejects_a_metric_that_nobody_measured(trials) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown measured metric 'parameter' \(did you"):
        tradeoff(trials, ACCURACY, metric="parameter")


def test_learning_curves_of_the_best(trials) -> None:
    figure = learning_curves(trials, ACCURACY, n=3)
    best = max(trials, key=lambda trial: trial.metrics.get("val_accuracy", 0.0))
    assert legend_texts(figure)[0] == f"trial {best.number}"
    assert len(legend_texts(figure)) == 3
    silent = learning_curves(trials, ACCURACY, metric="val_f1")
    assert "no trial has recorded a curve of val_f1" in [t.get_text() for t in texts(silent)]


def test_decision_panels_put_the_decision_that_matters_first(finished) -> None:
    space = Space(
        noise=Integer(1, 50), matters=Choice("a", "b"), same=Choice("x"), late=Integer(0, 1)
    )
    rng = np.random.default_rng(1)
    trials = []
    for number in range(60):
        architecture = space.sample(rng=rng)
        value = float(architecture["matters"] == "b") + 0.01 * rng.random()
        trials.append(finished(architecture, number, val_accuracy=value))
    panels = decision_panels(trials, ACCURACY[0])
    assert [panel.column.path for panel in panels] == ["noise", "matters", "late"]
    (first,) = decision_panels(trials, ACCURACY[0], n=1)
    assert first.column.path == "matters"
    share = float(np.mean([trial.architecture["matters"] == "b" for trial in trials]))
    # Two groups whose ranks do not mix: between-group over total variance of 1 .. n.
    assert first.association == pytest.approx(3 * share * (1 - share) / (1 - 1 / 60**2))
    assert panels[0].association < 0.3


def test_decisions_that_do_not_differ_are_not_drawn(space, finished, trials) -> None:
    one = finished(trials[0].architecture, 0, val_accuracy=0.5)
    for draw in (decisions, parallel):
        words = [text.get_text() for text in texts(draw([one], ACCURACY))]
        assert words == ["the completed trials do not differ in any decision"]
        assert [t.get_text() for t in texts(draw([], ACCURACY))] == ["no completed trial yet"]


@pytest.mark.parametrize(
    ("space", "values", "expected"),
    [
        (
            Space(hidden=List(Integer(1, 999), 0, 9), activation=Choice("relu")),
            {"hidden": [120, 80], "activation": "relu"},
            {"120", "80", "hidden.0", "hidden.1", "input", "3 × 8 × 8", "output", "10"},  # noqa: RUF001
        ),
        (
            Space(stages=List(Group(depth=Integer(1, 9), width=Choice(8, 16)), 1, 9)),
            {"stages": [{"depth": 2, "width": 8}, {"depth": 9, "width": 16}]},
            {"stages.0", "stages.1", "depth", "width", "2", "9", "8", "16"},
        ),
        (
            Space(
                {
                    "cell.edge_0": Choice("conv", "skip"),
                    "cell.edge_1": Choice("conv"),
                    "n": Choice(3),
                }
            ),
            {"cell.edge_0": "skip", "cell.edge_1": "conv", "n": 3},
            {"cell", "edge_0", "skip", "edge_1", "conv", "n", "3"},
        ),
    ],
    ids=["layers", "stages", "tree"],
)
def test_drawing_names_everything(space, values, expected) -> None:
    figure = draw_architecture(space.architecture(values), input_shape=(3, 8, 8), outputs=10)
    assert expected <= {text.get_text() for text in texts(figure)}
    assert overlaps(figure) == []


@pytest.mark.parametrize("length", [0, 1, 5])
def test_drawing_of_any_length_fits(length: int) -> None:
    layers = Space(
        hidden=List(Integer(1, 99999), 0, 9), **{f"option_{n}": Choice(LONG) for n in range(5)}
    )
    values = {"hidden": [99999] * length} | {f"option_{n}": LONG for n in range(5)}
    assert overlaps(draw_architecture(layers.architecture(values))) == []
    if length:
        group = Group(depth=Integer(1, 99), width=Integer(1, 99999), **{LONG: Choice(LONG)})
        stages = Space(stages=List(group, 1, 9))
        values = {"stages": [{"depth": 99, "width": 99999, LONG: LONG}] * length}
        assert overlaps(draw_architecture(stages.architecture(values))) == []


def test_window_shows_the_good_ones_and_marks_the_rest() -> None:
    window = Window([0.90, 0.91, 0.92, 0.93, -1e9], "max")
    clipped, moved = window.clip([0.9, -1e9])
    assert moved.tolist() == [False, True]
    assert window.low < clipped[1] < 0.9 < 0.93 < window.high
    assert Window([1.0, 1.0], "min").low < 1.0 < Window([1.0, 1.0], "min").high
    low = Window([1.0, 1.1, 1.2, 1e9], "min")
    assert low.high < 2


def test_label_is_never_mathematics_and_never_too_wide() -> None:
    assert label("$x$") == r"\$x\$"
    assert len(label("W" * 100, 20)) <= 14
    figure = Figure()
    figure.text(0.1, 0.5, label(r"$\no_such_command{$"))
    render(figure, "svg")


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_figures_are_saved_whole_and_alike(ending, trials, tmp_path) -> None:
    path = tmp_path / "new" / f"figure.{ending}"
    assert save_figure(anytime(trials, ACCURACY), path) == path
    first = path.read_bytes()
    save_figure(anytime(trials, ACCURACY), path)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if ending == "png":
        assert Image.open(io.BytesIO(first)).size == (940, 640)


def test_figures_are_saved_in_known_formats_only(trials, tmp_path) -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown figure format 'jpg' .*; allowed: png, svg"
    ):
        save_figure(anytime(trials, ACCURACY), tmp_path / "figure.jpg")
    assert list(tmp_path.iterdir()) == []


def test_inline_svg_stands_alone(trials) -> None:
    svg = inline_svg(anytime(trials, ACCURACY), "one")
    assert svg.startswith("<svg")
    assert "http" not in svg
    assert 'id="one-0"' in svg
    assert "var(--vermilion)" in svg
    assert "var(--ink)" in svg


def test_drawing_changes_no_global_state(trials) -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    render(anytime(trials, ACCURACY), "svg")
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []
