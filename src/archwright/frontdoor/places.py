"""Where a search is kept: its name, its store and its folder; looked at before, made late."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archwright.errors import EnvironmentProblem, StoreError
from archwright.store import Store, StudyRecord, open_store
from archwright.store.records import check_name, exists

__all__ = ["Places", "made_folders", "store_file"]

_RESULTS = ("report.html", "model")


class Places:
    """The store, the name and the folder of a search to come.

    Nothing is written here: a store that does not exist yet counts as empty.

    Args:
        store: Store, path or URL; None for `out`/study.db, or memory without `out`.
        name: Of the study; None makes one up from `stem`.
        stem: What a made-up name begins with.
        out: Folder for the results.
        runs: Folder in which a folder named after the study is the one for the results, if `out`
            is not given.
        resume: Whether the study may exist.

    Raises:
        StudyExistsError: If the name is taken and `resume` is false.
        StoreError: If the store cannot be read, or `out` holds the results of another search.
    """

    def __init__(
        self,
        store: Store | str | Path | None,
        name: str | None,
        stem: str,
        *,
        out: str | Path | None = None,
        runs: str | Path | None = None,
        resume: bool = False,
    ) -> None:
        if store is None and out is not None:
            store = Path(out) / "study.db"
        self._out = None if out is None else Path(out)
        self._runs = None if runs is None else Path(runs)
        self.store = store
        self.before: StudyRecord | None = None
        recorded = {record.name: record for record in self._recorded()}
        if name is None:
            name = _slug(stem) if resume else self._free(_slug(stem), set(recorded))
        check_name(name)
        self.name = name
        self.out = self._folder(name)
        if name in recorded:
            if not resume:
                raise exists(name, str(store.label if isinstance(store, Store) else store))
            self.before = recorded[name]
        elif self.out is not None and _holds_results(self.out):
            raise StoreError(
                f"{self.out} holds the results of another search, which would be overwritten; "
                "choose another folder (--out), or move that one away"
            )

    @property
    def folders(self) -> list[Path]:
        """The folders that the search needs."""
        file = store_file(self.store)
        return [*([self.out] if self.out else []), *([file.parent] if file else [])]

    def _recorded(self) -> list[StudyRecord]:
        """Return the studies of the store, which is not made if it is not there."""
        file = store_file(self.store)
        if self.store is None or (file is not None and not file.exists()):
            return []
        if isinstance(self.store, Store):
            return self.store.studies()
        with open_store(self.store) as opened:
            return opened.studies()

    def _folder(self, name: str) -> Path | None:
        return self._out or (None if self._runs is None else self._runs / _slug(name))

    def _free(self, stem: str, taken: set[str]) -> str:
        """Return the stem, with a number if that name or its folder is taken."""
        name, number = stem, 2
        while name in taken or (
            self._out is None and (folder := self._folder(name)) and _holds_results(folder)
        ):
            name, number = f"{stem}-{number}", number + 1
        return name


def store_file(store: Store | str | Path | None) -> Path | None:
    """Return the file that a store is or would be; None if it is none."""
    if store is None or isinstance(store, Store):
        return None
    text = str(store).removeprefix("sqlite:///")
    return None if "://" in text else Path(text)


@contextmanager
def made_folders(*folders: Path) -> Iterator[None]:
    """Make folders, and take away again those that are new and empty if the block raises.

    Raises:
        EnvironmentProblem: If one cannot be made or written.
    """
    made: list[Path] = []
    try:
        for folder in folders:
            _make(folder, made)
        yield
    except BaseException:
        for folder in reversed(made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _make(folder: Path, made: list[Path]) -> None:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            made.append(place)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot make the folder {folder}: {error.strerror}; name another place with --out "
            "or --store"
        ) from error
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise EnvironmentProblem(
            f"cannot write in {folder}; make it a writable folder, or name another place with "
            "--out or --store"
        )


def _holds_results(folder: Path) -> bool:
    return any((folder / name).exists() for name in _RESULTS)


def _slug(name: str) -> str:
    """Return a name that can be a file name: names never become paths."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "study"
