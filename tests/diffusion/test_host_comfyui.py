"""The nodes for ComfyUI, without it: against stand-ins of what its documentation says of its modules."""

import asyncio
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters import comfyui, k_diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

ROOT = Path(__file__).parent.parent.parent
VP = diffusion.VP.from_betas(np.linspace(1e-4, 0.02, 1000))
NETWORK = gaussian_mixture(*mixture()[:3], diffusion.EDM(0.01, 200.0))
NOISE = torch.from_numpy(mixture()[3])


class KSAMPLER:
    """As in comfy.samplers: calls its function with the model, the noised latents and the levels."""

    def __init__(self, sampler_function, extra_options=None, inpaint_options=None):
        self.sampler_function, self.extra_options = sampler_function, extra_options or {}

    def sample(self, model, sigmas, extra_args, callback, noise):
        def told(step):
            callback(step["i"], step["denoised"], step["x"], len(sigmas) - 1)

        return self.sampler_function(
            model, noise * sigmas[0], sigmas, extra_args=extra_args, callback=told, disable=True, **self.extra_options
        )


class Typed:
    """A type of comfy_api.latest.io: Input(id, …) and Output()."""

    def __init__(self, name):
        self.Input = lambda given, **options: SimpleNamespace(kind=name, id=given, **options)
        self.Output = lambda: SimpleNamespace(kind=name)


class Model:
    """A MODEL of ComfyUI, with the table of the usual betas."""

    def get_model_object(self, name):
        assert name == "model_sampling"
        return SimpleNamespace(sigmas=torch.from_numpy(VP.rho(np.arange(1, 1001) / 1000)).float())


@pytest.fixture
def comfy(monkeypatch):
    package, samplers = ModuleType("comfy"), ModuleType("comfy.samplers")
    samplers.KSAMPLER = KSAMPLER
    monkeypatch.setitem(sys.modules, "comfy", package)
    monkeypatch.setitem(sys.modules, "comfy.samplers", samplers)


@pytest.fixture
def latest(comfy, monkeypatch):
    kinds = {kind: Typed(kind) for kind in ("Combo", "String", "Int", "Float", "Model", "Sampler", "Sigmas")}
    module = ModuleType("comfy_api.latest")
    module.io = SimpleNamespace(
        ComfyNode=type("ComfyNode", (), {}), Schema=SimpleNamespace, NodeOutput=lambda *values: values, **kinds
    )
    module.ComfyExtension = type("ComfyExtension", (), {})
    monkeypatch.setitem(sys.modules, "comfy_api", ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", module)


def test_a_sampler_node_samples_as_our_own_does(comfy):
    (chosen,) = comfyui.sampler("unipc3")
    (levels,) = comfyui.sigmas(Model(), "karras", 8)
    seen = []
    found = chosen.sample(lambda x, s, **_: NETWORK(x, s), levels, {"seed": 3}, lambda *step: seen.append(step), NOISE)
    assert [step[0] for step in seen] == list(range(8))
    expected = k_diffusion.sample_unipc3(lambda x, s: NETWORK(x, s), NOISE * levels[0], levels, disable=True)
    assert torch.equal(found, expected)


def test_a_sampler_node_draws_noise_from_the_seed_of_the_workflow(comfy):
    (chosen,), (levels,) = comfyui.sampler("euler-ancestral"), comfyui.sigmas(Model(), "karras", 8)

    def images(seed):
        return chosen.sample(lambda x, s, **_: NETWORK(x, s), levels, {"seed": seed}, lambda *step: None, NOISE)

    assert torch.equal(images(3), images(3))
    assert not torch.equal(images(3), images(4))
    choices = next(node for node in comfyui.NODES if node.node_id == "ExpintSampler").inputs[0].options["options"]
    assert {"euler-ancestral", "dpmpp-2m-sde", "unipc3"} <= set(choices)


@pytest.mark.parametrize("grid", ["auto", *diffusion.grids.NAMED])
def test_every_grid_of_the_list_gives_levels_that_end_in_zero_or_says_why_not(grid):
    try:
        (levels,) = comfyui.sigmas(Model(), grid, 8)
    except ValueError as refusal:  # tables of other processes
        assert "expected" in str(refusal)  # noqa: PT017  # some are refused
        assert grid.startswith(("ays", "gits", "optimal"))
        return
    assert levels.dtype == torch.float32
    assert len(levels) == 9
    assert levels[-1] == 0
    assert (levels.diff() < 0).all()


def test_denoise_takes_the_last_steps_of_a_longer_run():
    (whole,) = comfyui.sigmas(Model(), "karras", 20)
    (part,) = comfyui.sigmas(Model(), "karras", 10, denoise=0.5)
    assert torch.equal(part, whole[-11:])
    assert len(comfyui.sigmas(Model(), "karras", 10, denoise=0.0)[0]) == 0


def test_a_plan_file_gives_its_sampler_and_its_levels(comfy, tmp_path):
    file = str(tmp_path / "six.safetensors")
    diffusion.freeze("dpmpp-2m", VP, steps=6).save(file)
    chosen, levels = comfyui.plan(file)
    assert len(levels) == 7
    found = chosen.sample(lambda x, s, **_: NETWORK(x, s), levels, {}, lambda *_: None, NOISE)
    assert torch.isfinite(found).all()
    with pytest.raises(ValueError, match="levels that its rows are for"):
        chosen.sample(lambda x, s, **_: NETWORK(x, s), levels[1:], {}, lambda *_: None, NOISE)


def test_the_nodes_are_registered_in_the_current_form_where_there_is_one(latest):
    (entry,) = comfyui.registration().values()
    classes = asyncio.run(asyncio.run(entry()).get_node_list())
    for made, node in zip(classes, comfyui.NODES, strict=True):
        schema = made.define_schema()
        assert schema.node_id == node.node_id == made.__name__
        assert [given.id for given in schema.inputs] == [given.name for given in node.inputs]
        assert [kind.kind.upper() for kind in schema.outputs] == list(node.outputs)
        for given in schema.inputs:
            assert not hasattr(given, "options") or given.default in given.options
    (chosen,) = classes[0].execute(sampler="euler")
    assert isinstance(chosen, KSAMPLER)
    (levels,) = classes[2].execute(model=Model(), grid="simple", steps=4, denoise=1.0)
    assert len(levels) == 5


def test_the_nodes_are_registered_in_the_old_form_elsewhere(comfy):
    found = comfyui.registration()
    assert set(found) == {"NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"}
    classes = found["NODE_CLASS_MAPPINGS"]
    assert set(classes) == set(found["NODE_DISPLAY_NAME_MAPPINGS"])
    asked = classes["ExpintSigmas"].INPUT_TYPES()["required"]
    assert asked["model"] == ("MODEL", {})
    assert asked["grid"][0][:2] == ["auto", "karras"]
    assert asked["steps"] == ("INT", {"default": 10, "min": 1, "max": 10000})
    node = classes["ExpintSampler"]
    (chosen,) = getattr(node(), node.FUNCTION)(sampler="auto")
    assert isinstance(chosen, KSAMPLER)
    assert node.RETURN_TYPES == ("SAMPLER",)


def test_outside_of_comfyui_the_sentence_says_what_to_do():
    for call in (comfyui.registration, lambda: comfyui.sampler("euler")):
        with pytest.raises(ImportError, match=r"expected to run inside ComfyUI, received .*pip install \."):
            call()


IN_COMFYUI = """
import importlib.util, sys
from types import ModuleType

root, pack = sys.argv[1:]
sys.path[:] = [path for path in sys.path if path not in ("", root)]
sys.modules["comfy"], sys.modules["comfy.samplers"] = ModuleType("comfy"), ModuleType("comfy.samplers")
sys.modules["comfy.samplers"].KSAMPLER = type("KSAMPLER", (), {})
spec = importlib.util.spec_from_file_location("custom_nodes.pack", f"{pack}/__init__.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import diffusion, expint

assert expint.__file__.startswith(pack) and diffusion.__file__.startswith(pack), (expint.__file__, diffusion.__file__)
print(*sorted(module.NODE_CLASS_MAPPINGS))
"""


def test_the_assembled_pack_loads_from_the_copy_of_the_library_in_it(tmp_path):
    pack = runpy.run_path(str(ROOT / "comfyui" / "assemble.py"))["assemble"](tmp_path)
    assert (tmp_path / "expint-samplers.zip").is_file()
    assert not list(pack.rglob("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", IN_COMFYUI, str(ROOT), str(pack)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ExpintPlan", "ExpintSampler", "ExpintSigmas"]


def test_the_pack_says_of_itself_what_the_library_does():
    own = tomllib.loads((ROOT / "comfyui" / "pyproject.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for key in ("version", "requires-python"):
        assert own["project"][key] == project[key]
    assert own["project"]["dependencies"] == [*project["dependencies"], *project["optional-dependencies"]["diffusion"]]
    assert {"PublisherId", "DisplayName"} <= set(own["tool"]["comfy"])
