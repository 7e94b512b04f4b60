"""What all pages share: the layout, figures as page items, facts as rows, versions."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from archwright.report import _canvas as house
from archwright.report._text import moment, shorten, value_text

__all__ = [
    "figure_item",
    "flat",
    "package_version",
    "render_page",
    "svg",
    "tile",
    "versions",
    "without_password",
]

_PACKAGES = ("archwright", "numpy", "torch", "scikit-learn", "pandas", "SQLAlchemy")


def render_page(template: str, content: Mapping[str, Any], written_at: float | None = None) -> str:
    """Return a page: a template of this folder, filled in, every text escaped.

    Args:
        template: File name.
        content: What the template names, besides style, version and time of writing.
        written_at: Seconds since the epoch to state as the time of writing; None for now.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    here = files(__package__)
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(lambda name: here.joinpath(name).read_text("utf-8")),
    )
    return environment.get_template(template).render(
        content,
        style=Markup(here.joinpath("page.css").read_text("utf-8")),
        version=package_version("archwright"),
        written=moment(time.time() if written_at is None else written_at),
    )


def tile(name: str, value: str, note: str) -> dict[str, str]:
    """Return a number for the head of a page."""
    return {"name": name, "value": value, "note": note}


def figure_item(
    title: str, text: str, figure: Any, name: str, wide: bool = False
) -> dict[str, Any]:
    """Return a figure for a page; `name` is unique on it."""
    return {"title": title, "text": text, "svg": svg(figure, name), "panels": None, "wide": wide}


def svg(figure: Any, name: str) -> Any:
    """Return a matplotlib figure as markup."""
    from markupsafe import Markup

    # matplotlib has escaped every text in it.
    return Markup(house.inline_svg(figure, name))


def versions() -> tuple[str, list[tuple[str, str]]]:
    """Return the section that says what the page was written with."""
    rows = [(name, package_version(name)) for name in _PACKAGES]
    return "This page was written with", [("python", platform.python_version()), *rows]


def package_version(package: str) -> str:
    """Return the version of an installed package, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return nested facts as rows, names joined by dots."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, str):
            yield f"{prefix}{name}", without_password(shorten(value, 400))
        elif isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
            for index, part in enumerate(value):
                yield from flat(part, f"{prefix}{name}.{index}.")
        else:
            yield f"{prefix}{name}", shorten(value_text(value), 400)


def without_password(text: str) -> str:
    """Return an address without the password that may be in it."""
    return re.sub(r"(\w://[^/:@\s]*):[^@/\s]*@", r"\1:***@", text)
