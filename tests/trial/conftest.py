from __future__ import annotations

from collections.abc import Callable

import pytest

from archwright.space import Integer, Space
from archwright.trial import Measurement, Outcome, Proposal, Status, Trial

SPACE = Space(width=Integer(1, 1000))


def make_trial(number: int = 0, *, status: Status = Status.COMPLETED, **metrics: float) -> Trial:
    """Return a trial that ended (or stands) as told, with these metrics."""
    trial = Trial(number, Proposal(SPACE.architecture({"width": number + 1})), seed=number)
    if not status.finished:
        return Trial(number, trial.proposal, trial.seed, status)
    return trial.finish(Outcome(status, Measurement(metrics)), order=number, at=1.0)


@pytest.fixture(scope="session")
def space() -> Space:
    return SPACE


@pytest.fixture(scope="session")
def trial() -> Callable[..., Trial]:
    return make_trial
