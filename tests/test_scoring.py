"""The front door of scores: computed once, kept, compared, searched with, taken apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archwright as aw
from archwright.benchmark import Table
from archwright.data import load
from archwright.errors import (
    BenchmarkError,
    FormatError,
    ProxyError,
    SpaceError,
    StoreError,
    StrategyError,
    UnknownNameError,
)
from archwright.frontdoor.ablation_plan import spread
from archwright.frontdoor.prescreening import Prescreen
from archwright.frontdoor.score_ablation import ABLATION_FILES, ablate, save_ablation
from archwright.frontdoor.score_files import read_scores, write_scores
from archwright.frontdoor.score_kernels import draw_kernels, kernels_of
from archwright.frontdoor.score_search import compare_assisted, drawn_starts, warm_start
from archwright.frontdoor.score_studies import CORRELATION_FILES, correlate, judge
from archwright.frontdoor.scoring import prepare_scoring, score_space, scores_of, with_ensembles
from archwright.proxy.combining import combine
from archwright.run import simulate
from archwright.space import space_named
from archwright.store import open_store
from archwright.strategy import make_strategy
from archwright.testing.benchmarks import synthetic_table
from archwright.testing.tables import toy_table
from archwright.trial import Scores

SPACE = space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))
THREE = ("synflow", "jacob_cov", "snip")


@pytest.fixture(scope="module")
def wine():
    return load("wine", seed=0)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Table:
    return toy_table(tmp_path_factory.mktemp("toy") / "toy.table", edges=3)


@pytest.fixture(scope="module")
def known(toy: Table) -> Scores:
    """Return scores of half of the toy table, the last proxy nearly its validation accuracy."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(toy))[:32]
    good = toy.values("val_accuracy")[rows] + rng.normal(0, 0.001, 32)
    values = np.stack([rng.random(32), rng.random(32), good], axis=1)[:, None, :]
    texts = tuple(toy.space.format(toy.architecture(int(row))) for row in rows)
    ok, seconds = np.full(values.shape, "ok"), np.ones(values.shape)
    return Scores("toy", texts, ("params", "flops", "good"), values, ok, seconds)


def scored(wine, samples=3, proxies=("naswot",), **settings) -> Scores:
    return score_space(SPACE, wine, proxies, samples=samples, batch_size=16, **settings)


def test_scores_are_computed_once_and_a_sample_grows(wine, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    first = scored(wine, 2, store=store)
    with open_store(store) as opened:
        (record,) = opened.studies()
    more = scored(wine, 4, store=store)
    with open_store(store) as opened:
        assert [study.name for study in opened.studies()] == [record.name]
        trials = opened.trials(opened.study(record.name, space=SPACE))
    assert [trial.attempt for trial in trials] == [1, 1, 1, 1]
    np.testing.assert_array_equal(more.take([0, 1]).values, first.values)
    np.testing.assert_array_equal(scored(wine, 4).values, more.values)
    np.testing.assert_array_equal(scored(wine, 2, store=store).values, first.values)
    scored(wine, 2, store=store, seed=1)
    with open_store(store) as opened:
        assert len(opened.studies()) == 2


def test_an_interrupted_scoring_goes_on(wine, tmp_path: Path) -> None:
    calls = iter(range(100))
    stopped = scored(wine, 4, store=tmp_path / "s.db", should_stop=lambda: next(calls) > 2)
    assert len(stopped) < 4
    whole = scored(wine, 4, store=tmp_path / "s.db")
    np.testing.assert_array_equal(whole.values, scored(wine, 4).values)


def test_given_architectures_are_scored_in_their_order(wine) -> None:
    asked = SPACE.sample_many(3, rng=np.random.default_rng(5))
    found = score_space(SPACE, wine, architectures=asked, batch_size=16)
    assert found.architectures == tuple(SPACE.format(one) for one in asked)


def test_all_of_a_small_space_are_scored(wine) -> None:
    small = aw.Space(
        hidden=aw.List(aw.Choice(60, 70), 1, 2),
        activation=aw.Choice("relu"),
        dropout=aw.Choice(0.0),
        normalization=aw.Choice("none"),
        name="mlp",
    )
    assert len(score_space(small, wine, batch_size=16)) == small.size == 6


def test_what_cannot_be_scored_is_refused(wine, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="too many to score all; say how many with samples"):
        score_space(SPACE, wine)
    with pytest.raises(ProxyError, match="samples must be a whole number of at least 1; got 0"):
        scored(wine, 0)
    with pytest.raises(ProxyError, match="give architectures or a number of samples"):
        scored(wine, 2, architectures=SPACE.sample_many(1, rng=np.random.default_rng(0)))
    scored(wine, 1, store=tmp_path / "s.db", name="mine")
    with pytest.raises(StoreError, match="'mine' was made with other"):
        scored(wine, 1, proxies=("snip",), store=tmp_path / "s.db", name="mine")


def test_ensembles_rank_each_seed_by_itself(wine) -> None:
    found = scored(wine, 4, proxies=THREE, seeds=2)
    both = with_ensembles(found)
    assert both.proxies == ("params", "flops", *THREE, "vote")
    for seed in range(2):
        single = [found.of(proxy)[:, seed] for proxy in THREE]
        np.testing.assert_array_equal(both.of("vote")[:, seed], combine(single, "vote"))
    assert with_ensembles(both).proxies == both.proxies
    assert with_ensembles(found.only(["snip"])).proxies == ("snip",)


def test_files_give_back_the_same_numbers(known: Scores, tmp_path: Path) -> None:
    values = known.values.copy()
    values[0, 0, 2] = np.nan
    holed = Scores(known.space, known.architectures, known.proxies, values, known.statuses, values)
    back = read_scores(write_scores(holed, tmp_path / "s.csv"))
    np.testing.assert_array_equal(back.values, values)
    assert back.architectures == known.architectures
    assert (back.statuses == known.statuses).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "line 1: must name the columns space, architecture, seed"),
        (lambda lines: lines[:1], "line 1: must name the columns"),
        (lambda lines: [lines[0], lines[1].replace("ok", "ok,ok")], "line 2: expected space"),
        (lambda lines: [*lines[:2], lines[2].replace("toy,", "other,")], "line 3: expected space"),
        (lambda lines: [*lines[:3], lines[1]], "line 4: expected as many seeds of each"),
        (lambda lines: [lines[0], lines[1].replace(",1.0", ",one", 1)], "line 2: expected numbers"),
    ],
)
def test_other_files_are_refused(known: Scores, tmp_path: Path, change, message: str) -> None:
    path = write_scores(known.take([0, 1]), tmp_path / "s.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")
    with pytest.raises(FormatError, match=message):
        read_scores(path)
    with pytest.raises(ProxyError, match="name a file that archwright score wrote with --out"):
        read_scores(tmp_path / "none.csv")


def test_scores_are_compared_with_a_benchmark(known: Scores, toy: Table, tmp_path: Path) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    write_scores(known.only(["params", "flops"]), files[0])
    write_scores(known, files[1])
    found = correlate(files, toy, epochs=4)
    assert found.judged.scores.proxies == ("params", "flops", "good")
    assert found.frame().set_index("proxy").rho["good"] > 0.8
    row = toy.row(known.architectures[7])
    assert found.judged.target[7] == toy.values("val_accuracy", [row], epochs=4)[0]
    assert "Better than the number of parameters, by rho: good" in found.summary()
    found.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(CORRELATION_FILES)


def test_other_benchmarks_are_refused(known: Scores, toy: Table, tmp_path: Path) -> None:
    cells = synthetic_table(space_named("nasbench201"), tmp_path / "cells.table", rows=40)
    with pytest.raises(BenchmarkError, match="'toy', but table 'synthetic' is of the space"):
        judge(known, cells)
    with pytest.raises(BenchmarkError, match="'toy', but table 'synthetic' is of the space"):
        compare_assisted(cells, known, ["good"])
    with pytest.raises(UnknownNameError, match="unknown metric of table 'toy' 'val_loss'"):
        judge(known, toy, metric="val_loss")
    with pytest.raises(ProxyError, match="of 2 of 2 scored architectures, and a rank correlation"):
        judge(known.take([0, 1]), toy)
    with pytest.raises(ProxyError, match="at least one file of scores; got none"):
        correlate([], toy)


def test_a_scored_start_is_the_best_of_its_sample(known: Scores, toy: Table) -> None:
    starts = drawn_starts(known.of("good")[:, 0], [3, 4], samples=8, keep=3)
    assert starts.shape == (2, 3)
    values = known.of("good")[:, 0][starts]
    assert (np.diff(values, axis=1) <= 0).all()
    warm = warm_start(known, toy.space, "good", samples=8, keep=3, seed=3)
    assert [toy.space.format(a) for a in warm] == [known.architectures[n] for n in starts[0]]
    with pytest.raises(ProxyError, match="must ascend from 1; got keep=9, samples=8, 32 scored"):
        warm_start(known, toy.space, "good", samples=8, keep=9)


def test_assisted_evolution_is_evolution_with_initial(known: Scores, toy: Table) -> None:
    options = {"population": 4, "sample_size": 3}
    found = compare_assisted(
        toy, known, ["good"], samples=8, budget=20, repeats=3, options=options, recorded="mean"
    ).comparison
    assert [runs.contender.label for runs in found.runs] == [
        *("random", "regularized-evolution", "good, best of 8, then evolution")
    ]
    assisted = found.runs[2]
    for repeat, seed in enumerate(assisted.seeds):
        initial = warm_start(known, toy.space, "good", samples=8, keep=4, seed=seed)
        strategy = make_strategy(
            "regularized-evolution", toy.space, ["max:val_accuracy"], seed=seed, initial=initial,
            **options,
        )  # fmt: skip
        evaluator = aw.evaluate.TableEvaluator(toy, repeat="mean")
        timeline = simulate(strategy, evaluator, 20, seed=seed)
        assert assisted.rows[repeat].tolist() == timeline.row.tolist()


def test_only_whole_products_are_advanced_together(known: Scores, tmp_path: Path) -> None:
    table = synthetic_table(aw.Space(a=aw.Choice(1, 2, 3), name="toy"), tmp_path / "t", rows=2)
    with pytest.raises(
        StrategyError, match="must have every architecture of a space without rules"
    ):
        compare_assisted(table, known, ["good"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("naswot:100", Prescreen(("naswot",), 100)),
        ("naswot:100:10", Prescreen(("naswot",), 100, 10)),
        ("synflow+snip : 8", Prescreen(("synflow", "snip"), 8)),
    ],
)
def test_prescreens_are_read(text: str, expected: Prescreen) -> None:
    assert Prescreen.parse(text) == expected


@pytest.mark.parametrize("text", ["naswot", "naswot:", "naswot:x", ":4", "naswot:1:2:3"])
def test_other_prescreens_are_refused(text: str) -> None:
    with pytest.raises(ProxyError, match="a prescreen must look like naswot:100"):
        Prescreen.parse(text)


def test_prescreens_out_of_range_are_refused() -> None:
    for text in ("naswot:0", "naswot:4:5", "naswot:4:0"):
        with pytest.raises(ProxyError, match="scores at least 1 architecture and keeps from 1"):
            Prescreen.parse(text)


def search(wine, folder: Path, **settings):
    given = {"trials": 3, "recipe": {"epochs": 1}, "folds": 1, "latency": False, "space": SPACE}
    return aw.search(
        wine, strategy="random", finalize=False, store=folder / "s.db", name="one",
        **(given | settings),
    )  # fmt: skip


def test_a_prescreen_trains_the_best_first_and_keeps_its_scores(wine, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    result = search(
        wine, tmp_path, prescreen="params:6:2", on_scored=lambda *n: told.append(n), seed=3
    )
    assert told == [(n, 6) for n in range(1, 7)]
    record = result.study.spec["prescreen"]
    assert record["asked"] == {"proxies": ["params"], "samples": 6, "keep": 2}
    scores = sorted((s["scores"][0] for s in record["scores"]), reverse=True)
    first = [trial.metrics["parameters"] for trial in result.trials]
    assert first[:2] == scores[:2]
    assert [trial.proposal.origin for trial in result.trials] == ["initial"] * 2 + ["random"]
    assert result.study.extra["wall_seconds"] >= record["seconds"]
    again = search(wine, tmp_path, prescreen="params:6:2", resume=True, trials=4, seed=3)
    assert [trial.number for trial in again.trials] == [0, 1, 2, 3]
    with pytest.raises(StoreError, match=r"was made with the prescreen .* got None"):
        search(wine, tmp_path, resume=True, trials=5, seed=3)


def test_a_prescreen_keeps_constraints_and_the_population(wine, tmp_path: Path) -> None:
    from archwright.frontdoor import prepare

    ready = prepare(
        wine,
        space=SPACE,
        strategy="regularized-evolution",
        trials=9,
        prescreen="params:8",
        constraints=["parameters<=9000"],
        strategy_options={"population": 4, "sample_size": 2},
        latency=False,
        folds=1,
    )
    initial = ready.study.job.strategy_options["initial"]
    assert len(initial) == 4
    counts = [aw.network.parameters(SPACE.architecture(v), (13,), 3) for v in initial]
    assert counts == sorted(counts, reverse=True)
    assert max(counts) <= 9000


def test_a_prescreen_beside_initial_is_refused(wine, tmp_path: Path) -> None:
    initial = [{"hidden": [60], "activation": "relu", "dropout": 0.0, "normalization": "none"}]
    with pytest.raises(StrategyError, match="and so does the strategy option initial"):
        search(wine, tmp_path, prescreen="params:2", strategy_options={"initial": initial})
    assert not (tmp_path / "s.db").exists()
    with pytest.raises(UnknownNameError, match="unknown proxy 'naswat'"):
        search(wine, tmp_path, prescreen="naswat:2")
    with pytest.raises(ProxyError, match="none of 2 architectures has a score of zen"):
        search(wine, tmp_path, prescreen="zen:2")


SMALL = {"draws": 2, "batch_size": 8, "sizes": (4, 8), "epochs": 2, "architectures": 2}


def test_an_ablation_changes_one_thing_at_a_time_and_goes_on(wine, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    found = ablate(SPACE, wine, progress=progress, **SMALL)
    shapes = {name: values.shape for name, values in found.parts}
    assert shapes == {
        **dict.fromkeys(("batches", "noise", "initialisations"), (2, 2)),
        **dict.fromkeys(("batch size 4", "batch size 8"), (2, 2)),
        "training": (2, 3),
    }
    np.testing.assert_array_equal(found.draws["batches"], found.sizes[8])
    np.testing.assert_array_equal(found.training[:, 0], found.draws["batches"][:, 0])
    np.testing.assert_array_equal(found.draws["initialisations"][:, 0], found.training[:, 0])
    assert np.isnan(found.accuracy[:, 0]).all()
    assert (found.accuracy[:, 1:] >= 0).all()
    lines = progress.read_bytes().splitlines(keepends=True)
    progress.write_bytes(b"".join(lines[:9]))  # killed after eight scores
    told: list[tuple[int, int]] = []
    again = ablate(SPACE, wine, progress=progress, on_score=lambda *n: told.append(n), **SMALL)
    for (name, before), (_, after) in zip(found.parts, again.parts, strict=True):
        np.testing.assert_array_equal(before, after, err_msg=name)
    assert told[-1] == (26, 26)
    save_ablation(again, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(ABLATION_FILES)
    with pytest.raises(BenchmarkError, match="holds the progress of another ablation"):
        ablate(SPACE, wine, "synflow", progress=progress, **SMALL)


def test_bad_ablations_are_refused(wine) -> None:
    with pytest.raises(UnknownNameError, match="unknown part of an ablation 'noises'"):
        ablate(SPACE, wine, parts=("noises",))
    with pytest.raises(UnknownNameError, match="unknown setting of an ablation 'batchsize'"):
        ablate(SPACE, wine, batchsize=3)
    with pytest.raises(ProxyError, match="draws must be a whole number of at least 1; got 0"):
        ablate(SPACE, wine, draws=0)
    with pytest.raises(ProxyError, match="snip: needs labels"):
        ablate(SPACE, wine, "snip")
    with pytest.raises(ProxyError, match="needs parts, and batch sizes of at most 106 rows"):
        ablate(SPACE, wine, parts=("sizes",), sizes=(512,))
    with pytest.raises(ProxyError, match="architectures must be at least 1; got 0"):
        ablate(SPACE, wine, architectures=0)


def test_architectures_are_spread_above_the_median(toy: Table) -> None:
    chosen = spread(toy, toy.space, 4)
    values = toy.values("val_accuracy", [toy.row(one) for one in chosen])
    assert (np.diff(values) > 0).all()
    assert values[0] >= np.median(toy.values("val_accuracy"))
    with pytest.raises(BenchmarkError, match="40 bands above the median of 'toy' need at least 80"):
        spread(toy, toy.space, 40)
    with pytest.raises(UnknownNameError, match="unknown metric of table 'toy' 'loss'"):
        spread(toy, toy.space, 4, metric="loss")


def test_kernels_are_shares_of_equal_bits(wine, tmp_path: Path) -> None:
    chosen = SPACE.sample_many(2, rng=np.random.default_rng(0))
    for kernel in kernels_of(chosen, wine, batch_size=6):
        assert kernel.shape == (6, 6)
        assert (np.diag(kernel) == 1).all()
        assert (kernel == kernel.T).all()
        assert 0 <= kernel.min() < 1
    written = draw_kernels(SPACE, wine, tmp_path / "k.svg", architectures=chosen, batch_size=6)
    assert b"ln |K / N|" in written.read_bytes()


def test_a_study_of_scores_can_be_looked_at_while_it_runs(wine) -> None:
    study = prepare_scoring(SPACE, wine, samples=2, batch_size=16)
    study.run()
    assert len(scores_of(study)) == 2
    assert scores_of(study).facts["sample"] == 0
