"""The page of scores: what they order well, what size alone does, and from which numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright.report._files import write_bytes
from archwright.report._page import figure_item, flat, render_page, tile, versions
from archwright.report._text import duration, number
from archwright.report.comparison import column_text, value_text
from archwright.report.correlation import (
    Judged,
    correlation_frame,
    correlation_sentences,
    status_frame,
)
from archwright.report.correlation_figures import score_matrix, score_scatter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["correlation_html", "write_correlation_html"]

Row = Mapping[Any, Any]
_VERDICTS = {"better": "better", "worse": "worse", "not told apart": "open", "": "—"}


def write_correlation_html(
    judged: Judged, path: str | Path, *, searches: pd.DataFrame | None = None
) -> Path:
    """Write the page of scores as one file; an older file is replaced in one step."""
    return write_bytes(Path(path), correlation_html(judged, searches=searches).encode())


def correlation_html(
    judged: Judged, *, searches: pd.DataFrame | None = None, written_at: float | None = None
) -> str:
    """Return the page of scores: one self-contained HTML page that loads nothing.

    Args:
        judged: Scores beside recorded results.
        searches: What `search_frame` returned, to be shown as well.
        written_at: Time to state as the time of writing, seconds since the epoch; None for now.
    """
    frame = correlation_frame(judged)
    rows: list[Row] = [dict(zip(frame, row, strict=True)) for row in frame.itertuples(index=False)]
    missing = status_frame(judged.scores)
    content = {
        "title": f"Proxies on {judged.benchmark.get('name', judged.scores.space)}",
        "lead": _lead(judged),
        "tiles": list(_tiles(judged, rows)),
        "findings": correlation_sentences(judged, frame),
        "judged": _how(judged),
        "results": _results(judged, rows),
        "missing": {"head": list(missing.columns), "rows": missing.to_numpy().tolist()},
        "searches": _searches(judged, searches),
        "figures": list(_figures(judged)),
        "readings": list(_readings(judged)),
        "provenance": list(_provenance(judged)),
    }
    return render_page("correlation.html.j2", content, written_at)


def _lead(judged: Judged) -> str:
    scores = judged.scores
    proxies = len(scores.proxies) - 2
    seeds = f", {scores.seeds} initialisations of each" if scores.seeds > 1 else ""
    return (
        f"{len(scores):,} untrained networks of {scores.space}{seeds}, scored by {proxies} "
        f"{'proxy' if proxies == 1 else 'proxies'} and counted, against "
        f"{column_text(judged.measured)}."
    )


def _tiles(judged: Judged, rows: list[Row]) -> Iterator[dict[str, str]]:
    base = rows[0]
    known = [row for row in rows if not math.isnan(row["rho"])]
    if known:
        best = max(known, key=lambda row: float(row["rho"]))
        yield tile("highest rank correlation", f"{best['rho']:.3f}", f"rho of {best['proxy']}")
    yield tile("number of parameters", f"{base['rho']:.3f}", "rho of plain counting")
    yield tile("architectures", f"{len(judged.scores):,}", _seeds(judged.scores.seeds))
    spent = float(judged.scores.seconds.sum())
    yield tile("time spent scoring", duration(spent), "all proxies, all networks")


def _how(judged: Judged) -> str:
    seeds = judged.scores.seeds
    over = f" Means over {seeds} initialisations, ± their deviation." if seeds > 1 else ""
    return (
        f"Rank correlations with {column_text(judged.measured)} over the architectures that have a "
        f"score.{over} The interval is that of the difference in rho to the number of parameters, "
        f"on resampled architectures."
    )


def _results(judged: Judged, rows: list[Row]) -> dict[str, Any]:
    head = ["proxy", "rho", "tau", "rho less that of size", "against size", "rho with size"]
    head += ["rho beyond size", "n", "left out", "rho, all", "top tenth found", "rho in it"]
    head += ["regret", "seconds"]
    cells = [
        [
            row["proxy"],
            _with_deviation(row["rho"], row["rho_sd"]),
            _with_deviation(row["tau"], row["tau_sd"]),
            _interval(row["difference_low"], row["difference_high"]),
            _VERDICTS[row["verdict"]],
            _rho(row["size_rho"]),
            _rho(row["partial_rho"]),
            number(row["n"]),
            number(row["omitted"]),
            _rho(row["rho_all"]),
            f"{100 * row['top_overlap']:.0f} %",
            _rho(row["top_rho"]),
            value_text(row["regret"], judged.measured),
            "—" if not row["seconds"] else f"{row['seconds']:.3g}",
        ]
        for row in rows
    ]
    return {"head": head, "rows": cells, "numeric": {*head} - {"proxy", "against size"}}


def _rho(value: float, *, signed: bool = False) -> str:
    if math.isnan(value):
        return "—"
    text = f"{value:+.2f}" if signed else f"{value:.3f}"
    return text.replace("-", "−")  # noqa: RUF001 - a minus sign


def _with_deviation(value: float, deviation: float) -> str:
    text = _rho(value)
    return text if math.isnan(deviation) else f"{text} ± {deviation:.3f}"


def _interval(low: float, high: float) -> str:
    return "—" if math.isnan(low) else f"{_rho(low, signed=True)} to {_rho(high, signed=True)}"


def _searches(judged: Judged, frame: pd.DataFrame | None) -> dict[str, Any]:
    if frame is None or not len(frame):
        return {"rows": []}
    results = [name for name in frame.columns if f"{name} sd" in frame.columns]
    head = ["proxy", "N", "seconds", *results]
    rows = []
    for row in (dict(zip(frame, one, strict=True)) for one in frame.itertuples(index=False)):
        cells = [row["proxy"], f"{row['N']:,}", f"{row['seconds']:.3g}" if row["seconds"] else "—"]
        for name in results:
            text = value_text(row[name], judged.measured)
            spread = value_text(row[f"{name} sd"], judged.measured)
            cells.append(f"{text} ± {spread}")
        rows.append(cells)
    repeats = int(frame["repeats"].iloc[0])
    text = (
        f"Draw N of these architectures, keep the one with the highest score: mean ± deviation of "
        f"what {repeats:,} such searches found. Seconds are those of scoring N networks. Random is "
        f"any one of them, optimal the best of them by {results[0]}."
    )
    return {"head": head, "rows": rows, "numeric": tuple(head[1:]), "text": text}


def _figures(judged: Judged) -> Iterator[dict[str, Any]]:
    text = "Each dot is one architecture; plain counts in grey stand first. First initialisation."
    yield figure_item("Results over scores", text, score_scatter(judged), "s", wide=True)
    if len(judged.scores.proxies) > 3:
        text = "Spearman's rho in hundredths: what scores say alike."
        yield figure_item("Scores with each other", text, score_matrix(judged.scores), "m")


def _readings(judged: Judged) -> Iterator[tuple[str, str]]:
    yield (
        "rho, tau",
        "Spearman's rank correlation, and Kendall's tau-b, which counts ties. 1 is the same order, "
        "0 none at all.",
    )
    yield (
        "rho, all",
        "The same, with architectures that have no score ranked last as a search would.",
    )
    yield (
        "top tenth found, rho in it",
        "Share of the recorded best tenth that is among the best tenth by score; and the rank "
        "correlation among the recorded best tenth, which is what matters late in a search.",
    )
    yield (
        "regret",
        f"What the architecture with the highest score lacks to the best recorded one, in "
        f"{judged.measured.unit or 'the unit of the result'}.",
    )
    yield (
        "rho with size, rho beyond size",
        "Rank correlation of the score with the number of parameters; and with the result, after "
        "what the number of parameters explains was taken from both.",
    )
    yield (
        "against size",
        "Better or worse than the number of parameters if the interval of the difference leaves "
        "out 0, open if it does not. Not corrected for the number of proxies.",
    )
    yield (
        "seconds",
        "Mean time of one score. Proxies that were scored together share their passes through the "
        "network; that time stands with the first of them alone.",
    )


def _provenance(judged: Judged) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    facts = dict(judged.scores.facts)
    for place, part in enumerate(facts.get("parts", [facts]), start=1):
        rows = list(flat({name: value for name, value in part.items() if name != "notes"}))
        rows += [(f"note on {name}", text) for name, text in part.get("notes", {}).items()]
        yield "The scores" if "parts" not in facts else f"The scores, part {place}", rows
    for name, text in judged.scores.notes.items():
        if all(name not in part.get("notes", {}) for part in facts.get("parts", [facts])):
            yield f"{name}", [("made as", text)]
    if judged.benchmark:
        yield "The results", list(flat(judged.benchmark))
    yield versions()


def _seeds(count: int) -> str:
    return "one seed of each" if count == 1 else f"{count:,} seeds of each"
