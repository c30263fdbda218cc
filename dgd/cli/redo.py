"""The command line that repeats a command, for whoever finds what it wrote unfinished."""

from __future__ import annotations

import shlex

import click

HIDDEN = ("overwrite", "storage_options")
"""What is added at the end, and what may be secret."""


def redo_command(ctx: click.Context, *paths: str) -> str:
    """The command with the options that were given, and paths that hold from any folder."""
    words = ["dgd", ctx.info_name or ""]
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if not isinstance(param, click.Option) or value in (param.default, None, False, (), []) or param.name in HIDDEN:
            continue
        for each in value if isinstance(value, tuple) else (value,):
            words += [param.opts[0]] + ([] if each is True else [_joined(each)])
    return shlex.join([*words, "--overwrite", "--", *paths])


def _joined(value: object) -> str:
    return ",".join(f'"{name}"' if "," in name else name for name in value) if isinstance(value, list) else str(value)
