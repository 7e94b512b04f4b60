"""The space of NAS-Bench-Macro: eight layers in three stages, one of three blocks in each.

X. Su, T. Huang, Y. Li, S. You, F. Wang, C. Qian, C. Zhang, C. Xu: Prioritized Architecture
Sampling with Monto-Carlo Tree Search. CVPR 2021. [Su2021prioritized]_
"""

from __future__ import annotations

from collections.abc import Sequence

from archwright.errors import UnknownNameError
from archwright.space.architecture import Architecture
from archwright.space.catalog._indexed import IndexedSpace
from archwright.space.catalog._reading import Reader
from archwright.space.decisions import Choice

__all__ = ["BLOCKS", "EQUIVALENCES", "STAGES", "NASBenchMacro", "nasbench_macro"]

BLOCKS = ("identity", "mbconv_k3_e3", "mbconv_k5_e6")  # inverted residuals: kernel, expansion
STAGES = (2, 3, 3)
EQUIVALENCES = ("none", "isomorphism")

_LAYERS = sum(STAGES)
_DIGITS = "012"


def nasbench_macro(*, equivalence: str = "none") -> NASBenchMacro:
    """Return the space of NAS-Bench-Macro networks.

    Its decisions are `layer_1` to `layer_8`. Stages are layers 1-2, 3-5 and 6-8; the first of
    each halves the resolution and doubles the channels.

    Args:
        equivalence: "none": every string is an architecture of its own, 6,561 in all.
            "isomorphism": an identity behind a stage's first layer does nothing, so strings that
            differ in the places of such identities are one architecture, 3,969 in all; the one
            with the identities at the end of the stage stands for all.

    Raises:
        UnknownNameError: If the equivalence is none of these.

    Example:
        >>> space = nasbench_macro(equivalence="isomorphism")
        >>> space.size, space.format(space.parse("22212202"))
        (3969, '22212220')
    """
    if equivalence not in EQUIVALENCES:
        raise UnknownNameError("equivalence of space nasbench-macro", equivalence, EQUIVALENCES)
    kind = NASBenchMacro if equivalence == "none" else _Distinct
    return kind(equivalence)


class NASBenchMacro(IndexedSpace):
    """Networks of NAS-Bench-Macro, with their published text.

    Args:
        equivalence: What `nasbench_macro` was given.
    """

    what = "NAS-Bench-Macro architecture"

    def __init__(self, equivalence: str) -> None:
        decisions = {f"layer_{layer}": Choice(BLOCKS) for layer in range(1, _LAYERS + 1)}
        super().__init__(decisions, name="nasbench-macro")
        self.catalog = {"equivalence": equivalence}

    def format(self, architecture: Architecture) -> str:
        """Return the published string of eight digits: "22212220"."""
        self._own(architecture)
        return "".join(map(str, architecture.codes))

    def parse(self, text: str) -> Architecture:
        """Read the published string.

        Raises:
            SpaceError: If it is none; names the character and draws an arrow at it.
        """
        reader = Reader(text, self.what)
        reader.skip()
        codes = [int(reader.expect(*_DIGITS)) for _ in range(_LAYERS)]
        reader.end()
        return self._checked(self.canonical(codes))


class _Distinct(NASBenchMacro):
    """The same, with equivalent strings as one architecture."""

    def canonical(self, codes: Sequence[int | float]) -> tuple[int | float, ...]:
        ordered: list[int | float] = []
        start = 0
        for length in STAGES:
            first, *others = codes[start : start + length]
            blocks = [code for code in others if code]
            ordered += [first, *blocks, *([0] * (len(others) - len(blocks)))]
            start += length
        return tuple(ordered)
