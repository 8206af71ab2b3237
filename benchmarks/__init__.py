"""Benchmarks and demonstrations; scripts, not a library.

Each module has ``main(arguments)``, with ``--quick`` for a run so short that the test suite can afford it.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded: ratios are those of one thread


def parser(module: str, text: str | None) -> argparse.ArgumentParser:
    """Return the parser of a benchmark's command line, which knows ``--quick``."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=(text or "").partition("\n")[0])
    made.add_argument("--quick", action="store_true", help="run on so little that it takes a second or two")
    return made
