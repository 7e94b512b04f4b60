from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from archwright import registry as registry_module
from archwright.errors import UnknownNameError
from archwright.registry import Entry, Registry


@pytest.fixture
def shapes() -> Registry[object]:
    table = Registry[object]("shape", group="archwright.tests.shapes")
    table.register("round-disc", "math:pi", summary="no corners", aliases=("circle",))
    table.register("cube", 8, summary="eight corners")
    return table


def test_object_is_returned_as_it_was_registered(shapes: Registry[object]) -> None:
    assert shapes.get("cube") == 8


def test_text_is_imported_on_first_use(shapes: Registry[object]) -> None:
    shapes.register("late", "colorsys:rgb_to_hsv", summary="loads a module")
    assert shapes.entry("late").target == "colorsys:rgb_to_hsv"
    assert callable(shapes.get("late"))


def test_registering_and_listing_import_nothing() -> None:
    code = (
        "import sys\nfrom archwright.registry import Registry\n"
        "r = Registry('x', group='g')\nr.register('late', 'colorsys:rgb_to_hsv', summary='')\n"
        "r.names(); 'late' in r; list(r); r.entry('late')\n"
        "assert 'colorsys' not in sys.modules\nr.get('late')\nassert 'colorsys' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", ["round-disc", "round_disc", "Round-Disc", "circle", "CIRCLE"])
def test_case_and_dashes_do_not_matter(shapes: Registry[object], name: str) -> None:
    assert name in shapes
    assert shapes.entry(name).name == "round-disc"


def test_name_registered_with_underscore_answers_to_dash() -> None:
    table = Registry[int]("data set", group="archwright.tests.data")
    table.register("breast_cancer", 1, summary="569 rows")
    assert table.get("breast-cancer") == table.get("Breast_Cancer") == 1
    assert table.names() == ("breast_cancer",)


def test_names_are_sorted_without_aliases(shapes: Registry[object]) -> None:
    assert shapes.names() == ("cube", "round-disc")
    assert [entry.name for entry in shapes] == ["cube", "round-disc"]
    assert shapes.entry("circle") == Entry("round-disc", "math:pi", "no corners", ("circle",))


def test_unknown_name_is_refused_with_the_nearest(shapes: Registry[object]) -> None:
    message = r"^unknown shape 'cubes' \(did you mean 'cube'\?\); allowed: cube, round-disc$"
    with pytest.raises(UnknownNameError, match=message):
        shapes.get("cubes")
    assert "cubes" not in shapes
    assert 3 not in shapes


@pytest.mark.parametrize(
    ("name", "aliases", "taken"),
    [("cube", (), "cube"), ("CUBE", (), "CUBE"), ("new", ("circle",), "circle")],
)
def test_taken_name_is_refused(
    shapes: Registry[object], name: str, aliases: tuple[str, ...], taken: str
) -> None:
    with pytest.raises(ValueError, match=f"^shape '{taken}' is registered already$"):
        shapes.register(name, 0, summary="", aliases=aliases)
    assert shapes.names() == ("cube", "round-disc")


def test_installed_packages_add_entries(
    shapes: Registry[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def found(*, group: str) -> EntryPoints:
        points = [EntryPoint("line", "math:tau", group), EntryPoint("cube", "math:e", group)]
        return EntryPoints(points).select(group="archwright.tests.shapes")

    monkeypatch.setattr(registry_module, "entry_points", found)
    with caplog.at_level(logging.WARNING):
        assert shapes.names() == ("cube", "line", "round-disc")
    assert shapes.get("line") == pytest.approx(6.283, abs=1e-3)
    assert shapes.get("cube") == 8
    assert shapes.entry("line").summary == "from a package"
    assert "shape 'cube' is registered already" in caplog.text
