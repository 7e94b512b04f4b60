"""The command line: thin commands over the front door, one file per group.

    archwright search people.csv --target income --trials 30 --constraint 'parameters<=20000'
    archwright leaderboard people-mlp-evolution

Exit codes: 0 done, 2 the user's input, 3 the environment, 130 interrupted (resumable). An error
is one line with its remedy; `--debug`, anywhere on the line, shows the traceback.
"""

from archwright.cli.app import app, main

__all__ = ["app", "main"]
