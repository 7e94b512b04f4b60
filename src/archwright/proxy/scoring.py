"""Scoring one network, or many on the same batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import nn

from archwright.errors import ProxyError
from archwright.proxy.batch import Batch
from archwright.proxy.catalog import make_proxy
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Measured, Proxy, Score, Unscored

__all__ = ["score", "score_many"]

_SIZE_NOTE = "grows with the size of the network: compare within one space"


def score(
    network: nn.Module,
    batch: Batch,
    proxy: str | Proxy = "naswot",
    *,
    seed: int = 0,
    **options: object,
) -> Score:
    """Score a network without training it.

    The network is left as it was, bit for bit. A network that the proxy has no value for gets a
    score of NaN whose `status` and `reason` say why.

    Args:
        network: Freshly initialised, from `(batch, *input_shape)` to `(batch, outputs)`.
        batch: The same for all networks that are to be compared.
        proxy: A name of `PROXIES`, or a proxy.
        seed: Root of what the proxy draws.
        options: Of the proxy.

    Raises:
        UnknownNameError: If there is no such proxy or option.
        ProxyError: If the batch lacks what the proxy needs, or an option is out of its range.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> score(network, Batch.noise((4,), 8)).status
        'ok'
    """
    made = make_proxy(proxy, **options)
    return _scored(network, batch, [made], seed)[made.name]


def score_many(
    networks: Iterable[nn.Module | Callable[[], nn.Module]],
    batch: Batch,
    proxies: Sequence[str | Proxy] = ("naswot",),
    *,
    seeds: Sequence[int] = (0,),
    on_score: Callable[[int, dict[str, Score]], None] | None = None,
) -> Iterator[dict[str, Score]]:
    """Score networks with several proxies, running the passes that proxies share once.

    Args:
        networks: Networks, or functions that build one; built when it is its turn, and let go.
        batch: The same for all.
        proxies: Names of `PROXIES`, or proxies; their names must differ.
        seeds: Roots of what the proxies draw; each network is scored with each of them.
        on_score: Told of the number of each network and its scores.

    Yields:
        The scores by the names of the proxies, for each network in order, and each seed.

    Raises:
        UnknownNameError: If there is no such proxy.
        ProxyError: If the batch lacks what a proxy needs.
    """
    made = [make_proxy(proxy) for proxy in proxies]
    names = [proxy.name for proxy in made]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ProxyError(f"proxies {sorted(repeated)} are given twice: score them one by one")
    for number, given in enumerate(networks):
        network = given if isinstance(given, nn.Module) else given()
        for seed in seeds:
            scores = _scored(network, batch, made, seed)
            if on_score:
                on_score(number, scores)
            yield scores


def _scored(
    network: nn.Module, batch: Batch, proxies: Sequence[Proxy], seed: int
) -> dict[str, Score]:
    for proxy in proxies:
        _check(proxy, batch)
    unread = [proxy.reads for proxy in proxies]
    scores: dict[str, Score] = {}
    with Passes(network, batch, reads=frozenset().union(*unread), seed=seed) as passes:
        for number, proxy in enumerate(proxies):
            scores[proxy.name] = _measured(proxy, passes)
            passes.drop(proxy.reads - frozenset().union(*unread[number + 1 :]))
    return scores


def _check(proxy: Proxy, batch: Batch) -> None:
    if "labels" in proxy.needs and batch.targets is None:
        raise ProxyError(
            f"proxy {proxy.name!r} needs targets, and the batch has none: use Batch.of(split, ...)"
        )


def _measured(proxy: Proxy, passes: Passes) -> Score:
    started = time.perf_counter()
    try:
        found = proxy.measure(passes)
    except Unscored as none:
        status, reason, raw = none.status, none.reason, none.raw
        found = Measured(math.nan)
    else:
        found = found if isinstance(found, Measured) else Measured(float(found))
        raw = found.value if found.raw is None else found.raw
        status, reason = _judged(found.value)
    return Score(
        proxy=proxy.name,
        value=found.value if status == "ok" else math.nan,
        status=status,
        reason=reason,
        raw=raw,
        seconds=time.perf_counter() - started,
        seed=passes.seed,
        note="; ".join(filter(None, (found.note, _SIZE_NOTE if proxy.size_bound else ""))),
        details=found.details,
    )


def _judged(value: float) -> tuple[str, str]:
    """Return status and reason for a value."""
    if math.isnan(value):
        return "nan", "the score is not a number"
    if math.isinf(value):
        return "overflow", "the score is beyond the range of the numbers"
    return "ok", ""
