"""What is built is what users install: the wheel without extras, the archive of sources, and the lines in messages."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = "click diffusers jax matplotlib numba onnxruntime pandas safetensors sklearn torch tqdm xarray"

WITHOUT_EXTRAS = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS.split()}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
sys.path.insert(0, sys.argv[1])
import numpy as np
import diffusion, expint, expint.plot, expint.study

assert expint.__file__.startswith(sys.argv[1]), expint.__file__
assert expint.solve(expint.problems.burgers(), rtol=1e-5).success
assert expint.problems.reference("burgers").values.size
net = diffusion.Denoiser(lambda x, t: 1.0 * x, predicts="noise", schedule=diffusion.VP.linear(0.1, 20.0))
assert diffusion.sample(net, np.ones((2, 3)), sampler="ddim", steps=4).shape == (2, 3)
for needs, use in {{
    "torch": diffusion.models.digits,
    "matplotlib": lambda: expint.plot.pyplot(),
    "click": lambda: __import__("expint.cli").cli.main(),
}}.items():
    try:
        use()
    except (ImportError, SystemExit) as error:
        assert "pip install" in str(error) and needs in str(error), error
    else:
        raise AssertionError(needs)
"""


def run(*arguments: str, **options: object) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_is_built_from_the_sources_and_works_without_extras(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    run("-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path), cwd=ROOT)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    sources = tmp_path / packed.name.removesuffix(".tar.gz")
    assert {"tests", "docs", "benchmarks", "notebooks", "constraints.txt"} <= {path.name for path in sources.iterdir()}
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=sources)
    (wheel,) = tmp_path.glob("*.whl")
    packaged = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in name}
    tracked = {
        path.relative_to(ROOT).as_posix()
        for package in ("expint", "diffusion")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packaged == tracked
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(tmp_path / "installed"), str(wheel))
    (told,) = (tmp_path / "installed").glob("*.dist-info/entry_points.txt")
    assert "diffusion = diffusion.cli:main" in told.read_text()
    run("-c", WITHOUT_EXTRAS, str(tmp_path / "installed"), cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_install_lines_in_messages_name_packages_that_an_extra_brings() -> None:
    """Not this package, which is on no index: the line has to work beside a clone and beside a wheel."""
    wanted = {
        re.split(r"[<>=\[]", line)[0].lower() for lines in PROJECT["optional-dependencies"].values() for line in lines
    } - {"expint"}
    lines = [
        (path, name)
        for package in ("expint", "diffusion")
        for path in (ROOT / package).rglob("*.py")
        for said in re.findall(r"pip\s+install ([^.()`\n\\]+)", path.read_text(encoding="utf-8"))
        for name in re.findall(r"^\"?([A-Za-z][\w-]*)", said)
    ]
    assert len(lines) > 4
    assert not [(path, name) for path, name in lines if name.lower() not in wanted]


def test_the_workflow_tests_every_python_that_the_project_names() -> None:
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = set(re.findall(r'"(3\.\d+)"', re.search(r"python-version: \[(.*)\]", workflow)[1]))
    assert matrix == named == {"3.11", "3.12", "3.13"}
    for target in re.findall(r"make ([a-z ]+)", workflow):
        for name in target.split():
            assert f"\n{name}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "support.md").read_text(encoding="utf-8")
    assert PROJECT["requires-python"] == ">=3.11"
    for package in ("numpy", "scipy"):
        (least,) = [line.split(">=")[1].split(",")[0] for line in PROJECT["dependencies"] if line.startswith(package)]
        assert least in page


def test_the_constraints_pin_every_package_that_the_extra_dev_names() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    extras = PROJECT["optional-dependencies"]
    of_dev = next(line for line in extras["dev"] if line.startswith("expint["))
    lines = [line for extra in ("dev", *of_dev[7:-1].split(",")) for line in extras[extra]]
    names = {re.split(r"[<>=]", line)[0].lower() for line in lines if not line.startswith("expint[")}
    assert not names - pinned
