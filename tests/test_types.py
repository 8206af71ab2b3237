"""What the README shows passes two checkers of types, as users run them; names that are few are literals."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import expint
from expint.derive import Splitting
from expint.methods.catalogued import CataloguedMethod, SplittingName

ROOT = Path(__file__).parent.parent


def test_every_method_of_the_catalogue_answers_what_its_type_promises() -> None:
    promised = [name for name in vars(CataloguedMethod) if not name.startswith("_")]
    assert len(promised) == 7
    for name in expint.method_names():
        assert all(hasattr(expint.method(name), promise) for promise in promised), name


def test_the_names_of_splittings_are_those_of_the_literal() -> None:
    found = {name for name in expint.method_names() if isinstance(expint.method(name), Splitting)}
    assert found == set(get_args(SplittingName))


KNOWN = """
from typing import assert_type

import numpy as np

import expint
from expint import Solution, Solutions

problem, y0 = expint.problems.riccati(), np.ones((3, 2))
assert_type(expint.solve_ivp(lambda t, y: -y, (0, 1), y0, linear=-1.0), Solution)
assert_type(expint.solve_ivp(lambda t, y: -y, (0, 1), y0, linear=-1.0, batched=True), Solutions)
assert_type(expint.solve(problem, rtol=1e-3), Solution)
assert_type(expint.solve(problem, batched=True), Solutions)
assert_type(expint.resume("run.npz", problem), Solution)
"""
WRONG = """
expint.solve_ivp(lambda t, y: -y, (0, 1), y0, linear=-1.0, error="nonsense")
expint.solve_ivp(lambda t, y: -y, (0, 1), y0, linear=-1.0, runner="fast")
expint.solve_ivp(lambda t, y: -y, (0, 1), y0, linaer=-1.0)
expint.plot.study(None, "p", over="effort")
expint.plot.space_time(None, None, part="phase")
expint.operators.Sparse(None, action="fast")
expint.Grid(8, 1.0, basis="wavelets")
"""


@pytest.mark.slow
def test_the_code_of_the_readme_passes_pyright_and_results_have_their_types(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    if shutil.which("node") is None:
        # the package fetches node itself only where there is a network
        pytest.skip("pyright is run by node, which is not on the path")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "readme.py").write_text("\n".join(blocks), encoding="utf-8")
    (tmp_path / "known.py").write_text(KNOWN, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(f"{KNOWN}\nimport expint.plot\n{WRONG}", encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "readme.py", "known.py", "wrong.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "error:" not in done.stdout and "0 errors" not in done.stdout:
        # its program comes with the first run; without a network there is nothing to check with
        pytest.skip(f"pyright cannot be fetched here: {done.stderr[-200:]}")
    said = [line for line in done.stdout.splitlines() if " error: " in line]
    assert not [line for line in said if "wrong.py" not in line], done.stdout
    first = len(KNOWN.splitlines()) + 4
    wrong = {int(line.split("wrong.py:")[1].split(":")[0]) for line in said}
    assert wrong == set(range(first, first + len(WRONG.split("\n")) - 2)), done.stdout
