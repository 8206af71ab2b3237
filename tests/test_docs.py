"""What the pages in docs/ show is run."""

import doctest
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffusion
import expint
from expint.backend import all_finite

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["operators.md"])
def test_the_code_of_the_page_runs_as_pasted(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    assert blocks
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)
    for name in (
        "decay",
        "burgers",
        "sine_gordon",
        "heat",
        "reaction",
        "same",
        "again",
        "pair",
        "alike",
        "season",
        "shaken",
    ):
        assert namespace[name].success, name
    assert "action='eigen'" in capsys.readouterr().out


def test_the_code_of_the_page_on_jacobians_runs_as_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "jacobians.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "jacobians.md", "exec"), namespace)
    for name in ("solution", "given", "exact", "theirs"):
        assert namespace[name].success, name
    assert "finite differences" in capsys.readouterr().out


def test_the_code_of_the_page_on_flow_matching_runs_as_pasted() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "flow_matching.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 5
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "flow_matching.md", "exec"), namespace)
    assert namespace["seen"]


def test_the_code_of_the_page_on_extending_runs_as_pasted() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "extending.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "extending.md", "exec"), namespace)
    for name in ("run", "diffused", "solved", "stepped"):
        assert namespace[name].success, name
    reached = namespace["reached"]
    assert isinstance(reached, list)
    assert {0.3, 1.0} <= set(reached)


def test_the_code_of_the_page_on_reports_runs_as_pasted() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "reports.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "reports.md", "exec"), namespace)


@pytest.mark.parametrize(("page", "of_name"), [("inversion.md", 3), ("likelihood.md", 2)])
def test_the_code_of_the_page_runs_as_pasted_and_prints_its_table(
    page: str, of_name: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first cells of a row are its name."""
    text = (DOCS / page).read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, page, "exec"), namespace)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows
    for row in rows:  # rounding errors differ from machine to machine, their sizes do not
        printed = next(line for line in text.splitlines() if line.split("|")[:of_name] == row.split("|")[:of_name])
        for found, said in zip(row.split("|")[of_name:-1], printed.split("|")[of_name:-1], strict=True):
            assert 0.05 < float(found) / float(said) < 20.0, (row, printed)


FACES = (
    expint,
    expint.derive,
    expint.operators,
    expint.phi,
    expint.spectral,
    diffusion,
    *(diffusion.guidance, diffusion.grids),
)
SHOWN = {
    f"{face.__name__}.{name}": (face, getattr(face, name))
    for face in FACES
    for name in face.__all__
    if ">>> " in str(getattr(getattr(face, name), "__doc__", ""))
}


@pytest.mark.parametrize("name", SHOWN)
def test_examples_in_docstrings_give_what_they_show(name: str) -> None:
    face, value = SHOWN[name]
    names = {**vars(face), **vars(sys.modules[value.__module__])}
    (found,) = [test for test in doctest.DocTestFinder(recurse=False).find(value, name, globs=names) if test.examples]
    said: list[str] = []
    assert not doctest.DocTestRunner().run(found, out=said.append).failed, "".join(said)


def test_the_code_of_the_pages_on_plans_and_grids_runs_as_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for page, count in (("plans.md", 4), ("grids.md", 3)):
        blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
        assert len(blocks) == count
        namespace: dict[str, object] = {}
        for block in blocks:
            exec(compile(block, page, "exec"), namespace)


def test_the_page_on_grids_lists_every_name() -> None:
    table = "".join(line for line in (DOCS / "grids.md").read_text().split("\n") if line.startswith("| `"))
    listed = {name.replace("`-", "optimal-steps-").strip("`") for name in re.findall(r"`-?[a-z0-9-]+`", table)}
    assert listed == set(diffusion.grids.NAMED)


def test_every_row_of_the_page_on_reports_names_a_test_that_exists() -> None:
    rows = re.findall(r"^\| .* \| (\S+) \|$", (DOCS / "reports.md").read_text(), flags=re.MULTILINE)
    named = [row.split("::") for row in rows if "::" in row]
    assert len(named) == len([row for row in rows if row not in ("test", "---")]) > 50
    for file, test in named:
        found = [path for path in DOCS.parent.glob("tests/**/*.py") if f"/{path.as_posix()}".endswith(f"/{file}.py")]
        assert any(f"def {test}(" in path.read_text() for path in found), f"{file}::{test}"


@pytest.mark.filterwarnings("ignore::diffusion.diagnosis.OffScaleWarning")  # random weights are no denoiser
def test_the_code_of_the_page_on_diffusers_runs_as_pasted() -> None:
    pytest.importorskip("diffusers")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "hosts" / "diffusers.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "diffusers.md", "exec"), namespace)
    assert namespace["images"].shape == (1, 8, 8, 3)  # type: ignore[attr-defined]


def test_the_code_of_the_page_on_tuning_runs_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "tuning.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(block, "tuning.md", "exec"), namespace)
    assert namespace["tuned"].report.after < namespace["tuned"].report.before / 4
    again = namespace["diffusion"].sample(namespace["model"], namespace["noise"], sampler=namespace["again"])
    assert (again == namespace["samples"]).all()


HOSTS = {
    "k_diffusion": ["x", "y"],
    "comfyui": ["sigmas"],
    "edm": ["heun", "images"],
    "th_deis": ["x"],
    "dpm_solver": ["x", "better"],
}


@pytest.mark.parametrize("page", HOSTS)
def test_the_code_of_the_pages_on_hosts_runs_as_pasted(page: str) -> None:
    text = (DOCS / "hosts" / f"{page}.md").read_text()
    assert "## What changes in the result, and why" in text
    namespace: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, page, "exec"), namespace)
    for name in HOSTS[page]:
        assert all_finite(namespace[name])


def test_the_code_of_the_page_on_editing_runs_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "editing.md").read_text(), flags=re.DOTALL):
        exec(compile(block, "editing.md", "exec"), namespace)
    assert len(namespace["files"]) == 6
    assert all(file.exists() for file in namespace["files"])


def test_the_code_of_the_page_on_processes_runs_as_pasted() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "processes.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 5
    namespace: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "processes.md", "exec"), namespace)
    assert namespace["restored"].shape == (500, 2)


def test_the_code_about_long_runs_runs_as_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "long_runs.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "long_runs.md", "exec"), namespace)
    many, none = capsys.readouterr().out.split()[:2]
    assert many == none


@pytest.mark.usefixtures("jax")  # its precision is put back afterwards
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
def test_the_code_of_the_page_on_compiled_runs_runs_as_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "compiled.md").read_text(), flags=re.DOTALL)
    pytest.importorskip("numba")
    namespace: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "compiled.md", "exec"), namespace)
    for name in ("end", "again", "shorter", "by_symbol", "several", "ends", "slope", "per_sample"):
        assert all_finite(namespace[name]), name
    assert abs(namespace["samples"] - namespace["expected"]).max() < 1e-12
    np.testing.assert_allclose(namespace["fast"].y, namespace["plain"].y, rtol=1e-9)
    assert "jax.lax.scan" in capsys.readouterr().out
