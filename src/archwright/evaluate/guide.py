"""Scores of untrained networks for a strategy that looks at them before it proposes.

It is a `Guide` of the strategy room: the same architecture has the same scores, whoever asks and
when, since the weights depend on it and on the seed alone. Each is scored once in a process; what a
search was told stands in the record of its proposals, so that going on costs nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.data import Dataset
from archwright.errors import ProxyError, StoreError
from archwright.evaluate.evaluator import Evaluator
from archwright.evaluate.proxy import ProxyEvaluator, ProxyLike
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space
from archwright.trial import Proposal

__all__ = ["ProxyGuide", "from_spec"]

_ENOUGH = 20
"""So many architectures without any score, and the proxies have nothing to say of this space."""


class ProxyGuide:
    """Scores architectures by proxies.

    Args:
        space: Where the architectures come from; must have a network builder.
        data: Its training split is looked at.
        proxies: Names, pairs of name and options, or proxies.
        seed: Of rows and weights.
        on_scored: Called with the number of architectures that were scored so far.
        settings: As for `ProxyEvaluator`: batch_size, noise, repeats.

    Raises:
        UnknownNameError: If there is no such proxy or option.
        ProxyError: If a proxy needs labels and gets noise, one is given twice, or a number is out
            of range.
        NetworkError: If nothing builds networks for the space.
    """

    def __init__(
        self,
        space: Space,
        data: Dataset,
        proxies: Sequence[ProxyLike],
        *,
        seed: int = 0,
        on_scored: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> None:
        self.on_scored = on_scored
        self._evaluator = ProxyEvaluator(space, data, proxies, seed=seed, **settings)
        self._known: dict[tuple[float, ...], list[float]] = {}
        self._scored = 0  # those that have any score

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the proxies."""
        return tuple(proxy.name for proxy in self._evaluator.proxies)

    def score(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return `(architectures, proxies)`, higher is better; NaN where there is no score.

        Raises:
            ProxyError: If none of the first architectures has any.
        """
        rows = [self._row(architecture) for architecture in architectures]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.columns))

    def describe(self) -> dict[str, Any]:
        """Return proxies, rows, repeats, seed and hashes of the data."""
        facts = self._evaluator.describe()
        told = {key: value for key, value in facts.items() if key not in ("data", "device")}
        return {"kind": "proxies", **told, "batch_size": self._evaluator.rows}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"on_scored": None}  # who listens is in this process

    def _row(self, architecture: Architecture) -> list[float]:
        known = self._known.get(architecture.codes)
        if known is None:
            known = self._known[architecture.codes] = self._new(architecture)
            if self.on_scored is not None:
                self.on_scored(len(self._known))
        return known

    def _new(self, architecture: Architecture) -> list[float]:
        evaluator = self._evaluator
        seed = derive_seed(evaluator.seed, "guide", *architecture.codes)
        outcome = evaluator.evaluate_batch([Proposal(architecture)], seeds=[seed])[0]
        metrics = outcome.measurement.metrics if outcome.measurement else {}
        row = [metrics.get(name, np.nan) for name in self.columns]
        self._scored += not np.isnan(row).all()
        if not self._scored and len(self._known) + 1 >= _ENOUGH:
            raise ProxyError(
                f"none of {_ENOUGH} architectures has a score of {', '.join(self.columns)}, so "
                f"they cannot guide a search; the last one: {outcome.error}"
            )
        return row


def from_spec(described: Mapping[str, Any], space: Space, evaluator: Evaluator) -> ProxyGuide:
    """Rebuild the guide of a study; see `build_guide`.

    Raises:
        StoreError: If the study's evaluator has no data to score on.
    """
    data = getattr(evaluator, "data", None)
    if not isinstance(data, Dataset):
        raise StoreError(
            "this study is guided by proxies on data that the store does not keep; run it from "
            "the program that made it (aw.Study(..., guide=...).run(resume=True))"
        )
    proxies = [(name, options) for name, options in described["proxies"]]
    settings = {key: described[key] for key in ("batch_size", "noise", "repeats", "seed")}
    return ProxyGuide(space, data, proxies, **settings)
