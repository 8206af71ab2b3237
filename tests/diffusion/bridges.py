"""The exact means of an interpolant between two independent mixtures of Gaussians, for tests."""

import numpy as np


class Bridge:
    """e₀, e₁, s and b for x_t = a x₀ + c x₁ + γ z; every pair of components is a Gaussian, and they are mixed.

    ``first`` and ``second`` are (weights, means, covariances).
    """

    def __init__(self, process, first, second):
        self.process, self.first, self.second = process, first, second

    def parts(self, x, t):
        """E[x₀|x], E[x₁|x], s and E[z|x] at one time."""
        return self._mixed(x, t)[1]

    def log_density(self, x, t):
        """log p_t(x), up to a constant."""
        return self._mixed(x, t)[0]

    def _mixed(self, x, t):
        a, c, gamma = (float(value) for value in self.process.coefficients(float(t)))
        logs, means = [], []
        for w, m, cov in zip(*self.first):
            for v, n, other in zip(*self.second):
                total = a * a * cov + c * c * other + gamma**2 * np.eye(len(m))
                gap = x - a * m - c * n
                solved = np.linalg.solve(total, gap.T).T
                logs.append(np.log(w * v) - 0.5 * (gap * solved).sum(1) - 0.5 * np.linalg.slogdet(total)[1])
                means.append((m + a * solved @ cov, n + c * solved @ other, -solved, gamma * solved))
        logs = np.array(logs)
        share = np.exp(logs - logs.max(0))
        density = np.log(share.sum(0)) + logs.max(0)
        share = share / share.sum(0)
        return density, [sum(p[:, None] * each[k] for p, each in zip(share, means)) for k in range(4)]

    def network(self, kinds):
        """The exact network that predicts some ``kinds``: one output for a name, several for a tuple."""

        def call(x, t):
            outputs = self.kinds(x, float(t[0]))
            return outputs[kinds] if isinstance(kinds, str) else tuple(outputs[kind] for kind in kinds)

        return call

    def kinds(self, x, t):
        first, second, score, denoiser = self.parts(x, t)
        of_first, of_second, half = slopes(self.process, t)
        drift = of_first * first + of_second * second
        return {
            "data0": first,
            "data1": second,
            "score": score,
            "denoiser": denoiser,
            "drift": drift,
            "velocity": drift - half * score,
        }


def slopes(process, t):
    """ȧ, ċ and γ γ̇ by hand, for the forms and γ of the tests."""
    half, tau, form = np.pi / 2, 2 * np.pi * t, process.form
    of_a, of_c = {
        "linear": (-1.0, 1.0),
        "trigonometric": (-half * np.sin(half * t), half * np.cos(half * t)),
        "encode-decode": (-np.pi * np.sin(tau) * (t < 0.5), -np.pi * np.sin(tau) * (t > 0.5)),
        "one-sided-linear": (0.0, 1.0),
        "one-sided-trigonometric": (0.0, half * np.cos(half * t)),
        "mirror": (0.0, 0.0),
    }[form]
    own = {"encode-decode": "sine-squared", "one-sided-linear": "falling", "one-sided-trigonometric": "cosine"}
    gamma = process.gamma or own.get(form, "root")
    if callable(gamma):  # √(2 t (1 − t)), the one of the tests
        return of_a, of_c, 1 - 2 * t
    return (
        of_a,
        of_c,
        {
            "root": 0.5 - t,
            "product": t * (1 - t) * (1 - 2 * t),
            "sine-squared": np.sin(np.pi * t) ** 2 * np.pi * np.sin(tau),
            "falling": t - 1,
            "cosine": -half * np.cos(half * t) * np.sin(half * t),
            "none": 0.0,
        }[gamma],
    )


def draw(mixture, count, rng):
    weights, means, covariances = mixture
    which = rng.choice(len(weights), size=count, p=np.array(weights) / np.sum(weights))
    roots = [np.linalg.cholesky(cov) for cov in covariances]
    z = rng.standard_normal((count, len(means[0])))
    return np.stack([means[k] + roots[k] @ own for k, own in zip(which, z)])


def sliced(x, y, count=32):
    """The sliced Wasserstein distance of two samples of one size."""
    angles = np.pi * (np.arange(count) + 0.5) / count
    lines = np.stack([np.cos(angles), np.sin(angles)])
    return float(np.abs(np.sort(x @ lines, axis=0) - np.sort(y @ lines, axis=0)).mean())
