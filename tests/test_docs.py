"""What the pages in docs/ show is run."""

import re
from pathlib import Path
from typing import Any

import pytest

import diffusion

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


def test_the_code_of_the_page_on_tuning_runs_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "tuning.md").read_text(), flags=re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(block, "tuning.md", "exec"), namespace)
    assert namespace["tuned"].report.after < namespace["tuned"].report.before / 4
    again = namespace["diffusion"].sample(namespace["model"], namespace["noise"], sampler=namespace["again"])
    assert (again == namespace["samples"]).all()


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
