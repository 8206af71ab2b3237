"""Samplers as files: the same bits anywhere, and nothing that was changed, cut off or is of another kind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load, save

import diffusion
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.fitted.number_file import write_numbers
from diffusion.samplers.fitted.stored import arrays_of, facts_of

from .test_fitted import BANDS, DENOISER, NOISE, fitted

pytestmark = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")

REPORT = diffusion.Report("RMS error", 0.1 + 0.2, 0.05, 0.01, 12_345, (32, 16), {"grid": [1.0, 0.5], "words": "ρ"})
VP = diffusion.VP.linear()


def kept(tmp_path: Path, sampler: FittedSampler) -> Path:
    path = tmp_path / "six.safetensors"
    sampler.save(path)
    return path


@pytest.mark.parametrize("bands", BANDS)
def test_what_is_loaded_is_what_was_saved_bit_for_bit(tmp_path: Path, bands: str) -> None:
    sampler = fitted(BANDS[bands], "velocity", report=REPORT, predicts="noise")
    found = diffusion.load_sampler(kept(tmp_path, sampler))
    for one, other in zip(sampler.rows, found.rows):
        np.testing.assert_array_equal(one, other)
    assert (found.name, found.gauge, found.predicts, found.shape) == ("mine", sampler.gauge, "noise", sampler.shape)
    assert (found.report, found.bands, repr(found)) == (REPORT, sampler.bands, repr(sampler))
    assert found.report is not None
    assert found.report.details == REPORT.details
    runs = [diffusion.sample(DENOISER, NOISE, sampler=own) for own in (sampler, found)]
    np.testing.assert_array_equal(*runs)


def test_a_sampler_is_one_file_byte_for_byte(tmp_path: Path) -> None:
    one = kept(tmp_path, fitted(report=REPORT)).read_bytes()
    assert kept(tmp_path, fitted(report=REPORT)).read_bytes() == one
    assert kept(tmp_path, diffusion.load_sampler(tmp_path / "six.safetensors")).read_bytes() == one
    assert [path.name for path in tmp_path.iterdir()] == ["six.safetensors"]


def test_a_fresh_process_makes_the_same_samples(tmp_path: Path) -> None:
    sampler = diffusion.freeze("unipc3", VP, steps=6)
    kept(tmp_path, sampler)
    model = diffusion.models.gaussian_mixture([1, 2], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2, schedule=VP)
    noise = np.random.default_rng(0).standard_normal((4, 2))
    code = (
        "import numpy as np, diffusion\n"
        "vp = diffusion.VP.linear()\n"
        "model = diffusion.models.gaussian_mixture("
        "[1, 2], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2, schedule=vp)\n"
        "noise = np.random.default_rng(0).standard_normal((4, 2))\n"
        "sampler = diffusion.load_sampler('six.safetensors')\n"
        "print(diffusion.sample(model, noise, sampler=sampler).tobytes().hex())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == diffusion.sample(model, noise, sampler=sampler).tobytes().hex()


def test_a_schedule_whose_clean_time_is_infinitely_far_is_kept(tmp_path: Path) -> None:
    ve = diffusion.VE()
    sampler = diffusion.freeze("dpmpp-2m", ve, grid=[*diffusion.grids.uniform(4, schedule=ve)[:-1], -np.inf])
    found = diffusion.load_sampler(kept(tmp_path, sampler))
    assert found.nodes[-1] == -np.inf
    assert found.plan_on(ve) == sampler.plan_on(ve)


def test_other_programs_can_read_the_file(tmp_path: Path) -> None:
    path = kept(tmp_path, fitted())
    with safe_open(path, "numpy") as file:
        said = json.loads(json.loads(file.metadata()["diffusion-sampler"])["sampler"])
        assert file.get_tensor("D").dtype == np.float64
    assert (said["version"], said["gauge"]) == (1, "noise")


def test_what_is_loaded_knows_what_it_is_made_for(tmp_path: Path) -> None:
    found = diffusion.load_sampler(kept(tmp_path, fitted(predicts="noise", shape=NOISE.shape[1:])))
    with pytest.raises(ValueError, match="expected the schedule that it is made for, VPLinear"):
        found.plan_on(diffusion.VP.linear(0.1, 19.0))
    with pytest.raises(ValueError, match="expected a network that predicts 'noise'"):
        diffusion.sample(diffusion.Denoiser(DENOISER.network, "data", VP), NOISE, sampler=found)
    with pytest.raises(ValueError, match="expected samples of shape"):
        diffusion.sample(DENOISER, NOISE[..., :3], sampler=found)


# Files that are none -------------------------------------------------------------------------------------------------
def test_any_changed_byte_is_found(tmp_path: Path) -> None:
    path = kept(tmp_path, fitted(BANDS["channels"]))
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"expected .*, received .*; "):
            diffusion.load_sampler(path)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path, fitted())
    whole = path.read_bytes()
    for length in [0, 3, 8, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="expected a whole file in the safetensors format, received"):
            diffusion.load_sampler(path)
    path.write_bytes(whole + b"0")
    with pytest.raises(ValueError, match="expected a whole file in the safetensors format"):
        diffusion.load_sampler(path)


def resaved(path: Path, **facts: Any) -> None:
    """Write the file again with other facts and a checksum that is right."""
    sampler = fitted()
    write_numbers(path, {**facts_of(sampler), **facts}, arrays_of(sampler))


def test_files_of_other_kinds_and_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(save({"weight": np.zeros(3)}, metadata={"format": "np"}))
    with pytest.raises(ValueError, match=r"expected a sampler, saved by FittedSampler.save, received .*'weight'"):
        diffusion.load_sampler(path)
    path.write_text("not a file of numbers")
    with pytest.raises(ValueError, match="expected a whole file in the safetensors format"):
        diffusion.load_sampler(path)
    resaved(path, version=2)
    with pytest.raises(ValueError, match="expected version 1 of the format, received version 2"):
        diffusion.load_sampler(path)
    with pytest.raises(FileNotFoundError):
        diffusion.load_sampler(tmp_path / "nothing")
    with pytest.raises(TypeError, match="expected path to be a path"):
        diffusion.load_sampler(3)


@pytest.mark.parametrize("name", ["nodes", "c", "D", "times", "schedule.alpha", "schedule.told"])
def test_numbers_that_are_none_are_refused_though_the_checksum_is_right(tmp_path: Path, name: str) -> None:
    sampler = fitted()
    arrays = arrays_of(sampler)
    arrays[name] = arrays[name].copy()
    arrays[name].flat[0] = np.nan
    write_numbers(tmp_path / "nan", facts_of(sampler), arrays)
    with pytest.raises(ValueError, match="expected"):
        diffusion.load_sampler(tmp_path / "nan")


@pytest.mark.parametrize(
    "facts",
    [{"schedule": {}}, {"report": {}}, {"shape": 3}, {"bands": {"shape": [2]}}, {"gauge": None}, {"name": 3}],
)
def test_facts_that_are_none_are_refused_though_the_checksum_is_right(tmp_path: Path, facts: dict[str, Any]) -> None:
    resaved(tmp_path / "odd", **facts)
    with pytest.raises((ValueError, TypeError), match="expected"):
        diffusion.load_sampler(tmp_path / "odd")


def test_a_missing_array_is_refused(tmp_path: Path) -> None:
    sampler = fitted()
    arrays = arrays_of(sampler)
    del arrays["D"]
    write_numbers(tmp_path / "less", facts_of(sampler), arrays)
    with pytest.raises(ValueError, match="expected the parts of a sampler, received others: KeyError 'D'"):
        diffusion.load_sampler(tmp_path / "less")


def test_reports_that_are_no_json_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    for details in ({"a": np.zeros(2)}, {"a": float("nan")}):
        report = diffusion.Report("error", 1.0, 0.5, None, 1, (1, 1), details)
        with pytest.raises(ValueError, match="expected facts as finite numbers, words, lists and mappings"):
            fitted(report=report).save(tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_a_kind_of_prediction_by_formula_cannot_be_saved(tmp_path: Path) -> None:
    formula = diffusion.gauge.interpolated(0.5).predicts
    with pytest.raises(ValueError, match="expected a kind of prediction that has a name, received a formula"):
        fitted(predicts=formula).save(tmp_path / "none")


def test_reading_takes_numbers_only(tmp_path: Path) -> None:
    found = load(kept(tmp_path, fitted()).read_bytes())
    assert {array.dtype.kind for array in found.values()} <= {"f", "u", "i"}
