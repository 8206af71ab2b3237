"""Every benchmark runs, on very little; what is claimed of its results is tested beside what it measures."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks import Page, tolerances
from benchmarks.__main__ import PRINT, WRITE, main
from benchmarks.tuning import seconds

README = Path(__file__).parent.parent / "README.md"


def test_every_benchmark_is_listed_and_says_in_one_line_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(PRINT + WRITE)
    assert all(len(line) > 40 for line in lines)


def test_the_readme_names_every_benchmark() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in (*PRINT, *WRITE) if name not in text] == []


@pytest.mark.parametrize("name", PRINT)
def test_a_benchmark_prints_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([name, "--quick"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"== {name}"
    assert len(printed) >= 4


def test_what_a_tuning_takes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    seconds.main(["--quick"])
    head, _, row = (line.split(" | ") for line in capsys.readouterr().out.splitlines())
    found = dict(zip(head, row, strict=True))
    assert 0.0 < float(found["MB before"]) <= float(found["MB at most"])
    assert float(found["calls a start"]) > 12


@pytest.mark.parametrize("name", sorted({*WRITE} - {"peers"}))  # those need a network
def test_a_script_writes_where_it_is_told(name: str, tmp_path: Path) -> None:
    importlib.import_module(f"benchmarks.{name}").main(["--quick", "--folder", str(tmp_path)])
    assert list(tmp_path.iterdir())


PAGES = [page for name in PRINT if (page := getattr(importlib.import_module(f"benchmarks.{name}"), "PAGE", None))]


@pytest.mark.parametrize("page", [page for page in PAGES if isinstance(page, Page)], ids=lambda page: page.name)
def test_a_page_is_renewed_behind_its_comment_only(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, found = page.halves
    assert before
    assert found
    copy = tmp_path / Path(page.name).name
    copy.write_text(before + found, encoding="utf-8")
    monkeypatch.setattr(Page, "path", copy)
    page.show("| other |\n", write=True)
    assert copy.read_text(encoding="utf-8") == before + "| other |\n"
    assert not capsys.readouterr().out
    copy.write_text("no comment", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected the line .* received none"):
        page.show("| other |\n", write=True)


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["marathon"])
    assert "unknown benchmark 'marathon'; expected one of adaptive_sampling" in capsys.readouterr().err


# one problem of each kind: scalar, real and imaginary spectra, manufactured and stored solutions, systems, the plane
KEPT = (
    "riccati",
    "prescribed_spectrum",
    "burgers",
    "hypertest",
    "kawahara",
    "swift_hohenberg",
    "gray_scott_plane",
    "prothero_robinson",
)


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_the_error_achieved_is_at_most_ten_times_the_tolerance(name: str, rtol: float) -> None:
    cell = tolerances.run(tolerances.case(name), rtol)
    assert cell.status == "success"
    assert cell.error <= 10 * rtol


@pytest.mark.parametrize(("name", "least", "most"), [("kuramoto_sivashinsky", 5, 500), ("burgers", 0.1, 3)])
def test_growth_tells_chaotic_problems_from_others(name: str, least: float, most: float) -> None:
    assert least < tolerances.growth(tolerances.case(name), rtol=1e-6, times=(0.0, 0.5)) < most


def test_growth_of_a_known_solution_is_its_derivative_by_the_initial_state() -> None:
    given = tolerances.case("riccati")  # y = 1 / (1 + c eᵗ), c = 1/y0 - 1: (dy/dy0) y0 / y = y eᵗ / y0
    y0, t = 0.2, given.t_end
    y = float(given.problem.exact(t))
    assert tolerances.growth(given, times=(0.0,)) == pytest.approx(y * np.exp(t) / y0, rel=1e-3)


def test_the_table_marks_what_is_missed_and_what_cannot_be_told() -> None:
    given = tolerances.case("burgers")._replace(digits=6.0)
    cells = [
        tolerances.Cell(5e-3, 10, "success"),
        tolerances.Cell(3e-1, 20, "success"),
        tolerances.Cell(1e-6, 30, "success"),
        tolerances.Cell(np.nan, 40, "too many steps"),
    ]
    rows, steps = [tolerances.Row(given, 2.0, cells)], [1e-3, 1e-3, 1e-3, 1e-3]
    shown = tolerances.table(rows, steps).splitlines()[-1].split(" | ")
    assert shown[4:] == ["5 (10)", "**3e+02** (20)", "≲ 0.001 (30)", "**too many steps** |"]
    assert "Of 4 runs 1 did not reach the end; 2 have" in tolerances.summary(rows, steps)


def test_some_problems_alone_do_not_replace_the_page() -> None:
    page = tolerances.DOCS / "tolerances.md"
    before = page.read_bytes()
    tolerances.main(["riccati", "--quick"])
    assert page.read_bytes() == before
