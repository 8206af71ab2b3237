"""Old import paths of this package; see ``expint.moved``."""

_PROCESS = "clock gauge pointwise prediction schedule sub_vp"
_DPM_SOLVER_V3 = "affine estimate statistics tabulated"

MOVED = {
    **{f"diffusion.{name}": f"diffusion.process.{name}" for name in _PROCESS.split()},
    **{f"diffusion.{name}": f"diffusion.samplers.dpm_solver_v3.{name}" for name in _DPM_SOLVER_V3.split()},
    "diffusion.citations": "diffusion.samplers.citations",
    "diffusion.compat": "diffusion.samplers.presets",
    "diffusion.declaration": "diffusion.samplers.sampler",
    "diffusion.deviating": "diffusion.samplers.deviating",
    "diffusion.discrete_grids": "diffusion.grids.discrete",
    "diffusion.door": "diffusion.checks",
    "diffusion.evaluation": "diffusion.planning.conversion",
    "diffusion.keeping": "diffusion.process.keeping",
    "diffusion.history": "diffusion.planning.interpolation",
    "diffusion.order": "diffusion.samplers.order_of_runs",
    "diffusion.programme": "diffusion.samplers.ends",
    "diffusion.published_grids": "diffusion.grids.published",
    "diffusion.singlestep": "diffusion.samplers.singlestep",
    "diffusion.solver_v3": "diffusion.samplers.dpm_solver_v3.solver",
    "diffusion.stability": "diffusion.inversion.stability",
    "diffusion.table": "diffusion.process.vp_table",
    "diffusion.variance_preserving": "diffusion.process.vp",
}
