"""The size space of NATS-Bench: one cell, five numbers of channels.

They are, in this order, what leaves the stem and the first cell, the first reduction, the second
cell, the second reduction, and the third cell. The cell is fixed: a 3x3 convolution on every edge
but 0->3, which skips.

X. Dong, L. Liu, K. Musial, B. Gabrys: NATS-Bench. TPAMI 2021. [Dong2021nats]_

The published mutation may draw the old number of channels again; here it never does.
"""

from __future__ import annotations

from archwright.space.architecture import Architecture
from archwright.space.catalog._indexed import IndexedSpace
from archwright.space.catalog._reading import Reader
from archwright.space.decisions import Choice

__all__ = ["CHANNELS", "NATSSize", "nats_size"]

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)

_POSITIONS = 5


def nats_size() -> NATSSize:
    """Return the space of 32,768 network sizes.

    Its decisions are `channels_1` to `channels_5`, each 8, 16, ..., 64.

    Example:
        >>> space = nats_size()
        >>> architecture = space.parse("8:8:40:32:40")
        >>> architecture["channels_3"], space.index(architecture)
        (40, 284)
    """
    return NATSSize()


class NATSSize(IndexedSpace):
    """Network sizes of NATS-Bench, with their published text and order."""

    what = "NATS-Bench size"

    def __init__(self) -> None:
        decisions = {f"channels_{place}": Choice(CHANNELS) for place in range(1, _POSITIONS + 1)}
        super().__init__(decisions, name="nats-size")
        self.catalog = {}

    def format(self, architecture: Architecture) -> str:
        """Return the published string: "8:8:8:16:32"."""
        self._own(architecture)
        return ":".join(str(channels) for channels in architecture.values.values())

    def parse(self, text: str) -> Architecture:
        """Read the published string.

        Raises:
            SpaceError: If it is none; names the character and draws an arrow at it.
        """
        reader = Reader(text, self.what)
        reader.skip()
        codes = []
        for place in range(_POSITIONS):
            if place:
                reader.expect(":")
            codes.append(CHANNELS.index(reader.number(CHANNELS, "a number of channels")))
        reader.end()
        return self._checked(self.canonical(codes))
