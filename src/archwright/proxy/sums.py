"""Sums over all weights of a network, in double precision."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["norms", "products"]


def products(
    weights: Mapping[str, Tensor], others: Mapping[str, Tensor], *, absolute: bool = False
) -> float:
    """Return the sum over all layers of weight times the other tensor, or of its magnitude.

    Args:
        weights: By the names of the layers.
        others: Of the same names and shapes.
        absolute: Whether to sum magnitudes.
    """
    with torch.no_grad():
        terms = torch._foreach_mul(list(weights.values()), [others[name] for name in weights])
        if absolute:
            torch._foreach_abs_(terms)
        return float(torch.stack([term.sum(dtype=torch.float64) for term in terms]).sum())


def norms(tensors: Mapping[str, Tensor]) -> float:
    """Return the sum of the Euclidean norms of all tensors."""
    with torch.no_grad():
        found = torch._foreach_norm(list(tensors.values()))
        return float(torch.stack(list(found)).sum(dtype=torch.float64))
