"""Every proxy on real NAS-Bench-201 networks, against their accuracies once trained.

    python perf/proxy_study.py --cells 100 --data-dir FOLDER --out runs/proxy_study

Random cells at full width (16 channels, 5 cells a stage) are scored on CIFAR-10 images and compared
with recorded validation accuracies of three data sets after 12 epochs, and with the CIFAR-10 test
accuracies of AnalogNAS-Bench, which trained all cells once more to the end, as published
correlations are of trainings to the end. The folder, or ARCHWRIGHT_SHARED_DATA, holds
`cifar10-jpeg.zip` (train/<class>/NNNN.jpg) and `nasbench201_12epoch.npz` (ops, cifar10_val,
cifar10_test, and so on). Every score is kept in OUT/scores.db at once: the script can be killed and
started again at any time, adds to what is there when --cells grows, and writes its report after
each group of proxies. `--report` reports what is there and scores nothing.

It writes results/proxy_study_CELLS.json, and to OUT a table, scatter plots and a page for each
target, the searches by score alone (best of 10, 100, 1,000; resampled), and evolution from a scored
start against plain evolution.

A cell takes about ten seconds on two processor threads with all proxies; `--device cuda` is for
machines that have one, `--proxies naswot,synflow` for the impatient.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archwright.benchmark import Column, Table, load_benchmark, open_table, write_table
from archwright.data import Dataset, load
from archwright.frontdoor.score_search import compare_assisted
from archwright.frontdoor.score_studies import CorrelationResult, judge
from archwright.frontdoor.scoring import prepare_scoring, scores_of, with_ensembles
from archwright.report import search_frame, write_csv
from archwright.report.correlation_statistics import kendall, partial_spearman, spearman
from archwright.run import Callback
from archwright.space import Space, space_named
from archwright.trial import Scores, Trial

RESULTS = Path(__file__).parent / "results"
DATASETS = ("cifar10", "cifar100", "imagenet16_120")
RETRAINED = "cifar10-retrained"
TARGETS = {**dict.fromkeys(DATASETS, "val_accuracy"), RETRAINED: "test_accuracy"}
# Each group shares its passes and is scored for all cells in turn. Three proxies are given fewer
# draws or samples than published, which would take most of the time: a quarter of the draws of
# `swap` and `zen`, and of `ntk` 16 samples once in the place of 72 three times.
GROUPS: dict[str, tuple[str | tuple[str, dict[str, Any]], ...]] = {
    "codes": ("naswot",),
    "weights": ("synflow", "logsynflow", "synflow_bn", "l2_norm"),
    "gradients": ("grad_norm", "snip", "plain", "fisher", "jacob_cov", "epe_nas", "grasp"),
    "batches": ("zico", "l_swag"),
    "maps": ("meco", "near"),
    "patterns": (("swap", {"repeats": 8}), "regions"),
    "noise": (("zen", {"repeats": 8}), "az_nas"),
    "samples": ("gradsign",),
    "kernel": (("ntk", {"samples": 16, "repeats": 1}),),
}
PUBLISHED = {  # Spearman on all cells at 200 epochs, as printed by ZiCo's authors
    "grad_norm": (0.63, 0.63, 0.58),
    "snip": (0.63, 0.63, 0.58),
    "grasp": (0.54, 0.51, 0.56),
    "fisher": (0.55, 0.55, 0.50),
    "synflow": (0.73, 0.76, 0.75),
    "naswot": (0.77, 0.80, 0.78),
    "ntk": (0.44, 0.43, 0.63),
    "gradsign": (0.77, 0.79, 0.78),
    "zen": (0.38, 0.36, 0.40),
    "zico": (0.80, 0.81, 0.79),
    "flops": (0.73, 0.71, 0.67),
    "params": (0.75, 0.73, 0.69),
    "te_nas": (0.70, 0.67, 0.64),
    "az_nas.all": (0.91, 0.90, 0.89),
}
SIZES, SEARCHES, EVOLUTIONS, EVALUATIONS = (10, 100, 1000), 500, 200, 100
PER_CLASS = 200
CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3")


def images(folder: Path, device: str) -> Dataset:
    """Return the first images of each class, standardised, most of them in the training split."""
    from PIL import Image

    with zipfile.ZipFile(folder / "cifar10-jpeg.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.startswith("train/") and n[-4:] == ".jpg")
        classes = sorted({name.split("/")[1] for name in names})
        pixels, labels = [], []
        for name_of_class in classes:
            own = [name for name in names if name.split("/")[1] == name_of_class][:PER_CLASS]
            for name in own:
                with Image.open(io.BytesIO(archive.read(name))) as image:
                    pixels.append(np.asarray(image.convert("RGB")))
                labels.append(name_of_class)
    data = (np.stack(pixels), np.array(labels))
    return load(data, validation=0.1, test=0.0, seed=0, device=device)


def recorded(folder: Path, out: Path) -> Table:
    """Return the recorded accuracies as a table, percent."""
    path = out / "nasbench201.table"
    if not path.exists():
        with np.load(folder / "nasbench201_12epoch.npz", allow_pickle=False) as data:
            columns = [
                (
                    Column(f"{split}_accuracy", "percent", "max", split, dataset=dataset),
                    data[f"{dataset}_{split}"],
                )
                for dataset in DATASETS
                for split in ("val", "test")
            ]
            space = space_named("nasbench201")
            other = load_benchmark("analog-nasbench")
            trained = other.values("test_accuracy_baseline", _rows(other, space, data["ops"]))
            columns.append(
                (Column("test_accuracy", "percent", "max", "test", dataset=RETRAINED), trained)
            )
            note = "accuracies after 12 epochs; retrained: to the end, by AnalogNAS-Bench"
            write_table(path, space, data["ops"], columns, name="NAS-Bench-201", notes=[note])
    return open_table(path)


def _rows(table: Table, space: Space, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the rows of a table in the order of the codes of cells, all cells of the space."""
    order, wanted = np.argsort(space.numbers(np.asarray(table.codes))), space.numbers(codes)
    return order[np.argsort(np.argsort(wanted))]


class Progress(Callback):
    """Says how far a group is, and how long it will take."""

    def __init__(self, group: str) -> None:
        self.group = group

    def on_start(self, done: int, total: int | None) -> None:  # noqa: D102
        self.done, self.before, self.total = done, done, total or 0
        self.begun = self.said = time.monotonic()

    def on_trial(self, trial: Trial) -> None:  # noqa: D102
        self.done += 1
        now = time.monotonic()
        if now - self.said > 30 or self.done == self.total:
            self.said = now
            left = (now - self.begun) / (self.done - self.before) * (self.total - self.done)
            text = (
                f"{self.group}: {self.done} of {self.total} cells, about {left / 60:.0f} min left"
            )
            print(text, file=sys.stderr, flush=True)


def scored(group: str, data: Dataset, cells: int, store: Path, *, score: bool) -> Scores | None:
    """Return the scores of a group, new ones included if `score`; None if there are none."""
    study = prepare_scoring(
        *("nasbench201", data, GROUPS[group]), samples=cells, store=store, name=f"201 {group}"
    )
    if score:
        study.run(resume=True, callback=Progress(group))
    elif all(record.name != study.name for record in study.store.studies()):
        return None
    found = scores_of(study, cells)
    return found if len(found) else None


def report(scores: Scores, table: Table, out: Path) -> dict[str, Any]:
    """Write pages, tables and figures, and return the numbers."""
    scores = with_ensembles(scores)
    numbers: dict[str, Any] = {"cells": len(scores), "proxies": {}}
    for place, (dataset, metric) in enumerate(TARGETS.items()):
        bound = table.with_dataset(dataset)
        found = CorrelationResult(judge(scores, bound, metric=metric, ensembles=False))
        found.save(out / dataset)
        (out / dataset / "summary.txt").write_text(found.summary() + "\n")
        for row in found.frame().to_dict("records"):
            name = str(row.pop("proxy"))
            kept = ("n", "omitted", "rho", "tau", "rho_all", "top_overlap", "top_rho", "regret")
            kept += ("size_rho", "partial_rho", "difference_low", "difference_high", "verdict")
            own = {key: plain(row[key]) for key in kept}
            own |= given_convolutions(found, name)
            if name in PUBLISHED:
                own["published_rho"] = PUBLISHED[name][place % len(DATASETS)]
            entry = numbers["proxies"].setdefault(name, {"seconds": plain(row["seconds"])})
            entry[dataset] = own
        numbers[f"summary, {dataset}"] = found.summary().splitlines()
    numbers["searches"] = searches(scores, table, out)
    numbers["evolution"] = evolution(scores, table.with_dataset("cifar10"), out)
    return numbers


def given_convolutions(found: CorrelationResult, proxy: str) -> dict[str, Any]:
    """Return what is left of rank correlation among cells with as many convolutions."""
    judged = found.judged
    count = np.array([sum(text.count(op) for op in CONVOLUTIONS) for text in names_of(judged)])
    values, there = judged.pair(proxy, 0)
    partial = partial_spearman(values[there], judged.wanted[there], count[there])
    weighted, cells = 0.0, 0
    for number in range(7):
        some = there & (count == number)
        if some.sum() >= 5 and not np.isnan(rho := spearman(values[some], judged.wanted[some])):
            weighted, cells = weighted + rho * int(some.sum()), cells + int(some.sum())
    within = weighted / cells if cells else float("nan")
    return {
        "rho given convolutions": plain(partial),
        "rho within equal convolutions": plain(within),
        "tau with convolutions": plain(kendall(values[there], count[there])),
    }


def names_of(judged: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = judged.scores.architectures
    return names


def searches(scores: Scores, table: Table, out: Path) -> list[dict[str, Any]]:
    """Return what best-of-N searches find on all data sets, chosen by the score alone."""
    results: dict[str, NDArray[np.float64]] = {}
    rows = [table.row(text) for text in scores.architectures]
    for dataset in DATASETS:
        for split in ("val", "test"):
            own = table.with_dataset(dataset).values(f"{split}_accuracy", rows)
            results[f"{dataset} {split}"] = own
    trained = table.with_dataset(RETRAINED).values("test_accuracy", rows)
    results[f"{RETRAINED} test"] = trained
    frame = search_frame(scores, results, sizes=SIZES, repeats=SEARCHES)
    write_csv(frame, out / "searches.csv")
    shown = ["proxy", "N", *results, *(f"{name} sd" for name in results)]
    return [{k: plain(v) for k, v in row.items()} for row in frame[shown].to_dict("records")]


def evolution(scores: Scores, table: Table, out: Path) -> list[dict[str, Any]]:
    """Return what evolution finds from a scored start (20 drawn, 10 kept) and without."""
    if len(scores) < 40:
        return []
    chosen = [name for name in ("naswot", "params", "vote") if name in scores.proxies]
    found = compare_assisted(
        *(table, scores, chosen), budget=EVALUATIONS, repeats=EVOLUTIONS, options={"repeats": True}
    )
    found.save(out / "evolution")
    columns = ["strategy", "n", "mean", "sd", "ci_low", "ci_high", "difference", "p_holm", "effect"]
    rows = found.frame()[columns].to_dict("records")
    return [{key: plain(value) for key, value in row.items()} for row in rows]


def plain(value: Any) -> Any:
    """Return a JSON value, numbers with five digits and None for NaN."""
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return None if np.isnan(number) else float(f"{number:.5g}")


def asked(text: str) -> list[str]:
    """Return the groups with the proxies that were asked for."""
    if text == "all":
        return list(GROUPS)
    wanted = [name.strip() for name in text.split(",")]
    named = {g: [p if isinstance(p, str) else p[0] for p in ps] for g, ps in GROUPS.items()}
    known = {name for names in named.values() for name in names}
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"unknown proxies {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    # A group is scored as a whole, so that its scores fit those of an earlier run.
    return [group for group, names in named.items() if set(names) & set(wanted)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("ARCHWRIGHT_SHARED_DATA"))
    parser.add_argument("--out", type=Path, default=Path("runs/proxy_study"))
    parser.add_argument("--proxies", default="all", help="names; each comes with its group")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--report", action="store_true", help="score nothing")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    if arguments.data_dir is None:
        print("skipped: name the folder of the data with --data-dir or ARCHWRIGHT_SHARED_DATA")
        return 0
    folder, out = Path(arguments.data_dir), arguments.out
    torch.set_num_threads(arguments.threads)
    out.mkdir(parents=True, exist_ok=True)
    data, table = images(folder, arguments.device), recorded(folder, out)
    groups, parts = asked(arguments.proxies), []
    for number, group in enumerate(groups, start=1):
        more = not arguments.report
        part = scored(group, data, arguments.cells, out / "scores.db", score=more)
        if part is None:
            continue
        parts.append(part)
        if more or number == len(groups):
            joined = parts[0]
            for other in parts[1:]:
                joined = joined.joined(other)
            numbers = report(joined, table, out) | environment(arguments)
            (out / "proxy_study.json").write_text(json.dumps(numbers, indent=1) + "\n")
            if not arguments.no_save:
                path = RESULTS / f"proxy_study_{len(joined)}.json"
                path.write_text(json.dumps(numbers, indent=1) + "\n")
    if not parts:
        print("nothing is scored yet; run without --report")
        return 0
    for dataset in ("cifar10", RETRAINED):
        print(f"{dataset}:", *numbers[f"summary, {dataset}"], sep="\n")
    print(f"everything is in {out}")
    return 0


def environment(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": arguments.threads,
        "device": arguments.device,
        "processors": os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main())
