from __future__ import annotations

import math

import numpy as np
import pytest

from archwright.errors import ProxyError
from archwright.report import (
    Ablation,
    ablation_figure,
    ablation_frame,
    ablation_html,
    ablation_sentences,
    ablation_values,
    kernel_grid,
)
from archwright.testing.figures import outside
from archwright.trial import Measured


@pytest.fixture(scope="module")
def ablation() -> Ablation:
    rng = np.random.default_rng(0)
    worth = np.array([3.0, 1.0, 2.0, 4.0])[:, None] * 10 + 100
    draws = {part: worth + rng.normal(0, 0.1, (4, 6)) for part in ("batches", "initialisations")}
    draws["noise"] = worth + rng.normal(0, 0.1, (4, 6))
    draws["noise"][0, 2] = np.nan
    sizes = {8: worth + rng.normal(0, 0.1, (4, 6)), 16: 2 * worth + rng.normal(0, 0.1, (4, 6))}
    training = worth + np.arange(3) + rng.normal(0, 0.1, (4, 3))
    measured = Measured("val_accuracy", "fraction", "max", "", None, 0.99, 0)
    recorded = np.array([0.93, 0.91, 0.92, 0.94])
    texts = tuple("abcd")
    return Ablation(
        *("naswot", "cells", texts, draws, sizes, training, training * 0, recorded, measured),
        facts={"seed": 0},
    )


def test_the_table_says_how_far_scores_move_and_whether_the_order_holds(ablation) -> None:
    frame = ablation_frame(ablation).set_index("part")
    parts = ["batches", "initialisations", "noise", "batch size 8", "batch size 16", "training"]
    assert list(frame.index) == parts
    assert frame.draws.tolist() == [6, 6, 6, 6, 6, 3]
    assert frame.missing["noise"] == 1
    assert (frame.agreement == 1.0).all()
    assert (frame.rho == 1.0).all()
    assert 0.02 < frame.within["batches"] < 0.3
    assert frame.between["batches"] == pytest.approx(np.std([10, 20, 30, 40], ddof=1), rel=0.05)
    assert ablation.order == [1, 2, 0, 3]
    assert ablation.label(0) == "0.930"


def test_without_recorded_results_the_order_is_that_of_the_scores() -> None:
    values = np.array([[3.0, 3.1], [1.0, np.nan], [2.0, 2.2]])
    plain = Ablation("naswot", "cells", tuple("abc"), {"batches": values})
    assert plain.order == [1, 2, 0]
    assert [plain.label(place) for place in range(3)] == ["3", "1", "2"]
    (row,) = ablation_frame(plain).to_dict("records")
    assert row["missing"] == 1
    assert math.isnan(row["rho"])
    assert len(ablation_values(plain)) == 6


def test_sentences_and_page(ablation) -> None:
    said = "\n".join(ablation_sentences(ablation))
    assert "Over 6 draws of other initial weights the order agrees with the mean order" in said
    assert "Over 2 epochs of training the order agrees with that before training" in said
    page = ablation_html(ablation, written_at=0)
    for part in ("Batches", "Noise", "Initialisations", "Batch sizes", "During training"):
        assert f"<strong>{part}</strong>" in page


def test_figures_keep_their_texts_inside(ablation) -> None:
    assert outside(ablation_figure(ablation)) == []
    kernels = [np.eye(5), 0.5 + 0.5 * np.eye(5)]
    assert outside(kernel_grid(kernels, ["bad", "good"])) == []


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ProxyError, match="at least one part; got none"):
        Ablation("naswot", "cells", ("a",))
    with pytest.raises(ProxyError, match=r"part 'noise' .* row for each of 1 architectures"):
        Ablation("naswot", "cells", ("a",), {"noise": np.zeros((2, 2))})
    with pytest.raises(ProxyError, match="needs a title for each; got 1 kernels and 0 titles"):
        kernel_grid([np.eye(2)], [])
    with pytest.raises(ProxyError, match=r"shares of equal bits in \[0, 1\]"):
        kernel_grid([2 * np.eye(2)], ["a"])
