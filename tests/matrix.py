"""
Run all tests on every supported Airflow with every Python that it allows, and print one line for each.

Called by ``make test-matrix``. What each run prints is kept in ``.cache/matrix``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOGS = ROOT / ".cache" / "matrix"
#: The Pythons that each release of Airflow allows, of those that the provider supports.
PYTHONS = {
    "2.10": ["3.10", "3.11", "3.12"],
    "3.0": ["3.10", "3.11", "3.12"],
    "3.1": ["3.10", "3.11", "3.12", "3.13"],
    "3.3": ["3.10", "3.11", "3.12", "3.13"],
}


def main() -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    ended = [run(airflow, version) for airflow, versions in PYTHONS.items() for version in versions]
    print(f"{sum(ended)} of {len(ended)} combinations passed")
    return 0 if all(ended) else 1


def run(airflow: str, version: str) -> bool:
    """Test one combination and return whether it passed; an interpreter that is not there is a failure."""
    name = f"Airflow {airflow:4}  Python {version}"
    python = interpreter(version)
    if python is None:
        print(f"{name}  not run: no python{version} on PATH or in pyenv", flush=True)
        return False
    began = time.monotonic()
    with (LOGS / f"airflow-{airflow}-python-{version}.log").open("w+") as log:
        command = ["make", "--no-print-directory", "test", f"AIRFLOW={airflow}", f"PYTHON={python}"]
        passed = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False).returncode == 0
        log.seek(0)
        summary = next((line for line in reversed(log.readlines()) if " in " in line and "=" in line), "no summary")
    minutes = (time.monotonic() - began) / 60
    outcome = "passed" if passed else "FAILED"
    print(f"{name}  {outcome}  {summary.strip().strip('= ')}; {minutes:.0f} min with the installation", flush=True)
    return passed


def interpreter(version: str) -> str | None:
    """Return the path of an interpreter: that of PATH if it works (pyenv's may not), else one of pyenv's."""
    found = shutil.which(f"python{version}")
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next((str(one) for one in sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)), None)


if __name__ == "__main__":
    sys.exit(main())
