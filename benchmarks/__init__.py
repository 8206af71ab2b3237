"""Benchmarks and demonstrations; scripts, not a library.

Each module has ``main(arguments)``, with ``--quick`` for a run so short that the test suite can afford it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded: ratios are those of one thread


def parser(module: str, text: str | None) -> argparse.ArgumentParser:
    """Return the parser of a benchmark's command line, which knows ``--quick``."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=(text or "").partition("\n")[0])
    made.add_argument("--quick", action="store_true", help="run on so little that it takes a second or two")
    return made


class Page(NamedTuple):
    """A page in docs/ that ends with what a benchmark has found, behind a comment that names the benchmark.

    Attributes
    ----------
    name
        Of the file in docs/.
    module
        The benchmark.
    """

    name: str
    module: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(__file__).parent.parent / "docs" / self.name

    @property
    def halves(self) -> tuple[str, str]:
        """What is written by hand, with the comment, and what was found."""
        mark = f"<!-- table: python -m {self.module} --write -->\n"
        before, comment, found = self.path.read_text(encoding="utf-8").partition(mark)
        if not comment:
            raise ValueError(f"expected the line {mark.strip()!r} in docs/{self.name}, received none; add it")
        return before + comment, found

    def parser(self, text: str | None) -> argparse.ArgumentParser:
        """Return the parser of the benchmark's command line, which knows ``--quick`` and ``--write``."""
        made = parser(self.module, text)
        made.add_argument("--write", action="store_true", help=f"renew what was found in docs/{self.name}")
        return made

    def show(self, found: str, write: bool) -> None:
        """Print what was found, or write it into the page."""
        if write:
            self.path.write_text(self.halves[0] + found, encoding="utf-8")
        else:
            print(found, end="")
