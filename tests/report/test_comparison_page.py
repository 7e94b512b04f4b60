"""The page of a comparison holds its protocol and its numbers, escapes all and loads nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from archwright.report import comparison_html, final_table, write_comparison_html
from archwright.report.comparison import value_text
from archwright.trial import Budget

EVIL = "<script>alert('x')</script>&\"'"
VOID = {"meta", "br", "img", "path", "use", "image"}


class Page(HTMLParser):
    """Checks that tags nest, and collects texts, tags and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if data.strip() and "style" not in self.open:
            self.texts.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@pytest.fixture(scope="module")
def comparison(compared):
    budget = Budget(cost_seconds=900)
    return compared(("regularized-evolution", {"population": 8}), "local-search", budget=budget)


@pytest.fixture(scope="module")
def text(comparison) -> str:
    return comparison_html(comparison, written_at=0)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_page_states_the_protocol(page, comparison) -> None:
    for said in (
        "Strategies on toy",
        "256 of 256 (toy)",
        "max:val_accuracy, val_accuracy (fraction) after 12 epochs",
        "test_accuracy (fraction) after 12 epochs",
        "3 of each; a search sees one of them, drawn",
        "900 recorded seconds",
        "6 of each strategy",
        "population = 8, sample_size = 5, removal = oldest, replacement = True, repeats = False",
        str(comparison.runs[0].seeds[0]),
        "made by a formula",
        comparison.environment["numpy"],
        "1970-01-01 00:00:00 UTC",
        "n = 6 for each strategy",
    ):
        assert said in page.text, said


def test_numbers_on_the_page_are_those_of_the_table(page, comparison) -> None:
    for row in final_table(comparison).itertuples():
        assert value_text(row.mean, comparison.test) in page.texts
        assert value_text(row.regret, comparison.test) in page.texts
    assert "So few repeats cannot give a p below 0.062." in page.text


def test_page_loads_nothing(page, text) -> None:
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "data", "action"):
            assert value.startswith(("#", "data:image/png;base64,")), (name, value)
    assert "http" not in text.replace("http-equiv", "")
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert ("content", "light dark") in page.attributes


def test_ids_are_unique_and_references_lead_somewhere(page) -> None:
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {
        found for _, value in page.attributes for found in re.findall(r"url\(#([^)]*)\)", value)
    }
    assert wanted <= set(ids)


def test_everything_is_escaped(comparison) -> None:
    runs = tuple(
        replace(one, contender=replace(one.contender, label=f"{EVIL}{n}", settings={EVIL: EVIL}))
        for n, one in enumerate(comparison.runs)
    )
    evil = replace(
        comparison,
        runs=runs,
        benchmark={
            "name": EVIL,
            "rows": 1,
            "dataset": EVIL,
            "notes": [EVIL],
            "provenance": {EVIL: EVIL},
        },
    )
    text = comparison_html(evil)
    page = Page(text)
    assert "<script" not in text
    assert "script" not in page.tags
    assert EVIL in page.text
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_page_of_one_repeat_or_one_strategy_claims_nothing(compared) -> None:
    one = Page(comparison_html(compared("local-search", repeats=1, budget=9))).text
    assert "One repeat alone: no difference can be told from chance." in one
    assert "local-search, once, with 9 evaluations" in one
    alone = Page(comparison_html(compared())).text
    assert "One strategy alone: nothing to compare it with." in alone


def test_page_of_a_table_with_little_in_it(compared) -> None:
    bare = compared("local-search", table={"seconds": False, "test": False, "trainings": 1})
    said = Page(comparison_html(bare)).text
    assert "Chosen by val_accuracy, and nothing else is recorded." in said
    assert "nothing else" in said
    assert "1 of each architecture" in said
    assert "simulated time" not in said


def test_page_says_how_busy_simulated_workers_were(compared) -> None:
    found = compared("local-search", budget=Budget(seconds=300), workers=4)
    said = Page(comparison_html(found)).text
    assert "on 4 simulated workers" in said
    assert re.search(r"random \d\d\.\d %, local-search \d\d\.\d %", said)


def test_the_same_comparison_gives_the_same_page(comparison, text) -> None:
    assert comparison_html(comparison, written_at=0) == text


def test_page_is_written_in_one_step(comparison, tmp_path, monkeypatch) -> None:
    out = tmp_path / "new" / "report.html"
    assert write_comparison_html(comparison, out) == out
    before = out.read_text("utf-8")
    assert before.startswith("<!doctype html>")
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_comparison_html(comparison, out)
    assert out.read_text("utf-8") == before
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]
