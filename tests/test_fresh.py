import subprocess

import pytest

from archwright.testing.fresh import run_fresh


def test_a_fresh_process_has_the_hash_seed_and_reads_what_is_given() -> None:
    program = "import os, sys; print(os.environ['PYTHONHASHSEED'], sys.stdin.read())"
    assert run_fresh(program, hash_seed="7", given="hello") == "7 hello\n"


def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(AssertionError, match=r"the fresh process failed: (.|\n)*ValueError: no"):
        run_fresh("raise ValueError('no')")


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_fresh("import time; time.sleep(60)", seconds=0.5)
