"""What R's glm finds on the data of reference.json: `python make_r.py` writes r.json. Needs `Rscript`."""

from __future__ import annotations

import csv
import json
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = r"""
d <- read.csv(commandArgs(TRUE)[1])
tight <- glm.control(epsilon = 1e-15, maxit = 200)
families <- list(
  gamma = Gamma("log"), inverse_gaussian = inverse.gaussian("log"), poisson = poisson(), squared = gaussian(),
  logistic = binomial(), probit = binomial("probit"), cloglog = binomial("cloglog"), binomial = binomial()
)
for (name in names(families)) for (how in c("plain", "weight", "offset", "both")) for (one in c("1", "0")) {
  left <- if (name == "binomial") "cbind(successes, failures)" else name
  f <- as.formula(paste(left, "~", one, "+ x1 + x2 + x3"))
  d$w <- if (how %in% c("weight", "both")) d$weight else 1
  d$o <- if (how %in% c("offset", "both")) d$offset else 0
  fit <- suppressWarnings(glm(f, families[[name]], d, weights = w, offset = o, control = tight))
  if (!fit$converged) next
  s <- summary(fit)
  numbers <- c(s$dispersion, fit$deviance, fit$null.deviance, s$coefficients[, 1:2], s$coefficients[, 4])
  cat(name, how, one, format(numbers, digits = 17), sep = ","); cat("\n")
}
"""


def rows(data: dict[str, list[object]]) -> list[list[object]]:
    """A header and the rows, without the targets that R has no family for."""
    names = ["offset", "weight", "gamma", "inverse_gaussian", "poisson", "squared", "logistic", "probit", "cloglog"]
    X, counts = data["X"], data["binomial"]
    columns = [data[name] for name in names]
    found: list[list[object]] = [["x1", "x2", "x3", "successes", "failures", *names]]
    for k, row in enumerate(X):
        found.append([*row, *counts[k], *(column[k] for column in columns)])  # type: ignore[misc]
    return found


def main() -> None:
    data = json.loads((HERE / "reference.json").read_text())["data"]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "data.csv"
        with table.open("w", newline="") as file:
            csv.writer(file).writerows(rows(data))
        said = subprocess.run(["Rscript", "-e", PROGRAM, table], check=True, capture_output=True, text=True).stdout
        version = subprocess.run(["Rscript", "-e", "cat(R.version.string)"], capture_output=True, text=True).stdout
    fits = {}
    for line in said.splitlines():
        name, how, intercept, *numbers = line.replace(" ", "").split(",")
        dispersion, deviance, null_deviance, *coefficients = map(float, numbers)
        p = len(coefficients) // 3
        fits[f"{name}, {how}, {intercept}"] = {
            "dispersion": dispersion,
            "deviance": deviance,
            "null_deviance": null_deviance,
            "theta": coefficients[:p],
            "standard_errors": coefficients[p : 2 * p],
            "p_values": coefficients[2 * p :],
        }
    source = f"{version}, glm with epsilon = 1e-15 and its summary; fits that R says have not converged are left out"
    document = {"source": source, "fits": fits}
    (HERE / "r.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
