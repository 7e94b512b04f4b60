from __future__ import annotations

from archwright.space import Space
from archwright.strategy import make_strategy
from archwright.testing.strategies import Record
from archwright.trial import Outcome, Status


def test_draws_do_not_depend_on_what_is_told(cell: Space) -> None:
    told = Record(make_strategy("random", cell, ["max:score"], seed=4))
    failed = Record(
        make_strategy("random", cell, ["max:score"], seed=4),
        lambda trial: Outcome(Status.CRASHED, error="always"),
    )
    untold = make_strategy("random", cell, ["max:score"], seed=4)
    proposals = untold.ask(30)
    assert told.run(30) == proposals
    assert failed.run(30) == proposals


def test_seeds_draw_differently(cell: Space) -> None:
    first, second = (make_strategy("random", cell, ["max:a"], seed=s).ask(10) for s in (0, 1))
    assert first != second


def test_first_draws_are_uniform(tiny: Space) -> None:
    counts = dict.fromkeys((a.key for a in tiny.enumerate()), 0)
    for seed in range(1200):
        counts[make_strategy("random", tiny, ["max:a"], seed=seed).ask()[0].architecture.key] += 1
    # 200 expected of each, standard deviation 13.
    assert all(140 < count < 260 for count in counts.values())
