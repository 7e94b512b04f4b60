"""What proxies say of the untrained networks of many architectures: arrays, and where from.

A proxy's score stands for nothing by itself; beside every other score stand `params` and `flops`,
the two that each has to beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import ProxyError, UnknownNameError
from archwright.trial.records import Trial

__all__ = ["SIZES", "Scores"]

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]

SIZES: Mapping[str, str] = {"params": "parameters", "flops": "macs"}
"""The proxies that only count, and the metrics that they are."""

PARTS: Mapping[str, tuple[str, ...]] = {"az_nas": ("progressivity", "trainability")}
"""Details of a proxy that are proxies themselves, called "PROXY.PART"."""

_OK = "ok"


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of architectures of one space; arrays are `(architectures, seeds, proxies)`.

    Args:
        space: Name of the space.
        architectures: Published text of each architecture; no two are equal.
        proxies: Names; `params` and `flops` come first.
        values: Higher is better; NaN where there is no score.
        statuses: "ok", or why there is no score in one word.
        seconds: What each score took, shared passes with the proxy that needed them first.
        notes: What to mind, by proxy.
        facts: JSON: data, batch sizes, seeds, versions.

    Raises:
        ProxyError: If the shapes do not fit, or a name or an architecture stands there twice.
    """

    space: str
    architectures: tuple[str, ...]
    proxies: tuple[str, ...]
    values: Floats
    statuses: Texts
    seconds: Floats
    notes: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.architectures), self.seeds, len(self.proxies))
        for name in ("values", "statuses", "seconds"):
            found = getattr(self, name).shape
            if found != shape:
                raise ProxyError(f"{name} of scores must have the shape {shape}; got {found}")
        for what, names in (("proxy", self.proxies), ("architecture", self.architectures)):
            if len(set(names)) < len(names):
                twice = next(name for n, name in enumerate(names) if name in names[:n])
                raise ProxyError(f"the {what} {twice!r} stands twice among the scores")

    def __len__(self) -> int:
        return len(self.architectures)

    def __repr__(self) -> str:
        return f"Scores({len(self)} architectures of {self.space!r}, {', '.join(self.proxies)})"

    @property
    def seeds(self) -> int:
        """How many initialisations of each network were scored."""
        return int(self.values.shape[1]) if self.values.ndim == 3 else 0

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.proxies)}

    def of(self, proxy: str) -> Floats:
        """Return the values of one proxy, `(architectures, seeds)`.

        Raises:
            UnknownNameError: If it was not scored with.
        """
        return self.values[:, :, self._place(proxy)]

    def mean(self, proxy: str) -> Floats:
        """Return the mean over the seeds that have a score, `(architectures,)`; NaN if none has."""
        values = self.of(proxy)
        there = ~np.isnan(values)
        count = there.sum(axis=1)
        total = np.where(there, values, 0.0).sum(axis=1)
        means: Floats = np.full(len(self), np.nan)
        np.divide(total, count, out=means, where=count > 0)
        return means

    def reasons(self, proxy: str) -> dict[str, int]:
        """Return how often each status but "ok" occurs, over architectures and seeds."""
        found, counts = np.unique(self.statuses[:, :, self._place(proxy)], return_counts=True)
        return {str(s): int(n) for s, n in zip(found, counts, strict=True) if s != _OK}

    def _place(self, proxy: str) -> int:
        if proxy not in self._places:
            raise UnknownNameError("proxy among the scores", proxy, self.proxies)
        return self._places[proxy]

    def take(self, rows: Sequence[int] | NDArray[Any]) -> Scores:
        """Return the scores of some architectures, by their places."""
        places = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            architectures=tuple(self.architectures[place] for place in places.tolist()),
            values=self.values[places],
            statuses=self.statuses[places],
            seconds=self.seconds[places],
        )

    def only(self, proxies: Sequence[str]) -> Scores:
        """Return the scores of some proxies, in this order."""
        places = [self._place(proxy) for proxy in proxies]
        return replace(
            self,
            proxies=tuple(proxies),
            values=self.values[:, :, places],
            statuses=self.statuses[:, :, places],
            seconds=self.seconds[:, :, places],
            notes={name: text for name, text in self.notes.items() if name in proxies},
        )

    def with_proxy(self, name: str, values: Floats, *, note: str = "") -> Scores:
        """Return the scores with one more proxy, such as one made of several.

        Args:
            name: Not among the proxies.
            values: `(architectures, seeds)`; NaN where there is none.
            note: What to mind.
        """
        statuses = np.where(np.isnan(values), "nan", _OK)
        return replace(
            self,
            proxies=(*self.proxies, name),
            values=np.concatenate([self.values, values[:, :, None]], axis=2),
            statuses=np.concatenate([self.statuses, statuses[:, :, None]], axis=2),
            seconds=np.concatenate([self.seconds, np.zeros((*values.shape, 1))], axis=2),
            notes={**self.notes, **({name: note} if note else {})},
        )

    def joined(self, other: Scores) -> Scores:
        """Return the architectures that both have, with the proxies of both.

        A proxy that both have keeps the values here; facts of both are kept.

        Raises:
            ProxyError: If the spaces or the numbers of seeds differ, or no architecture is in both.
        """
        for what in ("space", "seeds"):
            own, theirs = getattr(self, what), getattr(other, what)
            if own != theirs:
                raise ProxyError(
                    f"scores of different {what} cannot be joined: {own!r} and {theirs!r}"
                )
        places = {text: place for place, text in enumerate(other.architectures)}
        here = [n for n, text in enumerate(self.architectures) if text in places]
        if not here:
            raise ProxyError("scores with no architecture in common cannot be joined")
        left = self.take(here)
        right = other.take([places[text] for text in left.architectures])
        right = right.only([name for name in right.proxies if name not in left.proxies])
        both = [scores.facts.get("parts", [dict(scores.facts)]) for scores in (self, other)]
        return replace(
            left,
            proxies=left.proxies + right.proxies,
            values=np.concatenate([left.values, right.values], axis=2),
            statuses=np.concatenate([left.statuses, right.statuses], axis=2),
            seconds=np.concatenate([left.seconds, right.seconds], axis=2),
            notes={**left.notes, **right.notes},
            facts={"parts": [part for parts in both for part in parts]},
        )

    @classmethod
    def of_trials(cls, trials: Iterable[Trial], facts: Mapping[str, Any]) -> Scores:
        """Read the scores from finished trials of a proxy evaluator.

        Args:
            trials: Those that are not finished are passed over.
            facts: What the evaluator says of itself, among it pairs of name and options as
                "proxies", the number of "repeats", and "notes".
        """
        found = sorted((t for t in trials if t.status.finished), key=lambda t: t.number)
        asked = [name for name, _ in facts["proxies"] if name not in SIZES]
        names = [(name, part) for name in asked for part in ("", *PARTS.get(name, ()))]
        shape = (len(found), int(facts["repeats"]), len(SIZES) + len(names))
        values, seconds = np.full(shape, np.nan), np.zeros(shape)
        statuses = np.full(shape, "failed", dtype="<U16")
        for row, trial in enumerate(found):
            measured = trial.outcome.measurement if trial.outcome else None
            if measured is None:  # it was not even built
                continue
            for place, metric in enumerate(SIZES.values()):
                values[row, :, place], statuses[row, :, place] = measured.metrics[metric], _OK
            for place, (name, part) in enumerate(names, len(SIZES)):
                own = measured.info["scores"][name]
                some = own["details"][part] if part and "details" in own else own["values"]
                values[row, :, place] = [np.nan if v is None else v for v in some]
                missing = np.isnan(values[row, :, place])
                status = np.where(missing, "degenerate", _OK) if part else own["statuses"]
                statuses[row, :, place] = status
                seconds[row, :, place] = 0.0 if part else own["seconds"]
        texts = tuple(t.architecture.space.format(t.architecture) for t in found)
        space = found[0].architecture.space.name if found else ""
        notes = {name: text for name, text in facts.get("notes", {}).items() if name in asked}
        proxies = (*SIZES, *(f"{name}.{part}".rstrip(".") for name, part in names))
        return cls(space, texts, proxies, values, statuses, seconds, notes, dict(facts))
