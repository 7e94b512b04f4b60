"""The names that users rely on: there, documented, lazy; wrong ones are refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import archwright as aw

PROMISED = {
    "Architecture",
    "Budget",
    "Choice",
    "Constraint",
    "Dataset",
    "Group",
    "Integer",
    "List",
    "Objective",
    "Real",
    "Space",
    "Study",
    "Subset",
    "load",
    "nn",
    "resume",
    "search",
    "space_of",
}


def test_promised_names_are_exported() -> None:
    assert set(aw.__all__) >= PROMISED


@pytest.mark.parametrize("name", aw.__all__)
def test_every_name_is_what_its_room_calls_so(name: str) -> None:
    value = getattr(aw, name)
    assert value is getattr(aw, name)
    assert value.__doc__
    assert value.__name__ in (name, f"archwright.{name}")


def test_completion_sees_every_name_before_it_is_loaded() -> None:
    code = "import archwright, sys; assert set(archwright.__all__) <= set(dir(archwright))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_star_import_brings_exactly_the_exported_names() -> None:
    namespace: dict[str, object] = {}
    exec("from archwright import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(aw.__all__)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"^module 'archwright' has no attribute 'serach'$"):
        aw.serach  # noqa: B018 - looking it up is what is tested


def test_version_is_that_of_the_package() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert aw.__version__ == tomllib.loads(project.read_text("utf-8"))["project"]["version"]


def test_import_leaves_the_global_random_state_and_threads_alone() -> None:
    code = (
        "import random, threading\nbefore = random.getstate()\nimport archwright\n"
        "assert random.getstate() == before\nassert threading.active_count() == 1"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment)
