"""Jacobian covariance: how differently samples move the outputs [Mellor2020without]_.

J. Mellor, J. Turner, A. Storkey, E. J. Crowley: Neural architecture search without training, first
version, arXiv:2006.04647v1. Row i of J is the gradient of the sum of all outputs with respect to
sample i; with R the Pearson correlations of the rows, and s its eigenvalues,

    score = - sum over s of ln(s + k) + 1 / (s + k),    k = 1e-5.

The authors build the network with one output; elsewhere, as here, the outputs are summed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy, Unscored

__all__ = ["JacobCov", "correlations"]

_K = 1e-5


class JacobCov(Proxy):
    """The score of the eigenvalues of the Jacobian's row correlations; at most -batch, nearly.

    Unchanged when rows are scaled, so when the outputs are. Batch statistics let each sample move
    the others' outputs; their sum is what is differentiated, so the batch must not be split.
    """

    name = "jacob_cov"
    needs = frozenset({"data", "gradient"})
    reads = frozenset({"jacobian"})
    size_bound = False
    passes_text = "1 forward, 1 backward to the inputs"
    citation = "Mellor2020without"

    def measure(self, passes: Passes) -> float:
        """Return the score; see the file's head."""
        spectrum = torch.linalg.eigvalsh(correlations(passes.jacobian.double().cpu()))
        return -float((torch.log(spectrum + _K) + 1 / (spectrum + _K)).sum())


def correlations(rows: Tensor) -> Tensor:
    """Return the Pearson correlations of `(rows, features)`, `(rows, rows)`.

    Raises:
        Unscored: If a row is constant.
    """
    centred = rows - rows.mean(1, keepdim=True)
    norms = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    if not bool((norms > 0).all()):
        raise Unscored("degenerate", "for some samples the gradient is the same everywhere")
    unit: Tensor = centred / norms
    return torch.mm(unit, unit.T)
