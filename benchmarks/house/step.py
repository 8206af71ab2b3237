"""What one step of the default method to a tolerance runs through, file by file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.house import ROOT, files, loops_over_steps

__all__ = ["Step", "walk"]


class Step(NamedTuple):
    """What is entered in the course of a step: the functions of each file, by its path in expint.

    Attributes
    ----------
    inside
        The loop over steps, and all that it calls.
    around
        What stands between the loop and the user's N; and what keeps the states that the loop hands on.
    """

    inside: dict[str, list[str]]
    around: dict[str, list[str]]


def walk(root: Path = ROOT) -> Step:
    """Return what a step of a checkout runs through.

    A run in a process of its own is watched from one evaluation of N to the one five steps later.
    """
    loops = ",".join(name for path in files(root) for name in loops_over_steps(path))
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    told = subprocess.run(
        [sys.executable, "-c", _WATCHED, loops], cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    found = Step({}, {})
    for where, file, function in (line.split("\t") for line in told.stdout.splitlines()):
        getattr(found, where).setdefault(file, []).append(function)
    return found


_WATCHED = """
import sys
import numpy as np
import expint

loops, seen, calls = set(sys.argv[1].split(",")), {}, 0
home = f"{expint.__path__[0]}/"

def place(frame):
    return frame.f_code.co_filename.removeprefix(home), frame.f_code.co_qualname

def above(frame):
    while frame:
        yield frame
        frame = frame.f_back

def enter(frame, event, argument):
    if event == "call" and frame.f_code.co_filename.startswith(home):
        looping = any(own.f_code.co_name in loops for own in above(frame))
        seen.setdefault(place(frame), "inside" if looping else "around")

def nonlinear(t, y):
    global calls
    calls += 1
    sys.setprofile(enter if 200 <= calls < 205 else None)
    if 200 < calls <= 205:  # who has asked, up to the file of the loop
        frames = list(above(sys._getframe(1)))
        loop = next(own.f_code.co_filename for own in frames if own.f_code.co_name in loops)
        for own in frames[: [own.f_code.co_filename for own in frames].index(loop)]:
            seen[place(own)] = "around"
    return np.array([10 * y[1], y[0] * (28 - y[2]), y[0] * y[1]])

expint.solve_ivp(nonlinear, (0.0, 5.0), np.array([1.0, 2.0, 20.0]), linear=np.array([-10.0, -1.0, -8 / 3]), rtol=1e-6)
sys.setprofile(None)
for own, where in seen.items():
    print(where, *own, sep="\\t")
"""
