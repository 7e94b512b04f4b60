"""A first filter before training: score many architectures, train the best ones first.

    prescreen = Prescreen.parse("naswot:100")        # 100 are scored
    prescreen = Prescreen.parse("naswot:100:10")     # and 10 of them become the first ones trained
    prescreen = Prescreen.parse("synflow+jacob_cov+snip:100")   # ranked by the vote of the three

They become the option `initial` of the strategy: the first population of an evolution, or simply
what is trained first. The scores stay in the study's record, and their time counts as search time.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archwright.data import Dataset
from archwright.errors import ProxyError, StoreError
from archwright.evaluate import Evaluator
from archwright.evaluate.proxy import ProxyEvaluator
from archwright.proxy.combining import combine
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space
from archwright.strategy import STRATEGIES, make_strategy
from archwright.trial import Proposal

__all__ = ["OnScored", "Prescreen", "Screened", "check_same", "screen"]

OnScored = Callable[[int, int], None]
"""Called with the number of architectures that are scored, and that of all."""

_FORM = re.compile(r"\s*([\w+-]+)\s*:\s*(\d+)\s*(?::\s*(\d+)\s*)?")


@dataclass(frozen=True)
class Prescreen:
    """What is scored before anything is trained.

    Args:
        proxies: Names; several are combined by vote.
        samples: How many architectures are drawn, without repetition.
        keep: How many are trained first; None for the strategy's population, or all.

    Raises:
        ProxyError: If a number is out of range.
    """

    proxies: tuple[str, ...]
    samples: int
    keep: int | None = None

    def __post_init__(self) -> None:
        kept = 1 if self.keep is None else self.keep
        if self.samples < 1 or not 1 <= kept <= self.samples:
            raise ProxyError(
                f"a prescreen scores at least 1 architecture and keeps from 1 to all of them; got "
                f"{self.samples!r} scored and {self.keep!r} kept"
            )

    @classmethod
    def parse(cls, text: str | Prescreen) -> Prescreen:
        """Read "PROXY:SAMPLES" or "PROXY+PROXY:SAMPLES:KEEP".

        Raises:
            ProxyError: If the text has another form.
        """
        if isinstance(text, Prescreen):
            return text
        match = _FORM.fullmatch(text)
        if match is None:
            raise ProxyError(
                f"a prescreen must look like naswot:100 (score 100), naswot:100:10 (train the best "
                f"10 of them first) or synflow+jacob_cov+snip:100; got {text!r}"
            )
        kept = int(match[3]) if match[3] else None
        return cls(tuple(match[1].split("+")), int(match[2]), kept)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return {"proxies": list(self.proxies), "samples": self.samples, "keep": self.keep}


@dataclass(frozen=True)
class Screened:
    """What a prescreen has found.

    Args:
        initial: What to train first, the best first.
        record: JSON for the study: what was asked, every score, the seconds.
        seconds: Wall time.
    """

    initial: tuple[Architecture, ...]
    record: Mapping[str, Any]
    seconds: float


def screen(
    prescreen: Prescreen,
    evaluator: Evaluator,
    space: Space,
    data: Dataset,
    *,
    strategy: str,
    options: Mapping[str, Any],
    trials: int | None = None,
    seed: int = 0,
    on_scored: OnScored | None = None,
) -> Screened:
    """Score architectures that keep the evaluator's constraints, and choose the first ones.

    Args:
        prescreen: What to score, and how many to keep.
        evaluator: Of the search.
        space: Of the search.
        data: Its training split is looked at.
        strategy: Name; its `population` is how many are kept if nothing else is said.
        options: Of the strategy.
        trials: The search trains no more than these.
        seed: Of the search.
        on_scored: Hears of the progress.

    Raises:
        UnknownNameError: If there is no such proxy.
        ProxyError: If no architecture has a score.
    """
    started = time.perf_counter()
    scorer = ProxyEvaluator(space, data, prescreen.proxies, seed=seed)
    for description, keeps in evaluator.rules():
        space = space.restricted(description, keeps)
    drawn = _drawn(space, prescreen.samples, seed)
    values = np.full((len(prescreen.proxies), len(drawn)), np.nan)
    for number, proposal in enumerate(drawn):
        own = derive_seed(seed, "prescreen", *proposal.architecture.codes)
        outcome = scorer.evaluate_batch([proposal], seeds=[own])[0]
        metrics = outcome.measurement.metrics if outcome.measurement else {}
        values[:, number] = [metrics.get(proxy.name, np.nan) for proxy in scorer.proxies]
        if on_scored is not None:
            on_scored(number + 1, len(drawn))
    if np.isnan(values).all():
        raise ProxyError(
            f"none of {len(drawn)} architectures has a score of {', '.join(prescreen.proxies)}; "
            f"the last one: {outcome.error}"
        )
    order = _ranked(values)[: _kept(prescreen, strategy, options, trials)]
    seconds = time.perf_counter() - started
    record = {
        "asked": prescreen.to_json(),
        "kept": len(order),
        "seconds": seconds,
        "scores": [
            {"architecture": one.architecture.to_json(), "scores": _plain(values[:, number])}
            for number, one in enumerate(drawn)
        ],
    }
    return Screened(tuple(drawn[number].architecture for number in order), record, seconds)


def check_same(before: Mapping[str, Any] | None, prescreen: Prescreen | None) -> None:
    """Refuse to go on with a study that was screened in another way.

    Raises:
        StoreError: If it was.
    """
    asked = before["asked"] if before else None
    now = prescreen.to_json() if prescreen else None
    if asked != now:
        raise StoreError(
            f"the study was made with the prescreen {asked}; got {now}. Choose another name, or "
            "go on with what it was made with"
        )


def _drawn(space: Space, samples: int, seed: int) -> list[Proposal]:
    """Return distinct random architectures; fewer where the space has no more."""
    chosen = make_strategy("random", space, ["max:score"], seed=derive_seed(seed, "prescreen"))
    return chosen.ask(samples)


def _ranked(values: np.ndarray) -> list[int]:
    """Return the places from the best to the worst; those without a score come last."""
    combined = values[0] if len(values) == 1 else combine(values, "vote")
    lowest = np.where(np.isnan(combined), -np.inf, combined)
    ranked: list[int] = np.argsort(-lowest, kind="stable").tolist()
    return ranked


def _kept(
    prescreen: Prescreen, strategy: str, options: Mapping[str, Any], trials: int | None
) -> int:
    known = inspect.signature(STRATEGIES.get(strategy)).parameters.get("population")
    population = options.get("population", known.default if known else None)
    kept = prescreen.keep or population or prescreen.samples
    return min(int(kept), trials or int(kept))


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
