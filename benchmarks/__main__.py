"""
Measure beside what else there is: ``python benchmarks [NAME ...]``.

Each prints a Markdown table, and writes it into ``.cache/bench/NAME.md``.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

NAMES = ("parse", "first", "steady", "bulk", "waits", "faults")
RESULTS = Path(__file__).parent.parent / ".cache" / "bench"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[1])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="once, small, without Airflow's peers: is it intact?")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        report = str(importlib.import_module(name).run(quick=arguments.quick))
        print(report, flush=True)
        if not arguments.quick:
            RESULTS.mkdir(parents=True, exist_ok=True)
            (RESULTS / f"{name}.md").write_text(report)


if __name__ == "__main__":
    main()
