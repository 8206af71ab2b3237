"""The node pack for ComfyUI: the nodes of ``diffusion.adapters.comfyui``, from the packages beside this file.

``python comfyui/assemble.py`` puts them there; where the library is installed in the environment, that one is taken.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("diffusion") is None or find_spec("expint") is None:
    sys.path.append(str(Path(__file__).parent / "packages"))

from diffusion.adapters import comfyui  # it may lie on the path that was just told

globals().update(comfyui.registration())
