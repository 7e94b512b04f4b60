"""How long archwright takes to start, against a Python that does nothing.

    python perf/import_time.py

Three fresh processes take turns: a bare `python -c pass`, `import archwright`, and
`archwright --help`. The median of each counts. Budgets: 0.3 s for the import as
`-X importtime` counts it, 0.7 s of wall time for the help.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
IMPORT_BUDGET_SECONDS = 0.3
HELP_BUDGET_SECONDS = 0.7
RESULT = Path(__file__).parent / "results" / "import_time.json"

HELP = "import sys; from archwright.cli import main; sys.exit(main(['--help']))"
COMMANDS = {"bare": "pass", "import": "import archwright", "help": HELP}

# Of the many modules that may be loaded, these are the ones that a user would wait for.
HEAVY = ("matplotlib", "numpy", "pandas", "scipy", "sklearn", "sqlalchemy", "torch")


def wall_seconds(code: str) -> float:
    """Return the seconds that a fresh process takes to run the code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def import_seconds() -> tuple[float, list[str]]:
    """Return the seconds that `-X importtime` counts for archwright, and what heavy it loads."""
    command = [sys.executable, "-X", "importtime", "-c", "import archwright"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    seconds, loaded = 0.0, set()
    for line in lines:
        if found := re.match(r"import time: +\d+ \| +(\d+) \| ( *)([\w.]+)$", line):
            loaded.add(found[3].partition(".")[0])
            if found[3] == "archwright":
                seconds = int(found[1]) / 1e6
    return seconds, sorted(loaded & set(HEAVY))


def main() -> int:
    """Measure, print, store; return 1 if a budget is broken."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    counted: list[float] = []
    heavy: list[str] = []
    for _ in range(ROUNDS):
        for name, code in COMMANDS.items():
            times[name].append(wall_seconds(code))
        seconds, heavy = import_seconds()
        counted.append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "bare_seconds": round(median["bare"], 4),
        "import_seconds": round(median["import"], 4),
        "import_ratio": round(median["import"] / median["bare"], 2),
        "importtime_seconds": round(statistics.median(counted), 4),
        "help_seconds": round(median["help"], 4),
        "help_ratio": round(median["help"] / median["bare"], 2),
        "heavy_modules_of_import": heavy,
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    kept = (
        result["importtime_seconds"] < IMPORT_BUDGET_SECONDS
        and result["help_seconds"] < HELP_BUDGET_SECONDS
        and not heavy
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
