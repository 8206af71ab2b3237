"""Run benchmarks: ``python -m benchmarks [NAME …]``, by default those that only print; ``--list`` names them all."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

import benchmarks

HELPERS = (
    *("__main__", "compiled", "contest", "foreign_names", "kept", "machine", "on_gpu"),
    *("stochastic_orders", "tensor_operations"),
)
"""Modules that are no benchmarks, or are run by their own names: ``stochastic_orders`` and ``foreign_names`` write the
tables of pages, ``compiled`` compiles for a minute, ``on_gpu`` needs one."""

WRITE = ("demo", "figures", "host_figures", "peers", "reference_solutions", "tolerances")
"""Scripts that write files, or install packages, run only when they are named."""

PRINT = tuple(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in (*HELPERS, *WRITE))
"""Benchmarks that print tables."""


def main(arguments: Sequence[str] = ()) -> None:
    """Run the benchmarks that are asked for, one after the other."""
    names = sorted(PRINT + WRITE)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="name the benchmarks, with one line on each, and leave")
    parser.add_argument("--quick", action="store_true", help="run each on so little that it takes a second or two")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in names]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; expected one of {', '.join(names)}")
    for name in given.names or (names if given.list else PRINT):
        module = importlib.import_module(f"benchmarks.{name}")
        if given.list:
            print(f"{name:20s} {(module.__doc__ or '').partition(chr(10))[0]}")
            continue
        print(f"== {name}", flush=True)
        module.main(["--quick"] if given.quick else [])


if __name__ == "__main__":
    main(sys.argv[1:])
