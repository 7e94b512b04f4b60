"""EPE-NAS: do inputs of one class move the outputs alike [Lopes2021epe]_.

V. Lopes, S. Alirezazadeh, L. A. Alexandre. EPE-NAS: efficient performance estimation without
training for neural architecture search. ICANN 2021, arXiv:2102.08099. Row i of the Jacobian J is
the gradient of the summed outputs with respect to input i; R_c is the matrix of correlations of
the rows of class c; and

    e_c = sum over the entries of R_c of ln(|R| + 1e-5),       divided by its rows for > 100 classes
    score = sum_c |e_c|                                        up to 100 classes
    score = sum over ordered pairs |e_c - e_d| / classes seen  above

Deviations: a class with one sample counts as the 1 x 1 matrix of 1 for any number of classes (the
published code drops it above 100). Correlations are computed once for the whole batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from archwright.errors import ProxyError
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy, Unscored

__all__ = ["EPENAS", "class_correlation"]

_FLOOR = 1e-5
_MANY = 100


class EPENAS(Proxy):
    """Correlation of input gradients within classes.

    Args:
        classes: Number of classes of the data; None for the largest label of the batch plus one.
    """

    name = "epe_nas"
    needs = frozenset({"data", "labels", "gradient"})
    reads = frozenset({"jacobian"})
    size_bound = False
    passes_text = "1 forward, 1 backward"
    citation = "Lopes2021epe"

    def __init__(self, *, classes: int | None = None) -> None:
        if classes is not None and classes < 1:
            raise ProxyError(f"classes must be at least 1; got {classes!r}")
        self.classes = classes

    def measure(self, passes: Passes) -> float:
        """Return the score; see the equations above."""
        labels = _labels(passes.batch.targets)
        classes = self.classes or int(labels.max()) + 1
        return class_correlation(passes.jacobian, labels.to(passes.jacobian.device), classes)


def class_correlation(jacobian: Tensor, labels: Tensor, classes: int) -> float:
    """Return the score of a Jacobian.

    Args:
        jacobian: `(batch, features)`.
        labels: `(batch,)` class codes.
        classes: Number of classes of the data.

    Raises:
        Unscored: If a row is constant, so that it has no correlations.
    """
    centred = jacobian.double()
    centred = centred - centred.mean(1, keepdim=True)
    lengths = centred.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(lengths).all()):
        raise Unscored("nan", "gradients with respect to the inputs are not finite")
    if bool((lengths == 0).any()):
        raise Unscored("degenerate", "the outputs do not depend on some of the inputs")
    rows = centred / lengths
    logs = ((rows @ rows.T).clamp(-1, 1).abs() + _FLOOR).log()  # (batch, batch)
    seen, codes = torch.unique(labels, return_inverse=True)
    members = torch.nn.functional.one_hot(codes, len(seen)).double()  # (batch, classes)
    sums = ((logs @ members) * members).sum(0)  # e_c
    if classes <= _MANY:
        return float(sums.abs().sum())
    sums = sums / members.sum(0)
    return float((sums[:, None] - sums[None, :]).abs().sum() / len(seen))


def _labels(targets: Tensor | None) -> Tensor:
    """Return class codes; the largest entry of each row where targets are shares of classes."""
    if targets is None:
        raise ProxyError("epe_nas needs the classes of the samples; the batch has no targets")
    if targets.dim() == 2 and _are_shares(targets):
        return targets.argmax(1)
    if targets.dim() != 1 or targets.is_floating_point():
        raise ProxyError(
            f"epe_nas is defined for classes only; got targets of shape {tuple(targets.shape)} "
            f"and type {targets.dtype}: use a proxy without labels"
        )
    return targets


def _are_shares(targets: Tensor) -> bool:
    rows = targets.double().sum(1)
    return bool((targets >= 0).all()) and all(math.isclose(row, 1.0) for row in rows.tolist())
