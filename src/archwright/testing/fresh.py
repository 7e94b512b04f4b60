"""Programs in a process of their own: what is reproducible prints the same there as here."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["run_fresh"]


def run_fresh(program: str, *, hash_seed: str = "1", given: str = "", seconds: float = 200) -> str:
    """Return what a program prints in a fresh process, which imports what this one can.

    Args:
        program: Python source.
        hash_seed: PYTHONHASHSEED there: the order of sets of strings depends on it.
        given: What it reads from standard input.
        seconds: Limit.

    Raises:
        AssertionError: If the program fails; the text is what it wrote to standard error.
        subprocess.TimeoutExpired: If it takes longer.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=given,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"the fresh process failed: {done.stderr}")
    return done.stdout
