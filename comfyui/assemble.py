"""Assemble the node pack for ComfyUI, a folder for ``custom_nodes`` and an archive of it.

``python comfyui/assemble.py [FOLDER]`` makes FOLDER/expint-samplers and FOLDER/expint-samplers.zip; the folder is
``out/comfyui`` where none is named. The pack holds this library, so that nothing but what its pyproject.toml and
requirements.txt name has to be installed.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

__all__ = ["NAME", "assemble"]

HERE = Path(__file__).parent
ROOT = HERE.parent
NAME = "expint-samplers"


def assemble(folder: Path) -> Path:
    """Make the pack in ``folder``, in place of one that is there, and return its own folder."""
    pack = folder / NAME
    if pack.exists():
        shutil.rmtree(pack)
    pack.mkdir(parents=True)
    for name in ("__init__.py", "pyproject.toml"):
        shutil.copy(HERE / name, pack)
    shutil.copy(ROOT / "LICENSE", pack)
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (pack / "requirements.txt").write_text("".join(f"{line}\n" for line in project["dependencies"]), encoding="utf-8")
    for package in ("expint", "diffusion"):
        shutil.copytree(ROOT / package, pack / "packages" / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.make_archive(str(pack), "zip", folder, NAME)
    return pack


if __name__ == "__main__":
    made = assemble(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "comfyui")
    sys.stdout.write(f"{made}\n{made}.zip\n")
