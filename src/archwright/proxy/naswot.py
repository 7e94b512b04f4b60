"""NASWOT: how differently a network codes the samples of a batch [Mellor2021without]_.

J. Mellor, J. Turner, A. Storkey, E. J. Crowley: Neural architecture search without training, ICML
2021. Each ReLU is on or off for each sample; a sample's code is all these bits. With K the numbers
of bits in which two samples agree, the score is ln |det K|: large where codes differ.

Here each activation counts once. The authors' program hooks every module with "ReLU" in the name of
its class; so a container of that name counts the bits of its ReLU again. `profile="naswot-icml"`
does as they do. It adds ln 2 for each sample where everything is doubled, and hardly moves a rank.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from archwright.proxy.agreement import Agreement
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen

__all__ = ["NASWOT", "has_inverse"]


class NASWOT(Proxy):
    """ln |det K| of the agreement of ReLU codes.

    Unchanged when all bits are flipped or reordered, when samples are reordered, and, for a
    network without biases and normalization, when weights or inputs are scaled by a positive
    number. Every bit m times adds batch * ln(m).

    The score is not divided by the number of bits n: it is about batch * ln(n / 2), so size decides
    between networks of different spaces. `per_bit` takes K / n instead.

    Args:
        per_bit: Whether to divide K by the number of bits.
        alive: Which activations count: "graph", those which the output depends on, as published;
            "signal", those which it depends on other than through a product with the number zero;
            "executed", all.
        profile: None, or "naswot-icml" to count as the authors' program does.
    """

    name = "naswot"
    needs = frozenset({"data"})
    batch_size = 128
    passes_text = "1 forward"
    citation = "Mellor2021without"

    def __init__(
        self, *, per_bit: bool = False, alive: str = "graph", profile: str | None = None
    ) -> None:
        self.per_bit = per_bit
        self.alive = chosen("alive", alive, ("graph", "signal", "executed"))
        self.profile = profile and chosen("profile", profile, ("naswot-icml",))
        shared = alive == "graph" and not profile
        self.reads = frozenset({"agreement"}) if shared else frozenset()

    def measure(self, passes: Passes) -> Measured:
        """Return ln |det K|; see the class."""
        if self.reads:
            agreement = passes.agreement
        else:
            agreement = passes.count_agreement(alive=self.alive, modules=bool(self.profile))
        check_codes(agreement)
        value = log_determinant(agreement)
        if self.per_bit:
            value -= len(agreement.counts) * math.log(agreement.bits)
        return Measured(value, note=note_on(agreement), details={"bits": agreement.bits})


def log_determinant(agreement: Agreement) -> float:
    """Return ln |det K|.

    Raises:
        Unscored: If K has no inverse.
    """
    kernel = agreement.counts.astype(np.float64)
    _, value = np.linalg.slogdet(kernel)
    if np.any(kernel[~np.eye(len(kernel), dtype=bool)] == agreement.bits):
        raise Unscored("singular", "two samples have the same code", raw=-math.inf)
    if not has_inverse(torch.from_numpy(kernel)):
        raise Unscored("singular", "the codes are linearly dependent", raw=float(value))
    return float(value)


def has_inverse(kernel: Tensor) -> bool:
    """Return whether the least eigenvalue of K is more than rounding of the greatest.

    By torch: numpy's threads go on spinning after it, and slow the next network down.
    """
    rounding = len(kernel) * float(np.finfo(np.float64).eps)
    root, failed = torch.linalg.cholesky_ex(kernel)
    if not failed:
        # Frobenius norms bound 1 / least and the greatest: half the time, and nearly always enough.
        inverse = torch.cholesky_inverse(root)
        if 1 / float(inverse.norm()) > rounding * float(kernel.norm()):
            return True
    spectrum = torch.linalg.eigvalsh(kernel)
    return float(spectrum[0]) > float(spectrum[-1]) * rounding


def check_codes(agreement: Agreement) -> None:
    """Check that there are codes, and bits enough for an inverse.

    K = (S S^T + n 1 1^T) / 2, S of ones and minus ones, has a rank of at most n + 1.

    Raises:
        Unscored: If not.
    """
    batch, bits = len(agreement.counts), agreement.bits
    if not agreement.finite:
        raise Unscored("nan", "the outputs of the network are not finite")
    if not agreement.sites:
        raise Unscored("no_relu", "the network calls no activation that is on or off")
    if bits < batch - 1:
        raise Unscored(
            "too_few_bits",
            f"{bits} activation units cannot tell {batch} samples apart: use a batch of at most "
            f"{max(2, bits // 4)}",
            raw=-math.inf,
        )


def note_on(agreement: Agreement) -> str:
    """Return what to mind about these codes."""
    notes = []
    if agreement.curved:
        notes.append(
            f"{agreement.curved} of {agreement.sites} activations are not piecewise linear; their "
            f"bits are the signs of what goes in"
        )
    if agreement.left_out:
        notes.append(f"{agreement.left_out} activations without a batch axis do not count")
    return "; ".join(notes)
