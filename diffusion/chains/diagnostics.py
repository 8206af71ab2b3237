r"""How much chains say: autocorrelations of a series, and the number of independent samples that it is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from expint.arrays import real_values

__all__ = ["autocorrelation", "effective_sample_size"]


def autocorrelation(series: Any) -> np.ndarray:
    r"""Return the autocorrelations of the lags 0, 1, …, of several chains taken together, (n,).

    .. math:: r_k = 1 - \frac{W - \overline{c_k}}{V}, \qquad V = \frac{n-1}{n} W + B,

    where c_k is the autocovariance of a chain at lag k, W the mean variance inside chains and B that of their means.
    Chains that stay apart have large r_k at all lags, although each alone looks independent.

    Parameters
    ----------
    series
        (n, chains) or (n,) real numbers, one for each sample.

    Raises
    ------
    ValueError
        If there are fewer than four samples of a chain, another shape, or a number is not finite.

    Notes
    -----
    Gelman et al., *Bayesian data analysis*, 3rd ed., 2013, section 11.5. A series that does not change has r_k = 1.

    Examples
    --------
    >>> import numpy as np
    >>> float(autocorrelation(np.array([1.0, -1.0] * 50))[1].round(2))
    -0.99
    """
    x = _checked(series)
    n, chains = x.shape
    centred = x - x.mean(axis=0)
    spectrum = np.fft.rfft(centred, n=2 * n, axis=0)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, n=2 * n, axis=0)[:n].mean(axis=1) / n
    within = covariances[0] * n / (n - 1)
    between = float(np.var(x.mean(axis=0), ddof=1)) if chains > 1 else 0.0
    whole = (n - 1) / n * within + between
    if not whole > 0.0:
        return np.ones(n)
    found = 1.0 - (within - covariances * n / (n - 1)) / whole
    return found if chains > 1 else covariances / covariances[0]


def effective_sample_size(series: Any) -> float:
    r"""Return of how many independent samples a mean over chains has the variance: n m/(1 + 2 Σ r_k).

    The sum ends where the sum of two neighbouring correlations is no longer positive (Geyer 1992), and these sums are
    taken not to rise.

    Parameters
    ----------
    series
        As of `autocorrelation`.

    Raises
    ------
    ValueError
        As of `autocorrelation`.

    Examples
    --------
    >>> import numpy as np
    >>> drawn = np.random.default_rng(0).standard_normal((500, 4))
    >>> bool(1500 < effective_sample_size(drawn) < 2500)
    True
    """
    x = _checked(series)
    correlations = autocorrelation(x)
    pairs = correlations[: len(correlations) // 2 * 2].reshape(-1, 2).sum(axis=1)
    stop = np.flatnonzero(pairs <= 0.0)
    kept = np.minimum.accumulate(pairs[: stop[0]] if len(stop) else pairs)
    return float(
        x.size / max(2.0 * kept.sum() - 1.0, 1.0 / np.log10(x.size))
    )  # an antithetic series says a little more


def _checked(series: Any) -> np.ndarray:
    x = real_values("series", series)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) < 4 or not np.all(np.isfinite(x)):
        raise ValueError(
            f"expected a series of shape (n, chains), n ≥ 4, of finite numbers, received shape {x.shape}; give one "
            "number for each sample"
        )
    return x
