"""Which constraints can be told before training, and whether the space can keep them at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from archwright import cost, network
from archwright.errors import ConstraintError, NetworkError
from archwright.seeding import generator
from archwright.space import Architecture, Space
from archwright.trial import Constraint, MetricInfo

__all__ = ["COUNTED", "Feasibility", "counts_of"]

COUNTED = ("parameters", "macs", "size_bytes")
"""Metrics that depend on the architecture and the shapes alone."""

_STARTS = 16
_STEPS = 1000
# A measured time varies, and the smallest network need not be the fastest one: only a bound that
# is far out of reach is refused.
_LATENCY_DOUBT = 2.0


def counts_of(built: nn.Module, input_shape: tuple[int, ...]) -> dict[str, float]:
    """Return the counted metrics of a network."""
    counts = cost.count(built, input_shape)
    return {name: float(getattr(counts, name)) for name in COUNTED}


@dataclass(frozen=True)
class Feasibility:
    """Constraints on one space and one task.

    Args:
        space: Where the architectures come from.
        input_shape: Shape of one input.
        outputs: Length of one output.
        constraints: Hard bounds.
        metrics: What is measured.
    """

    space: Space
    input_shape: tuple[int, ...]
    outputs: int
    constraints: Sequence[Constraint]
    metrics: Sequence[MetricInfo]

    def rules(self) -> list[tuple[str, Callable[[Architecture], bool]]]:
        """Return the bounds on counted metrics as rules for the space."""
        return [(str(c), self._rule(c)) for c in self.constraints if c.metric in COUNTED]

    def check(self) -> None:
        """Refuse what cannot succeed, before anything is trained.

        Raises:
            NetworkError: If none of a few architectures can be built for the task.
            ConstraintError: If a bound is out of reach; says the smallest or largest value found.
        """
        self._check_buildable()
        for constraint in self.constraints:
            self._check_range(constraint)
            if constraint.metric in COUNTED:
                self._check_count(constraint)
            elif constraint.metric == "latency_ms" and constraint.operator == "<=":
                self._check_latency(constraint)

    def _rule(self, constraint: Constraint) -> Callable[[Architecture], bool]:
        def keeps(architecture: Architecture) -> bool:
            value = self._value(constraint.metric, architecture)
            return constraint.violation({constraint.metric: value}) == 0

        return keeps

    def _value(self, metric: str, architecture: Architecture) -> float:
        if metric == "parameters":
            return network.parameters(architecture, self.input_shape, self.outputs)
        with torch.device("meta"):
            built = network.build(architecture, self.input_shape, self.outputs, seed=0)
        return counts_of(built, self.input_shape)[metric]

    def _check_buildable(self) -> None:
        first: NetworkError | None = None
        for architecture in self.space.sample_many(_STARTS, rng=generator(0, "buildable")):
            try:
                network.parameters(architecture, self.input_shape, self.outputs)
            except NetworkError as error:
                first = first or error
            else:
                return
        if first is not None:
            raise first

    def _check_range(self, constraint: Constraint) -> None:
        """Refuse a bound outside what the metric can be at all."""
        info = next(info for info in self.metrics if info.name == constraint.metric)
        if constraint.operator == ">=" and info.unit == "fraction" and constraint.bound > 1:
            raise ConstraintError(f"{constraint} cannot be kept: {info.name} is at most 1")
        if constraint.operator == "<=" and constraint.bound < 0 and not info.name.endswith("_r2"):
            raise ConstraintError(f"{constraint} cannot be kept: {info.name} is never below 0")

    def _check_count(self, constraint: Constraint) -> None:
        best, value = self._extreme(constraint)
        if constraint.violation({constraint.metric: value}) == 0:
            return
        small = constraint.operator == "<="
        exact = small and constraint.metric == "parameters" and self._smallest().exact
        raise ConstraintError(
            f"no architecture of the space {self.space.name!r} keeps {constraint}: on inputs of "
            f"shape {self.input_shape} the {'smallest' if small else 'largest'}"
            f"{'' if exact else ' found'}, {best}, has {constraint.metric} {value:,.0f}; "
            f"{'raise the bound to at least' if small else 'lower the bound to at most'} "
            f"{value:.0f} or widen the space"
        )

    def _check_latency(self, constraint: Constraint) -> None:
        least = [self._smallest().architecture]
        if self._latency(least[0]) <= _LATENCY_DOUBT * constraint.bound:
            return
        least.append(self._extreme(Constraint("macs", "<=", 0))[0])
        fastest = min(self._latency(architecture) for architecture in least)
        if fastest > _LATENCY_DOUBT * constraint.bound:
            raise ConstraintError(
                f"no architecture of the space {self.space.name!r} is near {constraint}: the "
                f"fastest found takes {fastest:.3g} ms on this machine; raise the bound or widen "
                "the space"
            )

    def _latency(self, architecture: Architecture) -> float:
        built = network.build(architecture, self.input_shape, self.outputs, seed=0)
        return float(cost.latency(built, self.input_shape).median_ms)

    def _smallest(self) -> network.Smallest:
        return network.smallest(self.space, self.input_shape, self.outputs)

    def _extreme(self, constraint: Constraint) -> tuple[Architecture, float]:
        """Go towards the bound by single edits, until it is kept or no edit gets nearer."""
        metric = constraint.metric
        sign = 1.0 if constraint.operator == "<=" else -1.0

        def distance(architecture: Architecture) -> float:
            try:
                return sign * self._value(metric, architecture)
            except NetworkError:
                return float("inf")

        best = self._smallest().architecture
        if sign < 0:
            samples = self.space.sample_many(_STARTS, rng=generator(0, "largest"))
            best = min((best, *samples), key=distance)
        found = distance(best)
        if metric == "parameters" and sign > 0:
            return best, found
        for _ in range(_STEPS):
            if constraint.violation({metric: sign * found}) == 0:
                break
            nearer = min(self.space.neighbors(best), key=distance, default=best)
            if distance(nearer) >= found:
                break
            best, found = nearer, distance(nearer)
        return best, sign * found
