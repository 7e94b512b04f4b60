"""From what a user says to the guide of a search: proxies by name, or a guide of one's own.

    guide = "naswot"                       # one proxy
    guide = "naswot+synflow+jacob_cov"     # several; where one order is wanted, they vote

Unlike a prescreen, which scores once before anything is trained, a guide is asked again and again
by strategies that look at scores before they propose: "filtered", "guided-evolution", "predictor".
"""

from __future__ import annotations

from collections.abc import Callable

from archwright.data import Dataset
from archwright.errors import ProxyError
from archwright.evaluate import ProxyGuide
from archwright.space import Space
from archwright.strategy import STRATEGIES, Guide

__all__ = ["read_guide"]


def read_guide(
    guide: str | Guide | None,
    strategy: str,
    space: Space,
    data: Dataset,
    *,
    seed: int = 0,
    on_scored: Callable[[int], None] | None = None,
) -> Guide | None:
    """Return the guide that was asked for, once it is known that the strategy can use it.

    Args:
        guide: Names of proxies with + between them, a guide, or None.
        strategy: Name.
        space: Of the search.
        data: Its training split is looked at.
        seed: Of rows and weights.
        on_scored: Called with the number of architectures that were scored so far.

    Raises:
        UnknownNameError: If there is no such strategy or proxy.
        ProxyError: If the text has another form, or the proxies cannot be used together.
        StrategyError: If the strategy needs a guide, or takes none.
    """
    if isinstance(guide, str):
        names = [name.strip() for name in guide.split("+")]
        if not all(names):
            raise ProxyError(
                f"a guide must look like naswot or naswot+synflow+jacob_cov; got {guide!r}"
            )
        guide = ProxyGuide(space, data, names, seed=seed, on_scored=on_scored)
    STRATEGIES.get(strategy).guided_by(guide)
    return guide
