"""GraSP: what each weight does to the flow of the gradient [Wang2020grasp]_.

C. Wang, G. Zhang, R. Grosse: Picking winning tickets before training by preserving gradient flow,
ICLR 2020; summed by Abdelfattah et al. 2021. With g = dL/dW and H the Hessian, the sum of -W * H g.
H g is the gradient of g^T dL/dW, with the first factor held fixed. Repositories differ in the sign;
here it is that of Abdelfattah et al., so that more is better.
"""

from __future__ import annotations

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy
from archwright.proxy.sums import products

__all__ = ["GraSP"]


class GraSP(Proxy):
    """The sum of -W * (H g) over the weights of convolutions and linear maps; of either sign.

    The softmax has a temperature of 1, and there is one iteration. Needs two to three times the
    memory of a training step.
    """

    name = "grasp"
    needs = frozenset({"data", "labels", "gradient", "double_gradient"})
    reads = frozenset({"gradients", "curvature"})
    passes_text = "1 forward, 1 backward, its gradient"
    citation = "Wang2020grasp"

    def measure(self, passes: Passes) -> float:
        """Return the sum."""
        return -products(passes.weights, passes.curvature)
