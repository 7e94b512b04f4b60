"""Every number on the page of a table that was made with `archwright benchmark build`.

    python perf/mini_table_card.py [TABLE]

TABLE is a path or a name, nasbench101-mini if nothing is said. It prints the facts of the table,
the rows of the page in Markdown, the best cells, and how far the table can be trusted: the
reliability is the share of the variance between architectures in the variance of what is read, for
one repeat and for the mean of all.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark import Table, load_benchmark
from archwright.report.correlation_statistics import kendall

Array = NDArray[np.float64]
HEAD = (
    "epochs",
    "mean",
    "median cell",
    "10 % to 90 % of cells",
    "worst to best cell",
    "deviation between repeats",
    "train accuracy",
    "test accuracy",
    "Kendall tau with {last} epochs",
    "seconds, median",
)


def every(table: Table, metric: str, epochs: int) -> Array:
    """Return the values of all repeats, `(rows, repeats)`."""
    return np.asarray(table.values(metric, epochs=epochs, repeat="all"), dtype=np.float64)


def within(values: Array) -> float:
    """Return the variance between repeats of one architecture."""
    return float(values.var(1, ddof=1).mean()) if values.shape[1] > 1 else float("nan")


def deviation(values: Array) -> float:
    """Return the mean over architectures of the deviation between their repeats."""
    return float(values.std(1, ddof=1).mean()) if values.shape[1] > 1 else float("nan")


def row(table: Table, epochs: int) -> list[str]:
    """Return the cells of a row of the page."""
    values = every(table, "val_accuracy", epochs)
    means = values.mean(1)
    low, high = np.quantile(means, (0.1, 0.9))
    last = every(table, "val_accuracy", table.epochs[-1]).mean(1)
    return [
        str(epochs),
        f"{means.mean():.3f}",
        f"{np.median(means):.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{means.min():.3f} to {means.max():.3f}",
        f"{deviation(values):.3f}",
        f"{every(table, 'train_accuracy', epochs).mean():.3f}",
        f"{every(table, 'test_accuracy', epochs).mean():.3f}",
        f"{kendall(means, last):.2f}",
        f"{np.median(every(table, 'training_seconds', epochs)):.3f}",
    ]


def facts(table: Table) -> None:
    """Print what the page says of the table as a whole."""
    made = table.header["provenance"]
    trainings = len(table) * len(table.epochs) * table.repeats
    spent = sum(every(table, "training_seconds", e).sum() for e in table.epochs)
    print(f"{table.name}: {table.domain}; space {table.header['space']}")
    print(f"{len(table):,} rows x {len(table.epochs)} budgets x {table.repeats} repeats", end="")
    print(f" = {trainings:,} trainings, {len(made['missing'])} failed")
    print(f"{table.path.stat().st_size / 1e6:.2f} MB; {spent / 3600:.2f} hours in training steps")
    for metric in ("parameters", "macs"):
        counts = table.values(metric)
        print(f"{metric}: {counts.min():,.0f} to {counts.max():,.0f}")
    for name in ("data", "recipe", "norm_momentum", "seed", "environment"):
        print(f"{name}: {made[name]}")


def best(table: Table) -> None:
    """Print the best cells by validation and by test, of those with the longest training."""
    epochs = table.epochs[-1]
    means = {m: every(table, f"{m}_accuracy", epochs).mean(1) for m in ("val", "test")}
    for metric, other in (("val", "test"), ("test", "val")):
        place = int(np.argmax(means[metric]))
        text = table.space.format(table.architecture(place))
        print(f"best by {metric}: `{text}` {means[metric][place]:.4f}", end="")
        print(f" ({other} {means[other][place]:.4f})")
    print(f"Kendall tau of validation and test: {kendall(means['val'], means['test']):.2f}")


def trust(table: Table) -> None:
    """Print how much of what is read belongs to the architectures."""
    for epochs in table.epochs:
        values = every(table, "val_accuracy", epochs)
        guess = 1 / int(table.header["provenance"]["data"]["task"]["outputs"])
        idle = values.mean(1) < 1.5 * guess
        print(f"{epochs} epochs: {int(idle.sum()):,} cells near guessing", end="")
        if table.repeats > 1:
            pairs = combinations(range(table.repeats), 2)
            taus = [kendall(values[:, a], values[:, b]) for a, b in pairs]
            print(f"; Kendall tau between repeats {np.mean(taus):.2f}; reliability", end=" ")
            print(", ".join(shares(values)), end="; of the other cells ")
            print(", ".join(shares(values[~idle])), end="")
        print()


def shares(values: Array) -> list[str]:
    """Return the reliability of one repeat and of the mean of all."""
    noise, repeats = within(values), values.shape[1]
    real = max(0.0, float(values.mean(1).var(ddof=1)) - noise / repeats)
    return [f"{real / (real + noise / n):.2f} ({n})" for n in (1, repeats)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("table", nargs="?", default="nasbench101-mini")
    given = parser.parse_args().table
    table = load_benchmark(Path(given) if Path(given).exists() else given)
    table.verify()
    facts(table)
    print()
    print("| " + " | ".join(HEAD).format(last=table.epochs[-1]) + " |")
    print("| " + " | ".join(["---"] * len(HEAD)) + " |")
    for epochs in table.epochs:
        print("| " + " | ".join(row(table, epochs)) + " |")
    print()
    best(table)
    trust(table)


if __name__ == "__main__":
    main()
