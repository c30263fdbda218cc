"""What statsmodels finds on small data: `python make_reference.py` writes reference.json beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

HERE = Path(__file__).parent
ROBUST = ("HC0", "HC1", "HC2", "HC3")
QUANTITIES = {
    "llf": "log_likelihood",
    "aic": "aic",
    "bic": "bic",
    "bic_llf": "bic",
    "rsquared": "r2",
    "rsquared_adj": "adjusted_r2",
    "deviance": "deviance",
    "null_deviance": "null_deviance",
    "scale": "dispersion",
}
CONSTANT_SCALE = 1.0


class ConstantScale(sm.robust.scale.HuberScale):
    """The scale of which Huber's loss of this package has none: δ is in the units of y."""

    def __call__(self, df_resid: Any, nobs: Any, resid: Any) -> float:
        return CONSTANT_SCALE


def data() -> dict[str, np.ndarray]:
    """90 rows in 12 groups, with weights, an offset and a target for each loss; rounded so that JSON holds them."""
    rng = np.random.default_rng(20)
    m = 90
    groups = np.sort(rng.integers(0, 12, m))
    X = np.column_stack([rng.normal(size=m), rng.normal(2, 3, m), rng.integers(0, 2, m)]).round(6)
    group_effect = rng.normal(size=12)[groups]
    eta = 0.3 + X @ [0.4, -0.2, 0.6] + 0.5 * group_effect
    squared = (2 * eta + rng.normal(size=m) * (0.5 + np.abs(X[:, 0]))).round(6)
    return {
        "X": X,
        "groups": groups,
        "frequency": rng.integers(1, 5, m),
        "precision": rng.uniform(0.2, 3, m).round(6),
        "offset": rng.normal(0, 0.3, m).round(6),
        "squared": squared,
        "logistic": (rng.random(m) < 1 / (1 + np.exp(-eta))).astype(int),
        "poisson": rng.poisson(np.exp(eta / 2)),
        "huber": np.where(rng.random(m) < 0.1, squared + 8, squared).round(6),
        "new": np.column_stack([rng.normal(size=5), rng.normal(2, 3, 5), [0, 1, 0, 1, 1]]).round(6),
    }


def table(fit: Any) -> dict[str, Any]:
    """The figures of a fit."""
    found = {
        "params": fit.params,
        "standard_errors": fit.bse,
        "t_values": fit.tvalues,
        "p_values": fit.pvalues,
        "intervals": fit.conf_int(),
        "covariance": fit.cov_params(),
    }
    for theirs, ours in QUANTITIES.items():
        try:
            value = getattr(fit, theirs)
        except (AttributeError, RuntimeError, ValueError):
            continue
        if value is not None and np.ndim(value) == 0:
            found[ours] = value
    return {name: np.asarray(value).tolist() for name, value in found.items()}


def tests(fit: Any, names: list[str]) -> dict[str, Any]:
    """F, Wald and a contrast of two hypotheses."""
    equal = np.zeros((1, len(names)))
    equal[0, names.index("x0")], equal[0, names.index("x1")] = 1, -1
    both = np.eye(len(names))[[names.index("x0"), names.index("x2")]]
    found = {}
    for label, R in (("x0 = x1", equal), ("both", both)):
        f, wald = fit.wald_test(R, use_f=True, scalar=True), fit.wald_test(R, use_f=False, scalar=True)
        found[label] = {
            "f": [float(f.statistic), float(f.pvalue), float(f.df_denom)],
            "wald": [float(wald.statistic), float(wald.pvalue)],
        }
    t = fit.t_test(equal)
    found["contrast"] = [float(np.squeeze(each)) for each in (t.effect, t.sd, t.tvalue, t.pvalue)]
    return found


def linear(given: dict[str, np.ndarray]) -> dict[str, Any]:
    """OLS and WLS by every covariance, with tests and predictions."""
    names = ["intercept", "x0", "x1", "x2"]
    design, y, groups = sm.add_constant(given["X"]), given["squared"], given["groups"]
    cases: dict[str, Any] = {}
    for label, model in {
        "ols": sm.OLS(y, design),
        "ols without intercept": sm.OLS(y, given["X"]),
        "wls": sm.WLS(y, design, weights=given["precision"]),
    }.items():
        own = names if label != "ols without intercept" else names[1:]
        fit = model.fit()
        cases[label] = {"classical": {**table(fit), "tests": tests(fit, own)}}
        for cov in ROBUST:
            robust = model.fit(cov_type=cov, use_t=True)
            cases[label][cov] = {**table(robust), "tests": tests(robust, own)}
        clustered = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
        cases[label]["cluster"] = {**table(clustered), "tests": tests(clustered, own)}
    full = sm.OLS(y, design).fit()
    lr, p, _ = full.compare_lr_test(sm.OLS(y, design[:, [0, 2]]).fit())
    f, f_p, _ = full.fvalue, full.f_pvalue, 0
    cases["ols"]["likelihood ratio"] = [float(lr), float(p)]
    cases["ols"]["all slopes"] = [float(f), float(f_p)]
    cases["ols"]["vif"] = [float(variance_inflation_factor(design, j)) for j in (1, 2, 3)]
    new = sm.add_constant(given["new"], has_constant="add")
    cases["ols"]["prediction"] = full.get_prediction(new).summary_frame(alpha=0.1).to_dict("list")
    return cases


def generalised(given: dict[str, np.ndarray]) -> dict[str, Any]:
    """Logistic and Poisson regression: weights of both kinds, an offset, every covariance that statsmodels has."""
    cases: dict[str, Any] = {}
    design, groups = sm.add_constant(given["X"]), given["groups"]
    for loss, family in (("logistic", sm.families.Binomial()), ("poisson", sm.families.Poisson())):
        y = given[loss]
        for label, arguments in {
            loss: {},
            f"{loss} frequency": {"freq_weights": given["frequency"]},
            f"{loss} precision": {"var_weights": given["precision"]},
            f"{loss} offset": {"offset": given["offset"]},
        }.items():
            model = sm.GLM(y, design, family=family, **arguments)
            precise = {"tol": 1e-14, "maxiter": 200, "tol_criterion": "params"}
            cases[label] = {"classical": table(model.fit(**precise))}
            cases[label]["classical"]["tests"] = tests(model.fit(**precise), ["intercept", "x0", "x1", "x2"])
            cases[label]["pearson"] = table(model.fit(scale="X2", **precise))
            cases[label]["HC0"] = table(model.fit(cov_type="HC0", **precise))
            cases[label]["cluster"] = table(model.fit(cov_type="cluster", cov_kwds={"groups": groups}, **precise))
            small = sm.GLM(y, design[:, [0, 2]], family=family, **arguments).fit(**precise)
            cases[label]["likelihood ratio"] = [float(2 * (model.fit(**precise).llf - small.llf))]
        new = sm.add_constant(given["new"], has_constant="add")
        fit = sm.GLM(y, design, family=family).fit(**precise)
        cases[loss]["prediction"] = fit.get_prediction(new).summary_frame(alpha=0.1).to_dict("list")
    return cases


def others(given: dict[str, np.ndarray]) -> dict[str, Any]:
    """Multinomial logistic regression against its first class, and Huber's loss at δ = 1.5."""
    anes = pd.read_csv(HERE.parent / "statsmodels" / "anes96.csv")
    columns = ["logpopul", "selfLR", "age", "educ", "income"]
    model = sm.MNLogit(anes["PID"].to_numpy(), sm.add_constant(anes[columns].to_numpy()))
    fit = model.fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    found = {"params": fit.params, "standard_errors": fit.bse, "llf": fit.llf, "aic": fit.aic, "bic": fit.bic}
    # Its HC1 to HC3 are HC0.
    robust = model.fit(method="newton", tol=1e-14, maxiter=100, disp=0, cov_type="HC0")
    tens = {"groups": np.arange(len(anes)) // 10}
    grouped = model.fit(method="newton", tol=1e-14, maxiter=100, disp=0, cov_type="cluster", cov_kwds=tens)
    huber = sm.RLM(given["huber"], sm.add_constant(given["X"]), M=sm.robust.norms.HuberT(t=1.5))
    converged = huber.fit(scale_est=ConstantScale(), tol=1e-14, maxiter=1000, conv="coefs")
    return {
        "softmax": {
            **{name: np.asarray(value).tolist() for name, value in found.items()},
            "HC0": robust.bse.tolist(),
            "cluster": grouped.bse.tolist(),
        },
        "huber": {
            "classical": {
                "params": converged.params.tolist(),
                "standard_errors": converged.bse.tolist(),
                "p_values": converged.pvalues.tolist(),
                "intervals": converged.conf_int().tolist(),
            }
        },
    }


if __name__ == "__main__":
    given = data()
    document = {
        "statsmodels": statsmodels.__version__,
        "data": {name: values.tolist() for name, values in given.items()},
        "cases": {**linear(given), **generalised(given), **others(given)},
    }
    (HERE / "reference.json").write_text(json.dumps(document, indent=1) + "\n")
