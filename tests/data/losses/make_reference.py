"""What statsmodels' generalised linear models find on small data: `python make_reference.py` writes reference.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import statsmodels
import statsmodels.api as sm

HERE = Path(__file__).parent
LOG = sm.families.links.Log()
ALPHA, POWER = 0.7, 1.4
FAMILIES = {
    "gamma": sm.families.Gamma(LOG),
    "inverse_gaussian": sm.families.InverseGaussian(LOG),
    "tweedie": sm.families.Tweedie(LOG, var_power=POWER),
    "negative_binomial": sm.families.NegativeBinomial(LOG, alpha=ALPHA),
}


def data() -> dict[str, np.ndarray]:
    """120 rows with weights, an offset and a target for each family; rounded so that JSON holds them."""
    rng = np.random.default_rng(21)
    X = rng.normal(size=(120, 3)).round(3)
    offset = rng.normal(scale=0.3, size=120).round(3)
    mu = np.exp(0.5 + X @ [0.4, -0.3, 0.1] + offset)
    return {
        "X": X,
        "offset": offset,
        "weight": rng.integers(1, 4, size=120).astype(float),
        "gamma": rng.gamma(2, mu / 2).round(3) + 0.001,
        "inverse_gaussian": rng.wald(mu, 3).round(3) + 0.001,
        "tweedie": np.where(rng.random(120) < 0.3, 0, rng.gamma(2, mu / 1.4)).round(3),
        "negative_binomial": rng.negative_binomial(1 / ALPHA, 1 / (1 + ALPHA * mu)).astype(float),
    }


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
            found[f"{name}, {how}"] = {"theta": fitted.params.tolist(), "deviance": fitted.deviance}
    document = {
        "source": f"statsmodels {statsmodels.__version__}, GLM with a log link; alpha {ALPHA}, power {POWER}",
        "data": {name: values.tolist() for name, values in given.items()},
        "fits": found,
    }
    (HERE / "reference.json").write_text(json.dumps(document, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
