"""A run that was stopped, however hard, goes on to the last bit as one that was not."""

import os
import zipfile
from contextlib import suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import expint
from expint.ivp.archive import load, save

RATES = np.concatenate([-np.linspace(0, 40, 24), [0.0]])
Y0 = np.cos(np.arange(25.0))
TIMES = np.linspace(0, 2, 37)


class Stopped(Exception):
    pass


class Force:
    """N, which raises at its n-th evaluation."""

    def __init__(self, last: float = np.inf) -> None:
        self.left = last

    def __call__(self, t: float, y: np.ndarray) -> np.ndarray:
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return np.sin(3 * t) * np.roll(y, 1) - y**3


def same(one: expint.Solution, other: expint.Solution) -> None:
    """Two solutions agree to the last bit, statistics included."""
    np.testing.assert_array_equal(one.t, other.t)
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_equal(one.saved, other.saved)
    assert (one.status, one.message, one.method) == (other.status, other.message, other.method)
    assert asdict(one.stats) == asdict(other.stats)


RUNS = {
    "auto": {"rtol": 1e-7},
    "auto, times asked for": {"rtol": 1e-7, "t_eval": TIMES},
    "auto, landing": {"rtol": 1e-7, "t_eval": TIMES, "land": True},
    "adams4": {"rtol": 1e-4, "method": "adams4"},
    "expint43": {"rtol": 1e-7, "method": "expint43"},
    "expint43, times asked for": {"rtol": 1e-7, "method": "expint43", "t_eval": TIMES},
    "doubling": {"rtol": 1e-5, "method": "krogstad4", "error": "doubling"},
    "fixed krogstad4": {"step": 0.02, "method": "krogstad4"},
    "fixed adams4": {"step": 0.02, "method": "adams4", "t_eval": TIMES},
    "fixed eglm634": {"step": 0.02, "method": "eglm634"},
    "statistics": {"rtol": 1e-7, "t_eval": TIMES, "save": lambda t, y: {"energy": float(y @ y), "two": y[:2]}},
    "matrix": {"rtol": 1e-6, "linear": np.diag(RATES) + 0.1 * np.eye(25, k=1)},
    "backwards": {"rtol": 1e-6, "linear": -RATES, "t_span": (0.2, 0), "t_eval": [0.15, 0.03]},
    "first step, controller, norm": {
        "rtol": 1e-6,
        "first_step": 1e-3,
        "controller": expint.run.Controller((1, 0, 0)),
        "norm": "max",
        "method": "etd34",
    },
}


def run(force: Force, path: Path | None, name: str, every: float = 3) -> expint.Solution:
    told = {"t_span": (0, 2), "linear": RATES, **RUNS[name]}
    written = {} if path is None else {"checkpoint": path, "checkpoint_every": every}
    return expint.solve_ivp(force, told.pop("t_span"), Y0, **told, **written)


def again(name: str) -> dict:
    return {key: value for key, value in RUNS[name].items() if key == "save"}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_was_stopped_goes_on_to_the_last_bit(name: str, tmp_path: Path) -> None:
    never = run(Force(), tmp_path / "never.npz", name)
    for part in (0.3, 0.8):
        path = tmp_path / f"{part}.npz"
        with pytest.raises(Stopped):
            run(Force(int(part * never.calls)), path, name)
        same(expint.resume(path, Force(), **again(name)), never)
    same(expint.resume(tmp_path / "never.npz", Force(), **again(name)), never)


def test_it_does_not_matter_when_checkpoints_are_due(tmp_path: Path) -> None:
    runs = [run(Force(), tmp_path / f"{every}.npz", "auto", every) for every in (1, 7, 1000, 0.001, 1e9)]
    for other in runs[1:]:
        same(other, runs[0])
    plain = run(Force(), None, "auto")
    np.testing.assert_allclose(runs[0].y_end, plain.y_end, rtol=1e-9, atol=1e-12)


def test_a_resumed_run_may_be_stopped_again(tmp_path: Path) -> None:
    path, never = tmp_path / "run.npz", run(Force(), tmp_path / "never.npz", "auto")
    with pytest.raises(Stopped):
        run(Force(30), path, "auto")
    with pytest.raises(Stopped):
        expint.resume(path, Force(20))
    same(expint.resume(path, Force()), never)


def test_tensors_go_on_to_the_last_bit(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    y0, linear = torch.ones(3, dtype=torch.float32), torch.tensor([-1.0, -2.0, -30.0])
    told = {"linear": linear, "rtol": 1e-4, "checkpoint": tmp_path / "run.npz", "checkpoint_every": 2}
    whole = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), y0, **told)
    going_on = expint.resume(tmp_path / "run.npz", lambda t, y: -(y**3))
    assert torch.equal(whole.y, going_on.y)
    assert going_on.y.dtype == torch.float32


def stopped(path: Path, **options: object) -> Path:
    with pytest.raises(Stopped):
        expint.solve_ivp(
            Force(40), (0, 2), Y0, checkpoint=path, checkpoint_every=2, rtol=1e-7, **{"linear": RATES, **options}
        )
    return path


def test_another_problem_is_refused_by_name(tmp_path: Path) -> None:
    path = stopped(tmp_path / "run.npz")
    with pytest.raises(ValueError, match="expected the nonlinear of the run that was stopped"):
        expint.resume(path, lambda t, y: 2 * y)
    with pytest.raises(ValueError, match="expected the linear of the run that was stopped"):
        expint.resume(path, Force(), linear=2 * RATES)
    with pytest.raises(ValueError, match="expected the method of the run that was stopped"):
        expint.resume(path, Force(), method="expint43")


def test_what_is_not_written_down_is_asked_for(tmp_path: Path) -> None:
    operator = expint.operators.Diagonal(RATES)
    path = stopped(tmp_path / "run.npz", linear=operator)
    with pytest.raises(ValueError, match="expected linear= as the run had it"):
        expint.resume(path, Force())
    assert expint.resume(path, Force(), linear=operator).success
    path = stopped(tmp_path / "saved.npz", save=lambda t, y: y[0])
    with pytest.raises(ValueError, match="expected save= as the run had it"):
        expint.resume(path, Force())


def test_a_file_that_is_missing_half_written_or_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    path = stopped(tmp_path / "run.npz")
    with pytest.raises(FileNotFoundError, match="expected a checkpoint"):
        expint.resume(tmp_path / "none.npz", Force())
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 5):
        (tmp_path / "cut.npz").write_bytes(content[:cut])
        with pytest.raises(ValueError, match="none or is damaged"):
            expint.resume(tmp_path / "cut.npz", Force())
    whole, refused = expint.resume(stopped(tmp_path / "whole.npz"), Force()), 0
    for place in range(0, len(content), 997):  # names and dates of the archive say nothing of the run
        flipped = bytearray(content)
        flipped[place] ^= 0xFF
        (tmp_path / "flipped.npz").write_bytes(bytes(flipped))
        try:
            found = expint.resume(tmp_path / "flipped.npz", Force())
        except ValueError as error:
            refused += "damaged" in str(error) or "another" in str(error)
        else:
            np.testing.assert_array_equal(found.y, whole.y)
    assert refused > 15
    tree, arrays = load(path)
    with path.open("wb") as file:
        save(file, tree | {"version": 99}, arrays)
    with pytest.raises(ValueError, match="of version 99"):
        expint.resume(path, Force())
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="none or is damaged"):
        expint.resume(path, Force())


HOSTILE = (
    None, "x", -1, float("nan"), float("inf"), 1e300, 10**12, -0.5, True, [], {}, {"array": 99}, {"tuple": []},
    {"record": "Steps", "of": [1.0, 2, 0.0, {"tuple": []}]},
)  # fmt: skip
"""What a place of a file may be made to say."""

SPOILT = (
    lambda a: a[:-1] if a.ndim else a[None],
    lambda a: a.astype(complex) if a.dtype.kind == "f" else a.astype("U9"),
    lambda a: a * np.nan if a.dtype.kind in "fc" else a.astype("U9"),
    lambda a: np.empty(0),
    lambda a: np.array("x"),
    lambda a: a.reshape(-1, 1),
    lambda a: np.zeros((3, *a.shape)),
)
"""What its arrays may be made."""


def places(tree: object, path: tuple = ()) -> list[tuple]:
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, own in inside for place in places(own, (*path, key)))]


def replaced(tree: object, path: tuple, value: object) -> object:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = replaced(tree[path[0]], path[1:], value)
    return copy


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of states that a file has made huge
@pytest.mark.parametrize("name", RUNS)
def test_whatever_a_file_is_made_to_say_a_run_goes_on_or_says_why_not(name: str, tmp_path: Path) -> None:
    path, rng = tmp_path / "run.npz", np.random.default_rng(list(RUNS).index(name))
    with suppress(Stopped):
        run(Force(60), path, name)
    (tree, arrays), said = load(path), list[str]()
    for _ in range(40):
        if rng.random() < 0.7:
            every = [place for place in places(tree) if place and place[0] in ("header", "run")]
            wrong = replaced(tree, every[rng.integers(len(every))], HOSTILE[rng.integers(len(HOSTILE))]), arrays
        else:
            spoilt = rng.integers(len(arrays))
            change = SPOILT[rng.integers(len(SPOILT))]
            wrong = tree, [change(own) if i == spoilt else own for i, own in enumerate(arrays)]
        with path.open("wb") as file:
            save(file, *wrong)
        try:
            assert isinstance(expint.resume(path, Force(), **again(name)), expint.Solution)
        except (ValueError, TypeError) as error:
            said.append(str(error))
    assert len(said) > 5
    assert all("expected" in message for message in said), [own for own in said if "expected" not in own]


def test_files_that_are_no_archives_of_runs_are_refused_at_once(tmp_path: Path) -> None:
    path = stopped(tmp_path / "run.npz")
    tree, arrays = load(path)
    content, large = path.read_bytes(), BytesIO()
    np.lib.format.write_array_header_1_0(large, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(path) as archive:
        members = {own: archive.read(own) for own in archive.namelist()}
    files = {
        "compressed": lambda: np.savez_compressed(path, **dict(np.load(path))),
        "an array that claims 800 TB": lambda: zipped(path, members | {"a0.npy": large.getvalue()}),
        "a state that was changed by hand": lambda: np.savez(path, **(dict(np.load(path)) | {"a0": arrays[0] + 1e-9})),
        "no digest": lambda: zipped(path, {key: own for key, own in members.items() if key != "digest.npy"}),
        "another archive": lambda: zipped(path, {"tree": b"x"}),
        "nested a million times": lambda: zipped(path, members | {"tree.npy": b"[" * 10**6}),
        "a picture": lambda: path.write_bytes(b"\x89PNG" + bytes(999)),
        "nothing": lambda: path.write_bytes(b""),
        "half": lambda: path.write_bytes(content[: len(content) // 2]),
    }
    for write in files.values():
        path.write_bytes(content)
        write()
        with pytest.raises(ValueError, match="none or is damaged"):
            expint.resume(path, Force())
    os.mkfifo(tmp_path / "pipe")
    for wrong in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(ValueError, match="expected the path of a file"):
            expint.resume(wrong, Force())
    deep: object = 1.0
    for _ in range(400):
        deep = {"tuple": [deep]}
    with path.open("wb") as file:
        save(file, tree | {"run": deep}, arrays)
    with pytest.raises(ValueError, match="missing or wrong"):
        expint.resume(path, Force())


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, own in members.items():
            archive.writestr(name, own)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    np.savez(tmp_path / "run.npz", tree=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="none or is damaged"):
        expint.resume(tmp_path / "run.npz", Force())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": 3}, "path of a file"),
        ({"checkpoint_every": 0}, "above 0"),
        ({"checkpoint": None}, "expected checkpoint= beside checkpoint_every"),
    ],
)
def test_what_cannot_be_written_down_is_refused_at_the_door(options: dict, message: str, tmp_path: Path) -> None:
    told = {"linear": RATES, "rtol": 1e-5, "checkpoint": tmp_path / "run.npz", "checkpoint_every": 2}
    with pytest.raises((ValueError, TypeError), match=message):
        expint.solve_ivp(Force(), (0, 1), Y0, **{**told, **options})
    assert not (tmp_path / "run.npz").exists()


def test_a_disk_that_is_full_loses_neither_the_states_nor_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, writes = stopped(tmp_path / "run.npz"), []
    before = path.read_bytes()

    def full(*args: object, **arrays: object) -> None:
        writes.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space") as caught:
        expint.resume(path, Force())
    assert path.read_bytes() == before
    assert len(caught.value.solution.t) > 5
