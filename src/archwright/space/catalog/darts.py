"""The cell space of DARTS and NAS-Bench-301: a normal and a reduction cell.

A cell has two inputs, 0 and 1 (the outputs of the two cells before), and four nodes, 2 to 5. Each
node adds two operations, on two different earlier nodes; the output is all four concatenated.

* H. Liu, K. Simonyan, Y. Yang: DARTS. ICLR 2019. [Liu2019darts]_
* A. Zela et al.: Surrogate NAS Benchmarks (NAS-Bench-301). ICLR 2022. [Zela2022surrogate]_

The two inputs of a node are one decision, so that each architecture has one form; a mutation of
it may exchange both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archwright.space.architecture import Architecture
from archwright.space.catalog import _darts
from archwright.space.catalog._darts import CELLS, NODES, OPERATIONS, Compact, Genotype
from archwright.space.decisions import Choice, Decision
from archwright.space.space import Space

__all__ = ["CELLS", "DARTS", "NODES", "OPERATIONS", "Genotype", "darts"]


def darts() -> DARTS:
    """Return the space of DARTS cells.

    Its decisions are, for the cells `normal` and `reduce` and the nodes 2 to 5,
    `normal.node_3.inputs` ("0_1", "0_2" or "1_2"; node 2 always takes 0 and 1) and
    `normal.node_3.operation_1` and `operation_2`, on the lower and the higher input.

    Example:
        >>> darts().size == 1_037_664_180**2
        True
    """
    return DARTS()


class DARTS(Space):
    """Pairs of DARTS cells, with the forms in which projects exchange them."""

    def __init__(self) -> None:
        decisions: dict[str, Decision] = {}
        for cell in CELLS:
            for node in NODES:
                where = f"{cell}.node_{node}"
                if node != NODES[0]:
                    decisions[f"{where}.inputs"] = Choice(_darts.input_pairs(node))
                decisions[f"{where}.operation_1"] = Choice(OPERATIONS)
                decisions[f"{where}.operation_2"] = Choice(OPERATIONS)
        super().__init__(decisions, name="darts")
        self.catalog = {}

    def format(self, architecture: Architecture) -> str:
        """Return the text of the genotype; each node's lower input comes first."""
        return repr(self.genotype(architecture))

    def parse(self, text: str) -> Architecture:
        """Read the text of a genotype: `Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`.

        White space, either quote, a comma at the end and `range(2, 6)` are taken; nothing is
        executed.

        Raises:
            SpaceError: If it is none of this space; names the character and draws an arrow at it.
        """
        return self.of_genotype(_darts.read(text))

    def genotype(self, architecture: Architecture) -> Genotype:
        """Return the genotype; each node's lower input comes first.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        self._own(architecture)
        return _darts.genotype_of(architecture.values)

    def of_genotype(self, genotype: Any) -> Architecture:
        """Return the architecture of a genotype, of this or another project.

        Args:
            genotype: Anything with the attributes of `Genotype`.

        Raises:
            SpaceError: If it is none of this space; says which node is wrong.
        """
        return self.architecture(_darts.values_of(genotype))

    def config(self, architecture: Architecture) -> dict[str, str]:
        """Return the entries of a NAS-Bench-301 configuration that describe the cells.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        return _darts.config_of(self.genotype(architecture))

    def of_config(self, config: Mapping[str, Any]) -> Architecture:
        """Return the architecture of a NAS-Bench-301 configuration (a ConfigSpace dict).

        Raises:
            SpaceError: If a node has not exactly two edges, or others than it says.
        """
        return self.of_genotype(_darts.from_config(config))

    def compact(self, architecture: Architecture) -> Compact:
        """Return the pairs (input, operation number) of both cells, as BANANAS and NASLib write.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        return _darts.compact_of(self.genotype(architecture))

    def of_compact(self, compact: Sequence[Sequence[Sequence[int]]]) -> Architecture:
        """Return the architecture of pairs (input, operation number) of both cells.

        Raises:
            SpaceError: If it is none of this space.
        """
        return self.of_genotype(_darts.from_compact(compact))
