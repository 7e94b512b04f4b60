from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from archwright.cli import main
from archwright.store import open_store

Run = Callable[..., tuple[int, str, str]]


def search(*more: str) -> list[str]:
    return [
        "search",
        "wine",
        "--trials",
        "4",
        "--epochs",
        "3",
        "--folds",
        "1",
        "--name",
        "wines",
        *more,
    ]


def test_search_prints_a_leaderboard_and_writes_report_and_model(run: Run, tmp_path: Path) -> None:
    code, out, err = run(*search("--constraint", "parameters<=20000"))
    assert code == 0, err
    assert "val_accuracy" in out
    assert "test_accuracy" in out
    assert "study wines" in err
    assert "stopped: all 4 trials done" in err
    assert (tmp_path / "runs/wines/report.html").stat().st_size > 10_000
    assert (tmp_path / "runs/wines/model/model.json").exists()
    assert "test, read once, after training on training and validation data: test_acc" in out
    assert "archwright predict runs/wines/model DATA" in out
    code, out, err = run("predict", "runs/wines/model", "wine", "--out", "answers.csv")
    assert (code, out) == (0, "178 predictions in answers.csv\n"), err
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 179
    assert "... 158 more; write all with --out" in run("predict", "runs/wines/model", "wine")[1]


def test_search_prints_json(run: Run) -> None:
    code, out, err = run(*search("--json", "--no-finalize"))
    assert code == 0, err
    found = json.loads(out)
    assert found["trials"] == 4
    assert set(found["best"]) == {"trial", "architecture", "metrics"}
    assert not any(name.startswith("test_") for name in found["best"]["metrics"])


def test_a_taken_name_is_refused_and_a_resume_goes_on(run: Run) -> None:
    assert run(*search("--no-finalize"))[0] == 0
    code, _, err = run(*search())
    assert code == 2
    assert "wines" in err
    assert "resume" in err
    code, out, err = run("resume", "wines", "--trials", "6", "--json")
    assert code == 0, err
    assert json.loads(out)["trials"] == 6
    code, out, _ = run("leaderboard", "wines", "--json")
    assert code == 0
    assert 1 <= len(json.loads(out)) <= 6
    code, out, _ = run("leaderboard")
    assert re.search(r"wines\s+6", out)


def test_export_reads_the_test_split_only_once(run: Run, tmp_path: Path) -> None:
    assert run(*search("--no-finalize"))[0] == 0
    assert run("export", "wines", "--out", "first")[0] == 0
    assert run("export", "wines", "--out", "second")[0] == 0
    first, second = (
        json.loads((tmp_path / name / "model.json").read_text()) for name in ("first", "second")
    )
    assert first["metrics"] == second["metrics"]
    one, two = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("first", "second"))
    assert one == two


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(LookupError, match="did you mean 'mlp'"):
        main(["space", "describe", "mpl", "--debug"])


def test_version_and_help(run: Run) -> None:
    assert run("--version")[1].startswith("archwright 0")
    code, out, _ = run("--help")
    assert code == 0
    for command in ("search", "resume", "worker", "leaderboard", "report", "predict", "doctor"):
        assert command in out


def test_space_list_and_describe(run: Run) -> None:
    assert "mlp" in run("space", "list")[1]
    code, out, _ = run("space", "describe", "mlp")
    assert code == 0
    assert "hidden" in out


def test_data_check_lists_all_problems(run: Run, tmp_path: Path) -> None:
    lines = ["a,b,y", "1,2,0", "1,,", "3,4,1,9", "5,6,1"]
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    code, out, err = run("data", "check", "bad.csv", "--target", "y")
    assert code == 2
    assert "4" in out
    assert "problem" in err
    assert run("data", "check", "wine")[0] == 0


def test_doctor_names_the_parts(run: Run) -> None:
    code, out, _ = run("doctor")
    assert code == 0
    for part in ("python", "torch", "sqlite", "cuda", "store"):
        assert part in out


def test_data_check_knows_how_to_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;y\n" + "".join(f"{k};{k % 2}\n" for k in range(30)))
    options = ["--target", "y", "--delimiter", ";", "--encoding", "utf-8", "--task"]
    assert run("data", "check", "t.csv", *options, "classification")[0] == 0


def test_options_of_data_reach_the_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def check(data: str, **options: object) -> list[str]:
        given.update(options, data=data)
        return ["mnist: nothing there; get it"]

    monkeypatch.setattr("archwright.data.check", check)
    arguments = ["--data-dir", "sets", "--delimiter", "tab", "--data-option", "validation=0.1"]
    code, out, err = run("data", "check", "mnist", *arguments)
    assert (code, out, err) == (2, "mnist: nothing there; get it\n", "1 problem found\n")
    assert given == {
        "data": "mnist", "data_dir": Path("sets"), "delimiter": "\t", "validation": 0.1,
    }  # fmt: skip


def test_two_workers_share_a_search(run: Run) -> None:
    code, _, err = run(*search("--workers", "2", "--deterministic", "--trials", "6"))
    assert code == 0, err
    assert "stopped: all 6 trials done" in err
    code, out, _ = run("leaderboard", "wines", "--json")
    assert code == 0
    rows = json.loads(out)
    assert len(rows) == 6
    assert {row["trial"] for row in rows} == set(range(6))
    assert rows[0]["val_accuracy"] == max(row["val_accuracy"] for row in rows)


def test_a_trial_that_takes_too_long_is_recorded_as_such(run: Run) -> None:
    code, _, err = run(
        "search", "wine", "--trials", "1", "--recipe", "epochs=1000000", "--recipe",
        "patience=null", "--trial-time", "0.5s", "--no-finalize", "--name", "slow", "--folds", "1",
    )  # fmt: skip
    assert code == 2
    assert "trial 0 (1/1) timeout: stopped after 0." in err
    assert "has no completed trial within its constraints (1 trials, 1 failed)" in err


def test_the_test_split_is_read_once_for_each_winner(run: Run) -> None:
    assert run(*search())[0] == 0
    assert "read once: test_accuracy" in run("leaderboard", "wines")[1]


def started(arguments: Sequence[str], until: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own; return once it says a line that begins so."""
    process = subprocess.Popen(
        arguments,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(until):
            return process
    raise AssertionError(f"never said {until!r}")


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_an_interrupt_keeps_everything_and_says_how_to_resume(
    run: Run, command: list[str], how: signal.Signals, workers: int
) -> None:
    arguments = ["search", "wine", "--trials", "4000", "--epochs", "2", "--folds", "1"]
    arguments += ["--name", "long", "--workers", str(workers)]
    process = started([*command, *arguments], "trial 3 ")
    # On a terminal Ctrl-C reaches every process of the group.
    os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
    sent = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < 15
    assert process.returncode == 130, err
    assert "archwright resume long" in err
    assert "Traceback" not in err
    finished = int(run("leaderboard")[1].split("long", 1)[1].split()[0])
    assert finished >= 4
    code, out, err = run("resume", "long", "--trials", str(finished + 3), "--json", "--no-finalize")
    assert code == 0, err
    assert json.loads(out)["trials"] >= finished + 3
    with open_store("runs/archwright.db") as store:
        trials = store.trials(store.study("long"))
    assert [t.status.value for t in trials] == ["completed"] * len(trials)


def test_a_worker_joins_a_running_search_from_another_process(run: Run, command: list[str]) -> None:
    arguments = ["search", "wine", "--strategy", "random", "--trials", "40", "--folds", "1"]
    arguments += ["--epochs", "15", "--recipe", "patience=null", "--name", "shared"]
    # With checkpoints candidates are trained one at a time: there is always one left to share.
    arguments += ["--checkpoints", "kept", "--no-finalize"]
    process = started([*command, *arguments], "trial ")
    code, _, err = run("worker", "shared")
    _, rest = process.communicate(timeout=200)
    assert process.returncode == 0, rest
    assert code == 0, err
    assert "stopped: all 40 trials done" in err
    with open_store("runs/archwright.db") as store:
        trials = store.trials(store.study("shared"))
    assert len(trials) == 40
    assert all(t.status.value == "completed" for t in trials)
    owners = {t.worker for t in trials}
    assert len(owners) == 2
    ours = [t for t in trials if f":{os.getpid()}:" in t.worker]
    assert f"{len(ours)} trials finished here" in err
    last = max(ours, key=lambda t: t.finished_order)
    assert f"trial {last.number} ({last.finished_order + 1}/40)" in err
    assert any(f":{os.getpid()}:" in owner for owner in owners)


def test_a_live_display_on_a_terminal(command: list[str], tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*command, *search("--no-finalize")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed when the process has ended
        while content := os.read(ours, 65536):
            shown += content
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert "\x1b[" in text, "it knows that it is on a terminal"
    assert "4/4" in text
    assert "best val_accuracy" in text
    assert "trial 0 (1/4)" not in text, "no plain lines"
    assert "stopped: all 4 trials done" in text
    assert "Traceback" not in text


def test_a_reader_who_has_seen_enough_is_no_error(command: list[str]) -> None:
    line = f"{shlex.join(command)} space describe cnn | head -c 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
