"""What statsmodels' and glum's generalised linear models find on small data: `python make_reference.py` writes
reference.json."""

from __future__ import annotations

import json
from pathlib import Path

import glum
import numpy as np
import statsmodels
import statsmodels.api as sm

HERE = Path(__file__).parent
LOG = sm.families.links.Log()
ALPHA, POWER = 0.7, 1.4
LINKS = sm.families.links
FAMILIES = {
    "gamma": sm.families.Gamma(LOG),
    "inverse_gaussian": sm.families.InverseGaussian(LOG),
    "tweedie": sm.families.Tweedie(LOG, var_power=POWER),
    "negative_binomial": sm.families.NegativeBinomial(LOG, alpha=ALPHA),
    "squared": sm.families.Gaussian(),
    "poisson": sm.families.Poisson(),
    "binomial": sm.families.Binomial(),
    "logistic": sm.families.Binomial(),
    "probit": sm.families.Binomial(LINKS.Probit()),
    "cloglog": sm.families.Binomial(LINKS.CLogLog()),
}
GLUM = {
    "gamma": "gamma",
    "inverse_gaussian": "inverse.gaussian",
    "tweedie": glum.TweedieDistribution(POWER),
    "negative_binomial": glum.NegativeBinomialDistribution(ALPHA),
    "poisson": "poisson",
    "squared": "normal",
    "logistic": "binomial",
}


def data() -> dict[str, np.ndarray]:
    """120 rows with weights, an offset and a target for each family; rounded so that JSON holds them."""
    rng = np.random.default_rng(21)
    X = rng.normal(size=(120, 3)).round(3)
    offset = rng.normal(scale=0.3, size=120).round(3)
    mu = np.exp(0.5 + X @ [0.4, -0.3, 0.1] + offset)
    given = {
        "X": X,
        "offset": offset,
        "weight": rng.integers(1, 4, size=120).astype(float),
        "gamma": rng.gamma(2, mu / 2).round(3) + 0.001,
        "inverse_gaussian": rng.wald(mu, 3).round(3) + 0.001,
        "tweedie": np.where(rng.random(120) < 0.3, 0, rng.gamma(2, mu / 1.4)).round(3),
        "negative_binomial": rng.negative_binomial(1 / ALPHA, 1 / (1 + ALPHA * mu)).astype(float),
    }
    share = 1 / (1 + 1.6 / mu)
    trials = rng.integers(1, 12, size=120)
    successes = rng.binomial(trials, share)
    two = (rng.random(120) < share).astype(float)
    return given | {
        "squared": (mu + rng.normal(size=120)).round(3),
        "poisson": rng.poisson(mu).astype(float),
        "binomial": np.column_stack([successes, trials - successes]).astype(float),
        **dict.fromkeys(("logistic", "probit", "cloglog"), two),
    }


def by_glum(name: str, given: dict[str, np.ndarray], weight: object, offset: object) -> list[float]:
    """θ by glum's iteratively reweighted least squares, which ends at a gradient of 1e-12."""
    fitted = glum.GeneralizedLinearRegressor(
        alpha=0,
        family=GLUM[name],
        link={"squared": "identity", "logistic": "logit"}.get(name, "log"),
        gradient_tol=1e-12,
        max_iter=1000,
    ).fit(given["X"], given[name], sample_weight=weight, offset=offset)
    return [float(fitted.intercept_), *fitted.coef_.tolist()]


def main() -> None:
    given = data()
    found = {}
    for name, family in FAMILIES.items():
        for how in ("plain", "weight", "offset", "both"):
            fitted = sm.GLM(
                given[name],
                sm.add_constant(given["X"]),
                family=family,
                var_weights=given["weight"] if how in ("weight", "both") else None,
                offset=given["offset"] if how in ("offset", "both") else None,
            ).fit(maxiter=1000, tol=1e-13, tol_criterion="params")
            found[f"{name}, {how}"] = {
                "theta": fitted.params.tolist(),
                "deviance": fitted.deviance,
                "standard_errors": fitted.bse.tolist(),
                "pearson": float(fitted.pearson_chi2),
                "null_deviance": float(fitted.null_deviance),
                "log_likelihood": float(fitted.llf),
            }
            if name in GLUM:
                both = (given[key] if how in (key, "both") else None for key in ("weight", "offset"))
                found[f"{name}, {how}"]["glum"] = by_glum(name, given, *both)
    document = {
        "source": f"statsmodels {statsmodels.__version__} and glum {glum.__version__}; alpha {ALPHA}, power {POWER}",
        "data": {name: values.tolist() for name, values in given.items()},
        "fits": found,
    }
    (HERE / "reference.json").write_text(json.dumps(document, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
