from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archwright.errors import ProxyError, UnknownNameError
from archwright.space import Choice, Space
from archwright.trial import Measurement, Outcome, Proposal, Scores, Status, Trial

SPACE = Space(a=Choice(1, 2, 3), name="toy")
FACTS = {"proxies": [["naswot", {}], ["az_nas", {}], ["params", {}]], "repeats": 2}


def made(values: Any, names: tuple[str, ...] = ("params", "flops", "x"), **more: Any) -> Scores:
    array = np.array(values, dtype=float)
    texts = more.pop("texts", tuple(f"a{n}" for n in range(len(array))))
    return Scores("toy", texts, names, array, np.full(array.shape, "ok"), np.ones(array.shape))


def trial(number: int, scores: dict[str, Any] | None, **metrics: float) -> Trial:
    architecture = SPACE.architecture({"a": number + 1})
    outcome = Outcome(Status.INVALID, error="cannot be built")
    if scores is not None:
        outcome = Outcome.completed(Measurement(metrics, 1.0, info={"scores": scores}))
    return Trial(number, Proposal(architecture), 0).finish(outcome, order=number)


def own(values: list[float | None], **more: Any) -> dict[str, Any]:
    statuses = ["singular" if value is None else "ok" for value in values]
    return {"values": values, "statuses": statuses, "seconds": [0.5, 0.5], **more}


def test_scores_are_read_from_trials_with_sizes_first() -> None:
    details = {"progressivity": [0.1, 0.2], "trainability": [None, -1.0]}
    first = {"naswot": own([1.0, None]), "az_nas": own([3.0, 4.0], details=details)}
    trials = [trial(1, None), trial(0, first, naswot=1.0, parameters=7, macs=9)]
    found = Scores.of_trials(trials, FACTS)
    parts = ("az_nas", "az_nas.progressivity", "az_nas.trainability")
    assert found.proxies == ("params", "flops", "naswot", *parts)
    assert found.of("params").tolist()[0] == [7, 7]
    assert found.of("flops").tolist()[0] == [9, 9]
    np.testing.assert_equal(found.of("naswot"), [[1.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_equal(found.of("az_nas.trainability")[0], [np.nan, -1.0])
    np.testing.assert_equal(found.mean("naswot"), [1.0, np.nan])
    assert found.reasons("naswot") == {"singular": 1, "failed": 2}
    assert found.reasons("az_nas.trainability") == {"degenerate": 1, "failed": 2}
    assert found.architectures == ('{"a":1}', '{"a":2}')


def test_scores_are_taken_and_joined_by_architecture() -> None:
    left = made([[[1, 2, 3]], [[4, 5, 6]]])
    right = made([[[0, 0, 8]], [[0, 0, 9]]], ("params", "flops", "y"), texts=("a1", "a7"))
    joined = left.joined(right)
    assert joined.architectures == ("a1",)
    assert joined.proxies == ("params", "flops", "x", "y")
    assert joined.values.tolist() == [[[4, 5, 6, 8]]]
    assert len(joined.joined(right).facts["parts"]) == 3
    assert left.take([1]).of("x").tolist() == [[6]]
    more = left.only(["x"]).with_proxy("z", np.array([[np.nan], [1.0]]), note="half of x")
    assert more.proxies == ("x", "z")
    assert more.reasons("z") == {"nan": 1}
    assert more.notes == {"z": "half of x"}


def test_what_does_not_fit_is_refused() -> None:
    scores = made([[[1, 2, 3]], [[4, 5, 6]]])
    with pytest.raises(UnknownNameError, match="unknown proxy among the scores 'y'"):
        scores.of("y")
    with pytest.raises(ProxyError, match=r"values of scores must have the shape \(1, 1, 3\)"):
        made([[[1, 2]]])
    with pytest.raises(ProxyError, match="the architecture 'b' stands twice"):
        made([[[1, 2, 3]], [[4, 5, 6]]], texts=("b", "b"))
    with pytest.raises(ProxyError, match="the proxy 'x' stands twice"):
        made([[[1, 2]]], ("x", "x"))
    with pytest.raises(ProxyError, match="no architecture in common"):
        scores.joined(made([[[1, 2, 3]]], texts=("c",)))
    with pytest.raises(ProxyError, match="of different seeds cannot be joined: 1 and 2"):
        scores.joined(made([[[1, 2, 3]] * 2]))
