from __future__ import annotations

import os
import signal
import time

import pytest
import typer

from archwright.cli import waiting


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_says_what_is_kept_and_is_put_back(
    how: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as caught:
        _interrupted(how)
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == (
        "interrupted; everything finished is kept. Go on with: "
        "archwright resume 'my study' --store 'sqlite:///a b.db'\n"
    )
    assert signal.getsignal(signal.SIGTERM) is before


def _interrupted(how: signal.Signals) -> None:
    with waiting.resumable("my study", "sqlite:///a b.db"):
        os.kill(os.getpid(), how)
        time.sleep(10)


def test_how_many_are_done_is_said_now_and_then_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 4.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(clock))
    said = waiting.Said("{done} of {total} scores", seconds=10)
    for done in (1, 2, 3, 4):
        said(done, 4)
    assert capsys.readouterr().err.splitlines() == ["2 of 4 scores", "4 of 4 scores"]
