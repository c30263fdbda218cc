"""Results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from dgd.errors.words import visible, without_secrets

PRINTED = "dgd.printed"
"""Of a command's context: whether a document is on stdout, beside which there can be no other."""


@contextmanager
def noted_warnings() -> Iterator[None]:
    """Warnings as lines on stderr."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
        yield


def print_json(document: dict[str, Any]) -> None:
    """A document on stdout; it must hold no NaN, which JSON does not know."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[PRINTED] = True
    click.echo("\n".join(line if line.isprintable() else _escaped(line) for line in text.split("\n")))


def _escaped(line: str) -> str:
    """The same JSON, without what steers a terminal."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def say(text: str) -> None:
    """Lines of a result on stdout."""
    click.echo(_shown(text))


def print_text(text: str) -> None:
    """A text for another program on stdout, as it is; on a terminal without what steers it."""
    click.echo(_shown(text) if sys.stdout.isatty() else text, nl=False)


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr."""
    click.echo(_shown(without_secrets(text)), err=True)


def _shown(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def on_terminal() -> bool:
    """Whether somebody is watching stderr."""
    return sys.stderr.isatty()


ARGUMENT = re.compile(
    r"`?(?:\b\w+\()?\b(?P<name>[a-z_0-9]+)=(?P<value>\.\.\.|True|\['[^\]]*'\]|'[^']*'|[-\d.e]*\d|)\)?`?(?![\w('\"\[])|`(?P<bare>[a-z_0-9]+)`"
)
OPTIONS = {
    "chunk_rows", "classes", "compression", "dashboard", "dtype", "features", "l1", "l2", "learning_rate", "loss",
    "lower", "max_iter", "max_seconds", "memory_limit", "out", "overwrite", "patience", "precision", "read_timeout",
    "require_tls", "resident", "same_bits", "seed", "solver", "standardize", "target", "threads", "tol", "upper",
    "validation", "validation_fraction", "weight", "worker_timeout", "y",
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
