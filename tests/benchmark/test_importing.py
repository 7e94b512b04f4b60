from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import ALL_OTHERS, IN_ORDER, Table, import_table, join_tables, open_table
from archwright.benchmark.import_metrics import inferred
from archwright.errors import (
    BenchmarkError,
    DataError,
    FormatError,
    MissingDependencyError,
    UnknownNameError,
)
from archwright.space import Choice, Integer, Real, Space, space_named
from archwright.testing.benchmarks import check_table

ALL_NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
ALL_SKIP = ALL_NONE.replace("none", "skip_connect")
CELLS = space_named("nasbench201")
Write = Callable[..., Path]


@pytest.fixture
def csv(tmp_path: Path) -> Write:
    """Return a function that writes lines to a file."""

    def write(*lines: str, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        text = "\n".join(lines) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def read(source: Path, space: Space = CELLS, **options: object) -> Table:
    found = import_table(source, source.with_name("out.table"), space, **options)
    table = open_table(found.path)
    check_table(table)
    return table


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz", "mine.tsv"])
def test_delimited_text_with_published_strings(csv: Write, name: str) -> None:
    lines = ["cell,val_acc,test_acc,params", f"{ALL_NONE},10.0,10.5,100", f"{ALL_SKIP},54.2,,100"]
    if name.endswith(".tsv"):
        lines = [line.replace(",", "\t") for line in lines]
    table = read(csv(*lines, name=name))
    assert table.name == "mine"
    assert [(m.name, m.unit, m.direction, m.split) for m in table.metrics] == [
        ("val_accuracy", "percent", "max", "val"),
        ("test_accuracy", "percent", "max", "test"),
        ("parameters", "count", "min", ""),
    ]
    assert table.query(ALL_NONE).metrics == {
        "val_accuracy": 10.0,
        "test_accuracy": 10.5,
        "parameters": 100.0,
    }
    assert table.query(ALL_SKIP).info["missing"] == ["test_accuracy"]
    (source,) = table.header["provenance"]["sources"]
    assert source["file"] == name
    assert len(source["sha256"]) == 64


def test_one_column_for_each_decision(csv: Write) -> None:
    space = Space(
        kind=Choice("a", "b"),
        skip=Choice(True, False),
        width=Integer(1, 9),
        rate=Real(0.0, 1.0),
        extra=Choice(3, 5, when={"kind": "b"}),
        name="mine",
    )
    path = csv(
        "kind,skip,width,rate,extra,val_loss",
        "a,True,3,0.25,,1.5",
        "b,False,4.0,1,5,0.5",
    )
    table = read(path, space)
    values = {"kind": "b", "skip": False, "width": 4, "rate": 1.0, "extra": 5}
    assert table.query(space.architecture(values)).metrics == {"val_loss": 0.5}
    assert table.metrics[0].unit == "nats"


def test_index_and_codes(csv: Write, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        codes=CELLS.codes_by_index()[[5, 9]],
        index=np.array([5, 9]),
        val_accuracy=np.array([0.5, 0.25]),
    )
    by_codes = read(tmp_path / "a.npz")
    by_index = read(tmp_path / "a.npz", architecture="index")
    for table in (by_codes, by_index):
        assert table.query(CELLS.at(9)).metrics == {"val_accuracy": 0.25}


def test_rows_in_published_order(tmp_path: Path) -> None:
    space = space_named("nasbench-macro")
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "a.npz",
        fields=np.array(["gpu_latency", "cpu_latency"]),
        values=rng.random((6561, 2)),
        devices=np.array(["tpu", "npu", "dsp"]),
        energy=rng.random((6561, 3)),
    )
    table = read(tmp_path / "a.npz", space, architecture=IN_ORDER)
    assert [metric.name for metric in table.metrics] == [
        "gpu_latency",
        "cpu_latency",
        "energy_tpu",
        "energy_npu",
        "energy_dsp",
    ]
    assert {metric.unit for metric in table.metrics} == {"ms", "mJ"}
    with np.load(tmp_path / "a.npz") as archive:
        assert np.array_equal(table.values("cpu_latency"), archive["values"][:, 1])
    with pytest.raises(BenchmarkError, match="'mlp' has no published order"):
        read(tmp_path / "a.npz", space_named("mlp"), architecture=IN_ORDER)
    with pytest.raises(BenchmarkError, match=r"has 6561 rows; the published order .* has 15625"):
        read(tmp_path / "a.npz", architecture=IN_ORDER)


def test_several_numbers_in_a_row_are_repeats(tmp_path: Path) -> None:
    trained = np.array([[0.5, 0.75, math.nan], [0.25, 0.25, 0.25]])
    np.savez(tmp_path / "a.npz", arch=np.array([ALL_NONE, ALL_SKIP]).astype("S"), val_acc=trained)
    table = read(tmp_path / "a.npz", epochs=12)
    assert (table.repeats, table.epochs) == (3, (12,))
    assert table.query(ALL_NONE).metrics == {"val_accuracy": 0.625}
    assert len(table.query(ALL_NONE, repeat="all")) == 2


def test_long_form_becomes_axes(csv: Write) -> None:
    lines = ["cell,epoch,seed,val_acc,train_time,params,latency"]
    for place, cell in enumerate((ALL_NONE, ALL_SKIP)):
        for epoch in (12, 4):
            for seed in (888, 777):
                value = (place * 100 + epoch + seed / 1000) / 200
                lines.append(f"{cell},{epoch},{seed},{value},{epoch}.5,{70 + place},{seed}")
    table = read(csv(*lines[:-1]), epochs_column="epoch", repeat_column="seed")
    assert (table.epochs, table.repeats) == ((4, 12), 2)
    columns = {column.name: column for column in table.columns}
    assert columns["val_accuracy"].seeds == (777, 888)
    assert columns["parameters"].axes == ()
    assert columns["latency"].axes == ("epochs", "repeats")
    assert columns["training_seconds"].epochs == (4, 12)
    assert table.query(ALL_NONE, epochs=12, repeat=1).metrics == {
        "val_accuracy": pytest.approx((12 + 0.888) / 200),
        "training_seconds": 12.5,
        "parameters": 70.0,
        "latency": 888.0,
    }
    assert table.query(ALL_NONE, epochs=12, repeat=1).cost_seconds == 12.5
    assert len(table.query(ALL_SKIP, epochs=4, repeat="all")) == 1
    named = [line.replace("777", "first").replace("888", "second") for line in lines[:-1]]
    other = read(csv(*named), epochs_column="epoch", repeat_column="seed", metrics=["val_acc"])
    assert other.columns[0].seeds == ()
    assert np.array_equal(
        other.values("val_accuracy", repeat="all"),
        table.values("val_accuracy", repeat="all"),
        equal_nan=True,
    )


def test_metrics_may_be_said(csv: Write) -> None:
    path = csv("cell,a,b,c,val_acc", f"{ALL_NONE},1,-1,3,40", f"{ALL_SKIP},2,5,4,50")
    table = read(
        path,
        metrics=[
            "cifar100/test_accuracy=a",
            "power=b,unit=W,direction=min",
            "c,unit=points,direction=max,dataset=cifar100,split=test",
            ALL_OTHERS,
        ],
        missing=[-1],
        dataset="cifar100",
        name="said",
    )
    assert table.name == "said"
    assert table.datasets == ("cifar100",)
    assert [(m.name, m.unit, m.direction, m.split) for m in table.metrics] == [
        ("test_accuracy", "percent", "max", "test"),
        ("power", "W", "min", ""),
        ("c", "points", "max", "test"),
        ("val_accuracy", "percent", "max", "val"),
    ]
    assert table.query(ALL_NONE).info["missing"] == ["power"]


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        ("x=none", UnknownNameError, "unknown column 'none'; allowed: cell, a"),
        ("x=a,size=3", UnknownNameError, "option in the metric 'x=a,size=3' 'size'"),
        ("x=a,unit", BenchmarkError, "look like unit=percent; got 'unit'"),
        ("x=a", BenchmarkError, "needs unit and direction: the name 'a' does not say what it is"),
        ("x=a,unit=ms", BenchmarkError, "needs direction: .*Write it like 'x=a,unit=ms,"),
        ("x=a,unit=ms,direction=up", BenchmarkError, "direction must be one of 'max', 'min'"),
        ("accuracy=a", BenchmarkError, "needs unit and direction"),
    ],
)
def test_metrics_said_wrongly(csv: Write, metric: str, error: type, message: str) -> None:
    path = csv("cell,a", f"{ALL_NONE},1")
    with pytest.raises(error, match=message):
        read(path, metrics=[metric])


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        ("cifar10_val", [40.0], ("val_accuracy", "percent", "max", "val", "cifar10")),
        (
            "imagenet16_120_test",
            [0.4],
            ("test_accuracy", "fraction", "max", "test", "imagenet16_120"),
        ),
        ("validation-accuracy", [1.0], ("val_accuracy", "fraction", "max", "val", "")),
        ("Test Error", [7.0], ("test_error", "percent", "min", "test", "")),
        ("train_loss", [7.0], ("train_loss", "nats", "min", "train", "")),
        ("training_time", [700.0], ("training_seconds", "seconds", "min", "", "")),
        ("seconds", [700.0], ("training_seconds", "seconds", "min", "", "")),
        ("val_time", [700.0], ("val_time", "seconds", "min", "val", "")),
        ("params", [700.0], ("parameters", "count", "min", "", "")),
        ("params_m", [7.0], ("params_m", "millions", "min", "", "")),
        ("flops", [7.0], ("flops", "count", "min", "", "")),
        ("fpga_latency", [7.0], ("fpga_latency", "ms", "min", "", "")),
        ("throughput.gpu", [7.0], ("throughput_gpu", "1/s", "max", "", "")),
        ("ema_val_acc", [7.0], ("val_ema_val_acc", "percent", "max", "val", "")),
    ],
)
def test_names_tell_what_columns_are(source: str, values: list, expected: tuple) -> None:
    found = inferred(source, np.array(values))
    assert not isinstance(found, str)
    assert (found.name, found.unit, found.direction, found.split, found.dataset) == expected


@pytest.mark.parametrize(
    ("source", "values", "reason"),
    [
        ("score", [1.0], "does not say what it is"),
        ("accuracy", [1.0], "does not say whether it is of the training, val or test split"),
        ("val_acc", [700.0], "neither fractions nor percentages"),
        ("val_acc", [-1.0], "neither fractions nor percentages"),
    ],
)
def test_names_that_do_not_tell(source: str, values: list, reason: str) -> None:
    assert reason in str(inferred(source, np.array(values)))


def test_every_bad_row_is_told_and_nothing_is_written(csv: Write, tmp_path: Path) -> None:
    path = csv(
        "cell,val_acc,seconds",
        f"{ALL_NONE},10,5",
        f"{ALL_SKIP},high,5",
        "|none~0|,10,5",
        "",
        f"{ALL_SKIP.replace('skip_connect~2', 'none~2')},20,inf",
        f"{ALL_SKIP.replace('skip_connect~2', 'conv~2')},much,5",
    )
    with pytest.raises(DataError, match=r"5 problems in mine.csv, nothing was written") as caught:
        read(path)
    problems = caught.value.problems
    assert len(problems) == 5
    assert "mine.csv, line 4, column 'cell':" in problems[0]
    assert "mine.csv, line 7, column 'cell':" in problems[1]
    assert "mine.csv, line 3, column 'val_acc': must be a number" in problems[2]
    assert "got 'high'" in problems[2]
    assert "mine.csv, line 7, column 'val_acc'" in problems[3]
    assert "mine.csv, line 6, column 'seconds': must be finite" in problems[4]
    assert [file.name for file in tmp_path.iterdir()] == ["mine.csv"]


def test_one_bad_row_is_one_problem(csv: Write) -> None:
    with pytest.raises(DataError, match=r"^1 problem in mine.csv, nothing .*line 3.*got 'x'"):
        read(csv("cell,val_acc", f"{ALL_NONE},1", f"{ALL_SKIP},x"))


def test_decisions_that_are_wrong_are_told(csv: Write, toy: Space) -> None:
    with pytest.raises(DataError, match=r"line 3, decisions: a must be one of x, y, z; got 'w'"):
        read(csv("a,b,val_acc", "x,1,0.5", "w,1,0.5"), toy)


def test_an_architecture_twice_is_told(csv: Write) -> None:
    lines = ("cell,epoch,val_acc", f"{ALL_NONE},4,10", f"{ALL_NONE},12,20", f"{ALL_NONE},4,30")
    with pytest.raises(DataError, match=r"line 3: is about the same .* as line 2; name the column"):
        read(csv(*lines))
    with pytest.raises(DataError, match=r"1 problem .*line 4: is about the same .* as line 2"):
        read(csv(*lines), epochs_column="epoch")


def test_epochs_that_are_none_are_told(csv: Write) -> None:
    lines = ("cell,epoch,val_acc", f"{ALL_NONE},4.5,10", f"{ALL_SKIP},0,20")
    with pytest.raises(DataError, match=r"line 2, column 'epoch': .* from 1 up; got '4.5'; .*'0'"):
        read(csv(*lines), epochs_column="epoch")


@pytest.mark.parametrize(
    ("lines", "options", "error", "message"),
    [
        (["cell,val_acc", "x,1"], {}, BenchmarkError, "no column with architectures of 'nasbench"),
        (["cell,val_acc", "x,1"], {"architecture": "c"}, UnknownNameError, "mine.csv 'c'.*cell"),
        ([f"a,val_acc\n{ALL_NONE},1"], {"epochs_column": "b"}, UnknownNameError, "mine.csv 'b'"),
        ([f"cell,x\n{ALL_NONE},1"], {}, BenchmarkError, "told by its name: the name 'x' does"),
        ([f"cell,x\n{ALL_NONE},a"], {}, BenchmarkError, "no column holds numbers"),
        (["cell,val_acc"], {}, FormatError, "line 1: has no rows below its header"),
        (["cell,val_acc", "a,1,2", "b"], {}, DataError, "line 2: has 3 fields; the header has 2"),
        (["a,a", "1,1"], {}, DataError, "line 1: 2 columns are called 'a'"),
        (["a,,b", "1,1,1"], {}, DataError, "line 1: a column has no name"),
        (['cell,"val', "1"], {}, FormatError, "is no delimited text"),
    ],
)
def test_files_that_do_not_fit(
    csv: Write, lines: list, options: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        read(csv(*lines), **options)


def test_numbers_that_are_no_index(tmp_path: Path, toy: Space) -> None:
    np.savez(tmp_path / "a.npz", index=np.array([0, 1]), val_acc=np.array([0.5, 0.5]))
    with pytest.raises(BenchmarkError, match="'toy' have no published index"):
        read(tmp_path / "a.npz", toy, architecture="index")
    np.savez(tmp_path / "a.npz", index=np.array([99_999, 1]), val_acc=np.array([0.5, 0.5]))
    with pytest.raises(DataError, match="row 0, column 'index': "):
        read(tmp_path / "a.npz", architecture="index")


def test_repeats_in_a_row_and_a_column_of_repeats(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        cell=np.array([ALL_NONE, ALL_SKIP]),
        seed=np.array([1, 2]),
        val_acc=np.ones((2, 3)),
    )
    with pytest.raises(BenchmarkError, match=r"'val_acc' of a.npz has 3 numbers in a row"):
        read(tmp_path / "a.npz", repeat_column="seed")
    np.savez(tmp_path / "b.npz", cell=np.array([ALL_NONE]), t=np.zeros((1, 2, 2)))
    with pytest.raises(BenchmarkError, match=r"column 't' of b.npz must hold numbers, one or a"):
        read(tmp_path / "b.npz", metrics=["t,unit=s,direction=min"], architecture="cell")


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"there is no file .* to import"):
        read(tmp_path / "none.csv")
    for name, content, message in (
        ("a.npz", b"PK\x03\x04 no archive", "byte 0: cannot be read"),
        ("a.csv", b"cell,val_acc\n\xff,1\n", "byte 13: must be UTF-8; got 0xff"),
        ("a.csv.gz", b"\x1f\x8b no gzip", "byte 0: is no whole gzip file"),
        ("a.parquet", b"no parquet", "byte 0: is no whole Parquet file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=message):
            read(tmp_path / name)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(BenchmarkError, match=r"ends in .csv, .tsv .* got 'a.json'.*convert"):
        read(tmp_path / "a.json")


def test_pickles_in_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", cell=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match=r"array 'cell': cannot be read: .*allow_pickle=False"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", number=np.array(3))
    with pytest.raises(FormatError, match="has no arrays with rows"):
        read(tmp_path / "a.npz")


def test_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {"cell": [ALL_NONE, ALL_SKIP], "val_acc": [0.5, None], "params": [7, 8]}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    table = read(tmp_path / "a.parquet")
    assert table.query(ALL_NONE).metrics == {"val_accuracy": 0.5, "parameters": 7.0}


def test_parquet_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"archwright\[parquet\]"):
        read(tmp_path / "a.parquet")


@pytest.mark.shared_data
def test_recorded_tables_of_nasbench201(shared_data: Path, tmp_path: Path) -> None:
    """Accuracies, latencies and energies of three sources: equal values, joined by key."""
    made = {}
    for name, options in {
        "nasbench201_12epoch": {"epochs": 12},
        "hw_nas_bench_nasbench201_cifar10": {"architecture": IN_ORDER, "missing": [-1]},
        "nasbench201_latency_help": {"architecture": IN_ORDER},
    }.items():
        source, out = shared_data / f"{name}.npz", tmp_path / f"{name}.table"
        made[name] = open_table(import_table(source, out, CELLS, **options).path)
        check_table(made[name])
    accuracies, hardware, latencies = made.values()
    with np.load(shared_data / "nasbench201_12epoch.npz") as archive:
        for row in (0, 11, 6111, 15_624):
            text = archive["arch"][row].decode()
            assert accuracies.row(text) == row == CELLS.index(CELLS.parse(text))
        for dataset in accuracies.datasets:
            for split in ("val", "test"):
                read_back = accuracies.with_dataset(dataset).values(f"{split}_accuracy")
                assert np.array_equal(read_back, archive[f"{dataset}_{split}"])
    assert accuracies.best("val_accuracy")[0] == 13_714
    with np.load(shared_data / "nasbench201_latency_help.npz") as archive:
        for place, device in enumerate(archive["devices"].tolist()):
            stored = latencies.values(f"latency_{device}")
            assert np.array_equal(stored, archive["latency"][:, place].astype(np.float64))
    joined = join_tables(accuracies, hardware, tmp_path / "joined.table")
    with np.load(shared_data / "hw_nas_bench_nasbench201_cifar10.npz") as archive:
        for place, name in enumerate(archive["columns"].tolist()):
            if name != "eyeriss_arithmetic_intensity":
                stored = joined.values(name)
                given = archive["values"][:, place]
                assert np.array_equal(np.nan_to_num(stored, nan=-1.0), given)
    first = joined.query(0)
    assert first.metrics["edgegpu_latency"] == pytest.approx(5.807418537139893)
    assert first.metrics["val_accuracy"] == pytest.approx(63.364)
