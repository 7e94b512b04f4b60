"""Frames and sentences say what the records hold, figures too, and their texts stay apart."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from archwright.errors import UnknownNameError
from archwright.report import (
    answers,
    answers_frame,
    comparison_curves,
    comparison_panel,
    curve_frame,
    final_table,
    ranks,
    run_frame,
    save_figure,
    sentences,
)
from archwright.report._canvas import canvas
from archwright.report.comparison import value_text
from archwright.report.comparison_figures import draw_curves
from archwright.testing.figures import outside, overlaps, texts
from archwright.trial import Budget, Measured

LONG = [
    ("regularized-evolution", {"population": 10, "sample_size": 3, "removal": "worst"}),
    ("regularized-evolution", {"population": 30, "sample_size": 10, "replacement": False}),
    ("regularized-evolution", {"population": 5, "sample_size": 2}),
    "local-search",
    "genetic",
    "evolution",
    "grid",
]


@pytest.fixture(scope="module")
def cases(compared):
    clock = Budget(cost_seconds=900)
    return {
        "two": compared("local-search", budget=clock),
        "one": compared(repeats=1, budget=3),
        "many": compared("local-search", budget=60, repeats=300),
        "timeless": compared("local-search", table={"seconds": False}),
        "validation": compared("local-search", table={"test": False}),
        "found": compared("grid", "local-search", budget=256, recorded="mean"),
        "workers": compared("local-search", budget=Budget(seconds=300), workers=4),
        "wide": compared(*LONG[:4], "genetic", "grid", budget=30),
    }


KINDS = ["two", "one", "many", "timeless", "validation", "found", "workers", "wide"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_lies_on_another(kind, cases) -> None:
    comparison, log = cases[kind], kind in ("two", "wide")
    by = "seconds" if comparison.has_time else "evaluations"
    panel = comparison_panel(comparison, comparison.kinds[-1], by=by, log=not log)
    figures = [
        comparison_curves(comparison, log=log),
        answers(comparison),
        ranks(comparison),
        panel,
    ]
    for figure in filter(None, figures):
        assert overlaps(figure) == []
        assert outside(figure) == []


def test_axes_say_what_they_show_and_in_which_unit(cases) -> None:
    said = [
        (axes.get_xlabel(), axes.get_ylabel().replace("\n", " "))
        for axes in comparison_curves(cases["two"]).axes
    ]
    value = "test_accuracy of the incumbent (fraction, higher is better)"
    regret = "regret in test_accuracy (fraction, lower is better)"
    assert said == [
        ("evaluations", value),
        ("evaluations", regret),
        ("simulated time (seconds)", value),
        ("simulated time (seconds)", regret),
    ]
    assert len(comparison_curves(cases["timeless"]).axes) == 2
    (axes,) = comparison_panel(cases["validation"]).axes
    assert axes.get_ylabel().startswith("val_accuracy of the incumbent")


def test_lines_are_the_means_of_the_repeats(cases) -> None:
    comparison = cases["two"]
    frame = curve_frame(comparison, "mean_test")
    (axes,) = comparison_panel(comparison, "mean_test").axes
    for line, (_, part) in zip(axes.lines, frame.groupby("strategy", sort=False), strict=True):
        assert line.get_xdata().tolist() == part["evaluations"].tolist()
        assert line.get_ydata().tolist() == part["mean"].tolist()
    assert {text.get_text() for text in texts(comparison_panel(comparison))} >= {
        "random",
        "local-search",
        "mean and middle half of 6 repeats",
    }


def test_a_long_curve_is_thinned_but_keeps_its_ends(compared) -> None:
    comparison = compared(table={"edges": 5}, budget=900, repeats=2)
    (axes,) = comparison_panel(comparison).axes
    (line,) = axes.lines
    assert len(line.get_xdata()) <= 300
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (1, 900)
    assert line.get_ydata()[-1] == curve_frame(comparison)["mean"].iloc[-1]


def test_a_found_optimum_lies_on_the_lower_edge(cases) -> None:
    comparison = cases["found"]
    (axes,) = comparison_panel(comparison, "validation_regret").axes
    floor = axes.get_ylim()[0]
    assert axes.get_yscale() == "log"
    for line in axes.lines:
        assert line.get_ydata()[-1] == pytest.approx(floor)
        assert (line.get_ydata() >= floor * (1 - 1e-9)).all()


def test_where_every_one_is_perfect_the_axis_is_plain(compared) -> None:
    comparison = compared(table={"edges": 1}, budget=4, recorded="mean")
    axes = canvas(4, 3).add_subplot()
    comparison.runs[0].validation[:] = 1.0
    comparison.runs[0].mean_validation[:] = comparison.validation.optimum
    draw_curves(axes, comparison, "validation_regret")
    assert axes.get_yscale() == "linear"
    assert axes.get_yticks().tolist() == [0]


def test_every_answer_is_a_dot(cases) -> None:
    figure = answers(cases["two"])
    dots = np.concatenate([c.get_offsets()[:, 0] for c in figure.axes[0].collections])
    finals = [cases["two"].last(runs, "mean_test") for runs in cases["two"].runs]
    assert sorted(dots.tolist()) == pytest.approx(sorted(np.concatenate(finals).tolist()))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["random", "local-search"]
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]  # the first on top


def test_an_optimum_far_away_does_not_flatten_the_answers(cases) -> None:
    from dataclasses import replace

    comparison = cases["two"]
    far = replace(comparison, test=replace(comparison.test, optimum=5.0))
    figure = answers(far)
    assert figure.axes[0].get_xlim()[1] < 1
    assert "best recorded mean (5, off the scale)" in {text.get_text() for text in texts(figure)}


def test_ranks_are_drawn_from_three_strategies_on(cases) -> None:
    assert ranks(cases["two"]) is None
    said = " ".join(text.get_text() for text in texts(ranks(cases["wide"])))
    assert "mean rank over 6 repeats (1 is the best)" in said
    assert "Nemenyi, 5 %" in said


def test_figures_are_the_same_every_time(cases, tmp_path) -> None:
    first = save_figure(comparison_curves(cases["two"]), tmp_path / "a.png").read_bytes()
    assert save_figure(comparison_curves(cases["two"]), tmp_path / "b.png").read_bytes() == first
    assert Image.open(io.BytesIO(first)).size == (1920, 1300)


def test_run_frame_holds_the_whole_curve(cases) -> None:
    comparison = cases["two"]
    frame = run_frame(comparison)
    for runs in comparison.runs:
        for repeat in range(runs.repeats):
            part = frame[(frame["strategy"] == runs.contender.label) & (frame["repeat"] == repeat)]
            n = int(runs.counted[repeat])
            assert part["event"].tolist() == ["incumbent"] * (len(part) - 1) + ["end"]
            assert part["evaluation"].iloc[-1] == n
            held = runs.held(runs.mean_test)[repeat, :n]
            places = part["evaluation"].to_numpy() - 1
            steps = np.searchsorted(places[:-1], np.arange(n), side="right") - 1
            assert np.array_equal(part["mean_test"].to_numpy()[steps], held)
            assert part["seconds"].tolist() == runs.finish[repeat, places].tolist()
            assert (np.diff(part["validation"].iloc[:-1]) > 0).all()
            assert set(part["seed"]) == {runs.seeds[repeat]}


def test_answers_frame_has_one_row_for_each_repeat(cases) -> None:
    comparison = cases["two"]
    frame = answers_frame(comparison)
    assert len(frame) == 12
    means = frame.groupby("strategy", sort=False)["mean_test"].mean()
    assert means.tolist() == pytest.approx(final_table(comparison)["mean"].tolist())
    space = comparison.runs[0].answers[0].space
    for row in frame.itertuples():
        assert space.number(space.parse(row.architecture).codes) == row.row
        assert row.seconds <= 900


def test_sentences_give_n_interval_and_test(cases) -> None:
    first, *answered, pair = sentences(cases["two"])
    assert first == (
        "2 strategies on toy, 6 repeats of 900 recorded seconds each; answers were chosen by "
        "val_accuracy and are judged by test_accuracy (fraction) after 12 epochs."
    )
    assert all("95 % interval" in line and "n = 6" in line for line in [*answered, pair])
    assert re.match(r"local-search against random: (better|worse|not shown to differ); mean", pair)
    assert re.search(r"Wilcoxon signed-rank p = 0\.\d{4}, effect [+-]\d\.\d\d\.$", pair)
    row = final_table(cases["two"]).iloc[1]
    assert f"better in {row['wins']}, equal in {row['ties']}, worse in {row['losses']}" in pair


def test_sentences_of_one_repeat_claim_nothing(compared) -> None:
    said = " ".join(sentences(compared("local-search", repeats=1, budget=9)))
    assert "in a single repeat, which says nothing about its spread" in said
    assert "nothing follows from one" in said
    assert "interval" not in said
    assert "Wilcoxon" not in said


def test_sentences_of_many_strategies(cases) -> None:
    said = sentences(cases["wide"])
    assert "Holm-corrected over 6" in said[-2]
    assert said[-1].startswith("Mean ranks over 6 repeats: random ")
    assert "on 4 simulated workers; answers" in sentences(cases["workers"])[0]
    assert "300 seconds of simulated time" in sentences(cases["workers"])[0]


def test_verdicts_follow_the_corrected_test(compared) -> None:
    comparison = compared("local-search", repeats=40, budget=60, recorded="mean")
    row = final_table(comparison, "mean_test").iloc[1]
    assert row["p_holm"] < 0.05
    assert "local-search against random: better;" in sentences(comparison)[-1]


@pytest.mark.parametrize(
    ("value", "unit", "signed", "expected"),
    [
        (0.94325, "fraction", False, "0.9433"),
        (-0.0012, "fraction", True, "−0.00120"),  # noqa: RUF001
        (94.2533, "percent", False, "94.253"),
        (0.5, "percent", True, "+0.500"),
        (1234567.0, "count", False, "1,234,567"),
        (float("nan"), "percent", False, "—"),
    ],
)
def test_values_have_as_many_digits_as_their_unit_wants(value, unit, signed, expected) -> None:
    measured = Measured("m", unit, "max", "", None, 1.0, 0)
    assert value_text(value, measured, signed=signed) == expected


def test_what_is_not_there_is_refused(cases) -> None:
    with pytest.raises(UnknownNameError, match="kind of value 'mean_test'; allowed: validation"):
        comparison_panel(cases["validation"], "mean_test")
    with pytest.raises(UnknownNameError, match="axis of a comparison 'wall'"):
        comparison_panel(cases["two"], by="wall")
    with pytest.raises(UnknownNameError, match="band 'sd'"):
        comparison_curves(cases["two"], band="sd")


def test_nothing_of_pyplot_is_touched(cases) -> None:
    comparison_curves(cases["two"])
    if "matplotlib.pyplot" in sys.modules:
        from matplotlib import pyplot

        assert pyplot.get_fignums() == []
