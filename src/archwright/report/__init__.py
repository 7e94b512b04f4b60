"""What a search found, told to people: tables, figures, and one page that holds it all.

The room reads stores and trials, nothing else; it needs no torch. A `StudyView` is a study as the
report sees it. Tables are pandas frames, figures are matplotlib figures that no window owns, the
page is one HTML file that loads nothing.

    view = StudyView.load(store, "digits")
    view.history()                                        # one row per trial
    view.leaderboard(5)                                   # best architectures, each once
    save_figure(anytime(view.trials, view.objectives), "progress.png")
    write_html(view, "report.html")

A `Comparison` of strategies on a benchmark has tables, figures and a page of its own:
`final_table`, `run_frame`, `comparison_curves`, `answers`, `write_comparison_html`.

`Scores` of untrained networks beside recorded results (`Judged`) have `correlation_frame`,
`score_scatter`, `search_frame` and `write_correlation_html`; what moves scores (`Ablation`) has
`ablation_frame`, `ablation_figure` and `write_ablation_html`; kernels have `kernel_grid`.
"""

from __future__ import annotations

from pathlib import Path

from archwright.report.ablation import (
    Ablation,
    ablation_frame,
    ablation_sentences,
    ablation_values,
)
from archwright.report.ablation_figures import (
    ablation_figure,
    ablation_html,
    write_ablation_html,
)
from archwright.report.comparison import (
    answers_frame,
    curve_frame,
    pair_sentences,
    run_frame,
    sentences,
)
from archwright.report.comparison_figures import (
    answers,
    comparison_curves,
    comparison_panel,
    ranks,
)
from archwright.report.comparison_page import comparison_html, write_comparison_html
from archwright.report.correlation import (
    Judged,
    correlation_frame,
    correlation_sentences,
    status_frame,
)
from archwright.report.correlation_figures import score_matrix, score_scatter
from archwright.report.correlation_page import correlation_html, write_correlation_html
from archwright.report.correlation_search import search_frame
from archwright.report.decision_figures import decisions
from archwright.report.drawing import draw_architecture
from archwright.report.figures import anytime, learning_curves, save_figure, tradeoff
from archwright.report.kernels import kernel_grid
from archwright.report.page import html, write_html
from archwright.report.parallel_figures import parallel
from archwright.report.statistics import final_table, interpolated, mean_ranks
from archwright.report.tables import (
    best_trials,
    history,
    incumbent_curve,
    leaderboard,
    write_csv,
)
from archwright.report.view import Final, StudyView
from archwright.store import Store

__all__ = [
    "Ablation",
    "Final",
    "Judged",
    "StudyView",
    "ablation_figure",
    "ablation_frame",
    "ablation_html",
    "ablation_sentences",
    "ablation_values",
    "answers",
    "answers_frame",
    "anytime",
    "best_trials",
    "comparison_curves",
    "comparison_html",
    "comparison_panel",
    "correlation_frame",
    "correlation_html",
    "correlation_sentences",
    "curve_frame",
    "decisions",
    "draw_architecture",
    "final_table",
    "history",
    "html",
    "incumbent_curve",
    "interpolated",
    "kernel_grid",
    "leaderboard",
    "learning_curves",
    "mean_ranks",
    "pair_sentences",
    "parallel",
    "ranks",
    "report_study",
    "run_frame",
    "save_figure",
    "score_matrix",
    "score_scatter",
    "search_frame",
    "sentences",
    "status_frame",
    "tradeoff",
    "write_ablation_html",
    "write_comparison_html",
    "write_correlation_html",
    "write_csv",
    "write_html",
]


def report_study(store: Store, name: str, out: str | Path) -> Path:
    """Write the report of a study from its store alone, and return where it is.

    Raises:
        StudyNotFoundError: If there is none of that name.
    """
    return write_html(StudyView.load(store, name), out)
