"""Score the untrained networks of a space: once, kept in a store, gone on with after a kill.

    scores = score_space("nasbench201", "cifar10", ["naswot", "synflow"], samples=100, store="s.db")
    scores.mean("naswot")                                 # (100,), params and flops beside
    correlate(scores, "nasbench201.table")                # see score_studies.py

A study whose evaluator scores keeps them, so a sample can grow, and other processes can join.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archwright import network
from archwright.canonical import digest
from archwright.data import Dataset, load
from archwright.errors import ProxyError, SpaceError
from archwright.evaluate.building import with_skeleton
from archwright.evaluate.proxy import ProxyEvaluator, ProxyLike
from archwright.proxy.combining import combine
from archwright.run import Callback, Study
from archwright.space import Architecture, Space
from archwright.store import Store
from archwright.trial import Budget, Constraint, Scores

__all__ = ["ENSEMBLES", "prepare_scoring", "score_space", "scores_of", "with_ensembles"]

_MOST = 1_000_000
"""Spaces of more architectures are not scored as a whole."""

ENSEMBLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vote": ("vote", ("synflow", "jacob_cov", "snip")),
    "te_nas": ("rank_sum", ("ntk", "regions")),
    "az_nas.all": (
        "log_rank_sum",
        ("az_nas", "az_nas.progressivity", "az_nas.trainability", "flops"),
    ),
}
"""What is made of several proxies: how, and of which."""


def score_space(
    space: str | Space,
    data: Any,
    proxies: Sequence[ProxyLike] = ("naswot",),
    *,
    samples: int | None = None,
    workers: int = 1,
    callback: Callback | None = None,
    should_stop: Callable[[], bool] | None = None,
    **settings: Any,
) -> Scores:
    """Score architectures of a space with proxies, `params` and `flops` always beside.

    What is in the store already is not scored again: the same call goes on where a killed one
    stopped, and one with more samples adds to it.

    Args:
        space: Name in the catalog, "file.py:NAME", or a `Space`.
        data: What `archwright.data.load` takes, or a loaded `Dataset`.
        proxies: Names, pairs of name and options, or proxies.
        samples: How many architectures, drawn without repetition by the seed; None for all.
        workers: Processes that score at the same time.
        callback: Hears of every architecture.
        should_stop: Asked now and then; true ends it soon.
        **settings: Any of

            - architectures: these, in this order, in the place of a sample;
            - batch_size: rows that all proxies look at; each one's published number if not given;
            - noise: whether normal random inputs take the place of the rows (False);
            - seeds: initialisations of each network (1);
            - seed: root of all randomness (0);
            - constraints: hard bounds such as "parameters<=50000";
            - store: where the scores are kept, a path or URL; memory if not given;
            - name: of the study in the store; made of what is scored if not given;
            - space_options, skeleton, data_options: as for a benchmark of one's own.

    Returns:
        The scores, in the order of the sample.

    Raises:
        UnknownNameError: If a name or an option is not known.
        ProxyError: If a proxy lacks what it needs, or a number is out of range.
        NetworkError: If nothing builds networks for the space, or they do not fit the data.
        StoreError: If the study of that name scored something else.
        KeyboardInterrupt: If it was interrupted; what was scored is kept.
    """
    study = prepare_scoring(space, data, proxies, samples=samples, **settings)
    study.run(workers=workers, resume=True, callback=callback, should_stop=should_stop)
    return scores_of(study, samples)


def prepare_scoring(
    space: str | Space,
    data: Any,
    proxies: Sequence[ProxyLike] = ("naswot",),
    *,
    samples: int | None = None,
    architectures: Sequence[Architecture] | None = None,
    batch_size: int | None = None,
    noise: bool = False,
    seeds: int = 1,
    seed: int = 0,
    constraints: Sequence[str | Constraint] = (),
    store: Store | str | Path | None = None,
    name: str | None = None,
    space_options: Mapping[str, Any] | None = None,
    skeleton: Mapping[str, int] | None = None,
    data_options: Mapping[str, Any] | None = None,
) -> Study:
    """Check everything and return the study that scores; see `score_space` for the arguments."""
    searched = network.load_space(space, **(space_options or {}))
    searched = with_skeleton(searched, **skeleton) if skeleton else searched
    loaded = data
    if not isinstance(data, Dataset):
        loaded = load(data, **{"seed": seed, **(data_options or {})})
    evaluator = ProxyEvaluator(
        searched,
        loaded,
        proxies,
        batch_size=batch_size,
        noise=noise,
        repeats=seeds,
        seed=seed,
        constraints=constraints,
    )
    strategy, options, count = _plan(searched, samples, architectures)
    return Study(
        searched,
        strategy,
        evaluator,
        objective=f"max:{evaluator.proxies[0].name}",
        budget=Budget(trials=count),
        constraints=constraints,
        seed=seed,
        store=store,
        name=name or _name(loaded, searched, evaluator, [strategy, options, seed]),
        options=options,
    )


def scores_of(study: Study, samples: int | None = None) -> Scores:
    """Return the scores that are in a study's store now, of the first `samples` architectures."""
    found = study.result()
    evaluator = study.job.evaluator
    assert isinstance(evaluator, ProxyEvaluator)
    facts = {**found.study.spec["facts"], "notes": evaluator.notes, "sample": study.job.seed}
    trials = sorted(found.trials, key=lambda trial: trial.number)[:samples]
    return Scores.of_trials(trials, facts)


def with_ensembles(scores: Scores) -> Scores:
    """Return scores with `ENSEMBLES` added for which there is everything.

    They rank these architectures against each other, so that their values hold for this set only;
    an architecture without a score of one proxy ranks last in it.
    """
    for name, (how, parts) in ENSEMBLES.items():
        if name in scores.proxies or not set(parts) <= set(scores.proxies) or not len(scores):
            continue
        by_seed = np.stack([scores.of(part) for part in parts])  # (proxies, architectures, seeds)
        values = [combine(by_seed[:, :, seed], how) for seed in range(scores.seeds)]
        note = f"{how} of {', '.join(parts)} over these {len(scores)} architectures"
        scores = scores.with_proxy(name, np.stack(values, axis=1), note=note)
    return scores


def _plan(
    space: Space, samples: int | None, architectures: Sequence[Architecture] | None
) -> tuple[str, dict[str, Any], int]:
    """Return the strategy that proposes what is to be scored, its options, and how many."""
    if architectures is not None:
        if samples is not None or not architectures:
            raise ProxyError(
                f"give architectures or a number of samples; got {len(architectures)} of the "
                f"first and samples={samples!r}"
            )
        return "random", {"initial": list(architectures)}, len(architectures)
    if samples is not None:
        if type(samples) is not int or samples < 1:
            raise ProxyError(f"samples must be a whole number of at least 1; got {samples!r}")
        return "random", {}, int(min(samples, space.size))
    if space.size > _MOST:
        raise SpaceError(
            f"the space {space.name!r} has {space.size:,} architectures, too many to score all; "
            "say how many with samples"
        )
    return "grid", {}, int(space.size)


def _name(data: Dataset, space: Space, evaluator: ProxyEvaluator, asked: list[Any]) -> str:
    """Return a name that says what is scored, and is another one where anything differs."""
    facts = {key: value for key, value in evaluator.describe().items() if key != "data"}
    reference = network.reference_of(space)
    strategy, options, seed = asked
    plain = [[*a.codes] for a in options.get("initial", ())]
    goals = [str(constraint) for constraint in evaluator.constraints]
    mark = digest([facts, reference, space.to_json(), strategy, plain, seed, goals], length=8)
    return f"scores-{data.name}-{space.name}-{mark}"
