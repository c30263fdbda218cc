"""Messages of the library in the words of a shell."""

from __future__ import annotations

import re
import shlex

ARGUMENT = re.compile(
    r"`?(?:\b\w+\()?\b(?P<name>[a-z_0-9]+)=(?P<value>\.\.\.|True|\['[^\]]*'\]|'[^']*'|[-\d.e]*\d|)\)?`?(?![\w('\"\[])|`(?P<bare>[a-z_0-9]+)`"
)
OPTIONS = {
    "chunk_rows", "classes", "compression", "dashboard", "dtype", "features", "l1", "l2", "learning_rate", "loss",
    "lower", "max_iter", "max_seconds", "memory_limit", "out", "overwrite", "patience", "precision", "read_timeout",
    "require_tls", "resident", "same_bits", "seed", "solver", "standardize", "target", "threads", "timeout", "tol",
    "upper", "validation", "validation_fraction", "weight", "worker_timeout", "workers", "y",
    "folds", "by", "by_chunk", "update", "method", "choose", "n_lambdas", "penalty", "strengths", "panel",
    "any_version", "checkpoint", "checkpoint_every", "start",
    "drop", "offset", "ids", "categorical", "formula", "missing", "time_unit",
    "cov", "groups", "conf", "weights", "dispersion", "penalized", "only", "interval", "interval_of", "probabilities",
}  # fmt: skip
"""Arguments of the library that are options of a command."""
RENAMED = {"design": "formula", "ids": "id", "theta0": "start", "penalties": "penalty"}
RESUME = re.compile(r"`dgd\.resume\('([^']*)'\)`")


def in_options(text: str) -> str:
    """A message of the library in the words of a shell.

    `fit(tol=...)` becomes --tol, overwrite=True becomes --overwrite, solver='cg' becomes --solver cg.
    """

    def option(match: re.Match[str]) -> str:
        name, value = match["name"] or match["bare"], (match["value"] or "").strip("[]'").replace("', '", ",")
        name = RENAMED.get(name, name)
        if name not in OPTIONS:
            return match[0]
        if name == "standardize" and value == "True":
            value = "yes"
        return f"--{name.replace('_', '-')}" + ("" if value in ("", "...", "True") else f" {shlex.quote(value)}")

    return ARGUMENT.sub(option, RESUME.sub(r"`dgd resume \1`", text))
