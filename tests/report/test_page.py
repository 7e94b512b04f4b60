"""The page holds what the store holds, escapes everything and loads nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.errors import StudyNotFoundError
from archwright.report import StudyView, html, report_study, write_html
from archwright.report._text import metric_text, number
from archwright.space import Choice, Integer, Space
from archwright.trial import Budget, Constraint, Objective, Status

GOLDEN = Path(__file__).with_name("outline.json")
EVIL = "<script>alert('x')</script>&\"'"
VOID = {"meta", "br", "img", "input", "link", "hr", "path", "use", "image"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what matters: outline, texts, tags, attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.outline: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        text = data.strip()
        if not text or "style" in self.open:
            return
        self.texts.append(text)
        if self.open[-1] in ("h1", "h2", "h3", "dt", "th", "strong"):
            self.outline.append(f"{self.open[-1]}: {text}")

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@pytest.fixture(scope="module")
def view(store_of, space) -> StudyView:
    return StudyView.load(store_of(space, 40), "digits")


@pytest.fixture(scope="module")
def text(view) -> str:
    return html(view, written_at=0)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


@pytest.fixture(scope="module")
def small() -> Space:
    """Return a space whose page is quickly drawn."""
    return Space(width=Integer(1, 9), name="small")


def test_outline_is_as_recorded(page) -> None:
    """Regenerate with: UPDATE_GOLDEN=1 pytest tests/report/test_page.py -k outline."""
    outline = [line for line in page.outline if not line.startswith("dt: packages.")]
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(outline, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert outline == json.loads(GOLDEN.read_text("utf-8"))


def test_page_says_what_was_searched(page, view) -> None:
    for said in (
        f"({number(view.space.size)} architectures) on digits with regularized-evolution for the",
        "highest val_accuracy within parameters ≤ 50,000.",
        "120 trials, 10 min 0 s of wall time",
        "max:val_accuracy",
        "strategy population",
        "0d3f7a2be8c1495fb1d2b9a0c5b7e6f1",
        view.space.fingerprint,
        view.best.architecture.key,
        "archwright resume digits",
        "in 2 min 23 s of wall time",
    ):
        assert said in " ".join(page.text.split()), said


def test_the_budget_is_that_of_the_last_run(store_of, small) -> None:
    store = store_of(small, 1)
    assert StudyView.load(store, "digits").budget == Budget(trials=120, seconds=600)
    store.annotate(store.study("digits"), "budget", {"trials": 400})
    resumed = StudyView.load(store, "digits")
    assert resumed.budget == Budget(trials=400)
    text = html(resumed, written_at=0)
    assert "400 trials" in text
    assert "120 trials" not in text


def test_numbers_on_the_page_are_those_of_the_store(page, view) -> None:
    for trial_number, accuracy in zip(
        *(view.leaderboard()[name] for name in ("trial", "val_accuracy")), strict=True
    ):
        assert str(trial_number) in page.texts
        assert number(accuracy) in page.texts
    for name, value in view.best.metrics.items():
        assert name in page.texts
        assert metric_text(name, value) in page.texts
    for trial in view.trials:
        if trial.error:
            assert trial.error in page.text


def test_test_metrics_come_with_the_time_of_reading(page, view) -> None:
    assert "Test split: read once, 2026-05-28 20:33:20 UTC" in page.text
    assert "0.9778" in page.texts
    assert "The search has gone on since" not in page.text


def test_without_a_final_reading_no_test_metric_is_shown(store_of, small) -> None:
    page = Page(html(StudyView.load(store_of(small, 2, final=False), "digits")))
    assert "Test split: not read yet" in page.text
    assert "test_accuracy" not in page.text


def test_a_better_trial_after_the_final_reading_is_told(store_of, small) -> None:
    store = store_of(small, 9)
    study = store.study("digits")
    worst = min(store.trials(study), key=lambda t: t.metrics.get("val_accuracy", 2.0))
    store.annotate(study, "finalized", {**study.extra["finalized"], "trial": worst.number})
    view = StudyView.load(store, "digits")
    assert f"by now trial {view.best.number} is the best" in Page(html(view)).text


def test_page_loads_nothing(page, text) -> None:
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "data", "action"):
            assert value.startswith(("#", "data:image/png;base64,")), (name, value)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert ("content", "light dark") in page.attributes


def test_ids_are_unique_and_references_lead_somewhere(page) -> None:
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for name, value in page.attributes if name == "xlink:href"}
    wanted |= {
        found for _, value in page.attributes for found in re.findall(r"url\(#([^)]*)\)", value)
    }
    assert {reference for reference in wanted if not reference.startswith("ata:")} <= set(ids)


def evil_views(finished) -> Iterator[StudyView]:
    space = Space({EVIL_NAME: Choice(EVIL, "b", "$c$"), "n": Integer(1, 9)}, name=EVIL)
    rng = np.random.default_rng(0)
    trials = [
        finished(space.sample(rng=rng), n, **{"val_accuracy": n / 10, "a<b>": 1.0})
        for n in range(6)
    ]
    trials.append(finished(space.sample(rng=rng), 6, status=Status.CRASHED, error=EVIL))
    facts: dict[str, Any] = {EVIL: {EVIL: EVIL}, "Data": {"name": EVIL}}
    goals = [Objective("val_accuracy", "max"), Objective("a<b>", "min")]
    yield StudyView(
        *(EVIL, trials, goals, space, [Constraint("a<b>", "<=", 2)], EVIL, {EVIL: EVIL}),
        *(Budget(trials=7), 0, 1.0, None, EVIL, facts),
    )


EVIL_NAME = "x-y"


def test_everything_is_escaped(finished) -> None:
    for view in evil_views(finished):
        text = html(view)
        page = Page(text)
        assert "script" not in page.tags
        assert "<script" not in text
        assert EVIL in page.text
        assert not any(name.startswith("on") for name, _ in page.attributes)


def test_a_password_in_an_address_is_not_shown(small) -> None:
    shown = StudyView(
        *("study", [], [Objective("val_accuracy", "max")], small),
        store="postgresql://ada:secret@host/db",
        facts={"Settings": {"store": "postgresql://ada:secret@host/db"}},
    )
    text = html(shown)
    assert "secret" not in text
    assert text.count("ada:***@host/db") >= 2


@pytest.mark.parametrize("kind", ["none", "pending", "failed", "infeasible"])
def test_page_of_a_study_without_a_result(kind, space, finished, trials) -> None:
    from archwright.trial import Trial

    architecture = trials[0].architecture
    some = {
        "none": [],
        "pending": [Trial(0, trials[0].proposal, 0)],
        "failed": [finished(architecture, 0, status=Status.OUT_OF_MEMORY, error="needs 9 GB")],
        "infeasible": [finished(architecture, 0, val_accuracy=0.5, parameters=9.0)],
    }[kind]
    goals = [Objective("val_accuracy", "max")]
    view = StudyView("s", some, goals, space, [Constraint.parse("parameters<=8")])
    page = Page(html(view))
    said = {
        "none": "No trial has finished yet.",
        "pending": "0 completed, 0 failed, 1 open",
        "failed": "needs 9 GB",
        "infeasible": "No completed trial keeps every constraint.",
    }
    assert said[kind] in page.text
    if kind == "infeasible":
        assert "breaks parameters ≤ 8" in page.text
    if kind == "failed":
        assert "out of memory" in page.texts


def test_the_same_study_gives_the_same_page(view, text) -> None:
    assert html(view, written_at=0) == text


def test_report_is_written_from_the_store_alone_and_in_one_step(store_of, small, tmp_path) -> None:
    out = tmp_path / "new" / "report.html"
    assert report_study(store_of(small, 2), "digits", out) == out
    before = out.read_text("utf-8")
    assert before.startswith("<!doctype html>")
    write_html(StudyView.load(store_of(small, 3), "digits"), out)
    assert out.read_text("utf-8") != before
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]


def test_report_of_an_unknown_study_names_the_nearest(store_of, small, tmp_path) -> None:
    with pytest.raises(StudyNotFoundError, match=r"no study 'digit' .*did you mean 'digits'"):
        report_study(store_of(small, 1), "digit", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_report(small, tmp_path, monkeypatch) -> None:
    view = StudyView("study", [], [Objective("val_accuracy", "max")], small)
    out = tmp_path / "report.html"
    out.write_text("old")
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_html(view, out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_importing_the_room_loads_no_torch() -> None:
    import subprocess
    import sys

    heavy = "{'torch', 'pandas', 'matplotlib', 'jinja2'}"
    code = f"import sys, archwright.report; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
