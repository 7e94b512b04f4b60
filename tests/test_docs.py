"""The documentation is true: its examples run, its links lead somewhere, its commands exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECONDS_PER_PAGE = 240

# Runs the blocks of one page in order, the Python ones in one namespace; line numbers are those of
# the page. In a shell block `python` is this very Python and `archwright` its command line.
RUN_PAGE = """
import json, subprocess, sys
page, blocks = json.load(sys.stdin)
namespace = {"__name__": "__main__"}
main = "import sys; from archwright.cli import main; sys.exit(main())"
shell = f'''set -eu
python() {{ "{sys.executable}" "$@"; }}
archwright() {{ python -c "{main}" "$@"; }}
'''
for language, line, code in blocks:
    if language == "python":
        exec(compile("\\n" * line + code, page, "exec"), namespace)
    else:
        subprocess.run(["bash", "-c", shell + code], check=True, stdin=subprocess.DEVNULL)
"""

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)")
_CITATION = re.compile(r"\[(?P<key>[A-Z][A-Za-z]+(?:19|20)\d\d\w*)\]_")


@dataclass(frozen=True)
class Block:
    """One fenced block: its info string, its text, and the line its text starts after."""

    info: str
    code: str
    line: int

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def runs(self) -> bool:
        """Whether the page promises that the block works: "python", or "sh run"."""
        return self.info in ("python", "sh run")

    @property
    def why_not(self) -> str:
        """Return the reason of "python no-run: reason"; empty if none is given."""
        found = re.fullmatch(r"python no-run: (.+)", self.info)
        return found[1] if found else ""


def blocks(text: str) -> list[Block]:
    return [
        Block(found["info"].strip(), found["code"], text.count("\n", 0, found.start("code")))
        for found in _FENCE.finditer(text)
    ]


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    return blocks(page.read_text(encoding="utf-8"))


RUNNABLE = [page for page in PAGES if any(block.runs for block in blocks_of(page))]


def run_page(name: str, page: list[Block], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks of a page in a fresh process inside the folder; warnings are errors."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error"}
    environment.pop("ARCHWRIGHT_STORE", None)
    return subprocess.run(
        [sys.executable, "-c", RUN_PAGE],
        input=json.dumps([name, [(b.language, b.line, b.code) for b in page if b.runs]]),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_PER_PAGE,
        check=False,
    )


@pytest.mark.parametrize("page", RUNNABLE, ids=page_name)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    done = run_page(str(page), blocks_of(page), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n", "line 8"),
        ("```python\nimport warnings\nwarnings.warn('old')\n```\n", "UserWarning: old"),
        ("```sh run\nfalse\ntrue\n```\n", "returned non-zero exit status 1"),
    ],
)
def test_an_example_that_fails_is_found(text: str, message: str, tmp_path: Path) -> None:
    done = run_page("page.md", blocks(text), tmp_path)
    assert done.returncode != 0
    assert message in done.stderr


def test_blocks_that_are_only_shown_do_not_run(tmp_path: Path) -> None:
    text = "```python no-run: needs a server\n1 / 0\n```\n```sh\nfalse\n```\n"
    assert [block.why_not for block in blocks(text)] == ["needs a server", ""]
    assert run_page("page.md", blocks(text), tmp_path).returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_that_does_not_run_says_why(page: Path) -> None:
    silent = [
        block.line
        for block in blocks_of(page)
        if block.language == "python" and not block.runs and not block.why_not
    ]
    assert silent == [], "write the fence as ```python no-run: why it cannot run"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_relative_links_lead_to_a_file_and_heading(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    dead = [target for found in _LINK.finditer(text) if not leads(page, target := found["target"])]
    assert dead == []


def leads(page: Path, target: str) -> bool:
    """Return whether a link of a page leads somewhere; those to other sites are not followed."""
    if re.match(r"(https?|mailto):", target):
        return True
    path, _, heading = target.partition("#")
    file = page.parent / path if path else page
    if not file.exists():
        return False
    return not heading or heading in anchors(file.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def test_dead_links_are_found() -> None:
    index = ROOT / "docs" / "index.md"
    assert leads(index, "trial.md#goals")
    assert leads(index, "#rooms")
    assert not leads(index, "nowhere.md")
    assert not leads(index, "trial.md#no-such-heading")


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {found["target"].partition("#")[0] for found in _LINK.finditer(index)}
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}
    decisions = {page for page in pages if page.startswith("decisions/")}
    assert pages - decisions - linked - {"index.md"} == set()
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [page for page in decisions if Path(page).name not in listed + "README.md"] == []


def test_every_citation_has_a_reference() -> None:
    known = (ROOT / "docs" / "references.md").read_text(encoding="utf-8")
    sources = [*PAGES, *(ROOT / "src").rglob("*.py")]
    cited = {
        found["key"]
        for source in sources
        for found in _CITATION.finditer(source.read_text(encoding="utf-8"))
    }
    assert {key for key in cited if f"**{key}**" not in known} == set()


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command of the command line: its full name and its click command."""
    import typer

    from archwright.cli import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None or getattr(command, "invoke_without_command", False):
            yield name, command
        if inner is not None:
            for part, child in inner.items():
                yield from walk(f"{name} {part}", child)

    return walk("archwright", typer.main.get_command(app))


def options(command: Any) -> list[set[str]]:
    """Return the long names of each option; those of a switch stand together."""
    long = (
        {name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")}
        for parameter in command.params
    )
    return [names for names in long if names]


def section(text: str, title: str) -> str:
    """Return what stands below a heading that names the title, up to the next heading."""
    found = re.search(
        rf"^## (?:[^\n]*, )?{re.escape(title)}(?:, [^\n]*)?$(.*?)(?=^#{{1,2}} |\Z)",
        text,
        re.M | re.S,
    )
    return found[1] if found else ""


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    common = section(text, "Options of every command")
    missing = []
    for name, command in commands():
        own = section(text, name)
        missing += [] if own else [f"no heading '## {name}'"]
        told = set(re.findall(r"--[\w-]+", own + common))
        missing += [f"{name} {min(names)}" for names in options(command) if not names & told]
    assert missing == []


def test_every_command_and_option_has_help() -> None:
    silent = []
    for name, command in commands():
        silent += [] if command.help else [name]
        silent += [
            f"{name} {parameter.name}"
            for parameter in command.params
            if not getattr(parameter, "help", None)
        ]
    assert silent == []


def shown_commands(text: str) -> Iterator[tuple[int, str]]:
    """Yield the archwright commands in the shell blocks of a page, continued lines joined."""
    for block in blocks(text):
        if block.language in ("sh", "console", "bash"):
            for line in block.code.replace("\\\n", " ").splitlines():
                if line.removeprefix("$ ").startswith("archwright "):
                    yield block.line, line.removeprefix("$ ")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_shown_exist(page: Path) -> None:
    known = dict(commands())
    wrong = []
    for line, shown in shown_commands(page.read_text(encoding="utf-8")):
        words = shlex.split(shown, comments=True)
        found = [name for name in known if words[: len(name.split())] == name.split()]
        if not found:
            wrong.append(f"line {line}: no such command: {shown}")
            continue
        allowed = {"--help", "--debug"}.union(*options(known[max(found, key=len)]))
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        wrong += [f"line {line}: no such option: {option}" for option in sorted(given - allowed)]
    assert wrong == []


# Home folders and places where a checkout or its data may lie on somebody's machine.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work|mnt|opt|home/\w+|Users/\w+)/")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".json", ".html", ".csv", ".yml", ".yaml", ""}


def project_files() -> Iterator[Path]:
    """Yield the text files of the project, leaving out what tools made."""
    made = {"runs", "build", "dist"}
    for top in ROOT.iterdir():
        if top.name not in made and (not top.name.startswith(".") or top.name == ".ci"):
            for path in [top] if top.is_file() else top.rglob("*"):
                if path.is_file() and path.suffix in TEXT_SUFFIXES:
                    yield path


def test_no_file_names_a_path_of_a_machine() -> None:
    files = list(project_files())
    assert ROOT / "pyproject.toml" in files
    named = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files
        if (found := MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert named == []


def test_a_path_of_a_machine_is_found() -> None:
    assert MACHINE_PATH.search("see /ho" + "me/ada/data.csv")
    assert not MACHINE_PATH.search("see docs/opt/page.md")
