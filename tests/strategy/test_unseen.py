from __future__ import annotations

import numpy as np
import pytest

from archwright.errors import SpaceError
from archwright.space import Choice, Integer, Real, Space
from archwright.strategy import make_strategy
from archwright.strategy.unseen import PATIENCE, Unseen
from archwright.trial import Proposal


def unseen(space: Space) -> Unseen:
    return Unseen(space, rng=np.random.default_rng(0))


def test_membership_ends_when_proposed(tiny: Space) -> None:
    left = unseen(tiny)
    architecture = tiny.sample(rng=np.random.default_rng(1))
    assert architecture in left
    left.add(architecture)
    assert architecture not in left


def test_idea_is_drawn_again_until_it_is_new(tiny: Space) -> None:
    left = unseen(tiny)
    old, new = list(tiny.enumerate())[:2]
    left.add(old)
    ideas = iter([old, old, new])
    proposal = left.draw(lambda: Proposal(next(ideas), origin="idea"))
    assert proposal is not None
    assert (proposal.architecture, proposal.origin) == (new, "idea")


def test_idea_that_only_repeats_gives_way_to_a_random_one(tiny: Space) -> None:
    left = unseen(tiny)
    old = next(iter(tiny.enumerate()))
    left.add(old)
    calls = []
    proposal = left.draw(lambda: calls.append(1) or Proposal(old, origin="idea"))  # type: ignore[func-returns-value]
    assert len(calls) == PATIENCE
    assert proposal is not None
    assert proposal.origin == "random"
    assert proposal.architecture != old


def test_last_ones_are_found_by_enumeration() -> None:
    # One architecture in 10,000: random draws would need as many.
    space = Space(a=Choice(*range(100)), b=Choice(*range(100)))
    left = unseen(space)
    *others, last = space.enumerate()
    for architecture in others:
        left.add(architecture)
    proposal = left.random()
    assert proposal is not None
    assert (proposal.architecture, proposal.origin) == (last, "enumeration")
    left.add(last)
    assert left.random() is None


def test_infinite_space_with_few_values_ends_after_the_draws() -> None:
    # The real is never open: one architecture, but nothing to walk.
    space = Space(
        kind=Choice("plain", "tuned"), rate=Real(0, 1, when={"kind": "tuned"})
    ).restricted("plain only", lambda architecture: architecture["kind"] == "plain")
    strategy = make_strategy("random", space, ["max:score"])
    assert len(strategy.ask(3)) == 1
    assert strategy.stopped == (
        "100 random draws in a row found no architecture that was not proposed before"
    )


def test_strict_rules_are_met_by_walking_a_finite_space() -> None:
    # One of 19,600 candidates is valid; 1,000 draws will hardly find it.
    space = Space(a=Integer(1, 140), b=Integer(1, 140)).restricted(
        "the last", lambda architecture: architecture["a"] * architecture["b"] == 19_600
    )
    strategy = make_strategy("evolution", space, ["max:score"])
    assert [p.architecture.codes for p in strategy.ask(3)] == [(139, 139)]
    assert strategy.stopped


def test_rules_that_nothing_meets_are_told_where_the_space_cannot_be_walked() -> None:
    space = Space(rate=Real(0, 1)).restricted("never", lambda architecture: False)
    with pytest.raises(SpaceError, match=r"could not sample .* because: .*never.* Loosen"):
        make_strategy("random", space, ["max:score"]).ask()


def test_idea_without_a_valid_architecture_gives_way_to_a_random_one(tiny: Space) -> None:
    def idea() -> Proposal:
        raise SpaceError("no valid edit")

    proposal = unseen(tiny).draw(idea)
    assert proposal is not None
    assert proposal.origin == "random"


def test_space_of_one_architecture_is_used_up_by_every_strategy() -> None:
    space = Space(a=Choice("only"))
    for name in ("random", "grid", "regularized-evolution", "evolution", "genetic", "local-search"):
        strategy = make_strategy(name, space, ["max:score"])
        assert len(strategy.ask(3)) == 1
        assert strategy.stopped
