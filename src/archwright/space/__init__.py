"""Search spaces: what architectures are allowed, and how to move among them.

A `Space` is a set of named decisions (`Choice`, `Integer`, `Real`, `Subset`, `List`, `Group`);
an `Architecture` is the frozen answer to all of them. Neither knows what a network is.

    >>> import numpy as np
    >>> from archwright.space import Choice, Integer, List, Space
    >>> space = Space(hidden=List(Integer(50, 200), 1, 3), activation=Choice("relu", "gelu"))
    >>> rng = np.random.default_rng(0)
    >>> parent = space.sample(rng=rng)
    >>> child = space.mutate(parent, rng=rng)
    >>> child == parent, len(child["hidden"]) <= 3
    (False, True)
"""

from archwright.space._nodes import Slot
from archwright.space.architecture import Architecture
from archwright.space.catalog import SPACES, space_named
from archwright.space.decisions import Choice, Decision, Group, Integer, List, Real, Subset
from archwright.space.space import Space

__all__ = [
    "SPACES",
    "Architecture",
    "Choice",
    "Decision",
    "Group",
    "Integer",
    "List",
    "Real",
    "Slot",
    "Space",
    "Subset",
    "space_named",
]
