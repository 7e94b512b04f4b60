"""The page of a comparison: what was found, how, with which certainty, and from which numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from archwright.report._files import write_bytes
from archwright.report._page import figure_item, flat, render_page, tile, versions
from archwright.report._text import duration, number
from archwright.report.comparison import (
    budget_text,
    column_text,
    kind_text,
    p_text,
    pair_sentences,
    value_text,
    workers_text,
)
from archwright.report.comparison_figures import answers, comparison_panel, ranks
from archwright.report.statistics import final_table
from archwright.trial import Comparison, Measured

__all__ = ["comparison_html", "write_comparison_html"]

Row = Mapping[Any, Any]


def write_comparison_html(comparison: Comparison, path: str | Path) -> Path:
    """Write the page of a comparison as one file; an older file is replaced in one step."""
    return write_bytes(Path(path), comparison_html(comparison).encode())


def comparison_html(comparison: Comparison, *, written_at: float | None = None) -> str:
    """Return the page of a comparison: one self-contained HTML page that loads nothing.

    Args:
        comparison: What was compared.
        written_at: Time to state as the time of writing, seconds since the epoch; None for now.
    """
    frame = final_table(comparison)
    rows: list[Row] = [dict(zip(frame, row, strict=True)) for row in frame.itertuples(index=False)]
    measured = comparison.measured(comparison.answer_kind)
    content = {
        "title": f"Strategies on {comparison.benchmark['name']}",
        "lead": _lead(comparison),
        "tiles": list(_tiles(comparison, rows, measured)),
        "judged": _judged(comparison, measured),
        "results": _results(comparison, rows, measured),
        "baseline": rows[0]["strategy"],
        "pairs": _pairs(rows, measured),
        "findings": pair_sentences(comparison),
        "figures": list(_figures(comparison)),
        "protocol": list(_protocol(comparison)),
        "strategies": _strategies(comparison),
        "readings": list(_readings(comparison)),
        "provenance": list(_provenance(comparison)),
    }
    return render_page("compare.html.j2", content, written_at)


def _lead(comparison: Comparison) -> str:
    names = [runs.contender.label for runs in comparison.runs]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    n = comparison.repeats
    repeats = "once" if n == 1 else f"{n:,} times each"
    return (
        f"{listed}, {repeats}, with {budget_text(comparison)}"
        f"{workers_text(comparison)}. "
        f"Chosen by {comparison.validation.metric}, "
        + (
            "and nothing else is recorded."
            if comparison.test is None
            else f"judged by {comparison.test.metric}."
        )
    )


def _tiles(comparison: Comparison, rows: list[Row], measured: Measured) -> Iterator[dict[str, str]]:
    sign = 1 if measured.direction == "max" else -1
    best = max(rows, key=lambda row: sign * row["mean"])
    value = value_text(best["mean"], measured)
    highest = "highest" if sign > 0 else "lowest"
    yield tile(f"{highest} mean {measured.metric}", value, str(best["strategy"]))
    optimum = value_text(measured.optimum, measured)
    yield tile("best recorded mean", optimum, f"row {measured.optimum_row:,} of the table")
    n, strategies = comparison.repeats, len(rows)
    yield tile("searches", f"{n * strategies:,}", f"{strategies} strategies, {n:,} repeats")
    wall = f"in {duration(comparison.wall_seconds)} of wall time"
    yield tile("evaluations looked up", f"{comparison.evaluations:,}", wall)


def _judged(comparison: Comparison, measured: Measured) -> str:
    what = kind_text(comparison, comparison.answer_kind)
    better = "Higher" if measured.direction == "max" else "Lower"
    return (
        f"The {column_text(measured)} that each search answered with at the end of its budget: "
        f"{what}. {better} is better; n = {comparison.repeats:,} for each strategy."
    )


def _results(comparison: Comparison, rows: list[Row], measured: Measured) -> dict[str, Any]:
    head = ["strategy", "mean", "95 % interval", "sd", "median", "regret", "optimum found", "rank"]
    head.append("evaluations")
    if comparison.has_time:
        head.append("seconds")
    cells = []
    for row in rows:
        cell = [
            row["strategy"],
            value_text(row["mean"], measured),
            _interval(row["ci_low"], row["ci_high"], measured),
            value_text(row["sd"], measured),
            value_text(row["median"], measured),
            value_text(row["regret"], measured),
            f"{100 * row['found']:.0f} %",
            f"{row['rank']:.2f}",
            number(row["evaluations"]),
        ]
        cells.append(cell + ([number(round(row["seconds"]))] if comparison.has_time else []))
    return {"head": head, "rows": cells, "numeric": tuple(head[1:])}


def _interval(low: float, high: float, measured: Measured, *, signed: bool = False) -> str:
    if low != low:
        return "—"
    ends = (value_text(end, measured, signed=signed) for end in (low, high))
    return " to ".join(ends)


def _pairs(rows: list[Row], measured: Measured) -> dict[str, Any]:
    n = int(rows[0]["n"])
    if len(rows) < 2:
        return {"rows": [], "text": "One strategy alone: nothing to compare it with."}
    if n < 2:
        return {"rows": [], "text": "One repeat alone: no difference can be told from chance."}
    head = ["strategy", "difference", "95 % interval", "better", "equal", "worse", "p", "effect"]
    cells = [
        [
            row["strategy"],
            value_text(row["difference"], measured, signed=True),
            _interval(row["difference_low"], row["difference_high"], measured, signed=True),
            *(f"{row[name]:,}" for name in ("wins", "ties", "losses")),
            p_text(row["p_holm"]).removeprefix("p ").removeprefix("= "),
            f"{row['effect']:+.2f}".replace("-", "−"),  # noqa: RUF001 - a minus sign
        ]
        for row in rows[1:]
    ]
    corrected = f", corrected by Holm for {len(cells)} comparisons" if len(cells) > 1 else ""
    text = (
        f"Mean difference (strategy less {rows[0]['strategy']}) over {n:,} pairs of repeats with "
        f"the same seed, and how many of them are better, equal and worse; p of Wilcoxon's "
        f"signed-rank test{corrected}; effect from −1 (worse in every pair) to +1. "  # noqa: RUF001
        f"Intervals are not corrected."
    )
    least = 2.0 ** (1 - n) * len(cells)
    if least > 0.05:
        text += f" So few repeats cannot give a p below {min(1.0, least):.2g}."
    return {"head": head, "rows": cells, "numeric": tuple(head[1:]), "text": text}


def _figures(comparison: Comparison) -> Iterator[dict[str, Any]]:
    has_time, kind = comparison.has_time, comparison.answer_kind
    places = [("evaluations", "evaluations"), ("seconds", "simulated time")]
    split = "validation" if comparison.test is None else "test"
    for by, words in places[: 1 + has_time]:
        text = "Of the incumbent: mean line, and a band for the middle half of the repeats."
        title = f"{split.capitalize()} value by {words}"
        figure = comparison_panel(comparison, kind, by=by)
        yield figure_item(title, text, figure, f"v{by[0]}")
    for by, words in places[: 1 + has_time]:
        text = "Distance to the best recorded mean; the lower edge stands for none."
        figure = comparison_panel(comparison, f"{split}_regret", by=by, log=True)
        yield figure_item(f"{split.capitalize()} regret by {words}", text, figure, f"r{by[0]}")
    if split == "test":
        for by, words in places[: 1 + has_time]:
            text = "What the strategies saw of their incumbents, and chose by."
            figure = comparison_panel(comparison, "validation", by=by)
            yield figure_item(f"Validation value by {words}", text, figure, f"o{by[0]}")
    text = "Every answer at the end of the budget."
    yield figure_item("Final answers", text, answers(comparison), "f", wide=True)
    if (ranked := ranks(comparison)) is not None:
        text = "Ranked repeat by repeat; bars that do not overlap differ at the level of 5 %."
        yield figure_item("Mean ranks", text, ranked, "k", wide=True)


def _protocol(comparison: Comparison) -> Iterator[tuple[str, str]]:
    facts, test = comparison.benchmark, comparison.test
    yield "benchmark", str(facts["name"])
    if facts.get("dataset"):
        yield "data set", str(facts["dataset"])
    size = comparison.space.get("size")
    of = "" if size is None else f" of {number(size)}"
    yield "recorded architectures", f"{facts['rows']:,}{of} ({comparison.space['name']})"
    yield "objective", f"{comparison.objective}, {column_text(comparison.validation)}"
    yield "reported of answers", "nothing else" if test is None else column_text(test)
    yield "recorded trainings", _recordings(comparison)
    for measured in filter(None, (comparison.validation, test)):
        value = value_text(measured.optimum, measured)
        yield f"best mean {measured.metric}", f"{value} (row {measured.optimum_row:,})"
    yield "budget of each search", budget_text(comparison)
    yield "repeats", f"{comparison.repeats:,} of each strategy"
    yield "simulated workers", f"{comparison.workers:,}"
    if comparison.workers > 1:
        yield "of their time they were busy", _busy(comparison)
    yield "seed", str(comparison.seed)
    yield "seeds of the repeats", _seeds(comparison)


def _recordings(comparison: Comparison) -> str:
    if comparison.recordings == 1:
        return "1 of each architecture"
    seen = {"drawn": "a search sees one of them, drawn", "mean": "a search sees their mean"}
    own = f"a search sees number {comparison.recorded}"
    return f"{comparison.recordings} of each; {seen.get(comparison.recorded, own)}"


def _busy(comparison: Comparison) -> str:
    shares = [
        (runs.contender.label, float(runs.utilization.mean()))
        for runs in comparison.runs
        if runs.utilization is not None
    ]
    return ", ".join(f"{label} {100 * share:.1f} %" for label, share in shares)


def _seeds(comparison: Comparison) -> str:
    seeds = comparison.runs[0].seeds
    text = ", ".join(map(str, seeds[:3]))
    return text if len(seeds) <= 3 else f"{text} … ({len(seeds):,} in all, the same for every one)"


def _strategies(comparison: Comparison) -> dict[str, Any]:
    rows = []
    for runs in comparison.runs:
        options = runs.contender.settings.items()
        text = ", ".join(f"{key} = {value}" for key, value in options if value != [])
        rows.append([runs.contender.label, runs.contender.name, text or "none"])
    return {"head": ["in this page", "strategy", "options"], "rows": rows}


def _readings(comparison: Comparison) -> Iterator[tuple[str, str]]:
    yield (
        "Incumbent",
        f"The first evaluation with the best {comparison.validation.metric} seen so far. A later "
        "one replaces it only if it is strictly better. Nothing is chosen by a test value.",
    )
    yield (
        "Value of an answer",
        f"{column_text(comparison.measured(comparison.answer_kind))}, "
        f"{kind_text(comparison, comparison.answer_kind)}: not the single training that the search "
        "happened to see.",
    )
    yield (
        "Regret",
        "Distance of that mean to the best mean in the table. The optimum of each metric is its "
        "own: no strategy can be sure to choose the best by test when it chooses by validation.",
    )
    if comparison.has_time:
        yield (
            "Simulated time",
            "The seconds that the recorded trainings took. A search ends with the first evaluation "
            "beyond its budget; the answer is taken from those that ended within it.",
        )
    yield (
        "Lines and bands",
        "Means over all repeats, drawn only where every repeat has a value; bands reach from the "
        "first to the third quartile.",
    )
    yield (
        "Pairs",
        "Repeat i of every strategy has the same seed, and its k-th evaluation sees the same one "
        "of the recorded trainings.",
    )


def _provenance(comparison: Comparison) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    facts = comparison.benchmark
    provenance = facts.get("provenance") or {}
    rows = [*flat(provenance), *(("note", str(note)) for note in facts.get("notes") or ())]
    if rows:
        yield "The table", rows
    yield "The comparison was run with", list(flat(comparison.environment))
    yield versions()
