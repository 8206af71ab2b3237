"""Nodes for ComfyUI: any named sampler, any plan file, and any grid, in its current form or the old one.

A folder in ``custom_nodes`` with this ``__init__.py`` is all that is needed:

.. code-block:: python

    from diffusion.adapters import comfyui

    globals().update(comfyui.registration())
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from diffusion.adapters import k_diffusion
from diffusion.grids import NAMED
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.catalogue import sampler_names
from diffusion.samplers.fitted import load_sampler
from expint.arguments import integer, number, seen, text

__all__ = ["NODES", "Input", "Node", "extension", "mappings", "plan", "registration", "sampler", "sigmas"]

CATEGORY = "sampling/custom_sampling/expint"
_OWN = "auto"  # the grid of the sampler "auto", beside the named ones
_NAMES = [
    name for name in (*sampler_names(), *sampler_names(stochastic=True)) if "@th-deis" not in name and name != "restart"
]
"""Those of th_deis are for its processes, and restarts lie at levels of EDM's."""


@dataclass(frozen=True)
class Input:
    """An input of a node: its name, its type as ComfyUI has it, such as "INT", and what its widget is told.

    The type "COMBO" has its choices in ``options["options"]``.
    """

    name: str
    kind: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A node: what both forms of ComfyUI are told of it.

    Attributes
    ----------
    node_id, title
        Its identity in workflows, and its name on the screen.
    inputs, outputs
        Its inputs, and the types of its outputs.
    run
        What it does: a function of the inputs by name that returns as many values as there are outputs.
    """

    node_id: str
    title: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    run: Callable[..., tuple[Any, ...]]


def sampler(sampler: str) -> tuple[Any]:
    """Return a SAMPLER by its name."""
    return (_ksampler()(k_diffusion.sampler_function(sampler)),)


def plan(file: str) -> tuple[Any, Any]:
    """Return the SAMPLER in a file that ``sampler.save`` or ``diffusion tune`` wrote, and its SIGMAS.

    The file is numbers and words; nothing in it is run. Its levels are those of the process that it is made for.
    """
    fitted = load_sampler(file)
    return _ksampler()(k_diffusion.sampler_function(fitted)), k_diffusion.sigmas(fitted)


def sigmas(model: Any, grid: str, steps: int, denoise: float = 1.0) -> tuple[Any]:
    """Return the SIGMAS of a grid by its name for the process of a MODEL.

    With ``denoise`` d < 1 they are the last ``steps`` steps of ⌊steps/d⌋, as ComfyUI's own node has it; none for 0.

    Raises
    ------
    TypeError, ValueError
        If ``model`` is no MODEL, the grid is unknown or one of another process, or a number out of range.
    """
    if not callable(getattr(model, "get_model_object", None)):
        raise TypeError(
            f"expected a MODEL of ComfyUI, received {seen(model)}; connect the output of a node that loads one"
        )
    schedule = k_diffusion.schedule_of(model.get_model_object("model_sampling"))
    part, steps = number("denoise", denoise, least=0.0, most=1.0), integer("steps", steps, most=1_000_000)
    if part == 0.0:
        return (k_diffusion.sigmas(grid_of(grid), steps, schedule=schedule)[:0],)
    return (k_diffusion.sigmas(grid_of(grid), int(min(steps / part, 1e9)), schedule=schedule)[-(steps + 1) :],)


def grid_of(name: str) -> Any:
    """Return the grid of a name in the list of the node.

    Raises
    ------
    TypeError
        If it is no text.
    """
    return find_sampler(_OWN) if text("grid", name) == _OWN else name


NODES = (
    Node(
        "ExpintSampler",
        "Sampler (expint)",
        (Input("sampler", "COMBO", {"options": _NAMES, "default": _OWN}),),
        ("SAMPLER",),
        sampler,
    ),
    Node(
        "ExpintPlan",
        "Sampler from a plan file (expint)",
        (Input("file", "STRING", {"default": "six.safetensors"}),),
        ("SAMPLER", "SIGMAS"),
        plan,
    ),
    Node(
        "ExpintSigmas",
        "Sigmas (expint)",
        (
            Input("model", "MODEL", {}),
            Input("grid", "COMBO", {"options": [_OWN, *NAMED], "default": _OWN}),
            Input("steps", "INT", {"default": 10, "min": 1, "max": 10000}),
            Input("denoise", "FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}),
        ),
        ("SIGMAS",),
        sigmas,
    ),
)
"""The nodes."""


def registration() -> dict[str, Any]:
    """Return the names that ComfyUI looks for in the module of a node pack: of the current form, or of the old one.

    Raises
    ------
    ImportError
        Outside of ComfyUI.
    """
    _ksampler()
    try:
        import_module("comfy_api.latest")
    except ImportError:
        classes, titles = mappings()
        return {"NODE_CLASS_MAPPINGS": classes, "NODE_DISPLAY_NAME_MAPPINGS": titles}

    async def comfy_entrypoint() -> Any:
        return extension()

    return {"comfy_entrypoint": comfy_entrypoint}


def mappings() -> tuple[dict[str, type], dict[str, str]]:
    """Return NODE_CLASS_MAPPINGS and NODE_DISPLAY_NAME_MAPPINGS: the nodes in the old form."""
    return {node.node_id: _old(node) for node in NODES}, {node.node_id: node.title for node in NODES}


def extension() -> Any:
    """Return the nodes in the current form, a ``ComfyExtension`` of ``comfy_api.latest``.

    Raises
    ------
    ImportError
        Where there is no such module; see `mappings` for the old form.
    """
    latest = import_module("comfy_api.latest")

    async def get_node_list(self: Any) -> list[type]:
        del self
        return [_current(node, latest.io) for node in NODES]

    return type("ExpintExtension", (latest.ComfyExtension,), {"get_node_list": get_node_list})()


def _old(node: Node) -> type:
    def input_types(cls: type) -> dict[str, Any]:
        del cls
        return {"required": {given.name: _old_input(given) for given in node.inputs}}

    def run(self: Any, **inputs: Any) -> tuple[Any, ...]:
        del self
        return node.run(**inputs)

    members = {
        "INPUT_TYPES": classmethod(input_types),
        "RETURN_TYPES": node.outputs,
        "FUNCTION": "run",
        "CATEGORY": CATEGORY,
        "DESCRIPTION": _description(node),
        "run": run,
    }
    return type(node.node_id, (), members)


def _old_input(given: Input) -> tuple[Any, dict[str, Any]]:
    told = dict(given.options)
    return (told.pop("options") if given.kind == "COMBO" else given.kind, told)


def _current(node: Node, io: Any) -> type:
    def define_schema(cls: type) -> Any:
        del cls
        return io.Schema(
            node_id=node.node_id,
            display_name=node.title,
            category=CATEGORY,
            description=_description(node),
            inputs=[getattr(io, given.kind.capitalize()).Input(given.name, **given.options) for given in node.inputs],
            outputs=[getattr(io, kind.capitalize()).Output() for kind in node.outputs],
        )

    def execute(cls: type, **inputs: Any) -> Any:
        del cls
        return io.NodeOutput(*node.run(**inputs))

    members = {"define_schema": classmethod(define_schema), "execute": classmethod(execute)}
    return type(node.node_id, (io.ComfyNode,), members)


def _description(node: Node) -> str:
    return str(node.run.__doc__).split("\n")[0]


def _ksampler() -> Any:
    """Return ComfyUI's class of samplers."""
    try:
        return import_module("comfy.samplers").KSAMPLER
    except ImportError as error:
        raise ImportError(
            f"expected to run inside ComfyUI, received no module {error.name!r}; put the nodes into a folder in its "
            "custom_nodes, and install this package in its environment: run there, in a clone of it, pip install ."
        ) from error
