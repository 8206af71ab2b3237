"""Results are on disk while the run goes: whole files at every moment, memory for one state, equal after a kill."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import netcdf_file

import expint
from expint.netcdf import Records
from tests.expint.test_resume import Stopped
from tests.expint.test_resume_kinds import MATRIX, RATES, TIMES, Y0, Counted, flow, force, resumed, solved


def read(path: Path) -> dict[str, np.ndarray]:
    """What a reader that is not ours finds in a file."""
    with netcdf_file(path, "r", mmap=False) as file:
        return {name: np.array(own[:]) for name, own in file.variables.items()}


KINDS = ["event", "pieces", "unsplit, times asked for", "L(t)", "g(t) A", "walls", "pieces, saved", "pieces, unsplit"]
SPLIT = ["splitting", "splitting to a tolerance"]


@pytest.mark.parametrize("name", [*KINDS, *SPLIT])
def test_a_file_holds_what_the_solution_would(name: str, tmp_path: Path) -> None:
    function = flow if name in SPLIT else force
    path, plain = tmp_path / "run.nc", solved(name, function)
    written = solved(name, function, save_to=path)
    found = read(path)
    np.testing.assert_array_equal(found["t"], plain.t)
    wanted = {"y": plain.y} if plain.saved is None else plain.saved
    for key, values in wanted.items():
        np.testing.assert_array_equal(found[key], values)
    assert written.saved == {}
    np.testing.assert_array_equal(written.t, plain.t)
    np.testing.assert_array_equal(written.y, plain.y[-1:])
    assert written.stats == plain.stats


@pytest.mark.parametrize("name", [*KINDS, *SPLIT])
def test_a_file_is_the_same_to_the_last_byte_after_a_run_that_was_stopped(name: str, tmp_path: Path) -> None:
    whole, never = Counted(flow if name in SPLIT else force), tmp_path / "never.nc"
    steps = solved(name, whole, checkpoint=tmp_path / "never.npz", save_to=never).stats.steps
    path = tmp_path / "run.nc"
    for part in (0.5, 0.95):
        told = {"checkpoint": tmp_path / "run.npz", "checkpoint_every": max(1, steps // 9), "save_to": path}
        with pytest.raises(Stopped):
            solved(name, Counted(whole.function, int(part * whole.calls)), **told)
        assert 0 < len(read(path)["t"]) <= len(read(never)["t"])
        resumed(name, tmp_path / "run.npz", whole.function)
        assert path.read_bytes() == never.read_bytes()


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    state, peaks = np.ones(20_000), list[int]()
    for count in (50, 500):
        told = {"linear": -1.0, "step": 1 / count, "method": "etdrk2"}
        tracemalloc.start()
        expint.solve_ivp(lambda t, y: 0 * y, (0, 1), state, **told, save_to=tmp_path / "run.nc")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read(tmp_path / "run.nc")["y"].shape == (count + 1, 20_000)
    assert peaks[1] < peaks[0] + 10 * state.nbytes  # 450 states more are 72 MB


def test_numbers_of_every_kind_are_told_apart(tmp_path: Path) -> None:
    def saved(t: float, y: Any) -> dict[str, Any]:
        return {"wave": y[:2], "up": t > 0.5, "n": np.int32(7), "long": np.int64(2**40), "half": np.float16(0.5)}

    told = {"linear": 1j * RATES, "t_eval": TIMES, "rtol": 1e-5}
    plain = expint.solve_ivp(force, (0, 1), Y0 + 0j, **told, save=saved)
    expint.solve_ivp(force, (0, 1), Y0 + 0j, **told, save=saved, save_to=tmp_path / "run.nc")
    found = read(tmp_path / "run.nc")
    np.testing.assert_array_equal(found["wave_real"] + 1j * found["wave_imag"], plain.saved["wave"])
    for name in ("up", "n", "long", "half"):
        np.testing.assert_array_equal(found[name], plain.saved[name])


def test_xarray_reads_it(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    plain = solved("event", force)
    solved("event", force, save_to=tmp_path / "run.nc")
    with xarray.open_dataset(tmp_path / "run.nc") as found:
        np.testing.assert_array_equal(found.y.values, plain.y)
        assert found.y.dims == ("t", "axis_0")


def test_tensors_are_written_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    y0 = torch.ones(3, dtype=torch.float32)
    told = {"linear": -1.0, "step": 0.1, "method": "etdrk2", "save_to": tmp_path / "run.nc"}
    written = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, **told)
    found = read(tmp_path / "run.nc")["y"]
    assert found.dtype == np.dtype(">f4")
    np.testing.assert_array_equal(found[-1], written.y_end.numpy())


def test_a_disk_that_is_full_leaves_a_whole_file_of_what_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write, left = tmp_path / "run.nc", Records._write, [20]

    def full(own: Records, at: int, content: bytes) -> None:
        left[0] -= 1
        if not left[0]:
            write(own, at, content[: len(content) // 2])  # half of a record
            raise OSError(28, "No space left on device")
        write(own, at, content)

    monkeypatch.setattr(Records, "_write", full)
    with pytest.raises(OSError, match="No space") as caught:
        expint.solve_ivp(force, (0, 1), Y0, linear=MATRIX, step=0.02, method="etdrk4", save_to=path)
    found = read(path)
    assert found["y"].shape == (9, len(Y0))
    plain = expint.solve_ivp(force, (0, 1), Y0, linear=MATRIX, step=0.02, method="etdrk4")
    np.testing.assert_array_equal(found["y"], plain.y[:9])
    assert caught.value.solution.t.shape == (9,)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_to": 3}, TypeError, "path of a file"),
        ({"save_to": "run.h5"}, ValueError, "end in .nc"),
        ({"save_to": "no/such/folder/run.nc"}, OSError, "folder that is there"),
        ({"save": lambda t, y: {"a/b": 1.0}}, ValueError, "names of NetCDF"),
        ({"save": lambda t, y: {"t": 1.0}}, ValueError, "names of NetCDF"),
        ({"save": lambda t, y: {"a": 1j, "a_real": 1.0}}, ValueError, "each once"),
        ({"save": lambda t, y: y[:0]}, ValueError, "with entries"),
        ({"save": lambda t, y: y[: 1 + (t > 0)]}, ValueError, "expected records of"),
        ({"save": lambda t, y: "text"}, TypeError, "expected save"),
        ({"batched": True, "y0": np.ones((2, 12))}, ValueError, "save_to"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = {"save_to": "run.nc", "linear": RATES, "rtol": 1e-4, "y0": Y0, **options}
    with pytest.raises(error, match=message):
        expint.solve_ivp(force, (0, 1), told.pop("y0"), **told)


def test_a_run_goes_on_with_the_file_that_it_wrote_only(tmp_path: Path) -> None:
    path, told = tmp_path / "run.nc", {"checkpoint": tmp_path / "run.npz", "checkpoint_every": 2}
    calls = Counted(force)
    solved("event", calls)
    with pytest.raises(Stopped):
        solved("event", Counted(force, calls.calls // 2), save_to=path, **told)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"axis_0", b"axis_9"))
    with pytest.raises(ValueError, match="file of the run that goes on"):
        resumed("event", told["checkpoint"], force)
    os.unlink(path)
    with pytest.raises(FileNotFoundError, match="records that the run wrote"):
        resumed("event", told["checkpoint"], force)
