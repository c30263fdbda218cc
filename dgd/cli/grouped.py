"""A command whose options are listed in groups."""

from __future__ import annotations

import click

GROUPS = {
    "What is fitted": [
        "loss", "classes", "l1", "l2", "lower", "upper", "penalty", "n_lambdas", "strengths", "fit_intercept",
    ],
    "How": ["solver", "learning_rate", "standardize", "precision", "start", "panel"],
    "Until when": ["max_iter", "tol", "max_seconds", "checkpoint", "checkpoint_every", "any_version"],
    "Held out": ["validation", "validation_fraction", "patience", "folds", "by", "seed", "choose"],
    "Standard errors": [
        "inference", "cov", "groups", "conf", "weights", "dispersion", "information", "penalized", "only",
    ],
    "Which data": [
        "y", "matrix", "features", "more_features", "drop", "categorical", "formula", "weight", "no_weight", "offset",
        "no_offset", "split", "missing", "missing_chunks", "time_unit", "no_decode", "transpose", "storage_options",
    ],
    "Where": [
        "threads", "scheduler", "scheduler_file", "memory_limit", "resident", "worker_timeout", "read_timeout",
        "same_bits", "require_tls", "dashboard",
    ],
    "Progress": ["quiet", "log", "events"],
}  # fmt: skip
"""The options of each group, by the names of their parameters; the others stand below, under "Result"."""
REST = "Result"


class GroupedCommand(click.Command):
    """Lists its options by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each group of which there are some, in the order of `GROUPS`."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {str(option.name): record for option in options if (record := option.get_help_record(ctx))}
        grouped = {name for names in GROUPS.values() for name in names}
        sections = {**GROUPS, REST: [name for name in records if name not in grouped]}
        for title, names in sections.items():
            if rows := [records[name] for name in names if name in records]:
                with formatter.section(title):
                    formatter.write_dl(rows)
