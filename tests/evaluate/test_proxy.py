from __future__ import annotations

import pytest
import torch
from torch import nn

from archwright.data import Dataset, load
from archwright.errors import EvaluationError, NetworkError, ProxyError, UnknownNameError
from archwright.evaluate import Context, ProxyEvaluator, build_evaluator
from archwright.proxy import Batch, make_proxy, score
from archwright.run import Study, execute, load_study
from archwright.seeding import derive_seed
from archwright.space import Choice, Space, space_named
from archwright.trial import Budget, Proposal, Status

SPACE = space_named("mlp")


class Plain(nn.Module):
    def __init__(self, inputs: int, outputs: int, relu: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).relu() if self.relu else self.layer(x)


def build(architecture, input_shape, outputs):
    return Plain(input_shape[0], outputs, architecture["relu"] == "yes")


OWN = Space(relu=Choice("yes", "no"), name="own").bind(build)


def proposal(mlp) -> Proposal:
    return Proposal(mlp(60, 50))


def test_scores_are_those_of_the_proxy_on_the_evaluators_rows(space, wine: Dataset, mlp) -> None:
    from archwright.network import build as built

    evaluator = ProxyEvaluator(space, wine, ["naswot", ("zen", {"repeats": 2})], batch_size=16)
    measured = evaluator.evaluate(proposal(mlp), seed=3)
    root = derive_seed(3, "scores", 0)
    network = built(mlp(60, 50), (13,), 3, seed=derive_seed(root, "weights"))
    batch = Batch.of(wine.train, 16, seed=0)
    assert measured.metrics["naswot"] == score(network, batch, "naswot", seed=root).value
    assert measured.metrics["parameters"] == 14 * 60 + 61 * 50 + 51 * 3
    assert measured.metrics["macs"] == 13 * 60 + 60 * 50 + 50 * 3
    assert "zen" not in measured.metrics  # it needs maps
    assert measured.info["scores"]["zen"]["statuses"] == ["unsupported"]
    assert [info.name for info in evaluator.metrics] == ["naswot", "zen", "parameters", "macs"]


def test_each_proxy_looks_at_its_published_number_of_rows(space, wine: Dataset) -> None:
    evaluator = ProxyEvaluator(space, wine, ["naswot", "snip", "synflow", "zico"])
    rows = evaluator.describe()["rows"]
    assert rows == {"naswot": 106, "snip": 64, "synflow": 64, "zico": 106}
    one = ProxyEvaluator(space, wine, ["naswot", "snip"], batch_size=20)
    assert set(one.describe()["rows"].values()) == {20}


def test_repeats_are_other_weights_and_their_mean_counts(space, wine: Dataset, mlp) -> None:
    evaluator = ProxyEvaluator(space, wine, ["naswot"], batch_size=16, repeats=2)
    measured = evaluator.evaluate(proposal(mlp), seed=3)
    first, second = measured.info["scores"]["naswot"]["values"]
    assert first != second
    assert measured.metrics["naswot"] == (first + second) / 2
    noise = ProxyEvaluator(space, wine, ["naswot"], batch_size=16, noise=True)
    assert noise.evaluate(proposal(mlp), seed=3).metrics["naswot"] != first


def test_a_network_without_any_score_is_invalid_and_keeps_its_counts(wine: Dataset) -> None:
    evaluator = ProxyEvaluator(OWN, wine, ["naswot"], batch_size=4)
    yes, no = (Proposal(OWN.architecture({"relu": answer})) for answer in ("yes", "no"))
    outcomes = evaluator.evaluate_batch([yes, no], seeds=[0, 1])
    assert outcomes[1].status is Status.INVALID
    assert "naswot: the network calls no activation" in outcomes[1].error
    assert outcomes[1].measurement.metrics == {"parameters": 42, "macs": 39}
    assert outcomes[0].status in (Status.COMPLETED, Status.INVALID)
    several = ProxyEvaluator(OWN, wine, ["naswot", "snip"], batch_size=16)
    assert "naswot" not in several.evaluate(no, seed=0).metrics


def test_bad_input_is_refused(space, wine: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="unknown proxy 'naswat'"):
        ProxyEvaluator(space, wine, ["naswat"])
    with pytest.raises(ProxyError, match="snip: needs labels, which random inputs do not have"):
        ProxyEvaluator(space, wine, ["naswot", "snip"], noise=True)
    with pytest.raises(ProxyError, match="naswot is given twice"):
        ProxyEvaluator(space, wine, ["naswot", ("naswot", {"per_bit": True})])
    with pytest.raises(ProxyError, match="proxies must be a list of at least one; got 'naswot'"):
        ProxyEvaluator(space, wine, "naswot")
    with pytest.raises(ProxyError, match="repeats must be a whole number of at least 1; got 0"):
        ProxyEvaluator(space, wine, repeats=0)
    with pytest.raises(NetworkError, match="nothing builds networks for the space 'other'"):
        ProxyEvaluator(Space(a=Choice(1, 2), name="other"), wine)
    with pytest.raises(UnknownNameError, match="unknown metric in a constraint 'latency'"):
        ProxyEvaluator(space, wine, constraints=["latency<=1"])


def test_a_stop_is_heeded(space, wine: Dataset, mlp) -> None:
    evaluator = ProxyEvaluator(space, wine, ["naswot"], batch_size=16)
    with pytest.raises(KeyboardInterrupt):
        evaluator.evaluate(proposal(mlp), seed=0, context=Context(lambda: True))


def test_constraints_on_size_restrict_the_space(wine: Dataset) -> None:
    evaluator = ProxyEvaluator(SPACE, wine, constraints=["parameters<=5000"], batch_size=16)
    study = Study(SPACE, "random", evaluator, objective="max:naswot", budget=3)
    trials = study.run().trials
    assert all(trial.metrics["parameters"] <= 5000 for trial in trials)


def test_a_study_is_resumed_from_its_store_alone(wine: Dataset, tmp_path) -> None:
    evaluator = ProxyEvaluator(SPACE, wine, ["naswot"], batch_size=16)
    settings = {"objective": "max:naswot", "store": tmp_path / "s.db", "name": "scores"}
    whole = Study(SPACE, "random", evaluator, budget=4, objective="max:naswot").run()
    Study(SPACE, "random", evaluator, budget=2, **settings).run()
    opened, record, job = load_study("scores", tmp_path / "s.db", budget=Budget(trials=4))
    found = execute(opened, record, job)
    told = [[(t.status, dict(t.metrics)) for t in run.trials] for run in (whole, found)]
    assert told[0] == told[1]
    assert len(found.trials) == 4
    assert build_evaluator(record.spec)[1].describe()["proxies"] == [["naswot", {}]]


def test_objects_have_no_spec(wine: Dataset) -> None:
    assert ProxyEvaluator(SPACE, wine, [make_proxy("naswot")]).to_spec() is None
    assert ProxyEvaluator(OWN, load("wine"), ["naswot"]).to_spec() is not None


def test_why_there_is_none_is_an_evaluation_error(wine: Dataset) -> None:
    evaluator = ProxyEvaluator(OWN, wine, ["naswot"], batch_size=4)
    with pytest.raises(
        EvaluationError, match=r"no proxy has a value for it; naswot: .* \(no_relu\)"
    ):
        evaluator.evaluate(Proposal(OWN.architecture({"relu": "no"})), seed=0)
