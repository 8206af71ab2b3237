"""Runs for ranges of seeds: the same results for any split, whatever dies, and named refusals."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import expint
from expint.study import Rank, Shards

SEEDS = range(3, 40)


def ensemble(seeds: list[int]) -> dict[str, np.ndarray]:
    """Solve one problem for each seed, from an initial value that the seed draws."""
    ends = []
    for seed in seeds:
        y0 = np.random.default_rng(seed).standard_normal(3)
        ends.append(expint.solve_ivp(lambda t, y: np.sin(y), (0, 1), y0, linear=[-1.0, -10.0, -100.0], step=0.1).y_end)
    return {"y": np.stack(ends), "seed": np.array(seeds)}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("ranks", [2, 3, 5, 12])
def test_any_number_of_ranks_in_any_order_writes_the_same_files(ranks: int, tmp_path: Path) -> None:
    alone, split = (Shards(tmp_path / name, SEEDS, size=5, about={"step": 0.1}) for name in ("alone", "split"))
    assert len(alone.make(ensemble)) == len(alone) == 8
    for number in np.random.default_rng(ranks).permutation(ranks):
        split.make(ensemble, Rank(int(number), ranks))
    assert contents(tmp_path / "alone") == contents(tmp_path / "split")
    found = split.arrays()
    assert np.array_equal(found["seed"], SEEDS)
    assert np.array_equal(found["y"], np.concatenate([ensemble([seed])["y"] for seed in SEEDS]))


def slowly(seeds: list[int]) -> dict[str, np.ndarray]:
    time.sleep(0.01)
    return ensemble(seeds)


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX, where another test has loaded it
def test_ranks_that_are_killed_at_random_moments_come_back_and_the_rest_is_kept(tmp_path: Path) -> None:
    shards = Shards(tmp_path / "killed", range(60), size=2)
    context, moments = multiprocessing.get_context("fork"), np.random.default_rng(20).uniform(0.0, 0.03, 20)
    kept: set[str] = set()
    for number, moment in enumerate(moments):
        process = context.Process(target=shards.make, args=(slowly, Rank(number % 2, 2)))
        process.start()
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        now = {path.name for path in (tmp_path / "killed").glob("0*.npz")} if (tmp_path / "killed").exists() else set()
        assert kept <= now
        kept = now
    shards.make(ensemble, Rank())
    whole = Shards(tmp_path / "whole", range(60), size=2)
    whole.make(ensemble)
    assert np.array_equal(shards.arrays()["y"], whole.arrays()["y"])


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    shards, asked = Shards(tmp_path, range(10), size=4), []

    def counted(seeds: list[int]) -> dict[str, np.ndarray]:
        asked.append(seeds)
        return ensemble(seeds)

    shards.make(counted, Rank(1, 2))
    assert [path.name for path in shards.missing()] == ["000000000-000000003.npz", "000000008-000000009.npz"]
    shards.make(counted, Rank())
    assert asked == [[4, 5, 6, 7], [0, 1, 2, 3], [8, 9]]
    assert shards.make(counted, Rank()) == []


def test_a_file_that_fails_leaves_the_others(tmp_path: Path) -> None:
    def failing(seeds: list[int]) -> dict[str, np.ndarray]:
        if 5 in seeds:
            raise ArithmeticError("expected finite states, received NaN")
        return ensemble(seeds)

    shards = Shards(tmp_path, range(12), size=4)
    with pytest.raises(RuntimeError, match=r"none for 1; the first, 000000004-000000007.npz: expected finite states"):
        shards.make(failing)
    assert [path.name for path in shards.missing()] == ["000000004-000000007.npz"]
    with pytest.raises(FileNotFoundError, match="expected all 3 files"):
        shards.arrays()


def test_a_full_disk_loses_nothing_that_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = Shards(tmp_path, range(12), size=4)
    shards.make(ensemble, Rank(0, 3))
    before = contents(tmp_path)

    def full(*arguments: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space left"):
            shards.make(ensemble)
    assert contents(tmp_path) == before
    assert len(shards.make(ensemble)) == 2


def of_another_work(path: Path) -> None:
    Shards(path.parent, range(8), size=4, about={"step": 0.2}).make(ensemble)


def of_another_version(path: Path) -> None:
    of_another_work(path)
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **{**kept, "about": np.array(json.dumps({"expint": "0.0.0", "step": 0.1}))})


def cut(path: Path) -> None:
    Shards(path.parent, range(8), size=4, about={"step": 0.1}).make(ensemble)
    path.write_bytes(path.read_bytes()[:-40])


def of_others(path: Path) -> None:
    path.write_bytes(b"not ours")


def of_pickles(path: Path) -> None:
    np.savez(path, about=np.array([{}], dtype=object), seeds=np.arange(4))


@pytest.mark.parametrize("spoil", [of_another_work, of_another_version, cut, of_others, of_pickles])
def test_foreign_and_damaged_files_are_refused_by_name_and_left(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "000000000-000000003.npz"
    spoil(path)
    before = contents(tmp_path)
    shards = Shards(tmp_path, range(8), size=4, about={"step": 0.1})
    for ask in (shards.missing, shards.arrays, lambda: shards.make(ensemble)):
        with pytest.raises(ValueError, match=r"expected .* received .*000000000-000000003\.npz"):
            ask()
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, Rank(0, 1)),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Rank(2, 4)),
        ({"SLURM_PROCID": "7", "SLURM_NTASKS": "8"}, Rank(7, 8)),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"}, Rank(2, 3)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "3", "PMI_RANK": "2", "PMI_SIZE": "3"}, Rank(0, 3)),
        ({"PMI_RANK": "1", "PMI_SIZE": "3"}, Rank(1, 3)),
        ({"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "7", "SLURM_NTASKS": "8"}, Rank(1, 2)),
    ],
)
def test_the_rank_is_that_of_the_environment(environment: dict[str, str], rank: Rank) -> None:
    assert Rank.of_environment(environment) == rank


@pytest.mark.parametrize(
    "values", [("4", "4"), ("-1", "4"), ("x", "4"), ("1", None), (None, "4"), ("0", "0"), ("1.0", "4"), ("", "4")]
)
@pytest.mark.parametrize("names", [("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"), ("PMI_RANK", "PMI_SIZE")])
def test_a_rank_that_makes_no_sense_is_refused(names: tuple[str, str], values: tuple[str | None, str | None]) -> None:
    environment = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    with pytest.raises(ValueError, match=rf"expected integers 0 ≤ {names[0]} < {names[1]}"):
        Rank.of_environment(environment)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"seeds": [0, 1]}, TypeError),
        ({"seeds": range(0)}, ValueError),
        ({"seeds": range(0, 10, 2)}, ValueError),
        ({"seeds": range(-1, 5)}, ValueError),
        ({"seeds": range(5), "size": 0}, ValueError),
        ({"seeds": range(5), "about": {"x": np.zeros(2)}}, TypeError),
        ({"seeds": range(5), "folder": 3}, TypeError),
    ],
)
def test_works_that_make_no_sense_are_refused(
    arguments: dict[str, object], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error, match=r"expected .*received"):
        Shards(**{"folder": tmp_path, **arguments})


@pytest.mark.parametrize("found", [{}, {"y": np.zeros(3)}, {"y": 1.0}, {"seeds": np.zeros(4)}, {"y": ["a"] * 4}])
def test_results_of_another_form_are_refused(found: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected .*received"):
        Shards(tmp_path, range(4), size=4).make(lambda seeds: found)
    assert contents(tmp_path) == {}
