"""The sources of the samplers, as BibTeX."""

from __future__ import annotations

from typing import NamedTuple

from diffusion.names import resolve

__all__ = ["bibtex", "citation_keys"]


class _Entry(NamedTuple):
    author: str
    title: str
    venue: str
    year: int
    eprint: str


_ENTRIES: dict[str, _Entry] = {
    "cui2023": _Entry(
        "Cui, Qinpeng and Zhang, Xinyi and Bao, Qiqi and Liao, Qingmin",
        "Elucidating the solution space of extended reverse-time {SDE} for diffusion models",
        "arXiv preprint",
        2023,
        "2309.06169",
    ),
    "gonzalez2023": _Entry(
        "Gonzalez, Martin and Fernandez, Nelson and Tran, Thuy and Gherbi, Elies and Hajri, Hatem and Masmoudi, Nader",
        "{SEEDS}: Exponential {SDE} solvers for fast high-quality sampling from diffusion models",
        "Advances in Neural Information Processing Systems",
        2023,
        "2305.14267",
    ),
    "ho2020": _Entry(
        "Ho, Jonathan and Jain, Ajay and Abbeel, Pieter",
        "Denoising diffusion probabilistic models",
        "Advances in Neural Information Processing Systems",
        2020,
        "2006.11239",
    ),
    "karras2022": _Entry(
        "Karras, Tero and Aittala, Miika and Aila, Timo and Laine, Samuli",
        "Elucidating the design space of diffusion-based generative models",
        "Advances in Neural Information Processing Systems",
        2022,
        "2206.00364",
    ),
    "liu2022": _Entry(
        "Liu, Luping and Ren, Yi and Lin, Zhijie and Zhao, Zhou",
        "Pseudo numerical methods for diffusion models on manifolds",
        "International Conference on Learning Representations",
        2022,
        "2202.09778",
    ),
    "lu2022": _Entry(
        "Lu, Cheng and Zhou, Yuhao and Bao, Fan and Chen, Jianfei and Li, Chongxuan and Zhu, Jun",
        "{DPM-Solver}: A fast {ODE} solver for diffusion probabilistic model sampling in around 10 steps",
        "Advances in Neural Information Processing Systems",
        2022,
        "2206.00927",
    ),
    "lu2022pp": _Entry(
        "Lu, Cheng and Zhou, Yuhao and Bao, Fan and Chen, Jianfei and Li, Chongxuan and Zhu, Jun",
        "{DPM-Solver++}: Fast solver for guided sampling of diffusion probabilistic models",
        "arXiv preprint",
        2022,
        "2211.01095",
    ),
    "luo2023": _Entry(
        "Luo, Simian and Tan, Yiqin and Huang, Longbo and Li, Jian and Zhao, Hang",
        "Latent consistency models: Synthesizing high-resolution images with few-step inference",
        "arXiv preprint",
        2023,
        "2310.04378",
    ),
    "song2021": _Entry(
        "Song, Jiaming and Meng, Chenlin and Ermon, Stefano",
        "Denoising diffusion implicit models",
        "International Conference on Learning Representations",
        2021,
        "2010.02502",
    ),
    "song2021score": _Entry(
        "Song, Yang and Sohl-Dickstein, Jascha and Kingma, Diederik P. and Kumar, Abhishek and Ermon, Stefano and "
        "Poole, Ben",
        "Score-based generative modeling through stochastic differential equations",
        "International Conference on Learning Representations",
        2021,
        "2011.13456",
    ),
    "xu2023": _Entry(
        "Xu, Yilun and Deng, Mingyang and Cheng, Xiang and Tian, Yonglong and Liu, Ziming and Jaakkola, Tommi",
        "Restart sampling for improving generative processes",
        "Advances in Neural Information Processing Systems",
        2023,
        "2306.14878",
    ),
    "wang2024belm": _Entry(
        "Wang, Fangyikang and Yin, Hubery and Dong, Yuejiang and Zhu, Huminhao and Zhang, Chao and Zhao, Hanbin and "
        "Qian, Hui and Li, Chen",
        "{BELM}: Bidirectional explicit linear multi-step sampler for exact inversion in diffusion models",
        "Advances in Neural Information Processing Systems",
        2024,
        "2410.07273",
    ),
    "xue2023": _Entry(
        "Xue, Shuchen and Yi, Mingyang and Luo, Weijian and Zhang, Shifeng and Sun, Jiacheng and Li, Zhenguo and "
        "Ma, Zhi-Ming",
        "{SA-Solver}: Stochastic {Adams} solver for fast sampling of diffusion models",
        "Advances in Neural Information Processing Systems",
        2023,
        "2309.05019",
    ),
    "zhang2023": _Entry(
        "Zhang, Qinsheng and Chen, Yongxin",
        "Fast sampling of diffusion models with exponential integrator",
        "International Conference on Learning Representations",
        2023,
        "2204.13902",
    ),
    "zhang2023bdia": _Entry(
        "Zhang, Guoqiang and Lewis, J. P. and Kleijn, W. Bastiaan",
        "Exact diffusion inversion via bi-directional integration approximation",
        "arXiv preprint",
        2023,
        "2307.10829",
    ),
    "zhou2024": _Entry(
        "Zhou, Zhenyu and Chen, Defang and Wang, Can and Chen, Chun",
        "Fast {ODE}-based sampling for diffusion models in around 5 steps",
        "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        2024,
        "2312.00094",
    ),
    "zheng2024": _Entry(
        "Zheng, Jianbin and Hu, Minghui and Fan, Zhongyi and Wang, Chaoyue and Ding, Changxing and Tao, Dacheng and "
        "Cham, Tat-Jen",
        "Trajectory consistency distillation",
        "arXiv preprint",
        2024,
        "2402.19159",
    ),
    "zheng2023": _Entry(
        "Zheng, Kaiwen and Lu, Cheng and Chen, Jianfei and Zhu, Jun",
        "{DPM-Solver-v3}: Improved diffusion {ODE} solver with empirical model statistics",
        "Advances in Neural Information Processing Systems",
        2023,
        "2310.13268",
    ),
    "zhao2023": _Entry(
        "Zhao, Wenliang and Bai, Lujia and Rao, Yongming and Zhou, Jie and Lu, Jiwen",
        "{UniPC}: A unified predictor-corrector framework for fast sampling of diffusion models",
        "Advances in Neural Information Processing Systems",
        2023,
        "2302.04867",
    ),
}


def bibtex(key: str) -> str:
    """Return the BibTeX entry of a source.

    Raises
    ------
    ValueError
        If the key is unknown; the message names the nearest.
    """
    entry = _ENTRIES[resolve(key, _ENTRIES, {}, "source")]
    fields = [
        f"author = {{{entry.author}}}",
        f"title = {{{entry.title}}}",
        f"booktitle = {{{entry.venue}}}",
        f"year = {{{entry.year}}}",
        f"eprint = {{{entry.eprint}}}",
        "archiveprefix = {arXiv}",
    ]
    return f"@inproceedings{{{key},\n  " + ",\n  ".join(fields) + "\n}"


def citation_keys() -> list[str]:
    """Return the keys of all sources."""
    return list(_ENTRIES)
