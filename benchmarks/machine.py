"""What a benchmark ran on, in one sentence."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["describe", "load"]


def describe(packages: Sequence[str] = ("numpy", "scipy")) -> str:
    """Return processor, number of cores and versions; packages that are not there are left out."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}; {', '.join(_versions(packages))}"


def load() -> str:
    """Return how busy the machine is: processes that want to run, the mean over a minute."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"load {busy:.1f} on {os.cpu_count()} cores"


def processor() -> str:
    """Return the model of the processor as the operating system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known = dict(part for line in lines if len(part := [field.strip() for field in line.split(":", 1)]) == 2)
    name = known.get("model name") or platform.machine()
    cache = known.get("cache size")
    return f"{name} ({platform.machine()}{f', cache {cache}' if cache else ''})"


def _versions(packages: Sequence[str]) -> list[str]:
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
