"""The golden trajectories and their model, as the tests read them."""

import json
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "data" / "golden"


@cache
def load(family):
    """Return the configurations of a family: dicts of ``meta`` fields and arrays."""
    with np.load(FOLDER / f"{family}.npz") as file:
        runs = json.loads(str(file["meta"]))
        for i, run in enumerate(runs):
            prefix = f"{i}/"
            run.update({key.removeprefix(prefix): file[key] for key in file.files if key.startswith(prefix)})
    return runs


def runs(family, **wanted):
    """Return the configurations of a family whose fields have the ``wanted`` values."""
    return [run for run in load(family) if all(run[key] == value for key, value in wanted.items())]


@cache
def mixture(name="model"):
    """Return weights, means, covariances and, where recorded, the starting noise."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return tuple(file[key] for key in ("weights", "means", "covs", "noise") if key in file.files)
