"""What the configuration of a scheduler of diffusers says of the process: its schedule, its timesteps, its network.

There are three kinds. Tables of betas, of which networks are told the index; flow matching, of which they are told the
noise level times the number of timesteps; and EDM's, of which they are told log(σ)/4 and given scaled states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusion.names import resolve
from diffusion.process.prediction import Kind, Prediction
from diffusion.process.schedule import EDM, FlowMatching, NoiseSchedule
from diffusion.process.vp import VP
from expint.backend import Array, array_namespace

__all__ = ["Process", "kind_of_process", "process_of"]

_PREDICTIONS = {"epsilon": "noise", "sample": "data", "v_prediction": "velocity", "flow_prediction": "flow"}
_REVERSED_FLOW = Prediction(lambda xp, a, s, d: 1, lambda xp, a, s, d: -1)  # noqa: ARG005  # the arguments of a Prediction
_NEGATIVE_EDM = Prediction(
    lambda xp, a, s, d: -s / (d * xp.sqrt(a * d * a * d + s * s)),
    lambda xp, a, s, d: a * d / xp.sqrt(a * d * a * d + s * s),
)
_REFUSED = ("Cosine", "ConsistencyDecoder", "VQDiffusion", "Amused", "SdeVe", "SCM", "CMStochastic", "KarrasVe")


@dataclass(frozen=True)
class Process:
    """The process of a configuration.

    Attributes
    ----------
    kind
        "betas", "flow" or "edm".
    schedule
        α(t) and σ(t).
    predicts
        What the network returns.
    count
        The number of timesteps of the training.
    reverses
        Whether networks are told N (1 − σ), for flow matching from noise at 0.
    scale
        σ of the scale √(σ² + scale²) by which states are divided for the network; None for none.
    """

    kind: str
    schedule: NoiseSchedule
    predicts: Kind
    count: int
    reverses: bool = False
    scale: float | None = None

    def between(self, t_start: float, t_end: float = 1e-3) -> Process:
        """Return the process with its schedule, one of flow matching, between these times."""
        schedule: Any = self.schedule
        return replace(self, schedule=replace(schedule, t_start=t_start, t_end=t_end))

    def timesteps(self, times: np.ndarray) -> np.ndarray:
        """Return the timesteps that networks are told at ``times`` of the schedule; near whole ones these."""
        if self.kind == "edm":
            return 0.25 * np.log(times)
        if self.kind == "flow":
            level = np.asarray(self.schedule.sigma(times))
            found = self.count * (1.0 - level if self.reverses else level)
        else:
            found = self.count * times - 1.0
        whole = np.round(found)
        return np.where(np.abs(found - whole) < 1e-9 * self.count, whole, found)

    def times(self, timesteps: np.ndarray) -> np.ndarray:
        """Return the times of the schedule at which networks are told ``timesteps``."""
        if self.kind == "betas":
            return (timesteps + 1.0) / self.count
        if self.kind == "edm":
            return np.exp(4.0 * timesteps)
        level = timesteps / self.count
        return np.asarray(self.schedule.time_of_network(1.0 - level if self.reverses else level))

    @property
    def range_of_timesteps(self) -> tuple[float, float]:
        """The timesteps from no noise to the most, those of a table; of EDM's, which are log σ/4, any."""
        if self.kind == "edm":
            return -math.inf, math.inf
        return (-1.0, self.count - 1.0) if self.kind == "betas" else (0.0, float(self.count))

    def scales(self, timesteps: Array) -> tuple[Array, Array]:
        """Return α and σ at ``timesteps``, arrays of any library, on their device and in their precision."""
        if self.kind == "betas":
            t = (timesteps + 1.0) / self.count
            return self.schedule.alpha(t), self.schedule.sigma(t)
        if self.kind == "edm":
            sigma = array_namespace(timesteps).exp(4.0 * timesteps)
            return 0.0 * sigma + 1.0, sigma
        level = timesteps / self.count
        level = 1.0 - level if self.reverses else level
        return 1.0 - level, level


def kind_of_process(config: Mapping[str, Any]) -> str:
    """Return which kind of process a configuration means: "betas", "flow" or "edm".

    Raises
    ------
    ValueError
        If it is none of these, as those of discrete diffusion and of consistency models.
    """
    name = str(config.get("_class_name", ""))
    if any(word in name for word in _REFUSED):
        raise ValueError(
            f"expected the scheduler of a table of betas, of flow matching or of EDM; received {name}; its process is "
            "not one that these samplers solve: keep its own scheduler"
        )
    if config.get("process"):
        return resolve(str(config["process"]), dict.fromkeys(("betas", "flow", "edm")), {}, "process")
    given = {key for key, value in config.items() if value is not None}
    if config.get("use_flow_sigmas") or name.startswith("FlowMatch") or "shift" in given:
        return "flow"
    if config.get("timestep_type") == "continuous" or name.startswith("EDM") or "sigma_data" in given:
        return "edm"
    if given & {"trained_betas", "beta_schedule", "beta_start"}:
        return "betas"
    raise ValueError(
        "expected a configuration with betas, of flow matching (shift) or of EDM (sigma_data); received the keys "
        f"{sorted(map(str, config))[:8]}; pass the config of a scheduler: pipe.scheduler.config"
    )


def process_of(config: Mapping[str, Any], shift: float = 1.0) -> Process:
    """Return the process that a configuration means.

    Parameters
    ----------
    config
        The configuration of a scheduler, with its own or with our keys.
    shift
        Of flow matching: how times are shifted; see `FlowMatching`.

    Raises
    ------
    ValueError
        If its prediction type or its beta schedule is unknown.
    """
    kind, count = kind_of_process(config), int(config.get("num_train_timesteps") or 1000)
    name = config.get("prediction_type") or ("flow_prediction" if kind == "flow" else "epsilon")
    if name not in _PREDICTIONS:
        raise ValueError(
            f"expected prediction_type to be one of {', '.join(map(repr, _PREDICTIONS))}; received {name!r}; pass what "
            "the network was trained to predict"
        )
    predicts: Kind = _PREDICTIONS[name]
    if kind == "flow":
        reverses = bool(config.get("invert_sigmas"))
        kind_of_output = _REVERSED_FLOW if reverses and predicts == "flow" else predicts
        return Process(kind, FlowMatching(shift, t_start=1.0), kind_of_output, count, reverses)
    if kind == "betas":
        return Process(kind, _table(config, count), predicts, count)
    return _edm(config, predicts, count)


def _edm(config: Mapping[str, Any], predicts: Kind, count: int) -> Process:
    sigma_min, sigma_max = (
        float(config.get(key) or usual) for key, usual in (("sigma_min", 2e-3), ("sigma_max", 80.0))
    )
    if config.get("timestep_type") == "continuous":  # the network of a variance-preserving process, told log σ/4
        return Process("edm", EDM(sigma_min, sigma_max, 1.0), predicts, count, scale=1.0)
    if predicts not in ("noise", "velocity"):
        raise ValueError(
            f"expected prediction_type 'epsilon' or 'v_prediction' of a preconditioned network; received "
            f"{config.get('prediction_type')!r}; these are the signs that its output may have"
        )
    data = float(config.get("sigma_data") or 0.5)
    return Process(
        "edm", EDM(sigma_min, sigma_max, data), "edm" if predicts == "noise" else _NEGATIVE_EDM, count, scale=data
    )


def _table(config: Mapping[str, Any], count: int) -> NoiseSchedule:
    betas, interpolation = _betas(config, count), str(config.get("interpolation") or "log-alpha")
    table: Any
    shift = config.get("snr_shift_scale")
    if config.get("rescale_betas_zero_snr"):
        table = VP.zero_terminal_snr(betas)
    else:
        table = VP.from_betas(betas, interpolation)
    if shift is None or shift == 1.0:
        return _clipped(table, config.get("lambda_min_clipped"))
    alphas = np.asarray(table.alpha(np.arange(1, count + 1) / count)) ** 2
    return VP.from_alphas_cumprod(alphas / (shift + (1.0 - shift) * alphas), table.interpolation)


def _clipped(table: Any, least: float | None) -> NoiseSchedule:
    """Return the ``table`` started at the noisiest of its times with a half-log-SNR of ``least`` or more."""
    lam = np.asarray(table.half_log_snrs)
    if least is not None and least > lam[-1]:
        table = replace(table, t_start=float(np.count_nonzero(lam >= least) / lam.size))
    found: NoiseSchedule = table
    return found


def _betas(config: Mapping[str, Any], count: int) -> Any:
    """Return the betas in double precision."""
    if config.get("trained_betas") is not None:
        betas = np.asarray(config["trained_betas"], dtype=np.float64)
        if betas.size != count:
            raise ValueError(
                f"expected as many trained_betas as num_train_timesteps; received {betas.size} for {count}; give "
                f"num_train_timesteps={betas.size}"
            )
        return betas
    first, last = (float(config.get(key) or usual) for key, usual in (("beta_start", 1e-4), ("beta_end", 2e-2)))
    name = config.get("beta_schedule") or "linear"
    if name == "linear":
        return np.linspace(first, last, count)
    if name == "scaled_linear":
        return np.linspace(math.sqrt(first), math.sqrt(last), count) ** 2
    if name == "sigmoid":
        return first + (last - first) / (1.0 + np.exp(-np.linspace(-6.0, 6.0, count)))
    if name == "squaredcos_cap_v2":
        alpha = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * math.pi / 2) ** 2
        return np.minimum(1.0 - alpha[1:] / alpha[:-1], 0.999)
    raise ValueError(
        "expected beta_schedule to be 'linear', 'scaled_linear', 'squaredcos_cap_v2' or 'sigmoid'; received "
        f"{name!r}; pass the table itself as trained_betas"
    )
