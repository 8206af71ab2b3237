"""The command line of expint: results, files, exit codes, and errors of one sentence with the nearest choice."""

import builtins
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.io import netcdf_file

import expint
import expint.study
from expint.cli import common, main, picture
from expint.cli.commands import commands


def call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, list(arguments))


def test_help_names_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in ("solve", "problems", "methods", "study"))
    for name in ("solve", "problems", "methods", "study"):
        assert call(name, "--help").exit_code == 0


def test_solve_reports_what_the_library_returns() -> None:
    result = call("solve", "riccati", "--method", "krogstad4", "--step", "0.1", "--json")
    facts = json.loads(result.stdout)
    problem = expint.problems.riccati()
    solution = expint.solve(problem, "krogstad4", step=0.1)
    assert result.exit_code == 0
    assert (facts["steps"], facts["nonlinear_evaluations"]) == (solution.stats.steps, solution.calls)
    assert facts["relative_error"] == pytest.approx(abs(solution.y_end / problem.exact(0.8) - 1))
    assert "relative error" in call("solve", "riccati", "--rtol", "1e-4").output


def test_the_default_method_is_that_of_the_library() -> None:
    facts = json.loads(call("solve", "riccati", "--rtol", "1e-4", "--json").stdout)
    assert facts["method"] == expint.solve(expint.problems.riccati(), rtol=1e-4).method
    assert json.loads(call("solve", "riccati", "--method", "auto", "--rtol", "1e-4", "--json").stdout) == facts


def test_solve_writes_pictures_and_states(tmp_path: Path) -> None:
    options = ["solve", "burgers", "--set", "n=32", "--t-end", "0.2", "--step", "0.1", "--out"]
    assert call(*options, str(tmp_path / "u.png")).exit_code == 0
    assert (tmp_path / "u.png").read_bytes().startswith(b"\x89PNG")
    assert call(*options, str(tmp_path / "u.npz")).exit_code == 0
    with np.load(tmp_path / "u.npz", allow_pickle=False) as states:
        assert states["u"].shape == (3, 32)
        assert states["t"][-1] == 0.2


def test_a_run_that_fails_exits_with_one() -> None:
    result = call("solve", "korteweg_de_vries", "--method", "adams4", "--step", "1e-3")
    assert result.exit_code == 1
    assert "expected finite states" in result.stderr


@pytest.mark.parametrize("name", expint.method_names())
def test_every_method_is_shown(name: str) -> None:
    result = call("methods", name)
    assert result.exit_code == 0
    assert "@" in result.output
    assert "author" in result.output


def test_methods_are_listed_as_text_and_json() -> None:
    names = expint.method_names()
    assert len(call("methods").output.splitlines()) == len(names) + 1
    assert [entry["name"] for entry in json.loads(call("methods", "--json").output)] == names
    one = json.loads(call("methods", "krogstad4", "--json").output)
    assert (one["order"], one["stiff_order"]) == (4, 3)
    assert "krogstad2005" in one["bibtex"]
    assert call("methods", "krogstad4", "--latex").output.startswith(r"\begin{array}")
    assert call("methods", "krogstad4", "--orders").output.startswith("**krogstad4**: row sums hold;")
    assert call("methods", "strang", "--orders").output.count("[AAB] = ") == 1
    assert call("methods", "--orders").exit_code == 2


def test_a_study_prints_tables_draws_and_resumes(tmp_path: Path) -> None:
    options = ["study", "riccati", "--method", "etd2rk", "--steps", "0.2,0.1,0.05", "--cache", str(tmp_path / "cache")]
    first = call(*options, "--out", str(tmp_path / "orders.png"))
    assert first.exit_code == 0, first.output
    assert "| etd2rk |" in first.output
    assert (tmp_path / "orders.png").exists()
    again = json.loads(call(*options, "--json").stdout)
    assert len(again["cells"]) == 3
    assert abs(again["slopes"][0]["slope"] - 2) < 0.2
    assert r"\begin{tabular}" in call(*options, "--format", "latex").output


def test_a_study_with_a_failing_cell_prints_the_rest_and_exits_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = (expint.study.Cell("p", "m", 0.1, 0.01), expint.study.Cell("p", "m", 0.2, failure="it broke"))
    monkeypatch.setattr(expint.study, "run", lambda *args, **options: expint.study.Study(cells, "step"))
    result = call("study", "riccati", "--method", "etd2rk", "--steps", "0.1,0.2")
    assert result.exit_code == 1
    assert "| m | 1.00e-02 | failed |" in result.stdout
    assert "1 of 2 cells failed; the first: it broke" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solv"], "did you mean solve?"),
        (["solve", "burger"], "did you mean burgers?"),
        (["solve", "burgers", "--method", "krogstat4"], "did you mean krogstad4"),
        (["solve", "burgers", "--stpe", "1"], "--step"),
        (["solve", "burgers", "--step", "much"], "'much'"),
        (["solve", "burgers", "--step", "-1"], "step=1.0"),
        (["solve", "burgers", "--step", "0.1", "--rtol", "1e-3"], "rtol"),
        (["solve", "burgers", "--set", "n"], "expected name=value"),
        (["solve", "burgers", "--set", "m=3"], "unexpected keyword argument 'm'"),
        (["solve", "burgers", "--out", "u.pgn"], "try .png"),
        (["solve", "burgers", "--out", "nowhere/u.png"], "a folder that exists"),
        (["methods", "--cite"], "expected the name of a method"),
        (["study", "burgers", "--method", "etd34", "--steps", "0.1;0.2"], "numbers such as 0.1,0.05"),
        (["study", "burgers", "--method", "etd34", "--steps", "0.1,-1"], "positive numbers"),
        (["study", "burgers", "--method", "etd34"], "received neither"),
    ],
)
def test_arguments_that_make_no_sense_exit_with_two_and_a_sentence(arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert "Traceback" not in result.output


BAD = [
    ["solve", "names"],
    ["solve", "make"],
    ["solve", "reference"],
    ["solve", ""],
    ["solve", "burgers" * 1000],
    ["solve", "burgers", "--set", "n=1e300"],
    ["solve", "burgers", "--set", "n=1e13"],
    ["solve", "burgers", "--set", "n=1000000000000"],
    ["solve", "burgers", "--set", "n=-4"],
    ["solve", "burgers", "--set", "n=2.5"],
    ["solve", "burgers", "--set", "n=null"],
    ["solve", "burgers", "--set", "n=[1]"],
    ["solve", "burgers", "--set", 'n={"a": 1}'],
    ["solve", "burgers", "--set", "n=" + "[" * 100_000],
    ["solve", "burgers", "--set", "n=NaN"],
    ["solve", "burgers", "--set", "viscosity=text"],
    ["solve", "burgers", "--set", "t_end=0"],
    ["solve", "burgers", "--set", "like=1"],
    ["solve", "riccati", "--set", "n=4"],
    ["solve", "prescribed_spectrum"],
    ["solve", "riccati", "--t-end", "nan"],
    ["solve", "riccati", "--t-end", "inf"],
    ["solve", "riccati", "--step", "nan"],
    ["solve", "riccati", "--step", "0"],
    ["solve", "riccati", "--step", "1e-300"],
    ["solve", "riccati", "--rtol", "nan"],
    ["solve", "riccati", "--rtol", "-1"],
    ["solve", "riccati", "--method", "strang", "--step", "0.1"],
    ["solve", "riccati", "--method", "", "--step", "0.1"],
    ["solve", "riccati", "--out", "."],
    ["solve", "riccati", "--out", ""],
    ["solve", "riccati", "--step", "0.1", "--out", "folder.png"],
    ["solve", "riccati", "--out", "line\nbreak.png"],
    ["methods", "names"],
    ["methods", "x" * 10_000],
    ["study", "riccati", "riccati", "--method", "etd2rk", "--steps", "0.1"],
    ["study", "riccati", "--method", "etd2rk", "--method", "etd2rk", "--steps", "0.1"],
    ["study", "riccati", "--method", "etd2rk", "--steps", "0.1,0.1"],
    ["study", "riccati", "--method", "etd2rk", "--steps", ""],
    ["study", "riccati", "--method", "etd2rk", "--steps", "inf"],
    ["study", "riccati", "--method", "etd2rk", "--steps", "1e400"],
    ["study", "riccati", "--method", "etd2rk", "--steps", "9" * 5000],
    ["study", "riccati", "--method", "etd2rk", "--steps", "0.1", "--cache", "file"],
    ["study", "riccati", "--method", "etd2rk", "--steps", "0.1", "--cache", "file/inside"],
    ["study", "names", "--method", "etd2rk", "--steps", "0.1"],
]


@pytest.mark.parametrize("arguments", BAD, ids=lambda words: " ".join(words)[:60])
def test_bad_calls_end_with_a_sentence_and_without_a_traceback(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    result = call(*arguments)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in (1, 2)
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith("Error: ")
    assert "please report" not in sentence
    assert len(sentence) < 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_whole_number_may_be_written_in_any_way() -> None:
    options = ["--t-end", "0.1", "--step", "0.05", "--json"]
    first, second = (call("solve", "burgers", "--set", f"n={n}", *options) for n in ("32", "3.2e1"))
    assert first.exit_code == 0
    assert first.stdout == second.stdout


def test_a_study_of_several_problems_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "x_2.png").write_text("mine")
    options = ["--method", "etd2rk", "--steps", "0.2,0.1", "--out", str(tmp_path / "x.png")]
    result = call("study", "riccati", "hochbruck_ostermann", *options)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x_2.png").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.png", "x_2.png"]


def test_without_click_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *args: object, **options: object) -> object:
        if name == "click":
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SystemExit, match="pip install click matplotlib"):
        main()


def test_python_m_expint_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "expint", "--version"], capture_output=True, text=True, check=True)
    assert expint.__version__ in done.stdout


@pytest.mark.parametrize("name", expint.problems.names())
def test_every_problem_is_shown(name: str) -> None:
    facts = json.loads(call("problems", name, "--json").stdout)
    assert facts["name"] == name
    assert facts["summary"].endswith(".")
    assert facts["equation"] or name == "prescribed_spectrum"
    assert f"name        {name}" in call("problems", name).stdout


def test_problems_are_listed_as_text_and_json() -> None:
    names = expint.problems.names()
    assert [line.split()[0] for line in call("problems").stdout.splitlines()[1:]] == names
    assert [entry["name"] for entry in json.loads(call("problems", "--json").stdout)] == names
    wrong = call("problems", "burger")
    assert wrong.exit_code == 2
    assert "did you mean burgers?" in wrong.stderr


PLANES = ["gray_scott_plane", "ginzburg_landau_plane", "swift_hohenberg", "advection_diffusion_reaction"]


@pytest.mark.parametrize("name", [*PLANES, "gray_scott", "sine_gordon", "schroedinger_soliton", "hires", "riccati"])
def test_fields_in_the_plane_components_complex_values_and_systems_have_pictures(name: str, tmp_path: Path) -> None:
    start = expint.problems.make(name).t_span[0]
    result = call("solve", name, "--t-end", str(start + 2e-3), "--step", "1e-3", "--out", str(tmp_path / "u.png"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "u.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [name for name in expint.problems.names() if name != "prescribed_spectrum"])
def test_a_picture_of_every_problem_can_be_drawn(name: str) -> None:
    picture.try_out(expint.problems.make(name))


@pytest.mark.parametrize("out", ["locked/u.png", "locked/u.npz", "nowhere/u.npz", "u.gif", "folder.png"])
def test_what_cannot_be_written_is_refused_before_the_run_is_spent(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("locked", "folder.png"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")  # root may write anywhere
    monkeypatch.setattr(expint, "solve", lambda *arguments, **options: pytest.fail("the run was spent"))
    result = call("solve", "burgers", "--out", out)
    assert result.exit_code == 2
    assert "expected" in result.stderr


@pytest.mark.parametrize("missing", ["matplotlib"])
def test_a_picture_without_matplotlib_is_refused_before_the_run_is_spent(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = common.find_spec
    monkeypatch.setattr(common, "find_spec", lambda name: None if name == missing else there(name))
    monkeypatch.setattr(expint, "solve", lambda *arguments, **options: pytest.fail("the run was spent"))
    result = call("solve", "burgers", "--out", str(tmp_path / "u.png"))
    assert result.exit_code == 2
    assert 'pip install "matplotlib>=3.8,<4"' in result.stderr


def test_what_was_computed_is_reported_though_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    result = call("solve", "riccati", "--step", "0.1", "--json", "--out", str(tmp_path / "u.npz"))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "success"
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import numpy as np
import expint
from beside import DECAY

def problem(n=16, late=0.0):
    grid = expint.Grid(n, length=1.0, boundary="neumann")
    force = lambda t, u: u - u**3 + 0 * DECAY
    return expint.SemilinearProblem(0.1 * grid.laplacian, force, np.cos(np.pi * grid.x), (0.0, 1.0), x=grid.x)

start = np.ones(3)
decay = expint.SemilinearProblem(-1.0, lambda t, y: 0 * y, start, (0.0, 1.0), exact=lambda t: np.exp(-t) * start)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("DECAY = 1.0")
    (tmp_path / "mine.py").write_text(SCRIPT)
    return tmp_path / "mine.py"


def test_a_problem_of_a_script_is_solved_drawn_and_written(script: Path) -> None:
    told = ["solve", str(script), "--set", "n=24", "--rtol", "1e-5", "--json", "--out"]
    facts = json.loads(call(*told, str(script.with_name("u.npz"))).stdout)
    with np.load(script.with_name("u.npz")) as states:
        assert states["u"].shape == (len(states["t"]), 24)
    assert facts["status"] == "success"
    assert call(*told, str(script.with_name("u.png"))).exit_code == 0
    named = json.loads(call("solve", f"{script}:decay", "--json").stdout)
    assert named["relative_error"] < 1e-12


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("x = 1", "", "a script without"),
        ("import expint\nproblem = 3", "", "called 'problem'"),
        ("def problem(): return 3", "", "return an expint.SemilinearProblem, received int"),
        ("def problem(): return 3", ":other", "called 'other', received problem"),
        ("1 / 0", "", "raised ZeroDivisionError"),
        ("raise SystemExit(3)", "", "raised SystemExit"),
        ("def problem(", "", "raised SyntaxError"),
    ],
)
def test_a_script_without_a_problem_is_refused_by_a_sentence(
    text: str, name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text(text)
    result = call("solve", f"{tmp_path / 'bad.py'}{name}")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "no file" in call("solve", str(tmp_path / "none.py")).output


@pytest.mark.parametrize("name", ["kuramoto_sivashinsky", "robertson"])
def test_a_run_that_ctrl_c_stops_shows_what_it_reached_and_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, states = tmp_path / "run.npz", tmp_path / "u.npz"
    told = ["solve", name, "--t-end", "3", "--rtol", "1e-5", "--checkpoint-every", "1e-6", "--json"]
    never = json.loads(call(*told, "--checkpoint", str(tmp_path / "never.npz")).stdout)
    own, calls = expint.problems.make(name), [0]

    def stopped(t: float, y: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] > 0.7 * never["nonlinear_evaluations"]:
            raise KeyboardInterrupt
        return own.nonlinear(t, y)

    script = tmp_path / "stopped.py"
    script.write_text("from tests.expint.test_cli import STOPPED\nproblem = STOPPED[0]")
    STOPPED[:] = [replace(own, nonlinear=stopped)]
    result = call(
        *[str(script) if part == name else part for part in told], "--checkpoint", str(run), "--out", str(states)
    )
    assert result.exit_code == 1
    assert "KeyboardInterrupt raised after" in result.output
    with np.load(states) as reached:
        assert 0 < reached["t"][-1] < 3
    resumed = json.loads(call("solve", name, "--resume", str(run), "--json").stdout)
    assert resumed == never
    assert "leave it out" in call("solve", name, "--resume", str(run), "--rtol", "1e-3").output


STOPPED: list[expint.SemilinearProblem] = []


def test_results_are_written_as_the_run_goes(tmp_path: Path) -> None:
    assert call("solve", "burgers", "--t-end", "0.2", "--out", str(tmp_path / "u.nc")).exit_code == 0
    with netcdf_file(tmp_path / "u.nc", "r", mmap=False) as found:
        assert found.variables["u"].shape[1:] == expint.problems.burgers().x.shape
