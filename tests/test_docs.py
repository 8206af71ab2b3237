"""What the pages in docs/ show is run.

Every page is found here by itself: its blocks of Python are run in order, in one namespace and an empty folder. What it
should show beyond that stands in ``SHOWS``.
"""

import doctest
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import diffusion
import expint
import expint.plot
from benchmarks import array_support
from expint.backend import all_finite, is_array
from tests.test_days import of_days

mpl.use("Agg")  # docstrings draw

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str, kind: str = "python") -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)


PAGES = [name for path in sorted(DOCS.rglob("*.md")) if blocks(name := path.relative_to(DOCS).as_posix())]


def prints_its_table(page: str, of_name: int) -> Callable[[dict[str, Any], str], None]:
    """The rows printed are those of the page; the first ``of_name`` cells of a row are its name."""

    def check(names: dict[str, Any], printed: str) -> None:
        text = (DOCS / page).read_text(encoding="utf-8").splitlines()
        rows = [line.split("|") for line in printed.splitlines() if line.startswith("|")]
        assert rows
        for row in rows:  # rounding errors differ from machine to machine, their sizes do not
            said = next(line.split("|") for line in text if line.split("|")[:of_name] == row[:of_name])
            for ours, theirs in zip(row[of_name:-1], said[of_name:-1], strict=True):
                assert 0.05 < float(ours) / float(theirs) < 20.0, (row, said)

    return check


def of_tuning(names: dict[str, Any], printed: str) -> None:
    assert names["tuned"].report.after < names["tuned"].report.before / 4
    again = names["diffusion"].sample(names["model"], names["noise"], sampler=names["again"])
    assert (again == names["samples"]).all()


def of_adaptive_sampling(names: dict[str, Any], printed: str) -> None:
    assert all(names[name].success.all() for name in ("runs", "stopped", "theirs"))
    assert (names["samples"] == names["runs"].y_end).all()


def of_arrays(names: dict[str, Any], printed: str) -> None:
    assert type(names["run"].y) is type(names["y0"])
    assert names["back"].t.tolist() == [0.5, 0.0]
    text = (DOCS / "arrays.md").read_text(encoding="utf-8")
    for case, cells in array_support.rows(tuple(array_support.CASES)[::3]).items():
        assert f"| {case} | {' | '.join(cells)} |" in text, case


def of_batches(names: dict[str, Any], printed: str) -> None:
    assert all(names[name].success.all() for name in ("runs", "driven", "turned", "fallen", "at"))
    assert names["explodes"].success.tolist() == [True, False]


def of_boundaries(names: dict[str, Any], printed: str) -> None:
    assert Path("patches.gif").read_bytes().startswith(b"GIF")
    expint.plot.pyplot().close("all")
    ours, theirs = names["varied"], names["varied_by_scipy"]
    centres, nodes = (np.arange(32) + 0.5) * 10 / 32, np.linspace(0, 10, 34)[1:-1]  # of SciPy's code, and of ours
    assert abs(np.interp(centres, nodes, ours[:, 16]) - theirs.reshape(32, 32)[:, 16]).max() < 0.02


def of_editing(names: dict[str, Any], printed: str) -> None:
    assert len(names["files"]) == 6
    assert all(file.exists() for file in names["files"])


def of_long_runs(names: dict[str, Any], printed: str) -> None:
    many, none = printed.split()[:2]
    assert many == none


def of_gradients(names: dict[str, Any], printed: str) -> None:
    assert names["after"] < 1e-4 < 1e-2 < names["before"]
    assert names["logarithms"][0].exp() > 500
    assert "of a run: 24;" in printed


def of_samplers(names: dict[str, Any], printed: str) -> None:
    assert names["statistics"].linear.shape == (13, 1, 8, 8)
    assert 0.3 < float(names["images"].std()) < 1.0


def of_likelihoods(names: dict[str, Any], printed: str) -> None:
    gap = names["exact"] - names["bound"]
    assert 0.0 < gap.mean() < 1.0
    assert names["found"].calls == 10 * 201


def holds(condition: Callable[[dict[str, Any], str], Any]) -> Callable[[dict[str, Any], str], None]:
    def check(names: dict[str, Any], printed: str) -> None:
        assert condition(names, printed)

    return check


def of_compiled_runs(names: dict[str, Any], printed: str) -> None:
    assert abs(names["samples"] - names["expected"]).max() < 1e-12
    np.testing.assert_allclose(names["fast"].y, names["plain"].y, rtol=1e-9)
    assert "jax.lax.scan" in printed


SHOWS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "adaptive_sampling.md": of_adaptive_sampling,
    "arrays.md": of_arrays,
    "batches.md": of_batches,
    "boundaries.md": of_boundaries,
    "compiled.md": of_compiled_runs,
    "days.md": of_days,
    "editing.md": of_editing,
    "extending.md": holds(lambda names, printed: {0.3, 1.0} <= set(names["reached"])),
    "flow_matching.md": holds(lambda names, printed: names["seen"]),
    "gradients.md": of_gradients,
    "hosts/diffusers.md": holds(lambda names, printed: names["images"].shape == (1, 8, 8, 3)),
    "inversion.md": prints_its_table("inversion.md", of_name=3),
    "jacobians.md": holds(lambda names, printed: "finite differences" in printed),
    "likelihood.md": of_likelihoods,
    "long_runs.md": of_long_runs,
    "operators.md": holds(lambda names, printed: "action='eigen'" in printed),
    "processes.md": holds(lambda names, printed: names["restored"].shape == (500, 2)),
    "samplers.md": of_samplers,
    "stochastic.md": holds(lambda names, printed: "[" in printed),
    "tuning.md": of_tuning,
}
NEEDS = {"compiled.md": "jax numba", "hosts/diffusers.md": "diffusers"}
"""Optional packages that a page imports."""

UNTRAINED = ("compiled.md", "hosts/diffusers.md", "start/diffusion.md")
"""Pages whose networks are no denoisers, of which runs warn."""

CASES = [
    pytest.param(
        page,
        marks=[
            pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning" if page in UNTRAINED else "error"),
        ],
    )
    for page in PAGES
]


@pytest.mark.parametrize("page", CASES)
def test_the_code_of_the_page_runs_as_pasted(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    for package in NEEDS.get(page, "").split():
        pytest.importorskip(package)
        if package == "jax":
            request.getfixturevalue("jax")  # its precision is put back afterwards
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)
    for name, value in names.items():
        if isinstance(value, expint.Solution):
            assert value.success, name
        elif is_array(value):
            assert all_finite(value), name
    if page in SHOWS:
        SHOWS[page](names, capsys.readouterr().out)


def test_every_page_that_should_show_something_is_there() -> None:
    assert not (set(SHOWS) | set(NEEDS)) - set(PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("hosts/")])
def test_the_page_on_a_host_says_what_changes(page: str) -> None:
    assert "## What changes in the result, and why" in (DOCS / page).read_text(encoding="utf-8")


OF_EXPINT = "derive operators phi spectral problems methods jacobian study plot scipy"
OF_DIFFUSION = "guidance grids adapters models noise study plot gauge editing"
FACES = [
    expint,
    *(importlib.import_module(f"expint.{face}") for face in OF_EXPINT.split()),
    diffusion,
    *(getattr(diffusion, face, None) or importlib.import_module(f"diffusion.{face}") for face in OF_DIFFUSION.split()),
]
PUBLIC = {
    f"{face.__name__}.{name}": (face, value)
    for face in FACES
    for name in getattr(face, "__all__", ())
    if callable(value := getattr(face, name)) and str(value.__module__).startswith(("expint", "diffusion"))
}
SHOWN = {name: own for name, own in PUBLIC.items() if ">>> " in str(own[1].__doc__)}


@pytest.mark.parametrize("name", [name for name, (_, value) in PUBLIC.items() if inspect.isfunction(value)])
def test_the_docstring_of_a_public_function_has_its_parts(name: str) -> None:
    """What it returns or does, what it raises where it raises, and an example; ``make`` shows the problems."""
    value = inspect.unwrap(PUBLIC[name][1])
    text, source = inspect.getdoc(value) or "", inspect.getsource(value)
    assert text.split("\n")[0].endswith((".", ":")), "expected a sentence first"
    assert name in SHOWN or name.startswith("expint.problems."), "expected an example"
    raised = re.search(r"^\s+raise \w", source.replace(text, ""), flags=re.MULTILINE)
    assert not raised or "Raises\n" in text, "expected what it raises"


def is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def test_every_public_class_shows_an_example() -> None:
    """Errors and warnings are shown by what raises them; problems by ``make``."""
    classes = [name for name, (_, value) in PUBLIC.items() if isinstance(value, type) and not is_error(value)]
    assert [name for name in classes if name not in SHOWN] == []


@pytest.mark.parametrize("name", SHOWN)
def test_examples_in_docstrings_give_what_they_show(name: str) -> None:
    face, value = SHOWN[name]
    names = {**vars(face), **vars(sys.modules[value.__module__])}
    (found,) = [test for test in doctest.DocTestFinder(recurse=False).find(value, name, globs=names) if test.examples]
    said: list[str] = []
    assert not doctest.DocTestRunner().run(found, out=said.append).failed, "".join(said)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


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


def test_a_days_work_takes_at_most_as_many_lines_as_elsewhere() -> None:
    def lines(block: str) -> int:
        return len([line for line in block.split("\n") if line.strip() and not line.startswith("#")])

    ours, scipy = (lines(b) for b in blocks("boundaries.md") if b.startswith(("# ours", "# SciPy")))
    (peer,) = map(lines, blocks("boundaries.md", "text"))
    assert ours <= peer <= scipy
