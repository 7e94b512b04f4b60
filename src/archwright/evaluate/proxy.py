"""The evaluator that does not train: build a network, score it, let it go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from archwright import network
from archwright.data import Dataset, load
from archwright.errors import EvaluationError, ProxyError, UnknownNameError
from archwright.evaluate.evaluator import NO_CONTEXT, Context, Evaluator
from archwright.evaluate.feasibility import COUNTED, Feasibility, counts_of
from archwright.proxy import Batch, Proxy, Score, make_proxy, score_many
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space
from archwright.trial import Constraint, Measurement, MetricInfo, Proposal

__all__ = ["ProxyEvaluator", "ProxyLike", "from_spec"]

ProxyLike: TypeAlias = str | tuple[str, Mapping[str, Any]] | Proxy
"""A proxy by name, by name and options, or as an object."""

_FEW = 2  # rows for proxies that look at the shape of the inputs only


class UnscoredError(EvaluationError):
    """No proxy has a value for a network; carries what was counted, and each reason."""

    def __init__(self, message: str, measurement: Measurement) -> None:
        super().__init__(message, status="invalid")
        self.measurement = measurement


class ProxyEvaluator(Evaluator):
    """Scores untrained networks, all on the same rows of the training split.

    The metrics are named after the proxies, higher is better; `parameters` and `macs` stand beside
    them, for what does not rank better than these two is not worth its name. Constraints on them
    restrict the space before anything is scored.

    A proxy that has no value for a network is left out of its metrics, so it ranks last; a network
    for which no proxy has one is an invalid trial. `info["scores"]` holds every value with its
    status. Weights depend on the trial's seed, rows on the evaluator's.

    Args:
        space: Where the architectures come from; must have a network builder.
        data: Gives the rows, and the shapes of inputs and outputs.
        proxies: Names, pairs of name and options, or proxies.
        batch_size: Rows that all proxies look at; None gives each its published number, as far as
            there are so many. Proxies of equal number share their passes.
        noise: Whether normal random inputs take the place of the rows.
        repeats: Initialisations of each network; metrics are means over them.
        seed: Which rows, or which noise.
        constraints: Hard bounds on `parameters`, `macs` or a proxy.

    Raises:
        UnknownNameError: If there is no such proxy, option or metric.
        ProxyError: If a proxy needs labels and gets noise, one is given twice, or a number is out
            of range.
        NetworkError: If nothing builds networks for the space.
    """

    def __init__(
        self,
        space: Space,
        data: Dataset,
        proxies: Sequence[ProxyLike] = ("naswot",),
        *,
        batch_size: int | None = None,
        noise: bool = False,
        repeats: int = 1,
        seed: int = 0,
        constraints: Sequence[Constraint | str] = (),
    ) -> None:
        network.builder_of(space)
        for name, value in (("batch_size", batch_size), ("repeats", repeats)):
            if value is not None and (type(value) is not int or value < 1):
                raise ProxyError(f"{name} must be a whole number of at least 1; got {value!r}")
        self.space, self.data = space, data.for_search()
        self.proxies = _made(proxies)
        self._asked = tuple(proxies)
        self.batch_size = 1
        self.rows, self.noise, self.repeats, self.seed = batch_size, noise, repeats, seed
        self.constraints = tuple(Constraint.parse(constraint) for constraint in constraints)
        self.metrics = (
            *(MetricInfo(proxy.name, "max", "score") for proxy in self.proxies),
            MetricInfo("parameters", "min", "count"),
            MetricInfo("macs", "min", "count"),
        )
        for constraint in self.constraints:
            if self.metric(constraint.metric) is None:
                known = [metric.name for metric in self.metrics]
                raise UnknownNameError("metric in a constraint", constraint.metric, known)
        self._check_labels()
        self._feasibility = Feasibility(
            space, data.input_shape, data.task.outputs, self.constraints, self.metrics
        )

    def rules(self) -> Sequence[tuple[str, Callable[[Architecture], bool]]]:
        """Return the bounds on parameters and MACs: exact, so never worth a score."""
        return self._feasibility.rules()

    def check(self) -> None:
        """Refuse a space that does not fit the data, and bounds that nothing keeps."""
        self._feasibility.check()

    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Build the network of a proposal as often as there are repeats, and score it.

        Raises:
            EvaluationError: If no proxy has a value for it; the status is "invalid".
            NetworkError: If it cannot be built for these data.
            KeyboardInterrupt: If the context says to stop.
        """
        started = time.perf_counter()
        found: dict[str, list[Score]] = {proxy.name: [] for proxy in self.proxies}
        for repeat in range(self.repeats):
            root = derive_seed(seed, "scores", repeat)
            built = self._build(proposal.architecture, derive_seed(root, "weights"))
            if not repeat:
                counted = counts_of(built, self.data.input_shape)
            for proxies, batch in self._groups:
                if context.should_stop():
                    raise KeyboardInterrupt
                for name, score in next(score_many([built], batch, proxies, seeds=(root,))).items():
                    found[name].append(score)
        metrics = {name: mean for name, own in found.items() if (mean := _mean(own)) is not None}
        sizes = {name: counted[name] for name in COUNTED if self.metric(name)}
        info = {"scores": {name: _described(own) for name, own in found.items()}}
        spent = time.perf_counter() - started
        if not metrics:
            raise UnscoredError(_why_none(found), Measurement(sizes, spent, info=info))
        return Measurement({**metrics, **sizes}, spent, info=info)

    def describe(self) -> dict[str, Any]:
        """Return the data, the proxies with their options, and what they look at."""
        return {
            "data": self.data.summary(),
            "hashes": dict(self.data.hashes),
            "proxies": self._described_proxies(),
            "rows": {p.name: len(batch) for proxies, batch in self._groups for p in proxies},
            "noise": self.noise,
            "repeats": self.repeats,
            "seed": self.seed,
            "device": self.data.train.inputs.device.type,
        }

    @property
    def notes(self) -> dict[str, str]:
        """What to mind about scores, by proxy."""
        text = "grows with the network: compares networks of one space"
        return {proxy.name: text for proxy in self.proxies if proxy.size_bound}

    def to_spec(self) -> dict[str, Any] | None:
        """Return the JSON for `from_spec`; None if data, space or a proxy have none."""
        reference = network.reference_of(self.space)
        objects = any(isinstance(proxy, Proxy) for proxy in self._asked)
        if self.data.spec is None or reference is None or objects:
            return None
        return {
            "kind": "proxy",
            "space": reference,
            "data": dict(self.data.spec),
            "proxies": self._described_proxies(),
            "batch_size": self.rows,
            "noise": self.noise,
            "repeats": self.repeats,
            "seed": self.seed,
        }

    @cached_property
    def _groups(self) -> list[tuple[list[Proxy], Batch]]:
        """The proxies that look at the same rows, and these."""
        split = self.data.train
        sizes = {p.name: self._size(p, len(split)) for p in self.proxies}
        wanted = sorted({size for size in sizes.values() if size is not None}) or [_FEW]
        most = min(wanted[-1], len(split))
        if self.noise:
            whole = Batch.noise(self.data.input_shape, most, seed=self.seed)
            whole = whole.to(split.inputs.device)
        else:
            whole = Batch.of(split, most, seed=self.seed)
        return [
            ([p for p in self.proxies if (sizes[p.name] or wanted[0]) == size], whole.first(size))
            for size in wanted
        ]

    def _size(self, proxy: Proxy, rows: int) -> int | None:
        """Return how many rows a proxy looks at; None if it does not look at any."""
        if not proxy.needs & {"data", "labels"}:
            return None
        return min(self.rows or proxy.batch_size, rows)

    def _build(self, architecture: Architecture, seed: int) -> Any:
        outputs = self.data.task.outputs
        built = network.build(architecture, self.data.input_shape, outputs, seed=seed)
        return built.to(self.data.train.inputs.device)

    def _described_proxies(self) -> list[list[Any]]:
        given = [one if isinstance(one, tuple) else (one, {}) for one in self._asked]
        return [
            [proxy.name, dict(options)]
            for proxy, (_, options) in zip(self.proxies, given, strict=True)
        ]

    def _check_labels(self) -> None:
        hungry = [proxy.name for proxy in self.proxies if "labels" in proxy.needs]
        if self.noise and hungry:
            raise ProxyError(
                f"{', '.join(hungry)}: needs labels, which random inputs do not have; leave it "
                f"out, or score on the data (noise=False)"
            )


def from_spec(spec: Mapping[str, Any]) -> tuple[Space, ProxyEvaluator]:
    """Rebuild the space and the evaluator of a study; see `build_evaluator`."""
    described = spec["evaluator"]
    space = network.load_space(described["space"])
    return space, ProxyEvaluator(
        space,
        load(described["data"]),
        [(name, options) for name, options in described["proxies"]],
        constraints=spec.get("constraints", ()),
        **{key: described[key] for key in ("batch_size", "noise", "repeats", "seed")},
    )


def _made(proxies: Sequence[ProxyLike]) -> tuple[Proxy, ...]:
    if isinstance(proxies, str) or not proxies:
        raise ProxyError(f"proxies must be a list of at least one; got {proxies!r}")
    made = [make_proxy(p[0], **p[1]) if isinstance(p, tuple) else make_proxy(p) for p in proxies]
    names = [proxy.name for proxy in made]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ProxyError(f"{', '.join(twice)} is given twice; score each proxy once")
    return tuple(made)


def _mean(scores: Sequence[Score]) -> float | None:
    values = [score.value for score in scores if score.ok]
    return sum(values) / len(values) if values else None


def _described(scores: Sequence[Score]) -> dict[str, Any]:
    """Return the scores of one proxy, a value for each repeat, as JSON."""
    described: dict[str, Any] = {
        "values": [score.value if score.ok else None for score in scores],
        "statuses": [score.status for score in scores],
        "seconds": [round(score.seconds, 6) for score in scores],
    }
    names = dict.fromkeys(name for score in scores for name in score.details)
    if names:
        described["details"] = {n: [_finite(s.details.get(n)) for s in scores] for n in names}
    return described


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _why_none(found: Mapping[str, Sequence[Score]]) -> str:
    reasons = "; ".join(f"{name}: {own[0].reason} ({own[0].status})" for name, own in found.items())
    return f"no proxy has a value for it; {reasons}"
