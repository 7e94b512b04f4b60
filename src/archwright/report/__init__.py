"""What a search found, told to people: tables, figures, and one page that holds it all.

The room reads stores and trials, nothing else; it needs no torch. A `StudyView` is a study as the
report sees it. Tables are pandas frames, figures are matplotlib figures that no window owns, the
page is one HTML file that loads nothing.

    view = StudyView.load(store, "digits")
    view.history()                                        # one row per trial
    view.leaderboard(5)                                   # best architectures, each once
    save_figure(anytime(view.trials, view.objectives), "progress.png")
    write_html(view, "report.html")
"""

from __future__ import annotations

from pathlib import Path

from archwright.report.decision_figures import decisions, parallel
from archwright.report.drawing import draw_architecture
from archwright.report.figures import anytime, learning_curves, save_figure, tradeoff
from archwright.report.page import html, write_html
from archwright.report.tables import best_trials, history, incumbent_curve, leaderboard
from archwright.report.view import Final, StudyView
from archwright.store import Store

__all__ = [
    "Final",
    "StudyView",
    "anytime",
    "best_trials",
    "decisions",
    "draw_architecture",
    "history",
    "html",
    "incumbent_curve",
    "leaderboard",
    "learning_curves",
    "parallel",
    "report_study",
    "save_figure",
    "tradeoff",
    "write_html",
]


def report_study(store: Store, name: str, out: str | Path) -> Path:
    """Write the report of a study from its store alone, and return where it is.

    Raises:
        StudyNotFoundError: If there is none of that name.
    """
    return write_html(StudyView.load(store, name), out)
