"""The experiment of the NAS-Bench-101 tutorial: random search against regularized evolution.

Ten searches of each under a budget of simulated training time, on the small table that comes with
archwright; nothing is trained, nothing is downloaded. First in one call, with the difference, its
interval and a figure; then with the tutorial's own loops, on the class that has its names.

With the published table, `aw.load_benchmark("nasbench101", "nasbench_full.tfrecord")` and a budget
of 5e6 seconds, this is the published experiment.
"""

from __future__ import annotations

import random

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import archwright as aw
from archwright.benchmark import nasbench as api
from archwright.report import interpolated
from archwright.report.statistics import Curve, interval

REPEATS = 10
EVALUATIONS = 200  # that the budget is worth, at the mean training time of all cells
PUBLISHED = {"population": 50, "sample_size": 10, "replacement": False, "repeats": True}

Run = tuple[list[float], list[float], list[float]]
"""Cumulative seconds, and validation and test accuracy of the best so far; all begin with 0."""


def in_one_call(budget: aw.Budget) -> None:
    comparison = aw.compare(
        "nasbench101-mini",
        [("random", {"repeats": True}), ("regularized-evolution", PUBLISHED)],
        repeats=REPEATS,
        budget=budget,
    )
    print(comparison.frame()[["strategy", "n", "mean", "ci_low", "ci_high", "regret"]])
    print(comparison.summary())
    seen = comparison.frame("validation").iloc[1]
    print(
        f"by the validation accuracy that they saw and chose by: {seen.difference:+.4f} "
        f"(95 % interval {seen.difference_low:+.4f} to {seen.difference_high:+.4f}, n = {seen.n})"
    )
    print("figure:", comparison.plot("nasbench101_compared.png", band="published"))


def random_cell(nasbench: api.NASBench, rng: random.Random) -> api.ModelSpec:
    """Draw matrices and operations until they are a cell of the benchmark."""
    size = nasbench.config["module_vertices"]  # 7 in the published table
    while True:
        matrix = [[rng.choice((0, 1)) * (x < y) for y in range(size)] for x in range(size)]
        inner = rng.choices(api.ALLOWED_OPS, k=size - 2)
        cell = api.ModelSpec(matrix=matrix, ops=[api.INPUT, *inner, api.OUTPUT])
        if nasbench.is_valid(cell):
            return cell


def mutated_cell(
    nasbench: api.NASBench, parent: api.ModelSpec, rng: random.Random
) -> api.ModelSpec:
    """Flip about one edge and resample about one operation, until the child is in the benchmark."""
    size = len(parent.original_ops)
    while True:
        matrix, ops = np.array(parent.original_matrix), list(parent.original_ops)
        for x in range(size - 1):
            for y in range(x + 1, size):
                if rng.random() < 1 / size:
                    matrix[x, y] = 1 - matrix[x, y]
        for vertex in range(1, size - 1):
            if rng.random() < 1 / (size - 2):
                others = [name for name in api.ALLOWED_OPS if name != ops[vertex]]
                ops[vertex] = rng.choice(others)
        child = api.ModelSpec(matrix=matrix, ops=ops)
        if nasbench.is_valid(child):
            return child


def search(nasbench: api.NASBench, seconds: float, rng: random.Random, *, evolve: bool) -> Run:
    """Search until the budget is exceeded; without `evolve` every cell is random."""
    times, valids, tests = [0.0], [0.0], [0.0]
    population: list[tuple[float, api.ModelSpec]] = []
    nasbench.reset_budget_counters()
    while times[-1] <= seconds:
        if evolve and len(population) == PUBLISHED["population"]:
            sample = rng.sample(population, PUBLISHED["sample_size"])
            cell = mutated_cell(nasbench, max(sample, key=lambda member: member[0])[1], rng)
            population.pop(0)  # the oldest dies
        else:
            cell = random_cell(nasbench, rng)
        found = nasbench.query(cell)
        population.append((found["validation_accuracy"], cell))
        if not evolve:
            population.clear()
        better = found["validation_accuracy"] > valids[-1]
        times.append(nasbench.get_budget_counters()[0])
        valids.append(found["validation_accuracy"] if better else valids[-1])
        tests.append(found["test_accuracy"] if better else tests[-1])
    return times, valids, tests


def with_the_tutorials_loops(seconds: float) -> None:
    nasbench = api.NASBench("nasbench101-mini", seed=0)
    runs: dict[str, list[Run]] = {"random": [], "evolution": []}
    for repeat in range(REPEATS):
        for name, found in runs.items():
            rng = random.Random(2 * repeat + (name == "evolution"))
            found.append(search(nasbench, seconds, rng, evolve=name == "evolution"))
    curves = {
        name: interpolated(
            [times for times, _, _ in found],
            [tests for _, _, tests in found],
            step=seconds / 200,
            until=seconds,
            label=name,
        )
        for name, found in runs.items()
    }
    finals = {name: np.array([tests[-1] for _, _, tests in found]) for name, found in runs.items()}
    difference = finals["evolution"] - finals["random"]
    low, high = interval(difference)
    for name, values in finals.items():
        print(f"{name}: mean test accuracy {values.mean():.4f} over {REPEATS} searches")
    print(
        f"evolution less random: {difference.mean():+.4f} "
        f"(95 % interval {low:+.4f} to {high:+.4f}, n = {REPEATS})"
    )
    draw(list(curves.values()), "nasbench101_tutorial.png")
    print("figure: nasbench101_tutorial.png")


def draw(curves: list[Curve], path: str) -> None:
    """Draw means and bands in the tutorial's colours."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="total training time spent (seconds)", ylabel="test accuracy")
    for curve, colour in zip(curves, ("#d62728", "#1f77b4"), strict=True):
        axes.plot(curve.x, curve.mean, color=colour, label=curve.label)
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15)
    later = slice(len(curves[0].x) // 20, None)  # the first moments are far worse
    low = min(float(curve.low[later].min()) for curve in curves)
    high = max(float(curve.high[later].max()) for curve in curves)
    axes.set_ylim(low - 0.2 * (high - low), high + 0.1 * (high - low))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> None:
    table = aw.load_benchmark("nasbench101-mini")
    seconds = round(EVALUATIONS * float(np.mean(table.values("training_seconds"))))
    print(f"{len(table):,} cells; each search may spend {seconds:,} seconds of training")
    in_one_call(aw.Budget(cost_seconds=seconds))
    print()
    with_the_tutorials_loops(seconds)


if __name__ == "__main__":
    main()
