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


@pytest.mark.slow
def test_the_code_of_the_readme_passes_pyright(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    if shutil.which("node") is None:
        pytest.skip("pyright is run by node, which is not on the path")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "readme.py").write_text("\n".join(blocks), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "readme.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "error:" not in done.stdout and "0 errors" not in done.stdout:
        pytest.skip(f"pyright cannot be fetched here: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stdout
