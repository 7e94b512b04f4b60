"""Parameters of an architecture, and the smallest architecture of a space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from torch import nn

from archwright.errors import NetworkError
from archwright.network.building import build, checked_shape, construct, undisturbed
from archwright.network.registry import BUILDERS, FORMULAS, Builder, Formula, Shape, builder_of
from archwright.space import Architecture, Real, Space

__all__ = ["Smallest", "parameters", "smallest"]

_FEW = 2_000
"""Spaces of at most so many architectures are searched one by one."""
_FEW_BUILT = 200
"""The same where the networks must be built."""
_SAMPLES = 64


def parameters(architecture: Architecture, input_shape: Sequence[int], outputs: int) -> int:
    """Return the number of trainable parameters, without weights being drawn.

    Tied tensors count once. By the space's formula where there is one; else the network is built
    on the meta device, once for each architecture.

    Args:
        architecture: As for `build`.
        input_shape: Shape of one input, without the batch axis.
        outputs: Length of one output.

    Raises:
        NetworkError: If the architecture cannot be built for this input.
    """
    shape = checked_shape(input_shape, outputs)
    formula = _formula(architecture.space)
    if formula is not None:
        return formula.parameters(architecture, shape, outputs)
    return _built_parameters(builder_of(architecture.space), architecture, shape, outputs)


@dataclass(frozen=True, slots=True)
class Smallest:
    """The architecture with the fewest parameters.

    Args:
        architecture: The architecture.
        parameters: Its number of parameters.
        exact: Whether no architecture of the space has fewer; else it is the smallest found.
    """

    architecture: Architecture
    parameters: int
    exact: bool


def smallest(space: Space, input_shape: Sequence[int], outputs: int) -> Smallest:
    """Return the architecture with the fewest parameters, and whether that is certain.

    A small space is searched one by one. In a large one the search goes downhill from the best of
    a few architectures, which is certain to end at the smallest where the space's formula says so.

    Raises:
        NetworkError: If none of the architectures tried can be built for this input.
    """
    shape = checked_shape(input_shape, outputs)
    formula = _formula(space)
    if space.size <= (_FEW_BUILT if formula is None else _FEW):
        best, _ = _least(space.enumerate(), shape, outputs)
        return Smallest(best, parameters(best, shape, outputs), exact=True)
    certain = formula is not None and not space.rules and formula.monotone(space)
    best = _start(space, shape, outputs, certain=certain)
    while True:
        # The first of equals is kept, so the way ends where no neighbour is smaller.
        better, unbuildable = _least((best, *space.neighbors(best)), shape, outputs)
        if better is best:
            break
        best = better
    return Smallest(best, parameters(best, shape, outputs), exact=certain and not unbuildable)


def _least(
    architectures: Iterable[Architecture], shape: Shape, outputs: int
) -> tuple[Architecture, bool]:
    """Return the first smallest architecture, and whether any could not be built."""
    best: Architecture | None = None
    fewest: float = math.inf
    reason: NetworkError | None = None
    for architecture in architectures:
        try:
            found = parameters(architecture, shape, outputs)
        except NetworkError as error:
            reason = reason or error
            continue
        if found < fewest:
            best, fewest = architecture, found
    if best is None:
        raise NetworkError(
            f"no architecture that was tried can be built on inputs of shape {shape} with "
            f"{outputs} outputs; the first one because: {reason}"
        ) from reason
    return best, reason is not None


def _start(space: Space, shape: Shape, outputs: int, *, certain: bool) -> Architecture:
    """Return where the way down begins: from anywhere if it is certain, else the best of a few."""
    lowest = [s.decision.low if isinstance(s.decision, Real) else 0 for s in space.slots]
    first = [] if space.reasons(lowest) else [space.from_codes(lowest)]
    if certain:
        with suppress(NetworkError):
            return _least(first, shape, outputs)[0]
    first += space.sample_many(_SAMPLES, rng=np.random.default_rng(0))
    return _least(first, shape, outputs)[0]


def _formula(space: Space) -> Formula | None:
    if space.name not in FORMULAS:
        return None
    if space.builder is None:
        return FORMULAS.get(space.name)
    bound = space.builder
    if isinstance(bound, partial) and not bound.args and bound.func is BUILDERS.get(space.name):
        # The registered builder with options of its own, which are the formula's as well.
        formula = FORMULAS.get(space.name)
        return replace(formula, parameters=partial(formula.parameters, **bound.keywords))
    return None


@lru_cache(maxsize=8192)
def _built_parameters(
    builder: Builder, architecture: Architecture, shape: Shape, outputs: int
) -> int:
    try:
        with undisturbed(), torch.device("meta"):
            return _trainable(construct(builder, architecture, shape, outputs))
    except (NetworkError, ValueError):
        # Some constructors read the values of tensors, which the meta device does not have, and
        # lazy layers have no shape before they are run. If this fails too, its error is the one.
        with torch.device("cpu"):
            return _trainable(build(architecture, shape, outputs, seed=0))


def _trainable(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
